"""Can others reach this node? Who knows is who did: members dial it where it announces itself.

A connection that a member made, from where the internet or the coordinator's network is, proves that it can
be reached. That none was made proves little, since whoever we are connected to need not dial; so that is
said as it is, with what its owner can do. What is noted is in the store, so that `status` and the page tell
it, too. There is no relay: a node that cannot be reached serves its items only over connections of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from commonground.addresses import now_ms
from commonground.counting import plural
from commonground.places import Reach, parse_place, reach_of_place
from node.store import Store
from protocol.errors import Reject
from protocol.identity import PersonId

# Whoever came before that says little of today's router.
NOTED_MS: Final = 24 * 3_600_000
# A visit is noted once a minute a member: the disk is not to follow a crowd.
NOTED_AGAIN_MS: Final = 60_000
MEMBERS_NOTED_MAX: Final = 64
_VISITS, _ANNOUNCED = "reached", "announced"
_ADVICE: Final = (
    "If it stays so, forward its port on your router and name the address with `announce` in node.toml"
    ' (docs/contributor.md, "Let others reach your node").'
)


class ReachWatch:
    """Notes who reached us from outside."""

    def __init__(self, store: Store, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._clock = store, clock

    def visited_by(self, person: PersonId) -> None:
        """A member has connected to us, from outside."""
        now, noted = self._clock(), _visits(self._store)
        if now - noted.get(person.hex(), 0) < NOTED_AGAIN_MS:
            return
        noted[person.hex()] = now
        latest = sorted(noted.items(), key=lambda each: -each[1])[:MEMBERS_NOTED_MAX]
        self._store.set_meta(_VISITS, json.dumps(dict(latest)).encode())

    def announced(self, addresses: Sequence[str]) -> None:
        """Where we told others to dial us."""
        said = json.dumps(list(addresses)).encode()
        if self._store.meta(_ANNOUNCED) != said:
            self._store.set_meta(_ANNOUNCED, said)


def was_reached(store: Store, now: int) -> bool:
    """Whether a member has reached us from outside within a day."""
    return any(now - seen < NOTED_MS for seen in _visits(store).values())


def reach_words(store: Store, now: int) -> str:
    """Whether this node can be reached from outside, and what to do if not."""
    recent = [seen for seen in _visits(store).values() if now - seen < NOTED_MS]
    if recent:
        minutes = max(0, now - max(recent)) // 60_000
        members = plural(len(recent), "member")
        return f"reached from outside {plural(minutes, 'minute')} ago; by {members} within a day"
    announced = json.loads(store.meta(_ANNOUNCED) or b"[]")
    if not announced:
        return "not announced yet: a running node says where it is once the log knows its key"
    where = ", ".join(announced)
    if not any(_is_public(each) for each in announced):
        return (
            f"no member has dialled this node within a day, and it announces only {where}, which nobody"
            f" outside its own network can dial. {_ADVICE}"
        )
    return (
        f"no member has dialled this node at {where} within a day: none had to, or it cannot be reached."
        f" {_ADVICE}"
    )


def _is_public(address: str) -> bool:
    try:
        return reach_of_place(parse_place(address)) in (Reach.PUBLIC, None)
    except Reject:
        return False


def _visits(store: Store) -> dict[str, int]:
    noted: dict[str, int] = json.loads(store.meta(_VISITS) or b"{}")
    return noted
