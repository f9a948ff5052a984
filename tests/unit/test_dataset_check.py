"""What a buyer's check finds: every kind of change, with nothing but the log's key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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
from protocol import rows
from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.log.envelope import parse_envelope
from protocol.log.note import Verifier
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.rules.table import RULES
from protocol.state import State
from protocol.transition import apply
from protos.gen import records_pb2 as pb
from tests.dataset_lab import KINDS, VERIFIER, DatasetLab, filled
from tests.simulated import LOG_KEY, NETWORK, Network, Person, successor

DATA = "data/train-00000-of-00001.parquet"


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Two authors, an epoch each, so that the proofs come from four batches."""
    made = DatasetLab(tmp_path)
    made.accept(ada=[made.item(3), made.item(1)])
    made.net.close()  # an epoch in which nothing was decided is one, too
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
        layout.sign_manifest(raw, lab.keys.record_key, lab.keys.sign_record)
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
    gone = lab.items[0]
    path, _ = lab.export(missing=[gone])
    assert check(path).manifest.missing == [gone.hex()]


def test_another_log_s_key_does_not_do(lab: DatasetLab) -> None:
    path, _ = lab.export()
    other = Verifier(VERIFIER.name, bytes(SigningKey(b"\7" * 32).verify_key))
    with pytest.raises(Misbehaviour, match="of another network than the key"):
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
    signature = layout.sign_manifest(raw, thief.key, lambda m: thief.signing_key.sign(m).signature)
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


_CHANGES: dict[type, Callable[[Any], Any]] = {
    dict: lambda cell: cell | {"bytes": changed(cell["bytes"])},
    bytes: lambda cell: cell[:-1] + bytes([cell[-1] ^ 1]),
    str: lambda cell: cell[:-1] + chr(ord(cell[-1]) ^ 1) if cell else "x",
    bool: lambda cell: not cell,
    int: lambda cell: cell + 1,
    float: lambda cell: cell - 1e-6,
    list: lambda cell: [changed(cell[0]), *cell[1:]] if cell else ["00"],
    type(None): lambda _: "x",
}


def changed(cell: Any) -> Any:
    """A cell of the same type that differs by as little as can be."""
    return _CHANGES[type(cell)](cell)


@pytest.mark.parametrize("campaign_id", KINDS)
def test_a_change_in_any_column_of_any_kind_is_found(tmp_path: Path, campaign_id: str) -> None:
    lab = filled(tmp_path, campaign_id)
    path, manifest = lab.export()
    honest = (path / DATA).read_bytes()
    contents = set(manifest.parts)
    for row in range(manifest.items):
        for name in manifest.columns:

            def edit(rows: list[dict[str, Any]], row: int = row, name: str = name) -> None:
                rows[row][name] = changed(rows[row][name])

            edit_rows(path / DATA, edit)
            sign_again(lab, path)
            what = f"its {name} is not what" if name in contents else f"its {name} is "
            with pytest.raises(Misbehaviour, match=rf"item {row + 1} .*{what}"):
                check(path)
            (path / DATA).write_bytes(honest)
    sign_again(lab, path)
    check(path)


def test_the_name_of_a_picture_is_not_the_operator_s_to_choose(lab: DatasetLab) -> None:
    path, _ = lab.export()
    edit_rows(path / DATA, lambda rows: rows[0]["image"].update(path="../../etc/passwd"))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="its image is"):
        check(path)


def test_an_optional_part_is_there_or_not_as_its_contributor_said(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path, KINDS["preferred"])
    lab.accept(ada=[lab.item("a"), lab.item("b", {"context": None})])
    lab.fetch()
    path, _ = lab.export()
    check(path)
    honest = (path / DATA).read_bytes()
    for row, value in ((0, None), (1, "made up")):

        def edit(rows: list[dict[str, Any]], row: int = row, value: str | None = value) -> None:
            rows[row]["context"] = value

        edit_rows(path / DATA, edit)
        sign_again(lab, path)
        with pytest.raises(Misbehaviour, match="its parts are not those"):
            check(path)
        (path / DATA).write_bytes(honest)
    edit_rows(path / DATA, lambda rows: rows[0].update(prompt=None))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="its parts are not those"):
        check(path)


def test_a_part_that_was_taken_back_is_left_out_and_no_other(tmp_path: Path) -> None:
    lab = filled(tmp_path, "preferred")
    first, second, _ = lab.items
    lab.withdraw(lab.authors[0], first, part="context")
    path, _ = lab.export(missing=[second])
    check(path)
    honest = (path / layout.ITEMS).read_bytes()
    lines = [json.loads(line) for line in honest.splitlines()]
    assert [line.get("without") for line in lines] == [[3], None, None]
    assert [sorted(line.get("parts", {})) for line in lines] == [
        ["answer_a", "answer_b", "prompt"],
        [],
        ["answer_a", "answer_b", "context", "prompt"],
    ]

    def leave_out(lines: list[dict[str, Any]]) -> None:
        lines[2]["without"] = [3]
        del lines[2]["parts"]["context"]

    def forget(lines: list[dict[str, Any]]) -> None:
        del lines[0]["without"]

    def no_leaf(lines: list[dict[str, Any]]) -> None:
        del lines[2]["parts"]["context"]["leaf"]

    def no_part(lines: list[dict[str, Any]]) -> None:
        del lines[2]["parts"]["context"]

    def junk(lines: list[dict[str, Any]]) -> None:
        lines[0]["without"] = ["context"]

    for edit, message in (
        (leave_out, "root does not match|another snapshot"),
        (forget, "root does not match|another snapshot"),
        (no_leaf, "its context is not what its contributor described"),
        (no_part, "its context is not what its contributor described"),
        (junk, "holds a line without an item's id"),
    ):
        edit_lines(path / layout.ITEMS, edit)
        sign_again(lab, path)
        with pytest.raises(Misbehaviour, match=message):
            check(path)
        (path / layout.ITEMS).write_bytes(honest)
    sign_again(lab, path)
    check(path)


def test_what_an_item_is_worth_in_a_snapshot_is_proved_with_it(
    lab: DatasetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here all are worth what a derivative is, whether they are in the dataset or missing."""
    monkeypatch.setattr(rows, "EARNS_A_PART", {pb.RELATION_NONE})
    path, _ = lab.export(missing=[lab.items[0]])
    check(path)
    lines = [json.loads(line) for line in (path / layout.ITEMS).read_bytes().splitlines()]
    assert {line["less_permille"] for line in lines} == {500}
    edit_lines(path / layout.ITEMS, lambda lines: lines[0].update(less_permille=400))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="root does not match its leaves"):
        check(path)


def test_the_operator_cannot_swap_content(lab: DatasetLab) -> None:
    path, _ = lab.export()
    edit_rows(path / DATA, lambda rows: swap(rows, "image"))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="its image is not what its contributor committed to"):
        check(path)


def test_the_operator_cannot_swap_chosen_and_rejected(tmp_path: Path) -> None:
    lab = filled(tmp_path, "preferred")
    path, _ = lab.export()

    def turn(rows: list[dict[str, Any]]) -> None:
        rows[0]["chosen"], rows[0]["rejected"] = rows[0]["rejected"], rows[0]["chosen"]

    edit_rows(path / DATA, turn)
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="its chosen is"):
        check(path)


def test_the_operator_cannot_swap_the_parts_of_an_item(tmp_path: Path) -> None:
    lab = filled(tmp_path, "preferred")
    path, _ = lab.export()

    def turn(rows: list[dict[str, Any]]) -> None:
        rows[0]["answer_a"], rows[0]["answer_b"] = rows[0]["answer_b"], rows[0]["answer_a"]

    def turn_salts(lines: list[dict[str, Any]]) -> None:
        parts = lines[0]["parts"]
        parts["answer_a"], parts["answer_b"] = parts["answer_b"], parts["answer_a"]

    edit_rows(path / DATA, turn)
    edit_lines(path / layout.ITEMS, turn_salts)
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="its answer_a is not what its contributor committed"):
        check(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "rate"),
        ("parts", ["image", "more"]),
        ("columns", ["image"]),
        ("scope", ["train"]),
        ("campaign", "letters"),
        ("snapshot", "00" * 32),
        ("network", "00" * 32),
    ],
)
def test_the_manifest_promises_nothing_that_the_log_does_not_say(
    lab: DatasetLab, name: str, value: object
) -> None:
    path, _ = lab.export()
    sign_again(lab, path, **{name: value})
    with pytest.raises(Misbehaviour, match=r"manifest's|another"):
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


def of_kind(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [e for e in entries if parse_envelope(layout.decode(e["envelope"])).kind == kind]


def pop(entries: list[dict[str, Any]], kind: str) -> None:
    entries.remove(of_kind(entries, kind)[0])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda entries: entries[-1].update(index=1), "line"),
        (lambda entries: entries[-1].update(envelope="AAAA"), "line"),
        (lambda entries: entries[-1]["proof"].pop(), "line"),
        (
            lambda entries: of_kind(entries, "verdict")[0]["leaves"].pop(),
            "leaves are not those of its batch",
        ),
        (lambda entries: entries[-1].pop("index"), "line"),
        (lambda entries: entries.pop(0), "another network than the log's first entry"),
        (lambda entries: pop(entries, "campaign"), "does not hold the dataset's campaign"),
        (lambda entries: pop(entries, "snapshot"), "does not hold the dataset's campaign"),
        (lambda entries: pop(entries, "register"), "nobody has delegated the key that signed it"),
        (lambda entries: pop(entries, "close"), "lacks the close before log entry"),
        (lambda entries: pop(entries, "submission"), "item 1 "),
        (lambda entries: pop(entries, "verdict"), "item 1 "),
        (lambda entries: entries.reverse(), "begins with its genesis|in the log's order|network"),
        (lambda entries: entries.insert(1, entries[1]), "in the log's order"),
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


def test_keys_may_follow_each_other(tmp_path: Path) -> None:
    """A contributor's second machine submits; operator and log have new keys; either log key checks."""
    lab = DatasetLab(tmp_path)
    ada, net = lab.authors[0], lab.net
    first = lab.item(3)
    lab.accept(ada=[first])
    ada.signing_key = SigningKey(b"\x21" * 32)
    net.add(ada, "delegate", pb.Delegate(network=NETWORK, delegation=ada.delegation(ada.key)))
    operator, log = SigningKey(b"\x22" * 32), SigningKey(b"\x23" * 32)
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_OPERATOR, operator))
    net.operator.signing_key = operator
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, log, LOG_KEY))
    lab.keys = replace(lab.keys, operator_key=operator, log_keys=(LOG_KEY, log))
    lab.accept(ada=[lab.item(4)])
    lab.fetch()
    path, _ = lab.export()
    assert check(path).manifest.items == 2
    later = Verifier(VERIFIER.name, bytes(log.verify_key))
    assert check(path, later).manifest.items == 2

    # Who has only the first key of either may not sign for the one that follows.
    lab.keys = replace(lab.keys, operator_key=SigningKey(Person("operator").signing_key.encode()))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="not signed by the network's operator"):
        check(path)
    lab.keys = replace(lab.keys, operator_key=operator, log_keys=(LOG_KEY,))
    path, _ = lab.export()
    with pytest.raises(Misbehaviour, match="not signed by this log"):
        check(path)
    lab.keys = replace(lab.keys, log_keys=(log,))
    path, _ = lab.export()
    for key in (VERIFIER, later):
        assert check(path, key).manifest.items == 2, "the first one handed over"


def test_an_epoch_is_proved_by_the_closes_around_it(lab: DatasetLab) -> None:
    path, _ = lab.export()
    frame = pq.read_table(path / DATA).to_pylist()
    assert [row["decided_in"] for row in frame] == [1, 1, 3]
    edit_rows(path / DATA, lambda rows: rows[2].update(decided_in=2))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match='its decided_in is "2", the log says "3"'):
        check(path)


def test_each_entry_is_read_by_the_rules_that_governed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second version two kinds of records have changed places: neither reads the other's."""
    swapped = {"register": RULES[1]["delegate"], "delegate": RULES[1]["register"]}
    monkeypatch.setitem(RULES, 2, {**RULES[1], **swapped})
    lab = DatasetLab(tmp_path)
    ada, net = lab.authors[0], lab.net
    lab.accept(ada=[lab.item(3)])
    for serial, epoch in enumerate((9, 4)):  # announced, and moved
        body = pb.Upgrade(network=NETWORK, version=2, epoch=epoch, serial=serial)
        net.add(net.operator, "upgrade", body)
    lab.accept(ada=[lab.item(4)])
    lab.net.close()
    assert net.state.rules == 2
    ada.signing_key = SigningKey(b"\x21" * 32)
    net.add(ada, "delegate", net.registration(ada, 2, Person("another")))
    lab.accept(ada=[lab.item(5)])
    lab.accept(ada=[lab.item(6)])
    lab.fetch()
    path, _ = lab.export()
    assert check(path).manifest.items == 4
    shown = [json.loads(line) for line in (path / layout.LOG).read_text().splitlines()]
    kinds = [parse_envelope(layout.decode(line["envelope"])).kind for line in shown]
    assert [kinds.count(kind) for kind in ("register", "upgrade", "delegate")] == [
        5,
        2,
        1,
    ]  # ada, and four reviewers

    turn = next(at for at, line in enumerate(shown) if line["index"] == rules_change(net))
    edit_lines(path / layout.LOG, lambda lines: lines.pop(turn))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="the delegate is not in its one canonical encoding"):
        check(path)
    later_close = kinds.index("close", turn + 1)
    edit_lines(path / layout.LOG, lambda lines: lines.__delitem__(slice(turn, later_close - 1)))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="the close before epoch 4, which changed the rules"):
        check(path)


def rules_change(net: Network) -> int:
    """The entry after which another version of the rules governs."""
    state = State()
    for index, entry in enumerate(net.log):
        apply(state, entry.raw, entry.leaves)
        if state.rules != 1:
            return index
    raise AssertionError("the rules never changed")


def test_an_answer_is_its_reviewer_s_own_and_of_its_item(lab: DatasetLab) -> None:
    path, _ = lab.export()
    honest = (path / layout.ITEMS).read_bytes()

    def altered(lines: list[dict[str, Any]]) -> None:
        first = lines[0]["answers"][0]
        answer = parse_leaf(pb.Answer, layout.decode(first["leaf"]))
        answer.answer = (5).to_bytes(2)
        first["leaf"] = layout.encode(encode_leaf(answer))

    def of_another_reviewer(lines: list[dict[str, Any]]) -> None:
        first, second = lines[0]["answers"][:2]
        first["reveal"], second["reveal"] = second["reveal"], first["reveal"]

    def of_another_item(lines: list[dict[str, Any]]) -> None:
        lines[0]["answers"] = lines[1]["answers"]

    def left_out(lines: list[dict[str, Any]]) -> None:
        del lines[0]["answers"][0]

    def twice(lines: list[dict[str, Any]]) -> None:
        lines[0]["answers"][0] = lines[0]["answers"][1]

    for edit, message in (
        (altered, "not what its reviewer revealed"),
        (of_another_reviewer, "not what its reviewer revealed"),
        (of_another_item, "an answer is of another item"),
        (left_out, "not all that its verdict counts"),
        (twice, "not all that its verdict counts"),
    ):
        edit_lines(path / layout.ITEMS, edit)
        sign_again(lab, path)
        with pytest.raises(Misbehaviour, match=message):
            check(path)
        (path / layout.ITEMS).write_bytes(honest)
    sign_again(lab, path)
    check(path)
