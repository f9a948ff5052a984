"""Text files that are not in UTF-8: as in tables, a mark or their owner says what they are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.bringing.folders import FileItems
from node.bringing.sources import Asked
from node.contents import Contents
from node.drafts import Draft
from node.encodings import Opened, in_utf8
from protocol.errors import ConfigError, Reject
from protocol.rows import PartTerms

WORDS = "It was Anne\u2019s caf\u00e9"
MENDED = "utf-8-of-cp1252"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def text_terms(*also: str) -> list[PartTerms]:
    return [PartTerms("text", ("text/plain", *also), 1_000, False)]


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        (WORDS.encode("utf-16"), ""),
        (WORDS.encode("utf-16"), "cp1252"),  # its mark is right, whatever the others are in
        (WORDS.encode("utf-32"), ""),
        (WORDS.encode("cp1252"), "cp1252"),
        (WORDS.encode("utf-16-le"), "utf-16-le"),
        (WORDS.encode("cp1252").decode("latin-1").encode(), MENDED),
    ],
)
def test_a_text_is_read_as_its_mark_or_its_owner_says(
    tmp_path: Path, stored: bytes, named: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(stored)
    [draft] = FileItems([path], "text", "ham", encoding=named)
    assert isinstance(draft, Draft)
    contents = Contents(text_terms())
    checked = contents.check(draft.parts[0])
    assert contents.read(draft.parts[0], checked) == WORDS.encode()
    [said] = checked.said
    assert said.startswith("read as ")


def test_what_is_a_text_or_no_text_at_all_stays_as_it_is() -> None:
    for content in (WORDS.encode(), b"\xef\xbb\xbfhello", PNG):
        for named in ("", "cp1252", MENDED, "utf-16-le"):
            assert in_utf8(content, named) == Opened(content)
    assert in_utf8(b"") == Opened(b"")
    # UTF-8 with controls in it: in another encoding each letter beyond ASCII would become two.
    controls = "Anne\x92s caf\u00e9".encode()
    assert in_utf8(controls, "cp1252") == Opened(controls)


@pytest.mark.parametrize(
    ("stored", "named", "problem"),
    [
        (b"a\x81b", "cp1252", "it is not cp1252 from byte 2 on"),
        (b"a\x92b", MENDED, "it is not utf-8-of-cp1252 from byte 2 on"),
        (b"\xff\xfea", "", "it is not utf-16 from byte 3 on"),
        (b"\x80\x00\x01", "cp1252", "read as cp1252 it is no text"),
    ],
)
def test_a_text_that_is_not_what_it_is_said_to_be_is_left_out(
    tmp_path: Path, stored: bytes, named: str, problem: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(stored)
    [draft] = FileItems([path], "text", "ham", encoding=named)
    assert isinstance(draft, Draft)
    with pytest.raises(Reject, match=problem) as caught:
        Contents(text_terms()).check(draft.parts[0])
    assert "--encoding" in caught.value.advice
    opaque = Contents(text_terms("application/octet-stream")).check(draft.parts[0])
    assert (opaque.media_type, opaque.is_changed) == ("application/octet-stream", False)


def test_what_to_do_is_said_where_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for stored, said in (("Anne\x92s".encode(), MENDED), (b"caf\xe9", "--encoding cp1252")):
        path.write_bytes(stored)
        [draft] = FileItems([path], "text", "ham")
        assert isinstance(draft, Draft)
        with pytest.raises(Reject) as caught:
            Contents(text_terms()).check(draft.parts[0])
        assert said in f"{caught.value} {caught.value.advice}"
        assert "The campaign takes text/plain." in caught.value.advice


def test_an_encoding_that_nobody_knows_is_refused_of_files_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no encoding 'utf-9'"):
        Asked([tmp_path], encoding="utf-9")
