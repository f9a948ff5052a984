"""How much one network may ask for, and how much of everything is kept for members.

Rates are token buckets, by network for strangers and by key for members. What is held for a time has rooms:
one for strangers, one for members, each with a part that one network may have. So strangers can never use up
what members need, and none of them what the others do.

A message that breaks a rule costs as much as many good ones, so that a peer who sends nothing else soon
waits, and a peer with one bug hardly notices. The penalty is paid off by time alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from commonground.rates import Buckets, Clock
from commonground.status import Busy
from coordinator.config import RateLimit
from coordinator.connections import Connection
from coordinator.rooms import PATIENCE_SECONDS, SOON_SECONDS, Room
from protocol.identity import KeyId

_MIB: Final = 1024 * 1024
# Networks and keys remembered at once, about 200 bytes each; the longest silent is forgotten first, and
# by then its bucket is usually full again.
PAYERS_MAX: Final = 65_536
REJECT_CALLS: Final = 50  # what a rejected message costs, in calls
# A message of this size costs one call more: bytes are work, too.
BYTES_PER_CALL: Final = 64 * 1024
# The first calls of a connection are looked at even when its network has none left: a member behind the
# address of a flood can show who it is. They cost a flooder a TLS handshake.
FIRST_CALLS: Final = 2
# A message of 8 MiB over a line of 1 Mbit/s; clients wait a little longer.
READ_SECONDS: Final = 70.0


@dataclass(slots=True, eq=False)
class _Unread:
    """A call whose message is not here yet."""

    connection: Connection
    began: float
    limit: asyncio.Timeout
    has_place: bool = False


@dataclass(frozen=True, slots=True)
class Rooms:
    """What may be held at once, by all strangers or by all members."""

    clock: Clock
    calls: Room  # from their first byte to their answer
    messages: Room  # on their way to us: each may take 8 MiB before anybody can look at it
    bytes: Room  # of messages that are parsed, checked and logged; four times as much memory
    streams: Room  # that follow
    pages: Room  # bytes that were given to the network and that followers have not read
    unread: list[_Unread] = field(default_factory=list)  # longest first

    @asynccontextmanager
    async def arriving(self, connection: Connection) -> AsyncIterator[None]:
        """Waits for a place for a message that is to come, and holds it.

        The only call of a connection goes ahead of those of which it has many. Raises TimeoutError when the
        message does not come in READ_SECONDS; or sooner when others wait, for then one that takes long gives
        way.
        """
        async with asyncio.timeout(READ_SECONDS) as limit:
            mine = _Unread(connection, self.clock(), limit)
            self.unread.append(mine)
            try:
                if not self.messages.fits(connection.network):
                    self.give_way(self.messages, connection)
                async with self.messages.waiting(
                    connection.network,
                    ahead=connection.active == 1,
                    impatient=lambda: self.give_way(self.messages, connection),
                ):
                    mine.has_place = True
                    yield
            finally:
                self.unread.remove(mine)

    def give_way(self, room: Room, newcomer: Connection) -> bool:
        """Ends the call that waits longest for its message, if that is too long.

        Towards the only call of a connection, every second call of another one waits too long at once. It is
        a call of the same network where that has its whole share of the room.
        """
        by_itself = not room.fits_share(newcomer.network)
        for each in self.unread:
            if by_itself and each.connection.network != newcomer.network:
                continue
            if each.limit.expired() or not (each.has_place or room is self.calls):
                continue
            is_surplus = newcomer.active == 1 < each.connection.active
            if is_surplus or self.clock() - each.began >= PATIENCE_SECONDS:
                each.limit.reschedule(asyncio.get_running_loop().time())
                return True
        return False


def strangers_rooms(clock: Clock) -> Rooms:
    """For whoever has not shown to be a member."""
    return Rooms(
        clock,
        calls=Room("calls", 256, 64),
        messages=Room("messages", 16, 4),
        bytes=Room("bytes", 16 * _MIB, 8 * _MIB),
        streams=Room("streams", 1_024, 64),
        pages=Room("pages", 32 * _MIB, 8 * _MIB),
    )


def members_rooms(clock: Clock) -> Rooms:
    """More of everything: one network of members may be a university."""
    return Rooms(
        clock,
        calls=Room("calls", 1_024, 512),
        messages=Room("messages", 32, 8),
        bytes=Room("bytes", 48 * _MIB, 16 * _MIB),
        streams=Room("streams", 4_096, 1_024),
        pages=Room("pages", 96 * _MIB, 16 * _MIB),
    )


class Traffic:
    """Counts calls. `clock` gives monotonic seconds."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._buckets = Buckets[str | KeyId](
            limit.calls_per_second, limit.burst_calls, clock, PAYERS_MAX
        )
        self._clock = clock
        self.strangers, self.members = strangers_rooms(clock), members_rooms(clock)

    def take(self, connection: Connection) -> None:
        """Counts one call; raises Busy when the payer has none left."""
        connection.calls += 1
        bucket = self._buckets[connection.payer]
        if not bucket.take() and connection.calls > FIRST_CALLS:
            raise Busy("this address calls too often", bucket.seconds_until(1), limit="rate")

    def penalise(self, connection: Connection) -> None:
        """Charges a message that broke a rule; the debt is never more than one full bucket."""
        self._buckets[connection.payer].fine(REJECT_CALLS)

    @contextmanager
    def calling(self, connection: Connection) -> Iterator[None]:
        """Holds a call; raises Busy when it is one too many."""
        connection.active += 1
        try:
            self.take(connection)
            rooms, network = self._rooms(connection), connection.network
            if rooms is self.strangers and 2 * self.members.calls.held > self.members.calls.total:
                raise Busy("members come first", SOON_SECONDS, limit="members first")
            if not rooms.calls.fits(network) and not rooms.give_way(rooms.calls, connection):
                rooms.calls.require(network)
            with rooms.calls.holding(network):
                yield
        finally:
            connection.active -= 1
            connection.used = self._clock()

    @asynccontextmanager
    async def message(
        self, connection: Connection, read: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[None]:
        """Has a call's message read, which gives its size, and holds what that takes in memory.

        Raises TimeoutError: it did not come.
        """
        rooms, network = self._rooms(connection), connection.network
        async with AsyncExitStack() as held:
            async with rooms.arriving(connection):
                size = await read()
                await held.enter_async_context(rooms.bytes.waiting(network, size))
            self._buckets[connection.payer].borrow(size / BYTES_PER_CALL)
            yield

    @contextmanager
    def streaming(self, connection: Connection) -> Iterator[None]:
        """Holds a stream; raises Busy when it is one too many."""
        streams = self._rooms(connection).streams
        streams.require(connection.network)
        with streams.holding(connection.network):
            yield

    @asynccontextmanager
    async def sending(self, connection: Connection, page_bytes: int) -> AsyncIterator[None]:
        """Waits until so many bytes may be on their way to the connection's network, and holds them."""
        async with self._rooms(connection).pages.waiting(connection.network, page_bytes):
            yield

    def _rooms(self, connection: Connection) -> Rooms:
        return self.strangers if connection.member is None else self.members
