"""Contributors: what everybody gave and earned, and what is believed of their work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.dashboard.paging import Page, page_of
from coordinator.tally import Statuses, Tally
from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.review.reputation import interval_ppm, mean_ppm
from protocol.state import SHARES, Belief, State
from protos.gen import records_pb2 as pb

DEFAULT_SORT: Final = "shares"
_RATED: Final = (pb.ROLE_CONTRIBUTOR, pb.ROLE_REVIEWER)

_Beliefs = tuple[Belief | None, Belief | None]
"""In one's work as a contributor, and as a reviewer; of all campaigns together."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The rate of right work: its mean, and one standard deviation to either side."""

    mean_ppm: int
    low_ppm: int
    high_ppm: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One line of the table."""

    identity: Identity
    joined: int  # log index; -1: holds shares without having registered
    stands_by: bool
    submitted: int
    accepted: int
    shares_micro: int
    part_ppm: int  # of all shares
    contributing: Interval | None  # None: no evidence yet
    reviewing: Interval | None


@dataclass(frozen=True, slots=True)
class Person:
    """One contributor's page, but for the lines, which are in the ledger."""

    row: PersonRow
    payout: bytes
    items: Statuses
    earned: dict[bytes, int]  # by asset, ever
    settled: dict[bytes, int]  # the part of it that settlements have promised
    beliefs: tuple[tuple[str, Interval | None, Interval | None], ...]  # by campaign
    lines: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row before its intervals are computed: what has to be copied while the state stands still."""

    identity: Identity
    joined: int
    stands_by: bool
    submitted: int
    accepted: int
    shares_micro: int
    beliefs: _Beliefs


_SORTS: Final[dict[str, Callable[[_Entry], int]]] = {
    "shares": lambda entry: entry.shares_micro,
    "accepted": lambda entry: entry.accepted,
    "contributing": lambda entry: _low(entry.beliefs[0]),
    "reviewing": lambda entry: _low(entry.beliefs[1]),
    "joined": lambda entry: -entry.joined,
}
SORTS: Final = tuple(_SORTS)


@dataclass(slots=True)
class Board:
    """Everybody, as of one moment. Sorting is done outside of the book's lock, once for each order."""

    size: int  # log entries
    minted_micro: int
    entries: Sequence[_Entry]
    _sorted: dict[str, list[_Entry]] = field(default_factory=dict)

    def page(self, sort: str, number: int) -> Page[PersonRow]:
        """A page in the order of `sort`, the best first; raises Reject beyond the last."""
        if sort not in self._sorted:
            key = _SORTS[sort]
            self._sorted[sort] = sorted(self.entries, key=lambda e: (-key(e), e.identity))
        found = page_of(self._sorted[sort], number)
        rows = [_row(entry, self.minted_micro) for entry in found.rows]
        return Page(found.number, found.total, rows)


def board(state: State, tally: Tally) -> Board:
    """Copies what the table needs; linear in the number of members, not of items."""
    contributing, reviewing = _pooled(state)
    return Board(
        state.size,
        state.minted_micro,
        [
            _entry(state, tally, who, (contributing.get(who), reviewing.get(who)))
            for who in _everybody(state)
        ],
    )


def person(state: State, tally: Tally, who: Identity) -> Person | None:
    """One contributor; None if the log does not know the identity."""
    member = state.members.get(who)
    if member is None and who != state.operator:
        return None
    contributing, reviewing = (
        {campaign: state.reputation.get((who, role, campaign)) for campaign in state.campaigns}
        for role in _RATED
    )
    pooled = (_sum(*contributing.values()), _sum(*reviewing.values()))
    return Person(
        row=_row(_entry(state, tally, who, pooled), state.minted_micro),
        payout=member.payout if member else b"",
        items=tally.of_author(who).copy(),
        earned={asset: state.earned[who, asset] for asset in _assets(state, who)},
        settled={asset: state.settled.get((who, asset), 0) for asset in _assets(state, who)},
        beliefs=tuple(
            (campaign, _interval(contributing[campaign]), _interval(reviewing[campaign]))
            for campaign in state.campaigns
            if contributing[campaign] or reviewing[campaign]
        ),
        lines=tally.lines_of(who),
    )


def _assets(state: State, who: Identity) -> list[bytes]:
    return [asset for asset in (SHARES, *state.received) if (who, asset) in state.earned]


def _holders(state: State) -> set[Identity]:
    """Who earned shares without having registered can only be the operator, for the treasury."""
    return {state.operator} if (state.operator, SHARES) in state.earned else set()


def _everybody(state: State) -> list[Identity]:
    return [*state.members, *(_holders(state) - state.members.keys())]


def _entry(state: State, tally: Tally, who: Identity, beliefs: _Beliefs) -> _Entry:
    member, items = state.members.get(who), tally.of_author(who)
    return _Entry(
        identity=who,
        joined=member.registered_at if member else -1,
        stands_by=bool(member and member.standby),
        submitted=items.total(),
        accepted=items[ItemStatus.ACCEPTED],
        shares_micro=state.earned.get((who, SHARES), 0),
        beliefs=beliefs,
    )


def _pooled(state: State) -> tuple[dict[Identity, Belief], dict[Identity, Belief]]:
    """The evidence about everybody's work in either role, of all campaigns together."""
    pooled: dict[int, dict[Identity, Belief]] = {role: {} for role in _RATED}
    for (who, role, _), belief in state.reputation.items():
        known = pooled[role].get(who)
        if known is None:
            pooled[role][who] = Belief(belief.right_micro, belief.wrong_micro)
        else:
            known.right_micro += belief.right_micro
            known.wrong_micro += belief.wrong_micro
    return pooled[_RATED[0]], pooled[_RATED[1]]


def _sum(*beliefs: Belief | None) -> Belief | None:
    found = [belief for belief in beliefs if belief]
    if not found:
        return None
    return Belief(sum(b.right_micro for b in found), sum(b.wrong_micro for b in found))


def _row(entry: _Entry, minted_micro: int) -> PersonRow:
    return PersonRow(
        identity=entry.identity,
        joined=entry.joined,
        stands_by=entry.stands_by,
        submitted=entry.submitted,
        accepted=entry.accepted,
        shares_micro=entry.shares_micro,
        part_ppm=entry.shares_micro * PPM // (minted_micro or 1),
        contributing=_interval(entry.beliefs[0]),
        reviewing=_interval(entry.beliefs[1]),
    )


def _interval(belief: Belief | None) -> Interval | None:
    if belief is None:
        return None
    low, high = interval_ppm(belief)
    return Interval(mean_ppm(belief), low, high)


def _low(belief: Belief | None) -> int:
    """What a draw goes by; without evidence behind everybody else."""
    return interval_ppm(belief)[0] if belief else -1
