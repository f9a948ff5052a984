"""Yamux with the limits that the library announces and does not enforce."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_SYN,
    TYPE_PING,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from commonground.p2p import limits

log = logging.getLogger(__name__)

# The library tells the sender of every few bytes that were read, in a frame of its own each: more frames than
# there are messages. Credit waits until it is a quarter of a window; nobody stops for want of that.
CREDIT_HELD_BYTES: Final = DEFAULT_WINDOW_SIZE // 4


@contextmanager
def shielded(seconds: float) -> Iterator[None]:
    """Run the block to its end whatever is cancelled outside, but raise TooSlowError in time."""
    with trio.fail_after(seconds) as scope:
        scope.shield = True
        yield


class BoundedYamux(Yamux):
    """Yamux that bounds unread bytes, and whose frames are written whole or end the connection."""

    def __init__(
        self, conn: ISecureConn, peer_id: ID, neighbours: WeakSet[BoundedYamux] | None = None
    ) -> None:
        super().__init__(conn, peer_id)
        self._neighbours = WeakSet() if neighbours is None else neighbours
        self._neighbours.add(self)
        self._held: WeakKeyDictionary[YamuxStream, int] = WeakKeyDictionary()

    def unread_bytes(self) -> int:
        return sum(map(len, self.stream_buffers.values()))

    async def start(self) -> None:
        try:
            await super().start()
        except Exception as error:  # would end the swarm, and with it the node's network
            log.warning("a connection failed: %s", type(error).__name__)
            await self._cleanup_on_error()

    async def _measure_rtt_loop(self) -> None:
        """Ping, and end the connection of a peer that does not answer; the library only measures."""
        while not self.event_shutting_down.is_set():
            self._ping_id = (self._ping_id + 1) % 2**32
            self._ping_event = trio.Event()
            try:
                await self._write_frame(
                    struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, self._ping_id)
                )
            except (IOException, trio.TooSlowError):
                return  # the reader sees the same end and cleans up
            self._ping_sent_time = trio.current_time()
            with trio.move_on_after(limits.PING_SECONDS) as waiting:
                await self._ping_event.wait()
            if waiting.cancelled_caught:
                await self._cleanup_on_error()
                return
            with trio.move_on_after(limits.PING_INTERVAL_SECONDS):
                await self.event_shutting_down.wait()

    async def _read_data_body(self, length: int) -> bytes:
        unread = self.unread_bytes() + length
        too_much = unread > limits.CONNECTION_UNREAD_BYTES_MAX
        if not too_much and unread > limits.UNREAD_BYTES_FREE:
            everybody = sum(connection.unread_bytes() for connection in self._neighbours)
            too_much = everybody + length > limits.UNREAD_BYTES_MAX
        if too_much:
            # The muxer ends the connection on this error, before the body is read.
            raise trio.TooSlowError("a peer ignores its windows")
        body: bytes = await super()._read_data_body(length)
        return body

    def _with_credit(self, frame: bytes) -> bytes | None:
        """The frame to send in the place of this one: a small credit is held back, and goes with the next."""
        if len(frame) != struct.calcsize(YAMUX_HEADER_FORMAT):
            return frame
        version, kind, flags, stream_id, credit = struct.unpack(YAMUX_HEADER_FORMAT, frame)
        stream = self.streams.get(stream_id)
        if kind != TYPE_WINDOW_UPDATE or flags or stream is None:
            return frame
        credit += self._held.pop(stream, 0)
        if credit < CREDIT_HELD_BYTES:
            self._held[stream] = credit
            return None
        return struct.pack(YAMUX_HEADER_FORMAT, version, kind, flags, stream_id, credit)

    async def _write_frame(self, data: bytes) -> None:
        if (frame := self._with_credit(data)) is None:
            return
        # The shield: a frame that is cut by a caller's timeout would shift every later one. The
        # deadline: a peer that stops reading must not hold a task that cannot be cancelled.
        async with self._write_lock:
            try:
                with shielded(limits.FRAME_WRITE_SECONDS):
                    await self.secured_conn.write(frame)
            except trio.TooSlowError:
                self.event_shutting_down.set()
                await self.secured_conn.close()
                raise
        await trio.lowlevel.checkpoint()


class BoundedMuxers(MuxerMultistream):
    """Negotiates Yamux and makes our kind of it; the library names its own class here."""

    def __init__(self, muxers: Any) -> None:
        super().__init__(muxers, limits.NEGOTIATION_SECONDS)
        self._connections: WeakSet[BoundedYamux] = WeakSet()

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        protocol, _ = await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        muxed = BoundedYamux(conn, peer_id, self._connections)
        return self._annotate_connection(muxed, conn, protocol)
