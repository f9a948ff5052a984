"""Who misbehaved, and who holds too many slots; commonground/rates.py says who goes too fast.

Only what no honest peer does is an offence, on however bad a line it is, however often it restarts and
however slow its disk: docs/p2p.md has the list. To ban an honest one costs its reviews and its items.

Everything here is synchronous and owned by the trio thread; the clock is an argument, so that a
test needs no waiting. Every table is bounded: a flood of fresh keys evicts the oldest entries.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from commonground.p2p.limits import BAN_SECONDS, OFFENCE_WINDOW_SECONDS, OFFENCES_MAX
from commonground.rates import Clock, RecentlyUsed
from protocol.errors import Reject


class Offence(Reject):
    """A peer sent what no correct implementation sends."""


class Busy(Exception):
    """A limit was reached; the sender is honest, or at least not provably hostile."""


class Interrupted(Exception):
    """The connection broke, stalled or was given up; nobody is to blame, and what arrived stays good."""


@dataclass(slots=True)
class _Record:
    offences: deque[float] = field(default_factory=deque)
    banned_until: float = float("-inf")


class PenaltyBox:
    """Counts offences per peer; at the limit within the window, the peer is banned for a time."""

    def __init__(
        self,
        clock: Clock,
        *,
        offences_max: int = OFFENCES_MAX,
        window_seconds: float = OFFENCE_WINDOW_SECONDS,
        ban_seconds: float = BAN_SECONDS,
    ) -> None:
        self._clock = clock
        self._offences_max, self._window, self._ban = offences_max, window_seconds, ban_seconds
        self._records: RecentlyUsed[bytes, _Record] = RecentlyUsed(_Record)

    def punish(self, peer: bytes) -> bool:
        """Record one offence; True when this one starts a ban."""
        now, record = self._clock(), self._records[peer]
        record.offences.append(now)
        while record.offences and record.offences[0] <= now - self._window:
            record.offences.popleft()
        if len(record.offences) < self._offences_max:
            return False
        record.offences.clear()
        record.banned_until = now + self._ban
        return True

    def is_banned(self, peer: bytes) -> bool:
        return self._records[peer].banned_until > self._clock()


class Slots:
    """At most `total_max` holders at once, and at most `per_peer_max` of one peer."""

    def __init__(self, per_peer_max: int, total_max: int) -> None:
        self._per_peer_max, self._total_max = per_peer_max, total_max
        self._held: Counter[bytes] = Counter()

    @contextmanager
    def hold(self, peer: bytes) -> Iterator[None]:
        """Hold a slot for the `with` block; raises Busy at once when there is none."""
        if self._held[peer] >= self._per_peer_max or self._held.total() >= self._total_max:
            if not self._held[peer]:
                del self._held[peer]
            raise Busy("no slot is free")
        self._held[peer] += 1
        try:
            yield
        finally:
            self._held[peer] -= 1
            if not self._held[peer]:
                del self._held[peer]
