"""Reads and checks log.jsonl: the log entries that a dataset rests on.

The dataset comes from somebody who sells it, so every line is bounded before it is parsed and believed
only when it leads to the checkpoint. Entries are in the log's order, so that a key is known before it signs,
and each is read by the rules that governed when it was logged:

    genesis, successor      who the operator is, and by which keys; which keys sign the log
    genesis, upgrade        by which version of the rules the log begins, and from which epoch by another
    register, delegate      for whom the contributors' keys sign
    campaign, snapshot      what was asked, and which items there are
    submission, verdict     what the items are, and what was decided of them
    draw, end-commits       between which times the answers of a round were given
    reveal                  what a reviewer answered
    close                   between which of them a verdict lies says in which epoch it fell; and when the
                            rules change
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from commonground.dataset import layout
from commonground.dataset.decided import Round
from commonground.dataset.layout import Manifest
from protocol.depth import load_json
from protocol.errors import Misbehaviour, Reject
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.limits import OPERATOR_LEAVES_MAX
from protocol.log.commitments import network_id
from protocol.log.envelope import Envelope, parse_envelope, verify_signature
from protocol.log.merkle import hash_leaf, root_of_hashes, verify_inclusion
from protocol.log.note import Checkpoint
from protocol.log.strict import encode_leaf, strict_parse
from protocol.rows import Campaign, Consent
from protocol.rules.network import check_succession
from protocol.rules.people import check_delegation, root_person
from protocol.rules.table import LATEST, Rules, rules_of
from protocol.state import NO_KEY
from protocol.transition import open_record
from protos.gen import records_pb2 as pb

# An entry with the hashes of the largest batch, in base64: 65,536 leaves of 47 characters and 96 KiB.
LINE_BYTES_MAX: Final = 4 * 1024 * 1024

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ProvedBatch:
    """A submission, reveal or verdict that is in the log, and the hashes of its leaves."""

    index: int
    author: PersonId
    leaves: frozenset[bytes]
    round: int = 0  # of a reveal


@dataclass(slots=True)
class Proofs:
    """What the log says, as far as the dataset shows it."""

    network: bytes = b""
    rules: int = LATEST  # of the next entry; the first one is read by the latest
    upgrade: tuple[int, int] | None = None  # the version to come, and the epoch that it begins with
    operator: PersonId = NOBODY
    operator_key: KeyId = NO_KEY  # the last one shown
    log_keys: list[bytes] = field(default_factory=list)
    keys: dict[KeyId, PersonId] = field(default_factory=dict)
    campaign: Campaign | None = None
    scope: Consent | None = None  # of the snapshot
    items: list[pb.SnapshotItem] = field(default_factory=list)  # of the snapshot
    submissions: dict[int, ProvedBatch] = field(default_factory=dict)  # by log index
    verdicts: dict[int, ProvedBatch] = field(default_factory=dict)
    reveals: dict[int, ProvedBatch] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)  # when, by round
    ended: dict[int, int] = field(default_factory=dict)  # when commits did, by round
    closes: list[tuple[int, int]] = field(default_factory=list)  # (log index, epoch), in order

    def epoch_at(self, index: int) -> int:
        """The epoch in which an entry was logged; raises Misbehaviour where the closes do not say."""
        at = bisect_left(self.closes, (index, 0))
        epoch = self.closes[at - 1][1] + 1 if at else 1
        if at < len(self.closes) and self.closes[at][1] != epoch:
            raise Misbehaviour(f"{layout.LOG} lacks the close before log entry {index}")
        return epoch

    def round(self, number: int) -> Round:
        """When the answers of a round were given; raises KeyError where no entry says so."""
        return Round(number, self.drawn[number], self.ended[number])


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    envelope: Envelope
    leaves: tuple[bytes, ...]  # their hashes; none where they prove nothing here
    body: Any


def read_proofs(
    folder: Path, checkpoint: Checkpoint, manifest: Manifest, progress: Progress
) -> Proofs:
    """Checks every line of log.jsonl, and that items.jsonl lists exactly the snapshot's items.

    Raises Misbehaviour that names the line.
    """
    proofs = Proofs()
    proofs.items = [_held(line) for line in read_lines(folder / layout.ITEMS)]
    before = -1
    for number, line in enumerate(read_lines(folder / layout.LOG), 1):
        try:
            entry = _open_entry(line, checkpoint, rules_of(proofs.rules))
            if entry.index <= before:
                raise Misbehaviour("it is not in the log's order")
            before = entry.index
            _take(proofs, entry, manifest)
        except (Misbehaviour, Reject, ValueError, KeyError, TypeError) as error:
            raise Misbehaviour(f"{layout.LOG}, line {number}: {error}") from error
        progress("checking log entries", number, number)
    if proofs.campaign is None or proofs.scope is None:
        raise Misbehaviour(f"{layout.LOG} does not hold the dataset's campaign and snapshot")
    return proofs


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file of lines; raises Misbehaviour where there is something else."""
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX + 1):
            try:
                data = load_json(line) if len(line) <= LINE_BYTES_MAX else None
            except ValueError:
                data = None
            if not isinstance(data, dict):
                raise Misbehaviour(f"{path.name} holds a line that is no JSON object")
            yield data


def _held(line: dict[str, Any]) -> pb.SnapshotItem:
    try:
        item_id = bytes.fromhex(line["id"])
        without, less = line.get("without", ()), line.get("less_permille", 0)
        return pb.SnapshotItem(item_id=item_id, without=without, less_permille=less)
    except (KeyError, TypeError, ValueError):
        raise Misbehaviour(f"{layout.ITEMS} holds a line without an item's id") from None


def _open_entry(line: dict[str, Any], checkpoint: Checkpoint, rules: Rules) -> _Entry:
    """An entry that is in the log, signed, with the hashes that its batch commits to."""
    index, raw = line["index"], layout.decode(line["envelope"])
    proof = [layout.decode(each) for each in line["proof"]]
    verify_inclusion(hash_leaf(raw), index, checkpoint.size, proof, checkpoint.root)
    envelope = parse_envelope(raw)
    verify_signature(envelope)
    rule = rules.get(envelope.kind)
    if rule is None or envelope.kind not in _TAKEN:
        raise Misbehaviour(f"a {envelope.kind} proves nothing here")
    body = strict_parse(rule.message, envelope.payload, f"the {envelope.kind}")
    leaves = tuple(layout.decode(each) for each in line.get("leaves", ()))
    if envelope.kind in LEAVES_SHOWN:
        batch = getattr(body, rule.batch or "")
        counted = len(leaves) == batch.count <= OPERATOR_LEAVES_MAX
        if not counted or root_of_hashes(leaves) != batch.root:
            raise Misbehaviour("its leaves are not those of its batch")
    return _Entry(index, envelope, leaves, body)


def _take(proofs: Proofs, entry: _Entry, manifest: Manifest) -> None:
    """Keeps what an entry says. The genesis is the first line: it names the operator."""
    kind = entry.envelope.kind
    if (entry.index == 0) != (kind == "genesis"):
        raise Misbehaviour("a log begins with its genesis")
    if kind != "genesis":
        if not proofs.network or entry.body.network != proofs.network:
            raise Misbehaviour("it is of another network than the log's first entry")
        by_operator = rules_of(proofs.rules)[kind].by_operator
        if by_operator and entry.envelope.key != proofs.operator_key:
            raise Misbehaviour(f"the {kind} is not the operator's")
    of_campaign = getattr(entry.body, "campaign_id", manifest.campaign)
    if of_campaign != manifest.campaign:
        raise Misbehaviour(f"it is a {kind} of another campaign")
    _TAKEN[kind](proofs, entry, manifest)


def _take_genesis(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    body: pb.Genesis = entry.body
    if body.network != network_id(body.log_key):
        raise Misbehaviour("the network's id is not that of its log")
    if not body.rules:
        raise Misbehaviour("the genesis names no version of the rules")
    _take_key(proofs, body.network, body.delegation, entry.envelope.key)
    proofs.rules = body.rules
    proofs.network, proofs.log_keys = body.network, [body.log_key]
    proofs.operator, proofs.operator_key = root_person(body.delegation), entry.envelope.key


def _take_upgrade(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    body: pb.Upgrade = entry.body
    if body.version != proofs.rules + 1:
        raise Misbehaviour(f"version {proofs.rules} of the rules is not followed by {body.version}")
    proofs.upgrade = body.version, body.epoch


def _take_successor(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    body: pb.Successor = entry.body
    check_succession(proofs.network, body, proofs.log_keys[-1])
    if body.role == pb.KEY_ROLE_LOG:
        proofs.log_keys.append(body.key)
    else:
        proofs.operator_key = KeyId(body.key)
        proofs.keys.setdefault(proofs.operator_key, proofs.operator)


def _take_delegation(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    _take_key(proofs, proofs.network, entry.body.delegation, entry.envelope.key)


def _take_key(proofs: Proofs, network: bytes, delegation: pb.Delegation, key: KeyId) -> None:
    check_delegation(network, delegation, key)
    proofs.keys.setdefault(key, root_person(delegation))


def _take_campaign(proofs: Proofs, entry: _Entry, manifest: Manifest) -> None:
    if entry.body.id != manifest.campaign:
        raise Misbehaviour("it is another campaign")
    proofs.campaign = Campaign.of(entry.body)


def _take_snapshot(proofs: Proofs, entry: _Entry, manifest: Manifest) -> None:
    # The very items, in this order, without the very parts, worth as much.
    leaves = [encode_leaf(held) for held in proofs.items]
    record = open_record(entry.envelope, leaves, entry.index, rules_of(proofs.rules))
    if record.digest.hex() != manifest.snapshot:
        raise Misbehaviour("it is another snapshot than the manifest's")
    proofs.scope = Consent.of(record.body.scope)


def _take_submission(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    author, leaves = _author(proofs, entry), frozenset(entry.leaves)
    proofs.submissions[entry.index] = ProvedBatch(entry.index, author, leaves)


def _take_reveal(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    author, leaves = _author(proofs, entry), frozenset(entry.leaves)
    proofs.reveals[entry.index] = ProvedBatch(entry.index, author, leaves, entry.body.round)


def _author(proofs: Proofs, entry: _Entry) -> PersonId:
    author = proofs.keys.get(entry.envelope.key)
    if author is None:
        raise Misbehaviour("nobody has delegated the key that signed it")
    return author


def _take_draw(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    proofs.drawn[entry.body.round] = entry.body.time_ms


def _take_end_commits(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    proofs.ended[entry.body.round] = entry.body.time_ms


def _take_verdict(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    leaves = frozenset(entry.leaves)
    proofs.verdicts[entry.index] = ProvedBatch(entry.index, proofs.operator, leaves)


def _take_close(proofs: Proofs, entry: _Entry, _: Manifest) -> None:
    if proofs.closes and entry.body.epoch <= proofs.closes[-1][1]:
        raise Misbehaviour("it closes an epoch that was closed before")
    begins = entry.body.epoch + 1
    proofs.closes.append((entry.index, entry.body.epoch))
    if proofs.upgrade is not None and proofs.upgrade[1] <= begins:
        version, epoch = proofs.upgrade
        if epoch < begins:
            raise Misbehaviour(
                f"the close before epoch {epoch}, which changed the rules, is missing"
            )
        proofs.rules, proofs.upgrade = version, None


_TAKEN: Final[dict[str, Callable[[Proofs, _Entry, Manifest], None]]] = {
    "genesis": _take_genesis,
    "upgrade": _take_upgrade,
    "successor": _take_successor,
    "register": _take_delegation,
    "delegate": _take_delegation,
    "campaign": _take_campaign,
    "snapshot": _take_snapshot,
    "submission": _take_submission,
    "draw": _take_draw,
    "end-commits": _take_end_commits,
    "reveal": _take_reveal,
    "verdict": _take_verdict,
    "close": _take_close,
}
LEAVES_SHOWN: Final = ("submission", "reveal", "verdict")
"""Kinds whose lines carry the hashes of their leaves."""
