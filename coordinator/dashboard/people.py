"""Contributors: what everybody gave and earned, and what is believed of their work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.dashboard.paging import Page, page_of
from coordinator.inviting import invited_by
from coordinator.tally import Statuses, Tally
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.money.accounts import owed_to
from protocol.review.reputation import belief_of, faded, interval_ppm, mean_ppm
from protocol.rows import Belief
from protocol.rules.admission import standing as standing_of
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

DEFAULT_SORT: Final = "shares"
INVITED_SHOWN: Final = 50  # on a person's page; `commonhold coordinator people` has all
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

    person: PersonId
    joined: int  # log index; -1: holds shares without having registered
    invited_by: PersonId  # NOBODY: in an open network
    stands_by: int  # in so many campaigns
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
    keys: tuple[tuple[KeyId, int], ...]  # with the log index of each one's delegation
    items: Statuses
    earned: dict[bytes, int]  # by asset, ever
    settled: dict[bytes, int]  # the part of it that settlements have promised
    beliefs: tuple[tuple[str, Interval | None, Interval | None], ...]  # by campaign
    lines: int
    invited: tuple[PersonId, ...]  # the first of those who joined by their invitations
    invited_total: int
    standing_micro: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row before its intervals are computed: what has to be copied while the state stands still."""

    person: PersonId
    joined: int
    invited_by: PersonId
    stands_by: int  # in so many campaigns
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
            self._sorted[sort] = sorted(self.entries, key=lambda e: (-key(e), e.person))
        found = page_of(self._sorted[sort], number)
        rows = [_row(entry, self.minted_micro) for entry in found.rows]
        return Page(found.number, found.total, rows)


def board(state: State, tally: Tally) -> Board:
    """Copies what the table needs; linear in the number of members, not of items."""
    contributing, reviewing = _pooled(state)
    standing = Counter(who for (_, who), _ in state.standbys.scan())
    return Board(
        state.size,
        state.minted_micro,
        [
            _entry(state, tally, who, standing[who], (contributing.get(who), reviewing.get(who)))
            for who in _everybody(state)
        ],
    )


def person(state: State, tally: Tally, who: PersonId) -> Person | None:
    """One contributor; None if the log does not know them."""
    member = state.members.get(who)
    if member is None and who != state.operator:
        return None
    contributing, reviewing = (
        {campaign: belief_of(state, who, role, campaign) for campaign, _ in state.campaigns.scan()}
        for role in _RATED
    )
    invited = invited_by(state, who)
    standing = sum((campaign, who) in state.standbys for campaign in state.standbys.firsts())
    pooled = (_sum(*contributing.values()), _sum(*reviewing.values()))
    return Person(
        row=_row(_entry(state, tally, who, standing, pooled), state.minted_micro),
        payout=member.payout if member else b"",
        keys=tuple((key, index) for (_, key), index in state.keys_of.scan(who)),
        items=tally.of_author(who).copy(),
        earned={asset: amount for (_, asset), amount in state.earned.scan(who)},
        settled={
            asset: amount - owed_to(state, who, asset)
            for (_, asset), amount in state.earned.scan(who)
        },
        beliefs=tuple(
            (campaign, _interval(contributing[campaign]), _interval(reviewing[campaign]))
            for campaign in contributing
            if contributing[campaign] or reviewing[campaign]
        ),
        lines=tally.lines_of(who),
        invited=tuple(invited[:INVITED_SHOWN]),
        invited_total=len(invited),
        standing_micro=standing_of(state, who),
    )


def _holders(state: State) -> set[PersonId]:
    """Who earned shares without having registered can only be the operator, for the treasury."""
    return {state.operator} if (state.operator, SHARES) in state.earned else set()


def _everybody(state: State) -> list[PersonId]:
    members = [who for who, _ in state.members.scan()]
    return [*members, *(who for who in _holders(state) if who not in state.members)]


def _entry(state: State, tally: Tally, who: PersonId, standing: int, beliefs: _Beliefs) -> _Entry:
    member, items = state.members.get(who), tally.of_author(who)
    return _Entry(
        person=who,
        joined=member.registered_at if member else -1,
        invited_by=member.invited_by if member else NOBODY,
        stands_by=standing,
        submitted=items.total(),
        accepted=items[ItemStatus.ACCEPTED],
        shares_micro=state.earned.get((who, SHARES), 0),
        beliefs=beliefs,
    )


def _pooled(state: State) -> tuple[dict[PersonId, Belief], dict[PersonId, Belief]]:
    """The evidence about everybody's work in either role, of all campaigns together, as of now."""
    pooled: dict[int, dict[PersonId, Belief]] = {role: {} for role in _RATED}
    for (who, role, _), belief in state.beliefs.scan():
        if role in pooled:
            now = faded(belief, state.epoch, state.decay)
            pooled[role][who] = _sum(pooled[role].get(who), now) or now
    return pooled[_RATED[0]], pooled[_RATED[1]]


def _sum(*beliefs: Belief | None) -> Belief | None:
    found = [belief for belief in beliefs if belief]
    if not found:
        return None
    return Belief(sum(b.right_micro for b in found), sum(b.wrong_micro for b in found))


def _row(entry: _Entry, minted_micro: int) -> PersonRow:
    return PersonRow(
        person=entry.person,
        joined=entry.joined,
        invited_by=entry.invited_by,
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
