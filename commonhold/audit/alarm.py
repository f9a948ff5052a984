"""Checks an alarm for somebody who has nothing but the network's link: what it proves, and what it does not.

An alarm is *proven* where signatures of the log's own key cannot all be honest, or where anybody who reads
the log sees a rule broken. Everything else is *testimony*: what was signed holds, but that the log is at
fault is the word of the node that says so. A file that is neither does not hold: Misbehaviour.

One key has to have signed both sides. Where an older key signed one of them, whoever stole it may have done
that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from commonground.counting import plural
from commonhold.audit.source import FolderLog
from node.alarmfile import BROKEN_RECEIPT, RULE, WENT_BACK, AlarmFile
from node.splitview import SPLIT_VIEW, SplitView, verify_split
from protocol import transition
from protocol.errors import Misbehaviour, Reject
from protocol.log import tiles
from protocol.log.assurance import check_assurance
from protocol.log.batch import Erased, Leaf, check_batch
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf, verify_inclusion
from protocol.log.note import Verifier, is_signed, open_checkpoint
from protocol.rules.network import check_succession
from protocol.state import State
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Finding:
    """What an alarm says that holds."""

    proven: bool
    proves: str
    not_proven: str


def check_alarm(alarm: AlarmFile, network: bytes, verifier: Verifier, folder: Path) -> Finding:
    """Checks an alarm with a key of the log; `folder` is where the file lies, and a copy beside it.

    Raises Misbehaviour when it does not hold.
    """
    keys = keys_of(alarm.successors, network, verifier)
    check = _CHECKS.get(alarm.kind)
    if check is None:
        return _testify(alarm, keys)
    try:
        return check(alarm, keys, folder)
    except (Reject, DecodeError, ValueError) as error:
        raise Misbehaviour(f"the alarm proves nothing: {error}") from error


def keys_of(successors: Sequence[bytes], network: bytes, first: Verifier) -> list[Verifier]:
    """The log's keys, from the one that is known on: each was handed over to by the one before it."""
    keys = [first]
    for raw in successors:
        try:
            body = pb.Successor.FromString(parse_envelope(raw).payload)
            if body.role == pb.KEY_ROLE_LOG and body.network == network:
                check_succession(network, body, keys[-1].public_key)
                keys.append(Verifier(first.name, body.key))
        except (Reject, DecodeError):
            continue  # it follows a key before the one that is known, or is forged: it leads nowhere
    return keys


def _split_view(alarm: AlarmFile, keys: Sequence[Verifier], _: Path) -> Finding:
    split = SplitView.of_parts(alarm.evidence)
    key = _signer(keys, split.theirs, split.ours)
    verify_split(split, key)
    at = open_checkpoint(split.theirs, key).size
    return Finding(
        True,
        f"the log's key signed two histories: of the first {plural(at, 'entry', 'entries')} it signed"
        " two different roots",
        "which of the two is the true one, and who else was shown which",
    )


def _went_back(alarm: AlarmFile, keys: Sequence[Verifier], _: Path) -> Finding:
    held, note, *proof = _at_least(2, alarm.evidence)
    key = _signer(keys, held, note)
    before, present = open_checkpoint(held, key), open_checkpoint(note, key)
    try:
        check_assurance(before, present, proof)
    except Misbehaviour as error:
        return Finding(
            True,
            f"the log's key contradicts itself: {error}",
            "what became of the entries, and whether that was a mistake of the operator's or a lie",
        )
    raise Misbehaviour("the alarm proves nothing: the log extends what it signed before")


def _broken_receipt(alarm: AlarmFile, keys: Sequence[Verifier], _: Path) -> Finding:
    envelope, raw, note, there, *proof = _at_least(4, alarm.evidence)
    receipt = api_pb2.Receipt.FromString(raw)
    key = _signer(keys, receipt.checkpoint, note)
    promised, signed = open_checkpoint(receipt.checkpoint, key), open_checkpoint(note, key)
    leaf, place = hash_leaf(envelope), list(receipt.proof)
    verify_inclusion(leaf, receipt.index, promised.size, place, promised.root)
    verify_inclusion(there, receipt.index, signed.size, proof, signed.root)
    if there == leaf:
        raise Misbehaviour("the alarm proves nothing: the log holds what the receipt says")
    return Finding(
        True,
        f"the log's key signed that entry {receipt.index:,} is a {parse_envelope(envelope).kind}, in a"
        " receipt, and that it is something else, in a head",
        "which of the two was shown to others",
    )


def _rule(alarm: AlarmFile, keys: Sequence[Verifier], folder: Path) -> Finding:
    """Reads the copy of the log beside the file: first that it is the signed one, then what it means."""
    note, *_ = _at_least(1, alarm.evidence)
    head = open_checkpoint(note, _signer(keys, note))
    if Path(alarm.copy).name != alarm.copy or not alarm.copy:
        raise Reject("it names no copy of the log")
    source = FolderLog(folder / alarm.copy)
    entries: list[bytes] = []
    for tile in tiles.entry_tiles_of(head.size):
        entries += tiles.decode_entries(source.read(tile.path), tile.width)
    if MerkleTree(map(hash_leaf, entries)).root() != head.root:
        raise Reject("the copy of the log beside it is not the one that was signed")
    return _first_fault(source, entries)


def _first_fault(source: FolderLog, entries: Sequence[bytes]) -> Finding:
    state = State()
    for raw in entries:
        leaves = _leaves_beside(source, raw, state)
        try:
            transition.apply(state, raw, leaves)
        except Misbehaviour as error:
            # What rests beside the log is not signed: whoever made the copy may have erased some of it.
            whole = not any(isinstance(leaf, Erased) for leaf in leaves) and not any(
                True for _ in state.unexplained.scan()
            )
            return Finding(
                whole,
                f"the log's key signed what breaks a rule: {error}",
                "who made the entry, beyond its signature"
                if whole
                else "that the log itself erased what is missing beside it, and not whoever made the copy",
            )
    try:
        transition.require_explained(state)
    except Misbehaviour as error:
        unsure = "that the log itself erased it, and not whoever made the copy"
        return Finding(False, f"in the copy of the log {error}", unsure)
    raise Misbehaviour("the alarm proves nothing: every entry of the log keeps the rules")


def _leaves_beside(source: FolderLog, raw: bytes, state: State) -> list[Leaf]:
    try:
        batch = transition.shown_batch(parse_envelope(raw), transition.rules_for(state))
    except Reject:
        return []  # the fold says what is wrong with it
    if batch is None or batch.count == 0:
        return []
    return check_batch(batch.root, batch.count, source.read(f"batch/{batch.root.hex()}"))


def _testify(alarm: AlarmFile, keys: Sequence[Verifier]) -> Finding:
    signed = sum(any(is_signed(part, key) for key in keys) for part in alarm.evidence)
    if not alarm.by:
        raise Misbehaviour("the alarm proves nothing, and no node stands for it")
    return Finding(
        False,
        f"the node {alarm.by.hex()} says so, and shows {signed} head{'' if signed == 1 else 's'} that the"
        " log's key signed",
        "that it was so: the log has not signed its part in it. Ask others, and compare their heads",
    )


def _signer(keys: Sequence[Verifier], *notes: bytes) -> Verifier:
    """The key of the log that signed all of them."""
    for key in keys:
        if all(is_signed(note, key) for note in notes):
            return key
    raise Reject("no key of this log signed all that it shows")


def _at_least(count: int, parts: Sequence[bytes]) -> Sequence[bytes]:
    if len(parts) < count:
        raise Reject("a part of the evidence is missing")
    return parts


_Check = Callable[[AlarmFile, Sequence[Verifier], Path], Finding]
_CHECKS: Final[Mapping[str, _Check]] = {
    SPLIT_VIEW: _split_view,
    WENT_BACK: _went_back,
    BROKEN_RECEIPT: _broken_receipt,
    RULE: _rule,
}
