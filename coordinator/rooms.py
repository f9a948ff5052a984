"""Bounded quantities that many share: calls, messages on their way, bytes that nobody has read yet."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from commonground.status import Busy

SOON_SECONDS: Final = 1.0  # whoever finds no room may ask again so soon
# How long somebody waits for room before those who hold it are looked at.
PATIENCE_SECONDS: Final = 2.0


@dataclass(slots=True, eq=False)
class _Waiter:
    network: str
    amount: int
    turn: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Room:
    """`total` of something, at most `each` for one network. It belongs to the event loop.

    Whoever holds nothing may have one thing larger than that, as soon as nobody else holds anything.
    """

    limit: str  # what it is called in refusals and metrics
    total: int
    each: int
    held: int = 0
    _by_network: Counter[str] = field(default_factory=Counter)
    _waiting: deque[_Waiter] = field(default_factory=deque)

    def held_by(self, network: str) -> int:
        """How much of it a network holds."""
        return self._by_network.get(network, 0)

    def fits(self, network: str, amount: int = 1) -> bool:
        """Whether a network may have so much now."""
        return self.fits_share(network, amount) and self._fits_total(amount)

    def require(self, network: str) -> None:
        """Raises Busy unless a network may have one now."""
        if not self.fits(network):
            whose = "" if self.fits_share(network) else " of this address"
            raise Busy(
                f"too many {self.limit}{whose} are under way", SOON_SECONDS, limit=self.limit
            )

    @contextmanager
    def holding(self, network: str, amount: int = 1) -> Iterator[None]:
        """Holds so much, whether or not it fits."""
        self._take(network, amount)
        try:
            yield
        finally:
            self._give(network, amount)

    @asynccontextmanager
    async def waiting(
        self,
        network: str,
        amount: int = 1,
        *,
        ahead: bool = False,
        impatient: Callable[[], object] = lambda: None,
    ) -> AsyncIterator[None]:
        """Waits until it is the network's turn to hold so much, `ahead` of others or after them.

        `impatient` is called now and then meanwhile.
        """
        if self.fits(network, amount) and not self._waiting:
            self._take(network, amount)
        else:
            await self._turn(_Waiter(network, amount, _future()), ahead, impatient)
        try:
            yield
        finally:
            self._give(network, amount)

    async def _turn(self, waiter: _Waiter, ahead: bool, impatient: Callable[[], object]) -> None:
        if ahead:
            self._waiting.appendleft(waiter)
        else:
            self._waiting.append(waiter)
        self._grant()  # those before us may be waiting for their own share alone
        try:
            while not (await asyncio.wait({waiter.turn}, timeout=PATIENCE_SECONDS))[0]:
                impatient()
        except asyncio.CancelledError:
            if waiter.turn.done():
                self._give(waiter.network, waiter.amount)
            else:
                self._waiting.remove(waiter)
            raise

    def _grant(self) -> None:
        """Gives what there is to those who wait, in turn; a network's share holds up itself alone."""
        for waiter in list(self._waiting):
            if not self._fits_total(waiter.amount):
                return
            if self.fits_share(waiter.network, waiter.amount):
                self._waiting.remove(waiter)
                self._take(waiter.network, waiter.amount)
                waiter.turn.set_result(None)

    def fits_share(self, network: str, amount: int = 1) -> bool:
        """Whether a network's share has so much left."""
        own = self.held_by(network)
        return not own or own + amount <= self.each

    def _fits_total(self, amount: int) -> bool:
        return not self.held or self.held + amount <= self.total

    def _take(self, network: str, amount: int) -> None:
        self.held += amount
        self._by_network[network] += amount

    def _give(self, network: str, amount: int) -> None:
        self.held -= amount
        self._by_network[network] -= amount
        if not self._by_network[network]:
            del self._by_network[network]
        self._grant()


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
