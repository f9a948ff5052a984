"""What a buyer can check of a dataset, offline, with nothing but the log's verifier key.

    manifest    signed by the network's operator, whom the log's first entry names
    files       those that the manifest lists, byte for byte, and no other Parquet file
    log.jsonl   each entry is in the log that the checkpoint signs, and signed by its author
    items       exactly those of the snapshot; each described, submitted and decided as the log says
    splits      as they follow from the items and the manifest's terms
    rows        every column of each: what is content opens its contributor's commitment, what is not
                follows from the log
    copies      in other formats, byte for byte what the rows make

Not checked, because only the network knows: whether somebody has withdrawn since.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from commonground.dataset import layout
from commonground.dataset.decided import Decided, Given, kin
from commonground.dataset.layout import Manifest
from commonground.dataset.proofs import Proofs, read_lines, read_proofs
from commonground.dataset.rows import Columns
from commonground.dataset.splits import SPLITS, TRAIN, Member, SplitTerms, split_items
from commonground.files import open_file, sha256_file
from commonground.installing import how_to_install
from protocol.errors import ConfigError, Misbehaviour, Reject, StateError
from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, read_checkpoint
from protocol.log.strict import parse_leaf
from protocol.rows import Campaign, Description, Part
from protocol.text import quoted
from protos.gen import records_pb2 as pb

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What was found to hold."""

    manifest: Manifest
    checkpoint: Checkpoint
    contributors: int
    copies: tuple[str, ...] = ()  # in other formats


def is_dataset(folder: Path) -> bool:
    """Whether a folder is an exported dataset. Raises StateError for one that was withdrawn."""
    if (folder / layout.WITHDRAWN).is_file():
        raise StateError(
            f"the dataset in {folder} was withdrawn", "ask its seller for the present snapshot"
        )
    return (folder / layout.MANIFEST).is_file()


def check_dataset(folder: Path, verifier: Verifier, progress: Progress) -> DatasetReport:
    """Checks all of it; raises Misbehaviour that names the file, entry or item at fault."""
    raw = (folder / layout.MANIFEST).read_bytes()
    manifest = Manifest.parse(raw)
    checkpoint = _checkpoint_by(read_checkpoint, manifest, verifier)
    _check_files(folder, manifest, progress)
    proofs = read_proofs(folder, checkpoint, manifest, progress)
    _check_keys(manifest, verifier, proofs)
    if layout.open_signature(raw, _read(folder / layout.SIGNATURE)) != proofs.operator_key:
        raise Misbehaviour("the manifest is not signed by the network's operator")
    contributors = _check_items(folder, manifest, proofs, progress)
    # Here, since a copy is read with what reads Parquet, which the items' check has asked for.
    from commonground.dataset.formats.copies import check_copies

    copies = check_copies(folder, manifest, _campaign(proofs))
    return DatasetReport(manifest, checkpoint, contributors, tuple(copies))


def _checkpoint_by(
    read: Callable[[bytes, Verifier], Checkpoint], manifest: Manifest, verifier: Verifier
) -> Checkpoint:
    try:
        return read(manifest.checkpoint.encode(), verifier)
    except Reject as error:
        raise Misbehaviour(f"the checkpoint is not signed by this log: {error}") from error


def _check_keys(manifest: Manifest, verifier: Verifier, proofs: Proofs) -> None:
    """The key we were given is one of this network's log; the last one shown signed the checkpoint."""
    if verifier.public_key not in proofs.log_keys or proofs.network.hex() != manifest.network:
        raise Misbehaviour("the dataset is of another network than the key")
    _checkpoint_by(open_checkpoint, manifest, Verifier(verifier.name, proofs.log_keys[-1]))


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            return file.read()
    except FileNotFoundError:
        raise Misbehaviour(f"the dataset lacks {path.name}") from None


def _check_files(folder: Path, manifest: Manifest, progress: Progress) -> None:
    for done, (name, entry) in enumerate(sorted(manifest.files.items()), 1):
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise Misbehaviour(f"the manifest names {name!r}, outside of the dataset")
        path = folder / parts
        if not path.is_file():
            raise Misbehaviour(f"the dataset lacks {name}")
        if sha256_file(path) != (entry.sha256, entry.bytes):
            raise Misbehaviour(f"{name} is not the file that the manifest lists")
        progress("hashing files", done, len(manifest.files))
    for path in folder.rglob("*.parquet"):
        if path.relative_to(folder).as_posix() not in manifest.files:
            raise Misbehaviour(f"{path.name} does not belong to the dataset")
    tables = [name for name in manifest.files if name.endswith(".parquet")]
    strays = [
        each
        for each in tables
        if not each.startswith(tuple(f"{layout.DATA}/{name}-" for name in SPLITS))
    ]
    if strays:
        raise Misbehaviour(f"{strays[0]} is of no split")
    missing = set(layout.REQUIRED) - set(manifest.files)
    if missing:
        raise Misbehaviour(f"the manifest lacks {', '.join(sorted(missing))}")


def _check_items(folder: Path, manifest: Manifest, proofs: Proofs, progress: Progress) -> int:
    """Holds each row against the log; gives the number of contributors."""
    columns = _columns(manifest, proofs)
    splits = _splits(folder, manifest, proofs)
    rows = {name: _read_rows(folder, manifest, columns, name) for name in SPLITS}
    contributors, missing, counts = set(), [], Counter[str]()
    for number, line in enumerate(read_lines(folder / layout.ITEMS), 1):
        if "item" not in line:
            missing.append(line["id"])
            continue
        split = splits.get(line["id"], TRAIN)
        counts[split] += 1
        row = next(rows[split], None)
        if row is None:
            raise Misbehaviour(f"the data ends before item {line['id']}")
        try:
            contributors.add(_check_item(line, row, _campaign(proofs), columns, proofs))
        except (Misbehaviour, Reject, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Misbehaviour(f"item {number} ({line.get('id')}): {error}") from error
        progress("checking items", number, len(proofs.items))
    if any(next(each, None) is not None for each in rows.values()):
        raise Misbehaviour("the data holds more rows than there are items")
    found = missing, counts.total(), dict(counts)
    if found != (manifest.missing, manifest.items, manifest.rows):
        raise Misbehaviour("the manifest counts other items than the dataset holds")
    return len(contributors)


def _splits(folder: Path, manifest: Manifest, proofs: Proofs) -> dict[str, str]:
    """The split of each item, by its id, where there are several. By what the items' lines say, each of
    which is checked later."""
    if manifest.split is None:
        return {}
    terms = SplitTerms.parse(manifest.split)
    try:
        members = [
            _member(line, terms, proofs)
            for line in read_lines(folder / layout.ITEMS)
            if "item" in line
        ]
        return {item_id.hex(): name for item_id, name in split_items(members, terms).items()}
    except (Reject, StateError, ValueError, LookupError, TypeError) as error:
        raise Misbehaviour(f"the split does not follow from the items: {error}") from error


def _member(line: Mapping[str, Any], terms: SplitTerms, proofs: Proofs) -> Member:
    item = parse_leaf(pb.Item, layout.decode(line["item"]))
    verdict = parse_leaf(pb.ItemVerdict, layout.decode(line["item_verdict"]))
    author = proofs.submissions[line["submission"]].author if terms.by_author else None
    related = kin(item.derived_from, verdict.resembles, verdict.relation)
    return Member.of(item, bytes.fromhex(line["id"]), verdict.answer, related, author)


def _columns(manifest: Manifest, proofs: Proofs) -> Columns:
    """The columns that follow from the campaign; the manifest may promise no others."""
    campaign, scope = _campaign(proofs), proofs.scope
    if scope is None:
        raise Misbehaviour(f"{layout.LOG} does not hold the dataset's snapshot")
    columns = Columns.of(campaign)
    promised = {
        "task": (manifest.task, campaign.task),
        "parts": (manifest.parts, [part.name for part in campaign.parts]),
        "columns": (manifest.columns, columns.names),
        "scope": (manifest.scope, layout.scope_names(scope)),
    }
    for what, (said, logged) in promised.items():
        if said != logged:
            raise Misbehaviour(f"the manifest's {what} is not what the log says")
    return columns


def _campaign(proofs: Proofs) -> Campaign:
    if proofs.campaign is None:
        raise Misbehaviour(f"{layout.LOG} does not hold the dataset's campaign")
    return proofs.campaign


def _check_item(
    line: Mapping[str, Any],
    row: Mapping[str, Any],
    campaign: Campaign,
    columns: Columns,
    proofs: Proofs,
) -> bytes:
    """Checks one item against its proofs, then its row against the item; gives its author."""
    decided = _decided(line, campaign, proofs)
    contents = columns.contents(row)
    described = {part.name: part for part in decided.described.parts}
    if set(contents) != set(described) or set(line["parts"]) != set(described):
        raise Misbehaviour("its parts are not those that its contributor described")
    for name, content in contents.items():
        _check_content(described[name], content, line["parts"][name])
    for name, value in columns.row(decided, contents).items():
        if row[name] != value:
            raise Misbehaviour(
                f"its {name} is {quoted(str(row[name]))}, the log says {quoted(str(value))}"
            )
    return decided.author


def _decided(line: Mapping[str, Any], campaign: Campaign, proofs: Proofs) -> Decided:
    """The item as the log has it, by the leaves of its submission and its verdict."""
    item_id, leaf = bytes.fromhex(line["id"]), layout.decode(line["item"])
    submission, verdict = proofs.submissions[line["submission"]], proofs.verdicts[line["verdict"]]
    verdict_leaf = layout.decode(line["item_verdict"])
    if hash_leaf(leaf) != item_id or item_id not in submission.leaves:
        raise Misbehaviour("its description is not what its contributor submitted")
    described = _described(line, parse_leaf(pb.Item, leaf), campaign)
    decision = parse_leaf(pb.ItemVerdict, verdict_leaf)
    if hash_leaf(verdict_leaf) not in verdict.leaves or decision.item_id != item_id:
        raise Misbehaviour("its verdict is not in the log")
    if decision.outcome != pb.OUTCOME_ACCEPTED:
        raise Misbehaviour("it was not accepted")
    if proofs.scope is None or not described.consent.covers(proofs.scope):
        raise Misbehaviour("its contributor did not consent to what the dataset is for")
    return Decided(
        item_id,
        described,
        submission.author,
        submission.index,
        decision.answer,
        decision.belief_ppm,
        decision.confidence_ppm,
        proofs.epoch_at(verdict.index),
        decision.reviewers,
        decision.programs,
        _all_given(line, item_id, decision, proofs),
        decision.resembles,
        decision.relation,
    )


def _all_given(
    line: Mapping[str, Any], item_id: bytes, decision: pb.ItemVerdict, proofs: Proofs
) -> tuple[Given, ...]:
    """Every answer: the verdict counts them."""
    found = tuple(_given(answer, item_id, proofs) for answer in line["answers"])
    counted = len({each.reviewer for each in found}), sum(bool(each.program) for each in found)
    if counted != (decision.reviewers, decision.programs) or len(found) != decision.reviewers:
        raise Misbehaviour("its answers are not all that its verdict counts")
    return found


def _given(line: Mapping[str, Any], item_id: bytes, proofs: Proofs) -> Given:
    """One reviewer's answer: theirs is what is in a reveal that they signed."""
    leaf, reveal = layout.decode(line["leaf"]), proofs.reveals[line["reveal"]]
    answer = parse_leaf(pb.Answer, leaf)
    if hash_leaf(leaf) not in reveal.leaves:
        raise Misbehaviour("an answer is not what its reviewer revealed")
    if answer.item_id != item_id:
        raise Misbehaviour("an answer is of another item")
    when = proofs.round(reveal.round)
    return Given(reveal.author, answer.answer, answer.refusal, when, answer.program, answer.seconds)


def _described(line: Mapping[str, Any], item: pb.Item, campaign: Campaign) -> Description:
    """What its author says of the item, without the parts that the snapshot does without."""
    without = {campaign.parts[at].name for at in line.get("without", ())}
    own = []
    for named in item.optional:
        if named.name not in without:
            leaf = layout.decode(line["parts"].get(named.name, {}).get("leaf", ""))
            if hash_leaf(leaf) != named.hash:
                raise Misbehaviour(f"its {named.name} is not what its contributor described")
            own.append((named.hash, parse_leaf(pb.Part, leaf)))
    return Description.of(item, own, campaign)


def _check_content(part: Part, content: bytes, line: Mapping[str, Any]) -> None:
    opened = commitments.content_commitment(layout.decode(line["salt"]), content)
    digest = hashlib.sha256(content).hexdigest()
    if (opened, len(content), digest) != (part.commitment, part.size, line["sha256"]):
        raise Misbehaviour(f"its {part.name} is not what its contributor committed to")


def _read_rows(
    folder: Path, manifest: Manifest, columns: Columns, split: str
) -> Iterator[dict[str, Any]]:
    try:
        from commonground.dataset.parquet import read_rows
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"checking a dataset needs the package {error.name}",
            how_to_install("dataset"),
        ) from error
    return read_rows(folder, manifest, columns, split)
