"""Reads and checks log.jsonl: the log entries that a dataset rests on.

The dataset comes from somebody who sells it, so every line is bounded before it is parsed and believed
only when it leads to the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from commonground.dataset import layout
from commonground.dataset.layout import Manifest
from protocol.errors import Misbehaviour, Reject
from protocol.identity import Identity
from protocol.limits import OPERATOR_LEAVES_MAX
from protocol.log.envelope import Envelope, parse_envelope, verify_signature
from protocol.log.merkle import hash_leaf, root_of_hashes, verify_inclusion
from protocol.log.note import Checkpoint
from protocol.state import NOBODY, ItemId
from protocol.transition import open_record, shown_batch
from protos.gen import records_pb2 as pb

# An entry with the hashes of the largest batch, in base64: 65,536 leaves of 47 characters and 96 KiB.
LINE_BYTES_MAX: Final = 4 * 1024 * 1024

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ProvedBatch:
    """A submission or a verdict that is in the log, and the hashes of its leaves."""

    index: int
    author: Identity
    leaves: frozenset[bytes]
    epoch: int = 0  # of a verdict


@dataclass(slots=True)
class Proofs:
    """What the log says, as far as the dataset shows it."""

    operator: Identity = NOBODY
    campaign: pb.Campaign = field(default_factory=pb.Campaign)
    snapshot: pb.Snapshot = field(default_factory=pb.Snapshot)
    items: list[ItemId] = field(default_factory=list)  # of the snapshot
    submissions: dict[int, ProvedBatch] = field(default_factory=dict)  # by log index
    verdicts: dict[int, ProvedBatch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    envelope: Envelope
    leaves: tuple[bytes, ...]


def read_proofs(
    folder: Path, checkpoint: Checkpoint, manifest: Manifest, progress: Progress
) -> Proofs:
    """Checks every line of log.jsonl, and that items.jsonl lists exactly the snapshot's items.

    Raises Misbehaviour that names the line.
    """
    proofs = Proofs()
    proofs.items = [_id_of(line) for line in read_lines(folder / layout.ITEMS)]
    for number, line in enumerate(read_lines(folder / layout.LOG), 1):
        try:
            entry = _open_entry(line, checkpoint)
            _take(proofs, entry, manifest)
        except (Misbehaviour, Reject, DecodeError, ValueError, KeyError, TypeError) as error:
            raise Misbehaviour(f"{layout.LOG}, line {number}: {error}") from error
        progress("checking log entries", number, number)
    if not proofs.campaign.id or not proofs.snapshot.campaign_id:
        raise Misbehaviour(f"{layout.LOG} does not hold the dataset's campaign and snapshot")
    return proofs


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file of lines; raises Misbehaviour where there is something else."""
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX + 1):
            try:
                data = json.loads(line) if len(line) <= LINE_BYTES_MAX else None
            except ValueError:
                data = None
            if not isinstance(data, dict):
                raise Misbehaviour(f"{path.name} holds a line that is no JSON object")
            yield data


def _id_of(line: dict[str, Any]) -> ItemId:
    try:
        return bytes.fromhex(line["id"])
    except (KeyError, TypeError, ValueError):
        raise Misbehaviour(f"{layout.ITEMS} holds a line without an item's id") from None


def _open_entry(line: dict[str, Any], checkpoint: Checkpoint) -> _Entry:
    """An entry that is in the log, signed, with the hashes that its batch commits to."""
    index, raw = line["index"], layout.decode(line["envelope"])
    proof = [layout.decode(each) for each in line["proof"]]
    verify_inclusion(hash_leaf(raw), index, checkpoint.size, proof, checkpoint.root)
    envelope = parse_envelope(raw)
    verify_signature(envelope)
    leaves = tuple(layout.decode(each) for each in line.get("leaves", ()))
    batch = shown_batch(envelope)
    if batch is not None:
        counted = len(leaves) == batch.count <= OPERATOR_LEAVES_MAX
        if not counted or root_of_hashes(leaves) != batch.root:
            raise Misbehaviour("its leaves are not those of its batch")
    return _Entry(index, envelope, leaves)


def _take(proofs: Proofs, entry: _Entry, manifest: Manifest) -> None:
    """Keeps what an entry says. The genesis is the first line: it names the operator."""
    envelope = entry.envelope
    if entry.index == 0 and envelope.kind == "genesis":
        proofs.operator = envelope.author
        return
    if envelope.kind == "submission":
        body = pb.Submission.FromString(envelope.payload)
        if body.campaign_id != manifest.campaign:
            raise Misbehaviour("it is a submission to another campaign")
        proofs.submissions[entry.index] = _batch_of(entry)
        return
    if envelope.author != proofs.operator:
        raise Misbehaviour(f"the {envelope.kind} is not the operator's")
    match envelope.kind:
        case "campaign":
            proofs.campaign = pb.Campaign.FromString(envelope.payload)
            if proofs.campaign.id != manifest.campaign:
                raise Misbehaviour("it is another campaign")
        case "snapshot":
            _take_snapshot(proofs, entry, manifest)
        case "verdict":
            epoch = pb.Verdict.FromString(envelope.payload).epoch
            proofs.verdicts[entry.index] = _batch_of(entry, epoch)
        case kind:
            raise Misbehaviour(f"a {kind} proves nothing here")


def _take_snapshot(proofs: Proofs, entry: _Entry, manifest: Manifest) -> None:
    record = open_record(entry.envelope, proofs.items, entry.index)  # the very items, in this order
    if record.digest.hex() != manifest.snapshot:
        raise Misbehaviour("it is another snapshot than the manifest's")
    proofs.snapshot = record.body
    if record.body.campaign_id != manifest.campaign:
        raise Misbehaviour("the snapshot is of another campaign")


def _batch_of(entry: _Entry, epoch: int = 0) -> ProvedBatch:
    return ProvedBatch(entry.index, entry.envelope.author, frozenset(entry.leaves), epoch)
