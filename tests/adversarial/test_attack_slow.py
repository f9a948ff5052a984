"""Senders that send next to nothing lose their slot after a grace; honest slow ones keep it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.network.stream.exceptions import StreamEOF

from commonground.p2p import limits
from commonground.p2p.kept import KeptStreams
from commonground.p2p.limits import KIB
from commonground.p2p.transfer import Wanted, fetch
from commonground.p2p.wire import BlobResponse, Status
from protocol.errors import Unreachable
from protocol.identity import KeyId
from protocol.log.commitments import content_commitment
from tests.p2p_peer import ITEM, PART, SALT
from tests.simulated import Person

CONTENT = bytes(2048 * KIB)


class Sender:
    """A stream that gives `size` bytes every `seconds`, from where it was asked to."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size, self._seconds = size, seconds
        self._left = bytearray()

    async def write(self, request: bytes) -> None:
        offset = int.from_bytes(request[33:41], "big")
        self._left += BlobResponse(Status.OK, SALT, len(CONTENT)).encode() + CONTENT[offset:]

    async def read(self, size_max: int) -> bytes:
        await trio.sleep(self._seconds)
        size = min(self._size, size_max)
        piece, self._left = self._left[:size], self._left[size:]
        if not piece:
            raise StreamEOF
        return bytes(piece)

    async def reset(self) -> None:
        """Nothing to let go of."""


def seconds_of(sink: Path, open_stream: Callable[[], Any]) -> tuple[float, bool]:
    """How long a fetch keeps its slot, on a virtual clock, and whether all came."""

    async def main() -> tuple[float, bool]:
        wanted = Wanted(
            KeyId(Person("slow").key),
            ITEM,
            PART,
            len(CONTENT),
            content_commitment(SALT, CONTENT),
            sink,
        )
        began = trio.current_time()
        try:
            await fetch(wanted, open_stream, KeptStreams())
        except Unreachable:
            return trio.current_time() - began, False
        return trio.current_time() - began, True

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        (1, 19.0),  # never silent for long enough to be taken for gone
        (KIB, 1.0),
        (limits.TRANSFER_BYTES_PER_SECOND_MIN // 2, 1.0),
        (1, limits.CHUNK_IDLE_SECONDS * 2),
    ],
)
def test_a_sender_below_the_least_rate_loses_its_slot(
    tmp_path: Path, size: int, seconds: float
) -> None:
    async def open_stream() -> Any:
        return Sender(size, seconds)

    held, came = seconds_of(tmp_path / "item", open_stream)
    assert not came
    assert held <= 2 * limits.SENDER_GRACE_SECONDS + limits.CHUNK_IDLE_SECONDS
    assert list(tmp_path.iterdir()) == []


def test_a_sender_at_twice_the_least_rate_has_its_time(tmp_path: Path) -> None:
    rate = 2 * limits.TRANSFER_BYTES_PER_SECOND_MIN

    async def open_stream() -> Any:
        return Sender(rate, 1.0)

    held, came = seconds_of(tmp_path / "item", open_stream)
    assert came
    assert held > len(CONTENT) / rate


def test_breaking_off_and_coming_back_buys_no_time(tmp_path: Path) -> None:
    """Each stream gives a byte and breaks: the grace is of the whole fetch, not of an attempt."""

    class Breaking(Sender):
        async def read(self, size_max: int) -> bytes:
            if len(self._left) <= len(CONTENT) - 1:
                raise StreamEOF
            return await super().read(size_max)

    async def open_stream() -> Any:
        return Breaking(64, 15.0)

    held, came = seconds_of(tmp_path / "item", open_stream)
    assert not came
    assert held <= 2 * limits.SENDER_GRACE_SECONDS
