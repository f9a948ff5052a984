"""What files say beside their content, before it is cut off: personal data, content credentials."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cbor2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from node.contents import Contents
from node.drafts import PartSource
from node.intake import look_beside
from node.media.beside import text_of
from node.media.container import CREDENTIALS
from node.media.credentials import read_credentials
from node.planning import UNNAMED, Plan, Planned
from node.privacy.finders import TextFinder
from node.privacy.found import Kind
from node.privacy.scanning import scan
from node.privacy.screening import Screening
from protocol.rows import PartTerms

BY_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PICTURES = [PartTerms("picture", ("image/png", "image/jpeg", "image/webp"), 1 << 20, False)]


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def labelled(label: str, *boxes: bytes) -> bytes:
    description = box(b"jumd", b"\0" * 16 + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(boxes))


def store(source: str = BY_MODEL, program: str = "Paint by Words") -> bytes:
    """A manifest store as programs write it: <https://spec.c2pa.org/>, 2.1, section 11."""
    claim = {"claim_generator_info": [{"name": program, "version": "1"}], "signature": "x"}
    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]}
    return labelled(
        "c2pa",
        labelled(
            "urn:uuid:1",
            labelled(
                "c2pa.assertions",
                labelled("c2pa.actions.v2", box(b"cbor", cbor2.dumps(actions))),
            ),
            labelled("c2pa.claim.v2", box(b"cbor", cbor2.dumps(claim))),
            labelled("c2pa.signature", box(b"cbor", cbor2.dumps(b"\0" * 8))),
        ),
    )


def encoded(form: str, **options: object) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 90)).save(made, form, **options)
    return made.getvalue()


def jpeg(credentials: bytes) -> bytes:
    """In segments of at most 100 bytes, each after the first with the box's header again."""
    plain, pieces = encoded("JPEG"), b""
    header, body = credentials[:8], credentials[8:]
    for number, at in enumerate(range(0, len(body), 100), start=1):
        segment = b"JP" + struct.pack(">HI", 1, number) + header + body[at : at + 100]
        pieces += b"\xff\xeb" + struct.pack(">H", len(segment) + 2) + segment
    return plain[:2] + pieces + plain[2:]


def png(credentials: bytes) -> bytes:
    plain, at = encoded("PNG"), 33  # after the header
    chunk = b"caBX" + credentials
    made = struct.pack(">I", len(credentials)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return plain[:at] + made + plain[at:]


def webp(credentials: bytes) -> bytes:
    plain = encoded("WEBP", lossless=True)
    canvas = (
        struct.pack("<4sII", b"VP8X", 10, 0) + struct.pack("<I", 31)[:3] + struct.pack("<I", 23)[:3]
    )
    body = b"WEBP" + canvas + plain[12:] + struct.pack("<4sI", b"C2PA", len(credentials))
    body += credentials + b"\0" * (len(credentials) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("make", "media_type"), [(jpeg, "image/jpeg"), (png, "image/png"), (webp, "image/webp")]
)
def test_content_credentials_are_read_before_they_are_cut_off(
    make: type[bytes], media_type: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(make(store()))
    contents = Contents(PICTURES, screening=Screening())
    part = contents.check(PartSource("picture", path))
    assert part.credentials is not None and part.credentials.is_generated
    assert part.credentials.generator == "Paint by Words"
    assert CREDENTIALS in " ".join(part.said)
    assert (
        look_beside(contents.read(PartSource("picture", path), part), media_type).credentials
        is None
    )


@pytest.mark.parametrize(
    ("source", "is_generated"),
    [
        ("digitalCapture", False),
        ("algorithmicallyEnhanced", False),
        ("algorithmicMedia", True),
        ("compositeWithTrainedAlgorithmicMedia", True),
    ],
)
def test_what_a_camera_signed_is_not_generated(source: str, is_generated: bool) -> None:
    said = read_credentials(store(BY_MODEL.replace("trainedAlgorithmicMedia", source)))
    assert (said.sources, said.is_generated) == ((source,), is_generated)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 40, store()[:-30], box(b"jumb", b"") * 9_000, labelled("c2pa.claim", box(b"cbor", b"\xff")),
     labelled("c2pa.claim", box(b"cbor", b"\x81" * 5_000)),
     labelled("c2pa.claim", box(b"cbor", b"\x9b" + b"\xff" * 8)),
     b"\0\0\0\1jumb" + b"\xff" * 8, labelled("c2pa.actions", box(b"cbor", cbor2.dumps([1, {"a": 2}])))],
    ids=range(9),
)  # fmt: skip
def test_damaged_credentials_say_nothing(data: bytes) -> None:
    assert not read_credentials(data).is_generated


def test_its_owner_may_say_that_a_model_made_it(tmp_path: Path) -> None:
    def planned(place: int, program: str) -> Planned:
        path = tmp_path / f"{place}.png"
        path.write_bytes(png(store(program=program)) if program else encoded("PNG"))
        part = Contents(PICTURES, screening=Screening()).check(PartSource("picture", path))
        return Planned(place, path.name, "", None, (part,))

    plan = Plan((planned(0, "Paint"), planned(1, ""), planned(2, "\u202eX")), ())
    assert [item.place for item in plan.generated] == [0, 2]
    assert [item.generator for item in plan.as_generated().items] == ["Paint", "", UNNAMED]


def text_chunk() -> bytes:
    info = PngInfo()
    info.add_text("Author", "Ann <ann@example.org>", zip=True)
    return encoded("PNG", pnginfo=info)


def exif(tag: int, value: object) -> bytes:
    block = Image.Exif()
    block[tag] = value
    return encoded("JPEG", exif=block)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (text_chunk(), "comments"),
        (exif(0x013B, "ann@example.org"), "the camera's data"),
        (exif(0x9C9D, "ann@example.org".encode("utf-16-le")), "the camera's data"),
        (encoded("JPEG", comment=b"by ann@example.org"), "comments"),
        (encoded("GIF", comment=b"by ann@example.org"), "comments"),
        *(
            (encoded(form) + b"ann@example.org", "15 bytes after the end")
            for form in ("PNG", "JPEG", "GIF", "WEBP")
        ),
    ],
)
def test_personal_data_beside_a_picture_is_told_and_stays_here(
    content: bytes, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    part = Contents(PICTURES, screening=Screening()).check(PartSource("picture", path))
    (found,) = part.findings
    assert (found.kind, found.is_submitted, found.sample) == (Kind.E_MAIL, False, "an…rg")
    assert found.where.startswith(where)
    # Who does not ask is told nothing, and nothing more is left in the content.
    assert Contents(PICTURES).check(PartSource("picture", path)).sha256 == part.sha256


def test_text_is_read_from_bytes_in_what_programs_write() -> None:
    assert text_of(b"\1abcdef\xffghi") == "abcdef"
    assert "cdef" in text_of(b"\0\1ab\0cdef\xff").splitlines()
    assert "ann" in text_of("by ann".encode("utf-16-be"))


def test_file_names_stay_here_and_sources_are_published(tmp_path: Path) -> None:
    path = tmp_path / "jo@example.org.txt"
    path.write_text("fine")
    texts = [PartTerms("text", ("text/plain",), 100, False)]
    source = PartSource("text", path, source="jo@example.org")
    part = Contents(texts, screening=Screening()).check(source)
    assert [(each.where[:10], each.is_submitted) for each in part.findings] == [
        ("the source", True),
        ("the file's", False),
    ]
    assert part.source == "jo@example.org"
    redacted = Contents(texts, screening=Screening(redacts=True)).check(source)
    assert redacted.source == "[E-MAIL]" and not any(e.is_submitted for e in redacted.findings)


def test_a_scan_looks_into_tables_texts_and_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,to\nfine,b@example.org\n")
    (tmp_path / "b.json").write_text('{"to": ["c@example.org"]}')
    (tmp_path / "c.png").write_bytes(text_chunk())
    (tmp_path / "d.bin").write_bytes(b"\0\1")
    found = list(scan([tmp_path], Screening()))
    assert [(each.name, [finding.where for finding in each.findings]) for each in found] == [
        ("a.csv:1", []),
        ("a.csv:2", ["to 1:1"]),
        ("b.json", ["to[0]"]),
        ("c.png", ["comments, beside the content"]),
        ("d.bin", []),
    ]
    assert not found[4].is_whole and found[3].is_whole


FIRST = "ann@example.org\tcall me on 0121 496 0999"


def places(path: Path, *, header: bool = True) -> list[tuple[str, list[str]]]:
    """What a scan says of a path: each file or row, with where something is."""
    return [
        (each.name, [finding.where for finding in each.findings])
        for each in scan([path], Screening(TextFinder(("GB",))), header=header)
    ]


def test_the_first_row_of_a_table_is_content_where_it_holds_personal_data(tmp_path: Path) -> None:
    table = tmp_path / "a.tsv"
    table.write_text(f"{FIRST}\nfine\tfine\nbob@example.org\tfine\n")
    found = places(table)
    assert found == [
        ("a.tsv:1", ["column 1 1:1", "column 2 1:12"]),
        ("a.tsv:2", []),
        ("a.tsv:3", ["column 1 1:1"]),
    ]
    assert found == places(table, header=False)
    # Two cells that are the same are no two columns of one name.
    table.write_text("ann@example.org\tann@example.org\nfine\tfine\n")
    assert [name for name, _ in places(table)] == ["a.tsv:1", "a.tsv:2"]


@pytest.mark.parametrize(
    ("first", "header", "where"),
    [
        ("to", True, "to 1:1"),
        ("to", False, "column 2 1:1"),
        ("so we met Ann Smith", True, "column 2 1:1"),  # a text, and whose name nobody finds
    ],
)
def test_a_column_is_called_by_its_name_only_where_it_can_be_one(
    first: str, header: bool, where: str, tmp_path: Path
) -> None:
    table = tmp_path / "a.csv"
    table.write_text(f"text,{first}\nfine,b@example.org\n")
    assert places(table, header=header) == [("a.csv:1", []), ("a.csv:2", [where])]


def test_lines_of_json_are_looked_at_as_deep_as_they_nest(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"messages": [{"content": "b@example.org"}]}\n\n{"c@example.org": 1}\n{"fine": 1}\n{\n'
    )
    found = list(scan([tmp_path], Screening()))
    assert [(each.name, [finding.where for finding in each.findings]) for each in found] == [
        ("a.jsonl:1", ["messages[0].content"]),
        ("a.jsonl:3", ["the name [E-MAIL]"]),
        ("a.jsonl:4", []),
        ("a.jsonl:5", []),
    ]
    assert [bool(each.problem) for each in found] == [False, False, False, True]


def test_names_of_columns_in_parquet_are_looked_at(tmp_path: Path) -> None:
    rows = pa.table({"ann@example.org": ["fine", "b@example.org"]})
    pq.write_table(rows, tmp_path / "a.parquet")
    assert places(tmp_path) == [
        ("a.parquet", ["a column's name"]),
        ("a.parquet:1", []),
        ("a.parquet:2", ["column 1 1:1"]),
    ]
