"""Which HTTP connections there may be: bounded in all and by network, and none that only holds a place.

uvicorn waits for the rest of a request as long as the other side likes, and beyond its limit of connections
it refuses everybody. Here a request has to arrive in time and be small, and a newcomer always finds a place:
whoever has waited longest without asking anything gives it up.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from commonground.networks import network_of

# From the connection, or from the last answer, to the whole of the next request.
REQUEST_SECONDS: Final = 10.0
# Head and body: what we serve is read, and nothing is sent to us but small forms. A page that takes files
# says how large they may be.
REQUEST_BYTES_MAX: Final = 64 * 1024
# The largest file of the log, 16 MiB, at 2.3 Mbit/s.
ANSWER_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
# So long a network may have too many: enough for the request of one that came in the midst of a flood.
_SETTLE_SECONDS: Final = 0.05

_Protocol: Any = AutoHTTPProtocol


class Visitors:
    """All connections of one server: at most `most`, and `each` of one network. For the event loop."""

    def __init__(
        self,
        most: int,
        each: int,
        clock: Callable[[], float] = time.monotonic,
        request_bytes_max: int = REQUEST_BYTES_MAX,
    ) -> None:
        self._most, self._each, self._clock = most, each, clock
        self.request_bytes_max = request_bytes_max
        self._here: dict[Visitor, None] = {}  # in the order of their coming
        self._crowds = Counter[str]()

    def __len__(self) -> int:
        return len(self._here)

    def now(self) -> float:
        """Seconds of our clock."""
        return self._clock()

    def protocol(self, **arguments: Any) -> asyncio.Protocol:
        """What uvicorn calls to serve a new connection."""
        return Visitor(self, **arguments)

    def come(self, visitor: Visitor) -> None:
        """Takes a newcomer in. Whoever waits longest goes, where that is one too many."""
        self._here[visitor] = None
        self._crowds[visitor.network] += 1
        if len(self._here) > self._most:
            self._send_away(self._here, 1, visitor)
        elif self._crowds[visitor.network] == self._each + 1:
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._settle, visitor.network)

    def _settle(self, network: str) -> None:
        """Ends what a network has too many of."""
        crowd = [each for each in self._here if each.network == network]
        self._send_away(crowd, len(crowd) - self._each)

    def _send_away(
        self, crowd: Iterable[Visitor], count: int, newcomer: Visitor | None = None
    ) -> None:
        """Ends those of a crowd that wait longest; or the newcomer, where nobody waits."""
        waiting = [each for each in crowd if each.waits and each is not newcomer]
        gone = sorted(waiting, key=lambda each: each.since)[: max(0, count)]
        for each in gone or filter(None, [newcomer]):
            each.end()

    def go(self, visitor: Visitor) -> None:
        """Forgets one who has gone."""
        if visitor in self._here:
            del self._here[visitor]
            self._crowds[visitor.network] -= 1
            if not self._crowds[visitor.network]:
                del self._crowds[visitor.network]

    async def keep_moving(self) -> None:
        """Ends, for ever, what takes too long."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.end_late()

    def end_late(self) -> None:
        """Ends whoever has not asked in time, or not read the answer."""
        now = self._clock()
        for each in list(self._here):
            if now - each.since > (REQUEST_SECONDS if each.waits else ANSWER_SECONDS):
                each.end()


class Visitor(_Protocol):  # type: ignore[misc]  # which of uvicorn's two it is, is found out at run time
    """One connection."""

    def __init__(self, visitors: Visitors, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._visitors = visitors
        self._request_bytes = 0
        self.network = ""
        self.since = visitors.now()  # that it waits for a request, or that we are at an answer

    @property
    def waits(self) -> bool:
        """Whether no request of its is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def end(self) -> None:
        """Ends the connection at once, without a word."""
        self._visitors.go(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.network = network_of(self.client[0]) if self.client else ""
        self._visitors.come(self)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._request_bytes += len(data)
        if self._request_bytes > self._visitors.request_bytes_max:
            self.end()
            return
        waited = self.waits
        super().data_received(data)
        if waited and not self.waits:
            self.since = self._visitors.now()

    def on_response_complete(self) -> None:
        self.since, self._request_bytes = self._visitors.now(), 0
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._visitors.go(self)
        super().connection_lost(exc)
