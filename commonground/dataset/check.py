"""What a buyer can check of a dataset, offline, with nothing but the log's verifier key.

    manifest    signed by the network's operator, whom the log's first entry names
    files       those that the manifest lists, byte for byte, and no other Parquet file
    log.jsonl   each entry is in the log that the checkpoint signs, and signed by its author
    items       exactly those of the snapshot; each described, submitted and decided as the log says
    rows        each value is what the log says; the content opens its contributor's commitment

Not checked, because only the network knows: whether somebody has withdrawn since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from google.protobuf.message import DecodeError

from commonground.dataset import layout
from commonground.dataset.layout import Manifest
from commonground.dataset.proofs import Proofs, read_lines, read_proofs
from commonground.dataset.rows import Decided, content_column, row_of
from commonground.files import sha256_file
from protocol.errors import ConfigError, Misbehaviour, Reject, StateError
from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.log.note import Checkpoint, Verifier, open_checkpoint
from protocol.rules.dataset import covers
from protos.gen import records_pb2 as pb

# Rows that are Python objects at once; a row group is the least that Parquet reads anyway.
_BATCH_ROWS: Final = 64

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What was found to hold."""

    manifest: Manifest
    checkpoint: Checkpoint
    contributors: int


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
    try:
        checkpoint = open_checkpoint(manifest.checkpoint.encode(), verifier)
    except Reject as error:
        raise Misbehaviour(f"the checkpoint is not signed by this log: {error}") from error
    if manifest.network != commitments.network_id(verifier.public_key).hex():
        raise Misbehaviour("the dataset is of another network than the key")
    _check_files(folder, manifest, progress)
    proofs = read_proofs(folder, checkpoint, manifest, progress)
    if layout.open_signature(raw, _read(folder / layout.SIGNATURE)) != proofs.operator:
        raise Misbehaviour("the manifest is not signed by the network's operator")
    return DatasetReport(manifest, checkpoint, _check_items(folder, manifest, proofs, progress))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
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
    missing = {layout.LOG, layout.ITEMS, layout.CROISSANT, layout.CARD} - set(manifest.files)
    if missing:
        raise Misbehaviour(f"the manifest lacks {', '.join(sorted(missing))}")


def _check_items(folder: Path, manifest: Manifest, proofs: Proofs, progress: Progress) -> int:
    """Holds each row against the log; gives the number of contributors."""
    column = content_column(proofs.campaign.media_types)
    rows = _rows(folder, manifest, column, proofs)
    contributors, missing, items = set(), [], 0
    for number, line in enumerate(read_lines(folder / layout.ITEMS), 1):
        if "item" not in line:
            missing.append(line["id"])
            continue
        items += 1
        row = next(rows, None)
        if row is None:
            raise Misbehaviour(f"the data ends before item {line['id']}")
        try:
            contributors.add(_check_item(line, row, column, manifest, proofs))
        except (Misbehaviour, Reject, DecodeError, ValueError, KeyError, TypeError) as error:
            raise Misbehaviour(f"item {number} ({line.get('id')}): {error}") from error
        progress("checking items", number, len(proofs.items))
    if next(rows, None) is not None:
        raise Misbehaviour("the data holds more rows than there are items")
    if (missing, items) != (manifest.missing, manifest.items):
        raise Misbehaviour("the manifest counts other items than the dataset holds")
    return len(contributors)


def _check_item(
    line: Mapping[str, Any],
    row: Mapping[str, Any],
    column: str,
    manifest: Manifest,
    proofs: Proofs,
) -> bytes:
    """Checks one item against its proofs, then its row against the item; gives its author."""
    item_id, leaf = bytes.fromhex(line["id"]), layout.decode(line["item"])
    item = pb.Item.FromString(leaf)
    submission, verdict = proofs.submissions[line["submission"]], proofs.verdicts[line["verdict"]]
    verdict_leaf = layout.decode(line["item_verdict"])
    decision = pb.ItemVerdict.FromString(verdict_leaf)
    if hash_leaf(leaf) != item_id or item_id not in submission.leaves:
        raise Misbehaviour("its description is not what its contributor submitted")
    if hash_leaf(verdict_leaf) not in verdict.leaves or decision.item_id != item_id:
        raise Misbehaviour("its verdict is not in the log")
    if decision.outcome != pb.OUTCOME_ACCEPTED:
        raise Misbehaviour("it was not accepted")
    if not covers(item.consent, proofs.snapshot.scope):
        raise Misbehaviour(f"its contributor did not consent to {', '.join(manifest.scope)}")
    decided = Decided(
        item_id,
        item,
        submission.author,
        submission.index,
        decision.label,
        decision.posterior_ppm,
        verdict.epoch,
    )
    for name, value in row_of(decided, proofs.campaign.labels).items():
        if row[name] != value:
            raise Misbehaviour(f"its {name} is {row[name]!r}, the log says {value!r}")
    content = row[column] if isinstance(row[column], bytes) else row[column]["bytes"]
    salt = layout.decode(line["salt"])
    opened = hashlib.sha256(commitments.CONTENT_DOMAIN + salt + content).digest()
    if opened != item.content_commitment or hashlib.sha256(content).hexdigest() != line["sha256"]:
        raise Misbehaviour("its content is not what its contributor committed to")
    return submission.author


def _rows(
    folder: Path, manifest: Manifest, column: str, proofs: Proofs
) -> Iterator[dict[str, Any]]:
    """The rows of all Parquet files, in order; memory holds one row group."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from commonground.dataset.parquet import arrow_schema
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"checking a dataset needs the package {error.name}",
            "pip install 'commonhold[dataset]'",
        ) from error
    schema = arrow_schema(column, proofs.campaign.labels)
    for name in sorted(manifest.files):
        if not name.endswith(".parquet"):
            continue
        try:
            with pq.ParquetFile(folder / name) as file:
                if not file.schema_arrow.equals(schema, check_metadata=True):
                    raise Misbehaviour(f"{name} has other columns or labels than the campaign")
                # Group by group: a reader over the whole file keeps what it has read.
                for group in range(file.num_row_groups):
                    for batch in file.read_row_group(group).to_batches(_BATCH_ROWS):
                        yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise Misbehaviour(f"{name} cannot be read: {error}") from error
