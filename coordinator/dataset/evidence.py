"""What proves a dataset against the log, for somebody who has nothing else but the log's key.

log.jsonl     one line for each log entry that the dataset rests on: the genesis (who the operator is),
              the campaign (what the labels are), the snapshot (which items), each submission (whose,
              and described how), each verdict (which label). With its inclusion proof in the
              checkpoint that the manifest carries and, where it has a batch, the hashes of its leaves.
items.jsonl   one line for each item, in the snapshot's order: the content's SHA-256, the description
              whose hash is the item's id, the salt that opens its commitment, the leaf of its verdict.

The hashes of a whole batch take 44 bytes an item. A proof for each item would take ten times that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from commonground.dataset.layout import encode
from coordinator.ledger import Head, Ledger, StoredEntry
from protocol.errors import StateError
from protocol.log.batch import Erased, decode_bundle, leaf_hashes
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier
from protocol.state import ItemId, SnapshotState, State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class LoggedVerdict:
    """Where an item was decided: the entry's log index, and the leaf (an ItemVerdict)."""

    index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the items' own lines refer to."""

    checkpoint: bytes
    verdicts: Mapping[ItemId, LoggedVerdict]


def write_log(
    file: BinaryIO, ledger: Ledger, verifier: Verifier, state: State, snapshot: SnapshotState
) -> Evidence:
    """Writes log.jsonl in one pass over the ledger; memory holds one verdict leaf for each item."""
    head = ledger.head()
    tree = ledger.load_tree(verifier)  # of this head or a later one: it knows every size before
    wanted = set(snapshot.items)
    indices = {0, snapshot.logged_at, *(state.items[each].submitted_at for each in wanted)}
    verdicts: dict[ItemId, LoggedVerdict] = {}
    for entry in ledger.entries(0, head.size):
        envelope = parse_envelope(entry.envelope)
        if envelope.kind == "verdict":
            found = dict(_accepted(entry, wanted))
            verdicts |= found
            needed = bool(found)
        elif envelope.kind == "campaign":
            needed = pb.Campaign.FromString(envelope.payload).id == snapshot.campaign_id
        else:
            needed = entry.index in indices
        if needed:
            file.write(_line(_entry_line(entry, tree, head)))
    return Evidence(head.checkpoint, verdicts)


def item_line(
    leaf: bytes, salt: bytes, content: bytes, submission: int, verdict: LoggedVerdict
) -> bytes:
    """The line of an item that is in the dataset."""
    return _line(
        {
            "id": hash_leaf(leaf).hex(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "item": encode(leaf),
            "salt": encode(salt),
            "submission": submission,
            "verdict": verdict.index,
            "item_verdict": encode(verdict.leaf),
        }
    )


def missing_line(item_id: ItemId) -> bytes:
    """The line of an item that the snapshot has and the dataset lacks."""
    return _line({"id": item_id.hex()})


def _accepted(entry: StoredEntry, wanted: set[ItemId]) -> Iterator[tuple[ItemId, LoggedVerdict]]:
    for leaf in decode_bundle(entry.bundle or b""):
        if isinstance(leaf, Erased):
            raise StateError("a verdict of the log was erased", "run `commonhold coordinator fsck`")
        verdict = pb.ItemVerdict.FromString(leaf)
        if verdict.outcome == pb.OUTCOME_ACCEPTED and verdict.item_id in wanted:
            yield verdict.item_id, LoggedVerdict(entry.index, leaf)


def _entry_line(entry: StoredEntry, tree: MerkleTree, head: Head) -> dict[str, Any]:
    proof = tree.inclusion_proof(entry.index, head.size)
    line: dict[str, Any] = {
        "index": entry.index,
        "envelope": encode(entry.envelope),
        "proof": _encode_all(proof),
    }
    if entry.bundle:
        line["leaves"] = _encode_all(leaf_hashes(decode_bundle(entry.bundle)))
    return line


def _encode_all(parts: Sequence[bytes]) -> list[str]:
    return [encode(part) for part in parts]


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"
