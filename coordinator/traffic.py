"""How much one network address may ask for: token buckets, and a bounded number of streams.

A message that breaks a rule costs as much as many good ones, so that a peer who sends nothing else soon
waits, and a peer with one bug hardly notices. The penalty is paid off by time alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote

from commonground.rates import Buckets, Clock
from commonground.status import Busy
from coordinator.config import RateLimit

# Addresses remembered at once, about 200 bytes each; the longest silent is forgotten first, and by
# then its bucket is usually full again.
ADDRESSES_MAX: Final = 65_536
REJECT_CALLS: Final = 50  # what a rejected message costs, in calls
STREAMS_MAX: Final = 256  # followers behind one address
# A message of this size costs one call more: bytes are work, too.
BYTES_PER_CALL: Final = 64 * 1024


class Traffic:
    """Counts calls by address. `clock` gives monotonic seconds."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._buckets = Buckets[str](
            limit.calls_per_second, limit.burst_calls, clock, ADDRESSES_MAX
        )
        self._streams: Counter[str] = Counter()  # bounded by the server's concurrent calls

    def take(self, address: str, message_bytes: int = 0) -> None:
        """Counts one call; raises Busy when the address has none left."""
        bucket = self._buckets[address]
        if not bucket.take():
            raise Busy("this address calls too often", bucket.seconds_until(1))
        bucket.borrow(message_bytes / BYTES_PER_CALL)

    def penalise(self, address: str) -> None:
        """Charges a message that broke a rule; the debt is never more than one full bucket."""
        self._buckets[address].fine(REJECT_CALLS)

    @contextmanager
    def stream(self, address: str) -> Iterator[None]:
        """Holds one of the streams of the address; raises Busy when it has too many."""
        if self._streams[address] >= STREAMS_MAX:
            raise Busy(f"this address follows {STREAMS_MAX} times already: close a connection")
        self._streams[address] += 1
        try:
            yield
        finally:
            self._streams[address] -= 1
            if not self._streams[address]:
                del self._streams[address]


def address_of(peer: str) -> str:
    """The address without its port in what gRPC calls a peer: `ipv4:127.0.0.1:50412`."""
    return unquote(peer).rpartition(":")[0]
