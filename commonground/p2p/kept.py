"""Streams that an answer came on whole, kept for the next question to the same peer.

A new stream costs three round trips and most of a small fetch's processor time: it is opened, and both sides
agree on its protocol. Whoever answers waits for another question as long as it waits for a first one
(`REQUEST_READ_SECONDS`), and then ends its side; it may do so at any moment.
"""

from __future__ import annotations

from collections import OrderedDict

import trio
from libp2p.abc import INetStream

from commonground.p2p.guards import reset_quietly
from commonground.p2p.limits import KEPT_SECONDS, KEPT_STREAMS_MAX
from protocol.identity import KeyId


class KeptStreams:
    """One stream for each of the peers that were asked last. Used in the trio thread only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[KeyId, tuple[INetStream, float]] = OrderedDict()

    async def take(self, peer: KeyId) -> INetStream | None:
        """A stream to this peer, which is the caller's from now on; it may have ended meanwhile."""
        stream, since = self._kept.pop(peer, (None, 0.0))
        if stream is not None and trio.current_time() - since > KEPT_SECONDS:
            await reset_quietly(stream)
            return None
        return stream

    async def keep(self, peer: KeyId, stream: INetStream) -> None:
        """Takes a stream back; another one to the same peer, and the oldest of too many, are reset."""
        spare = [self._kept.pop(peer)] if peer in self._kept else []
        self._kept[peer] = stream, trio.current_time()
        if len(self._kept) > KEPT_STREAMS_MAX:
            spare.append(self._kept.popitem(last=False)[1])
        for each, _ in spare:
            await reset_quietly(each)
