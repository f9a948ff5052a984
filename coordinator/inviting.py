"""Who invited whom, for the command line and the dashboard. Changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from coordinator.dashboard.paging import Page, page_of
from protocol.identity import PersonId
from protocol.rules.admission import lacks_bond, standing
from protocol.state import State


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, and who answers for them."""

    person: PersonId
    joined: int  # log index
    invited_by: PersonId  # NOBODY: by nobody
    bonded: bool  # joined by a bond
    lacks_bond: bool  # and too little of it is left
    invited: int  # how many joined by their invitations
    standing_micro: int


def members_page(state: State, number: int) -> Page[MemberRow]:
    """Members in the order in which they joined; raises Reject beyond the last page."""
    invited = Counter(member.invited_by for _, member in state.members.scan())
    joined = sorted((member.registered_at, who) for who, member in state.members.scan())
    found = page_of(joined, number)
    return Page(
        found.number,
        found.total,
        [
            MemberRow(
                who,
                at,
                state.members[who].invited_by,
                state.members[who].is_bonded,
                lacks_bond(state, who),
                invited[who],
                standing(state, who),
            )
            for at, who in found.rows
        ],
    )


def invited_by(state: State, who: PersonId) -> list[PersonId]:
    """Whom somebody has invited, the first one first; linear in the number of members."""
    found = [
        (member.registered_at, person)
        for person, member in state.members.scan()
        if member.invited_by == who
    ]
    return [person for _, person in sorted(found)]
