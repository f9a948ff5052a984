"""Running tallies of the log: what a page says of a million items without walking through them.

They are fed by every record, under the same lock as the state, and rebuilt at every start from the log;
like the rest of memory they hold nothing that the log does not. What is long (a reward line, an update)
stays in the ledger: here is only where.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from coordinator.answers import Answers
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.strict import parse_leaf
from protocol.rows import Item, Round
from protocol.rules.record import Record
from protocol.state import SHARES, State
from protocol.transition import Changes, process
from protos.gen import records_pb2 as pb

# How a bundle frames a whole leaf, see protocol.log.batch: a zero byte, and its length in four.
_LEAF_HEADER_BYTES: Final = 5
_LEAF_TYPE_BYTES: Final = 1
_OFFSET_BITS: Final = 32  # a bundle has at most 16 MiB

# Rounds of a campaign that are remembered; a page shows fewer, and the log has them all.
ROUNDS_KEPT: Final = 256

Statuses = Counter[ItemStatus]


@dataclass(frozen=True, slots=True)
class RolePart:
    """What those in one role got of one asset in one epoch."""

    role: int  # pb.Role
    asset: bytes
    lines: int
    amount: int  # in the asset's smallest unit


@dataclass(frozen=True, slots=True)
class ClosedEpoch:
    """What came of an epoch."""

    number: int
    index: int  # of its close in the log
    parts: tuple[RolePart, ...]
    accepted: int
    rejected: int
    duplicates: int
    undecided: int
    answers: int
    time_ms: int = 0  # when, by the operator's clock
    waiting: tuple[
        tuple[str, int, int], ...
    ] = ()  # what it left: campaign, items, pb.WaitingReason

    @property
    def minted_micro(self) -> int:
        """All shares that it minted."""
        return sum(part.amount for part in self.parts if part.asset == SHARES)


@dataclass(frozen=True, slots=True)
class PastRound:
    """A round of a campaign: the present one while `ended_ms` is 0."""

    number: int
    sealed_ms: int
    items: int  # when it was sealed
    drawn: int = 0
    accepted: int = 0
    rejected: int = 0
    undecided: int = 0
    copies: int = 0  # that reviewers called so
    ended_ms: int = 0
    index: int = 0  # of the record that ended it

    @property
    def decided(self) -> int:
        """Items that it settled for good, one way or the other."""
        return self.accepted + self.rejected + self.copies


def _places() -> array[int]:
    return array("Q")


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a reward line is: the log index of its close, and the byte at which its leaf begins in
    the bundle beside it."""

    index: int
    offset: int

    def read(self, bundle: bytes) -> pb.RewardLine:
        """The line, from the bundle of that close."""
        start = self.offset + _LEAF_HEADER_BYTES
        stop = start + int.from_bytes(bundle[self.offset + 1 : start], "big")
        return parse_leaf(pb.RewardLine, bundle[start:stop])


@dataclass(slots=True)
class Tally:
    """Counts by campaign and author, and where in the log to find what."""

    campaigns: dict[str, Statuses] = field(default_factory=dict)
    authors: dict[PersonId, Statuses] = field(default_factory=dict)
    rounds: dict[str, deque[PastRound]] = field(default_factory=dict)  # by campaign, latest last
    answers: Answers = field(default_factory=Answers)  # what was decided, by campaign
    epochs: list[ClosedEpoch] = field(default_factory=list)
    kinds: dict[str, array[int]] = field(default_factory=dict)  # log indices by record kind
    updates: dict[str, array[int]] = field(default_factory=dict)  # and of updates by job
    # Rounds that somebody's updates went into, by job.
    trained: dict[str, Counter[bytes]] = field(default_factory=dict)
    _lines: dict[PersonId, array[int]] = field(default_factory=dict)

    def process(self, state: State, kind: str, record: Record[Any]) -> Changes:
        """`protocol.transition.process`, with these tallies kept in step."""
        changes = process(state, kind, record)
        self.take(kind, record, changes)
        return changes

    def take(self, kind: str, record: Record[Any], changes: Changes) -> None:
        """Counts what a record changed; nothing here repeats what the rules do."""
        self._count((before for before, _ in changes.items.values() if before is not None), -1)
        self._count((after for _, after in changes.items.values()), +1)
        self.answers.take(record, changes)
        self.kinds.setdefault(kind, _places()).append(record.index)
        for campaign_id, (before, after) in changes.rounds.items():
            self._turn(campaign_id, before, after, record.index, changes)
        if changes.closed is not None:
            self._close(changes.closed, record, changes.lines)
        match record.body:  # of training, Changes says nothing
            case pb.Update() as body:
                self.updates.setdefault(body.job_id, _places()).append(record.index)
            case pb.TrainingRound() as body:
                self.trained.setdefault(body.job_id, Counter()).update(body.partners)

    def count(self, *statuses: ItemStatus) -> int:
        """Items that have one of these statuses."""
        return sum(counts[status] for counts in self.campaigns.values() for status in statuses)

    def of_author(self, author: PersonId) -> Statuses:
        """An author's items by status."""
        return self.authors.get(author, Counter())

    def of_campaign(self, campaign_id: str) -> Statuses:
        """A campaign's items by status."""
        return self.campaigns.get(campaign_id, Counter())

    def rounds_of(self, campaign_id: str) -> list[PastRound]:
        """A campaign's rounds, the latest first, ROUNDS_KEPT at most."""
        return list(reversed(self.rounds.get(campaign_id, ())))

    def close_of(self, epoch: int) -> ClosedEpoch:
        """What came of an epoch; raises StateError while it is not closed."""
        if not 1 <= epoch <= len(self.epochs):
            raise StateError(f"epoch {epoch} is not closed", "`coordinator epoch close` closes it")
        return self.epochs[epoch - 1]

    def lines_of(self, person: PersonId) -> int:
        """How many reward lines somebody has."""
        return len(self._lines.get(person, ()))

    def line_places(self, person: PersonId, skip: int, count: int) -> list[LinePlace]:
        """Where somebody's lines are, the latest first."""
        packed = self._lines.get(person, _places())
        stop = max(0, len(packed) - skip)
        return [
            LinePlace(place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1))
            for place in reversed(packed[max(0, stop - count) : stop])
        ]

    def _count(self, items: Iterable[Item], sign: int) -> None:
        grouped = Counter((item.author, item.campaign_id, item.status) for item in items)
        for (author, campaign_id, status), count in grouped.items():
            self.campaigns.setdefault(campaign_id, Counter())[status] += sign * count
            self.authors.setdefault(author, Counter())[status] += sign * count

    def _turn(
        self, campaign_id: str, before: Round, after: Round, index: int, changes: Changes
    ) -> None:
        """A round went from one phase to the next; of these there is one row for each round."""
        past = self.rounds.setdefault(campaign_id, deque(maxlen=ROUNDS_KEPT))
        if after.number > before.number:
            past.append(PastRound(after.number, after.since_ms, len(after.items)))
            return
        row = past.pop()
        if before.phase is RoundPhase.SEALED:
            row = replace(row, drawn=len(after.items))
        if before.phase is RoundPhase.REVEALING:
            decided = Counter(changes.items[item_id][1].status for item_id in before.items)
            row = replace(
                row,
                accepted=decided[ItemStatus.ACCEPTED],
                rejected=decided[ItemStatus.REJECTED],
                undecided=decided[ItemStatus.UNDECIDED],
                copies=decided[ItemStatus.DUPLICATE],
            )
        if after.phase is RoundPhase.OPEN:
            row = replace(row, ended_ms=after.since_ms, index=index)
        past.append(row)

    def _close(self, epoch: int, record: Record[Any], lines: Iterable[pb.RewardLine]) -> None:
        parts: dict[tuple[int, bytes], list[int]] = {}
        evidence, offset = Counter[str](), 0
        for line in lines:
            part = parts.setdefault((line.role, line.asset), [0, 0])
            part[0] += 1
            part[1] += int(line.amount)
            for name in ("accepted", "rejected", "duplicates", "undecided", "answers"):
                evidence[name] += getattr(line.evidence, name)
            packed = record.index << _OFFSET_BITS | offset
            self._lines.setdefault(PersonId(line.person), _places()).append(packed)
            offset += _LEAF_HEADER_BYTES + _LEAF_TYPE_BYTES + line.ByteSize()
        self.epochs.append(
            ClosedEpoch(
                number=epoch,
                index=record.index,
                parts=tuple(
                    RolePart(role, asset, *counted)
                    for (role, asset), counted in sorted(parts.items())
                ),
                accepted=evidence["accepted"],
                rejected=evidence["rejected"],
                duplicates=evidence["duplicates"],
                undecided=evidence["undecided"],
                answers=evidence["answers"],
                time_ms=record.body.time_ms,
                waiting=tuple(
                    (each.campaign_id, each.items, each.reason) for each in record.body.waiting
                ),
            )
        )


def recount(state: State) -> Tally:
    """The counts of items alone, from the state; linear in their number."""
    tally = Tally()
    tally._count((item for _, item in state.items.scan()), +1)
    return tally
