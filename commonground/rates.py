"""How fast somebody may go: token buckets, and a table of them that a flood of names cannot fill.

The clock is an argument, so that a test needs no waiting.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

# About 200 bytes each. A flood of new names evicts the oldest, never grows the table.
REMEMBERED_MAX: Final = 4096

Clock = Callable[[], float]
"""Monotonic seconds."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TokenBucket:
    """`rate` tokens per second, up to `burst` saved (the usual token bucket)."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

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
        return self.seconds_until(0)

    def seconds_until(self, amount: float) -> float:
        """How long it takes until `amount` tokens are there, if nobody takes any meanwhile."""
        self._refill()
        return max(0.0, (amount - self._tokens) / self._rate)

    def fine(self, amount: float) -> None:
        """Take `amount` tokens as a penalty; it leaves no more debt than one full bucket."""
        self._refill()
        self._tokens = max(self._tokens - amount, -self._burst)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class RecentlyUsed(Generic[K, V]):
    """A mapping that makes its values, and forgets the least recently used beyond a size."""

    def __init__(self, make: Callable[[], V], size_max: int = REMEMBERED_MAX) -> None:
        self._make = make
        self._size_max = size_max
        self._values: OrderedDict[K, V] = OrderedDict()

    def __getitem__(self, key: K) -> V:
        if key not in self._values:
            self._values[key] = self._make()
            if len(self._values) > self._size_max:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)


class Buckets(RecentlyUsed[K, TokenBucket]):
    """A full token bucket for each name. Whoever is forgotten has one again."""

    def __init__(
        self, rate: float, burst: float, clock: Clock, size_max: int = REMEMBERED_MAX
    ) -> None:
        super().__init__(lambda: TokenBucket(rate, burst, clock), size_max)
