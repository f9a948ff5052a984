"""What proves a dataset against the log, for somebody who has nothing else but the log's key.

log.jsonl     one line for each log entry that the dataset rests on, in the log's order: see
              commonground/dataset/proofs.py for which these are. With its inclusion proof in the
              checkpoint that the manifest carries and the hashes of a submission's or verdict's leaves.
items.jsonl   one line for each item, in the snapshot's order: the description whose hash is the item's
              id, the leaf of its verdict, those of its answers, and for each part its SHA-256, the salt that
              opens it, and its description where that has a leaf of its own; `without` says which parts of
              the campaign's (by number, from 0) the author had taken back before the snapshot.

The hashes of a whole batch take 44 bytes an item. A proof for each item would take ten times that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from commonground.dataset.decided import Given, Round
from commonground.dataset.layout import encode
from commonground.dataset.proofs import LEAVES_SHOWN
from coordinator.ledger import Head, Ledger, StoredEntry
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.log.batch import Erased, decode_bundle, leaf_hashes
from protocol.log.envelope import Envelope, parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier
from protocol.log.strict import parse_leaf, strict_parse
from protocol.rows import ItemId, Snapshot
from protocol.state import State
from protos.gen import records_pb2 as pb

_ROUNDS: Final[dict[str, type[Any]]] = {
    "draw": pb.Draw,
    "end-commits": pb.EndCommits,
    "reveal": pb.Reveal,
}


@dataclass(frozen=True, slots=True)
class Logged:
    """What an entry says of an item: the entry's log index, and the leaf (an ItemVerdict or Answer)."""

    index: int
    leaf: bytes


@dataclass(slots=True)
class Evidence:
    """What the items' own lines refer to: the leaves that describe items and parts, and verdicts."""

    checkpoint: bytes
    described: dict[bytes, bytes] = field(default_factory=dict)  # by leaf hash
    verdicts: dict[ItemId, Logged] = field(default_factory=dict)
    answers: dict[ItemId, list[Logged]] = field(default_factory=dict)
    rounds: dict[int, int] = field(default_factory=dict)  # of reveals, by log index
    drawn: dict[int, int] = field(default_factory=dict)  # when, by round
    ended: dict[int, int] = field(default_factory=dict)  # when commits did, by round

    def given(self, item_id: ItemId) -> tuple[Given, ...]:
        """What an item's reviewers answered."""
        return tuple(map(self._given, self.answers.get(item_id, ())))

    def _given(self, logged: Logged) -> Given:
        answer, number = parse_leaf(pb.Answer, logged.leaf), self.rounds[logged.index]
        when = Round(number, self.drawn[number], self.ended[number])
        person = PersonId(answer.reviewer)
        return Given(person, answer.answer, answer.refusal, when, answer.program, answer.seconds)


def write_log(
    file: BinaryIO, ledger: Ledger, verifier: Verifier, state: State, snapshot: Snapshot
) -> Evidence:
    """Writes log.jsonl in one pass over the ledger; memory holds the leaves that the items' lines show."""
    head = ledger.head()
    tree = ledger.load_tree(verifier)  # of this head or a later one: it knows every size before
    evidence = Evidence(head.checkpoint)
    wanted = _Wanted(state, snapshot)
    for entry in ledger.entries(0, head.size):
        if wanted.take(entry, evidence):
            file.write(_line(_entry_line(entry, tree, head)))
    return evidence


class _Wanted:
    """Which entries a snapshot rests on."""

    def __init__(self, state: State, snapshot: Snapshot) -> None:
        self._campaign_id = snapshot.campaign_id
        self._items = set(snapshot.items)
        items = [state.items[each] for each in snapshot.items]
        described = (item.description for item in items if item.description is not None)
        self._leaves = self._items | {part.leaf for each in described for part in each.parts}
        people = {author for author, _ in snapshot.credits}
        people.update(reviewer for item in items for reviewer in item.panel)
        self._panels = {each: state.items[each].panel for each in snapshot.items}
        keys = (index for person in people for _, index in state.keys_of.scan(person))
        self._indices = {0, snapshot.logged_at, *(item.submitted_at for item in items), *keys}
        # Between the close of the epoch before and that of its own, a verdict is in no other epoch.
        epochs = {item.decided_in for item in items if item.decided_in is not None}
        self._closes = epochs | {epoch - 1 for epoch in epochs}

    def take(self, entry: StoredEntry, evidence: Evidence) -> bool:
        """Whether the entry is one of them; `evidence` gets what the items' lines need of it."""
        envelope = parse_envelope(entry.envelope)
        match envelope.kind:
            case "verdict":
                found = dict(_accepted(entry, self._items))
                evidence.verdicts |= found
                return bool(found)
            case "close":
                return strict_parse(pb.Close, envelope.payload, "the close").epoch in self._closes
            case "draw" | "end-commits" | "reveal":
                return self._take_round(entry, envelope, evidence)
            case "campaign":
                body = strict_parse(pb.Campaign, envelope.payload, "the campaign")
                return body.id == self._campaign_id
            case "upgrade":  # and the close at which it takes effect, unless a later one moves it
                epoch = strict_parse(pb.Upgrade, envelope.payload, "the upgrade").epoch
                self._closes.add(epoch - 1)
                return True
            case "submission" if entry.index in self._indices:
                evidence.described |= _described(entry, self._leaves)
        return entry.index in self._indices or envelope.kind == "successor"

    def _take_round(self, entry: StoredEntry, envelope: Envelope, evidence: Evidence) -> bool:
        """All draws of the campaign, since which of them had an item shows later only; they are short."""
        body = strict_parse(_ROUNDS[envelope.kind], envelope.payload, f"the {envelope.kind}")
        if body.campaign_id != self._campaign_id:
            return False
        match body:
            case pb.Draw():
                evidence.drawn[body.round] = body.time_ms
            case pb.EndCommits():
                evidence.ended[body.round] = body.time_ms
            case pb.Reveal():
                evidence.rounds[entry.index] = body.round
                return self._take_answers(entry, evidence)
        return True

    def _take_answers(self, entry: StoredEntry, evidence: Evidence) -> bool:
        found = False
        for leaf in decode_bundle(entry.bundle or b""):
            if isinstance(leaf, Erased):
                continue
            answer = parse_leaf(pb.Answer, leaf)
            item_id = ItemId(answer.item_id)
            if answer.reviewer in self._panels.get(item_id, ()):
                found = True
                evidence.answers.setdefault(item_id, []).append(Logged(entry.index, leaf))
        return found


@dataclass(frozen=True, slots=True)
class PartProof:
    """A part's content, the salt that opens its commitment, and its own leaf; empty without one."""

    salt: bytes
    content: bytes
    leaf: bytes = b""

    def line(self) -> dict[str, str]:
        """What the item's line says of it."""
        line = {"sha256": hashlib.sha256(self.content).hexdigest(), "salt": encode(self.salt)}
        return line | ({"leaf": encode(self.leaf)} if self.leaf else {})


def item_line(
    held: pb.SnapshotItem,
    leaf: bytes,
    parts: Mapping[str, PartProof],
    *,
    submission: int,
    verdict: Logged,
    answers: Sequence[Logged],
) -> bytes:
    """The line of an item that is in the dataset; `held` is what the snapshot says of it."""
    return _line(
        _held(held)
        | {
            "item": encode(leaf),
            "parts": {name: part.line() for name, part in parts.items()},
            "submission": submission,
            "verdict": verdict.index,
            "item_verdict": encode(verdict.leaf),
            "answers": [{"reveal": each.index, "leaf": encode(each.leaf)} for each in answers],
        }
    )


def missing_line(held: pb.SnapshotItem) -> bytes:
    """The line of an item that the snapshot has and the dataset lacks."""
    return _line(_held(held))


def _held(held: pb.SnapshotItem) -> dict[str, Any]:
    without = {"without": list(held.without)} if held.without else {}
    less = {"less_permille": held.less_permille} if held.less_permille else {}
    return {"id": held.item_id.hex()} | without | less


def _described(entry: StoredEntry, wanted: set[bytes]) -> dict[bytes, bytes]:
    leaves = (leaf for leaf in decode_bundle(entry.bundle or b"") if not isinstance(leaf, Erased))
    return {hashed: leaf for leaf in leaves if (hashed := hash_leaf(leaf)) in wanted}


def _accepted(entry: StoredEntry, wanted: set[ItemId]) -> Iterator[tuple[ItemId, Logged]]:
    for leaf in decode_bundle(entry.bundle or b""):
        if isinstance(leaf, Erased):
            raise StateError("a verdict of the log was erased", "run `commonhold coordinator fsck`")
        verdict = parse_leaf(pb.ItemVerdict, leaf)
        if verdict.outcome == pb.OUTCOME_ACCEPTED and verdict.item_id in wanted:
            yield verdict.item_id, Logged(entry.index, leaf)


def _entry_line(entry: StoredEntry, tree: MerkleTree, head: Head) -> dict[str, Any]:
    proof = tree.inclusion_proof(entry.index, head.size)
    line: dict[str, Any] = {
        "index": entry.index,
        "envelope": encode(entry.envelope),
        "proof": _encode_all(proof),
    }
    if entry.bundle and parse_envelope(entry.envelope).kind in LEAVES_SHOWN:
        line["leaves"] = _encode_all(leaf_hashes(decode_bundle(entry.bundle)))
    return line


def _encode_all(parts: Sequence[bytes]) -> list[str]:
    return [encode(part) for part in parts]


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"
