"""What a buyer's check finds: every kind of change, with nothing but the log's key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nacl.signing import SigningKey

from commonground.dataset import layout
from commonground.dataset.check import DatasetReport, check_dataset, is_dataset
from commonground.dataset.layout import FileEntry, Manifest
from commonground.files import sha256_file
from commonhold.cli import verify_dataset
from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.log.note import Verifier
from tests.dataset_lab import VERIFIER, DatasetLab
from tests.simulated import Person

DATA = "data/train-00000-of-00001.parquet"


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Two authors, an epoch each, so that the proofs come from four batches."""
    made = DatasetLab(tmp_path)
    made.accept(ada=[made.item(3), made.item(1)])
    made.accept(ben=[made.item(4)])
    made.fetch()
    return made


def check(folder: Path, verifier: Verifier = VERIFIER) -> DatasetReport:
    return check_dataset(folder, verifier, lambda *_: None)


def sign_again(lab: DatasetLab, folder: Path, **changes: Any) -> None:
    """What a dishonest operator can do: sign a manifest over whatever is in the folder now."""
    manifest = Manifest.parse((folder / layout.MANIFEST).read_bytes())
    files = {name: FileEntry(*sha256_file(folder / name)) for name in manifest.files}
    fields = {name: getattr(manifest, name) for name in Manifest.__slots__} | {"files": files}
    raw = Manifest(**(fields | changes)).encode()
    (folder / layout.MANIFEST).write_bytes(raw)
    (folder / layout.SIGNATURE).write_bytes(
        layout.sign_manifest(raw, lab.keys.operator, lab.keys.sign_record)
    )


def edit_lines(path: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    edit(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def edit_rows(path: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    found = pq.read_table(path)
    rows = found.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=found.schema), path)


def test_an_untouched_dataset_holds(lab: DatasetLab) -> None:
    path, manifest = lab.export()
    assert is_dataset(path)
    report = check(path)
    assert (report.manifest, report.contributors) == (manifest, 2)
    assert report.checkpoint.size == len(lab.net.log)


def test_a_dataset_with_missing_items_holds_and_says_so(lab: DatasetLab) -> None:
    gone = next(iter(lab.net.state.items))
    path, _ = lab.export(missing=[gone])
    assert check(path).manifest.missing == [gone.hex()]


def test_another_log_s_key_does_not_do(lab: DatasetLab) -> None:
    path, _ = lab.export()
    other = Verifier(VERIFIER.name, bytes(SigningKey(b"\7" * 32).verify_key))
    with pytest.raises(Misbehaviour, match="not signed by this log"):
        check(path, other)


@pytest.mark.parametrize("name", [DATA, "README.md", "croissant.json", "log.jsonl", "items.jsonl"])
def test_a_changed_or_lost_file_is_named(lab: DatasetLab, name: str) -> None:
    path, _ = lab.export()
    file = path / name
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(Misbehaviour, match=f"{name} is not the file"):
        check(path)
    file.unlink()
    with pytest.raises(Misbehaviour, match=f"lacks {name}"):
        check(path)


def test_a_stray_parquet_file_would_be_loaded_too_and_is_refused(lab: DatasetLab) -> None:
    path, _ = lab.export()
    (path / "data" / "train-00001-of-00002.parquet").write_bytes(b"more")
    with pytest.raises(Misbehaviour, match="does not belong to the dataset"):
        check(path)


def test_nobody_else_signs_the_manifest(lab: DatasetLab) -> None:
    path, _ = lab.export()
    raw = (path / layout.MANIFEST).read_bytes()
    thief = Person("thief")
    signature = layout.sign_manifest(raw, thief.identity, lambda m: thief.key.sign(m).signature)
    (path / layout.SIGNATURE).write_bytes(signature)
    with pytest.raises(Misbehaviour, match="not signed by the network's operator"):
        check(path)
    (path / layout.SIGNATURE).unlink()
    with pytest.raises(Misbehaviour, match=r"lacks manifest\.sig"):
        check(path)


def test_a_signature_is_for_one_manifest(lab: DatasetLab) -> None:
    path, _ = lab.export()
    manifest = (path / layout.MANIFEST).read_text()
    (path / layout.MANIFEST).write_text(manifest.replace("simulated", "Simulated", 1))
    with pytest.raises(Misbehaviour, match="for another manifest"):
        check(path)


def swap(rows: list[dict[str, Any]], name: str) -> None:
    rows[0][name], rows[1][name] = rows[1][name], rows[0][name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", 7),
        ("label_name", "seven"),
        ("posterior", 0.5),
        ("licence", "CC0-1.0"),
        ("consent_commercial", False),
        ("origin", "sensor"),
        ("contributor", "12D3KooW"),
        ("derived_from", ["00"]),
        ("submitted_at", 1),
        ("decided_in", 9),
        ("personal_data", True),
    ],
)
def test_the_operator_cannot_change_a_value(lab: DatasetLab, name: str, value: object) -> None:
    path, _ = lab.export()
    edit_rows(path / DATA, lambda rows: rows[0].update({name: value}))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match=f"item 1 .*its {name} is"):
        check(path)


def test_the_operator_cannot_swap_content(lab: DatasetLab) -> None:
    path, _ = lab.export()
    edit_rows(path / DATA, lambda rows: swap(rows, "image"))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="not what its contributor committed to"):
        check(path)


def test_the_operator_cannot_rename_the_labels(lab: DatasetLab) -> None:
    path, _ = lab.export()
    found = pq.read_table(path / DATA)
    metadata = {b"huggingface": found.schema.metadata[b"huggingface"].replace(b'"3"', b'"8"')}
    pq.write_table(found.replace_schema_metadata(metadata), path / DATA)
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="other columns or labels"):
        check(path)


def test_the_operator_cannot_add_leave_out_or_reorder_items(lab: DatasetLab) -> None:
    path, _ = lab.export()
    original = (path / layout.ITEMS).read_text()
    rows = (path / DATA).read_bytes()
    edits: list[Callable[[list[Any]], object]] = [
        lambda lines: lines.pop(),
        lambda lines: lines.reverse(),
        lambda lines: lines.append(lines[0]),
    ]
    for edit in edits:
        edit_lines(path / layout.ITEMS, edit)
        edit_rows(path / DATA, edit)
        sign_again(lab, path)
        with pytest.raises(Misbehaviour, match="batch's"):
            check(path)
        (path / layout.ITEMS).write_text(original)
        (path / DATA).write_bytes(rows)
    sign_again(lab, path)
    check(path)


def test_rows_and_items_end_together(lab: DatasetLab) -> None:
    path, _ = lab.export()
    edit_rows(path / DATA, lambda rows: rows.append(rows[0]))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="more rows than"):
        check(path)
    edit_rows(path / DATA, lambda rows: rows.__delitem__(slice(2, None)))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="ends before item"):
        check(path)


def test_counts_of_the_manifest_have_to_fit(lab: DatasetLab) -> None:
    path, _ = lab.export()
    sign_again(lab, path, items=4)
    with pytest.raises(Misbehaviour, match="counts other items"):
        check(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda entries: entries[-1].update(index=1), "line"),
        (lambda entries: entries[-1].update(envelope="AAAA"), "line"),
        (lambda entries: entries[-1]["proof"].pop(), "line"),
        (lambda entries: entries[-1]["leaves"].pop(), "leaves are not those of its batch"),
        (lambda entries: entries[-1].pop("index"), "line"),
        (lambda entries: entries.pop(0), "not the operator's"),
        (lambda entries: entries.pop(1), "does not hold the dataset's campaign"),
        (lambda entries: entries.pop(-1), "batch's|does not hold|item"),
        (lambda entries: entries.insert(0, []), "no JSON object"),
    ],
)
def test_proofs_have_to_lead_to_the_log(
    lab: DatasetLab, edit: Callable[[list[Any]], object], message: str
) -> None:
    path, _ = lab.export()
    edit_lines(path / layout.LOG, edit)
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match=message):
        check(path)


def test_a_manifest_names_no_file_outside_of_its_folder(lab: DatasetLab) -> None:
    path, manifest = lab.export()
    sign_again(lab, path, files={**manifest.files, "../../coordinator.toml": FileEntry("00", 1)})
    with pytest.raises(Misbehaviour, match="outside of the dataset"):
        check(path)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"files": 3}', b"\xff"])
def test_junk_for_a_manifest_is_refused(lab: DatasetLab, raw: bytes) -> None:
    path, _ = lab.export()
    (path / layout.MANIFEST).write_bytes(raw)
    with pytest.raises(Misbehaviour, match="malformed"):
        check(path)


def test_the_command_takes_the_log_s_key_from_somebody_else(
    lab: DatasetLab, capsys: pytest.CaptureFixture[str]
) -> None:
    path, manifest = lab.export()
    assert verify_dataset.is_dataset(str(path))
    assert not verify_dataset.is_dataset("https://log.example")
    with pytest.raises(ConfigError, match="must not bring it itself"):
        verify_dataset.check(path, "", as_json=True)
    with pytest.raises(ConfigError, match="key is malformed"):
        verify_dataset.check(path, "what?", as_json=True)
    verify_dataset.check(path, str(VERIFIER), as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["ok"], printed["snapshot"]) == (True, manifest.snapshot)


def test_a_withdrawn_dataset_says_so(tmp_path: Path) -> None:
    (tmp_path / layout.WITHDRAWN).write_text("gone")
    with pytest.raises(StateError, match="was withdrawn"):
        is_dataset(tmp_path)
    assert not is_dataset(tmp_path / "elsewhere")
