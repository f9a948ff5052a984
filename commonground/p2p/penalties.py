"""Who misbehaved, who goes too fast, who holds too many slots.

Everything here is synchronous and owned by the trio thread; the clock is an argument, so that a
test needs no waiting. Every table is bounded: a flood of fresh keys evicts the oldest entries.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from commonground.p2p.limits import (
    BAN_SECONDS,
    OFFENCE_WINDOW_SECONDS,
    OFFENCES_MAX,
    PEERS_REMEMBERED_MAX,
)
from protocol.errors import Reject

Clock = Callable[[], float]
V = TypeVar("V")


class Offence(Reject):
    """A peer sent what no correct implementation sends."""


class Busy(Exception):
    """A limit was reached; the sender is honest, or at least not provably hostile."""


class RecentlyUsed(Generic[V]):
    """A mapping from peer key to a value, that forgets the least recently used beyond a size."""

    def __init__(self, make: Callable[[], V], size_max: int = PEERS_REMEMBERED_MAX) -> None:
        self._make = make
        self._size_max = size_max
        self._values: OrderedDict[bytes, V] = OrderedDict()

    def __getitem__(self, key: bytes) -> V:
        if key not in self._values:
            self._values[key] = self._make()
            if len(self._values) > self._size_max:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)


class TokenBucket:
    """`rate` tokens per second, up to `burst` saved (the usual token bucket)."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def take(self, amount: float = 1) -> bool:
        """Take `amount` tokens now, or take nothing and return False."""
        self._refill()
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True

    def borrow(self, amount: float) -> float:
        """Take `amount` tokens even if they are not there; returns the seconds to wait first."""
        self._refill()
        self._tokens -= amount
        return max(0.0, -self._tokens / self._rate)


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
        self._records: RecentlyUsed[_Record] = RecentlyUsed(_Record)

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
