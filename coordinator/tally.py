"""Running tallies of the log: what a page says of a million items without walking through them.

They are fed by every record, under the same lock as the state, and rebuilt at every start from the log;
like the rest of memory they hold nothing that the log does not. What is long (a reward line, an update)
stays in the ledger: here is only where.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.rules.record import Record
from protocol.state import SHARES, ItemId, State
from protocol.transition import process
from protos.gen import records_pb2 as pb

# How a bundle frames a whole leaf, see protocol.log.batch: a zero byte, and its length in four.
_LEAF_HEADER_BYTES: Final = 5
_OFFSET_BITS: Final = 32  # a bundle has at most 16 MiB

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

    @property
    def minted_micro(self) -> int:
        """All shares that it minted."""
        return sum(part.amount for part in self.parts if part.asset == SHARES)


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
        return pb.RewardLine.FromString(bundle[start:stop])


@dataclass(slots=True)
class Tally:
    """Counts by campaign and author, and where in the log to find what."""

    campaigns: dict[str, Statuses] = field(default_factory=dict)
    authors: dict[Identity, Statuses] = field(default_factory=dict)
    epochs: list[ClosedEpoch] = field(default_factory=list)
    kinds: dict[str, array[int]] = field(default_factory=dict)  # log indices by record kind
    updates: dict[str, array[int]] = field(default_factory=dict)  # and of updates by job
    # Rounds that somebody's updates went into, by job.
    trained: dict[str, Counter[bytes]] = field(default_factory=dict)
    _lines: dict[Identity, array[int]] = field(default_factory=dict)

    def process(self, state: State, kind: str, record: Record[Any]) -> None:
        """`protocol.transition.process`, with these tallies kept in step.

        The items that a record touches are taken out as they were and put in again as they are, so
        nothing here repeats what the rules do to them.
        """
        touched = list(_touched(state, kind, record))
        self._count(state, touched, -1)
        process(state, kind, record)
        self._count(state, touched, +1)
        self.kinds.setdefault(kind, _places()).append(record.index)
        match record.body:
            case pb.Submission() as body:
                self._add(record.author, body.campaign_id, ItemStatus.SUBMITTED, len(record.leaves))
            case pb.Close() as body:
                self._close(body.epoch, record)
            case pb.Update() as body:
                self.updates.setdefault(body.job_id, _places()).append(record.index)
            case pb.TrainingRound() as body:
                self.trained.setdefault(body.job_id, Counter()).update(body.partners)

    def count(self, *statuses: ItemStatus) -> int:
        """Items that have one of these statuses."""
        return sum(counts[status] for counts in self.campaigns.values() for status in statuses)

    def of_author(self, author: Identity) -> Statuses:
        """An author's items by status."""
        return self.authors.get(author, Counter())

    def of_campaign(self, campaign_id: str) -> Statuses:
        """A campaign's items by status."""
        return self.campaigns.get(campaign_id, Counter())

    def lines_of(self, identity: Identity) -> int:
        """How many reward lines somebody has."""
        return len(self._lines.get(identity, ()))

    def line_places(self, identity: Identity, skip: int, count: int) -> list[LinePlace]:
        """Where somebody's lines are, the latest first."""
        packed = self._lines.get(identity, _places())
        stop = max(0, len(packed) - skip)
        return [
            LinePlace(place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1))
            for place in reversed(packed[max(0, stop - count) : stop])
        ]

    def _count(self, state: State, item_ids: Iterable[ItemId], sign: int) -> None:
        items = (state.items[item_id] for item_id in item_ids)
        grouped = Counter((item.author, item.campaign_id, item.status) for item in items)
        for (author, campaign_id, status), count in grouped.items():
            self._add(author, campaign_id, status, sign * count)

    def _add(self, author: Identity, campaign_id: str, status: ItemStatus, count: int) -> None:
        self.campaigns.setdefault(campaign_id, Counter())[status] += count
        self.authors.setdefault(author, Counter())[status] += count

    def _close(self, epoch: int, record: Record[Any]) -> None:
        parts: dict[tuple[int, bytes], list[int]] = {}
        evidence, offset = Counter[str](), 0
        for leaf in record.leaves:
            line = pb.RewardLine.FromString(leaf)
            part = parts.setdefault((line.role, line.asset), [0, 0])
            part[0] += 1
            part[1] += int(line.amount)
            for name in ("accepted", "rejected", "duplicates", "undecided", "answers"):
                evidence[name] += getattr(line.evidence, name)
            packed = record.index << _OFFSET_BITS | offset
            self._lines.setdefault(Identity(line.identity), _places()).append(packed)
            offset += _LEAF_HEADER_BYTES + len(leaf)
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
            )
        )


def recount(state: State) -> Tally:
    """The counts of items alone, from the state; linear in their number."""
    tally = Tally()
    tally._count(state, state.items, +1)
    return tally


def _touched(state: State, kind: str, record: Record[Any]) -> Iterator[ItemId]:
    """Items that were there before and whose status the record may change."""
    match kind:
        case "phase" if record.body.to == pb.PHASE_BEACON:
            yield from (pb.Duplicate.FromString(leaf).item_id for leaf in record.leaves)
        case "phase":
            yield from state.epoch.round.assignments
        case "draw":
            yield from (pb.Assignment.FromString(leaf).item_id for leaf in record.leaves)
        case "verdict":
            yield from (pb.ItemVerdict.FromString(leaf).item_id for leaf in record.leaves)
        case "withdraw":
            yield from record.body.item_ids
