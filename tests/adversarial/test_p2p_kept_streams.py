"""One stream for many questions: used again, ended by either side at any time, and no way around a limit."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.network.stream.exceptions import StreamEOF

from commonground.p2p import limits
from commonground.p2p.guards import GuardedHost
from commonground.p2p.host import PeerHost
from commonground.p2p.kept import KeptStreams
from commonground.p2p.limits import KEPT_SECONDS, KEPT_STREAMS_MAX, KIB
from commonground.p2p.wire import BLOB_PROTOCOL, RESPONSE_BYTES, BlobRequest
from protocol.errors import Unreachable
from protocol.identity import KeyId
from tests.p2p_peer import (
    ITEM,
    PART,
    Attacker,
    Peer,
    Setup,
    attack,
    honest_fetch,
    make_host,
    read_to_end,
    run_peer,
    running,
)

REQUEST = BlobRequest(ITEM, PART, 0).encode()
SIZE = 3 * KIB
PATIENCE_SECONDS = 0.3
ME = Setup(content=os.devnull, seed="78" * 32)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The protocols of the streams that were opened in this process."""
    found: list[str] = []
    real = GuardedHost.new_stream

    async def new_stream(self: GuardedHost, peer_id: Any, protocols: Any) -> Any:
        found.extend(map(str, protocols))
        return await real(self, peer_id, protocols)

    monkeypatch.setattr(GuardedHost, "new_stream", new_stream)
    return found


async def fetch(me: PeerHost, peer: Peer, sink: Path) -> bytes:
    await me.fetch(
        peer.peer_id,
        peer.addresses,
        ITEM,
        PART,
        sink_path=sink,
        size_max=SIZE,
        commitment=peer.commitment,
    )
    return sink.read_bytes()


def kept_by(me: PeerHost) -> KeptStreams:
    assert me._running is not None
    return me._running.kept


async def test_what_follows_comes_on_the_same_stream(
    tmp_path: Path, content: Path, opened: list[str]
) -> None:
    with run_peer(Setup(content=str(content))) as peer:
        async with running(make_host(ME)) as me:
            for number in range(5):
                assert await fetch(me, peer, tmp_path / f"sink {number}") == content.read_bytes()
    assert opened.count(BLOB_PROTOCOL) == 1


async def test_fetches_at_a_time_each_have_a_stream(
    tmp_path: Path, content: Path, opened: list[str]
) -> None:
    with run_peer(Setup(content=str(content))) as peer:
        async with running(make_host(ME)) as me:
            for _ in range(2):
                sinks = [tmp_path / f"sink {number}" for number in range(3)]
                got = await asyncio.gather(*(fetch(me, peer, sink) for sink in sinks))
                assert set(got) == {content.read_bytes()}
            assert len(kept_by(me)._kept) == 1
    assert 3 <= opened.count(BLOB_PROTOCOL) <= 5  # one was kept


async def test_a_stream_that_the_other_side_ended_meanwhile_is_replaced(
    tmp_path: Path, content: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And was no failed attempt: there is none to spare here."""
    monkeypatch.setattr(limits, "FETCH_ATTEMPTS_MAX", 1)
    with run_peer(Setup(content=str(content), read_seconds=PATIENCE_SECONDS)) as peer:
        async with running(make_host(ME)) as me:
            await fetch(me, peer, tmp_path / "first")
            [(stream, _)] = kept_by(me)._kept.values()
            muxed: Any = stream.muxed_stream  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                while not muxed.recv_closed:
                    await asyncio.sleep(0.01)
            assert await fetch(me, peer, tmp_path / "second") == content.read_bytes()
    assert opened.count(BLOB_PROTOCOL) == 2


async def test_a_peer_that_was_killed_meanwhile_is_asked_anew(
    tmp_path: Path, content: Path
) -> None:
    with run_peer(Setup(content=str(content))) as peer:
        listen = peer.addresses[0]
        async with running(make_host(ME)) as me:
            await fetch(me, peer, tmp_path / "first")
            peer.kill()
            with pytest.raises(Unreachable):
                await fetch(me, peer, tmp_path / "second")
            with run_peer(Setup(content=str(content), listen=listen)) as again:
                assert await fetch(me, again, tmp_path / "third") == content.read_bytes()


async def test_who_is_refused_gets_no_further_question_on_the_stream(
    tmp_path: Path, content: Path
) -> None:
    async def deed(attacker: Attacker) -> None:
        stream = await attacker.open(BLOB_PROTOCOL)
        await stream.write(BlobRequest(ITEM, "another", 0).encode() + REQUEST)
        assert len(await read_to_end(stream)) == RESPONSE_BYTES

    with run_peer(Setup(content=str(content))) as peer:
        await asyncio.to_thread(attack, peer, b"\x21" * 32, deed)
        assert (await honest_fetch(peer, tmp_path / "sink")).length == SIZE


@pytest.mark.parametrize("ends", [True, False])
def test_whoever_asks_nothing_more_reads_to_a_clean_end(content: Path, ends: bool) -> None:
    """One that has ended its side at once, and one that waits for ours to end."""
    got: list[bytes] = []

    async def deed(attacker: Attacker) -> None:
        stream = await attacker.open(BLOB_PROTOCOL)
        await stream.write(REQUEST)
        if ends:
            await stream.close_write()
        with pytest.raises(StreamEOF):
            while True:
                got.append(await stream.read(SIZE))
        # A reset looks the same to a reader of this library; others lose what they have not read.
        assert not stream.muxed_stream.reset_received

    with run_peer(Setup(content=str(content), read_seconds=PATIENCE_SECONDS)) as peer:
        attack(peer, b"\x24" * 32, deed)
    assert b"".join(got)[RESPONSE_BYTES:] == content.read_bytes()


async def read_answers(stream: Any, number: int) -> bool:
    """Whether so many whole answers came."""
    size = number * (RESPONSE_BYTES + SIZE)
    came = b""
    while len(came) < size and (piece := await stream.read(size - len(came))):
        came += piece
    return len(came) == size


@pytest.mark.parametrize("burst", [3, 8])
def test_questions_on_one_stream_are_counted_like_others(
    tmp_path: Path, content: Path, burst: int
) -> None:
    got: list[bytes] = []

    async def deed(attacker: Attacker) -> None:
        stream = await attacker.open(BLOB_PROTOCOL)
        await stream.write(5 * REQUEST)
        got.append(await read_to_end(stream, seconds=5))

    setup = Setup(
        str(content), requests_per_second=1, requests_burst=burst, read_seconds=PATIENCE_SECONDS
    )
    with run_peer(setup) as peer:
        attack(peer, b"\x22" * 32, deed)
    assert len(got[0]) == min(5, burst) * (RESPONSE_BYTES + SIZE)


@pytest.mark.parametrize(("times", "is_banned"), [(2, True), (1, False)])
def test_a_second_request_in_drops_is_an_offence(
    content: Path, times: int, is_banned: bool
) -> None:
    seed = b"\x23" * 32

    async def deed(attacker: Attacker) -> None:
        for _ in range(times):
            stream = await attacker.open(BLOB_PROTOCOL)
            await stream.write(REQUEST)
            assert await read_answers(stream, 1)
            await stream.write(REQUEST[:1])
            assert await read_to_end(stream) == b""

    async def is_served() -> bool:
        async with running(make_host(Setup(content=os.devnull, seed=seed.hex()))) as me:
            try:
                await me.fetch_head(peer.peer_id, peer.addresses)
            except Unreachable:
                return False
        return True

    setup = Setup(str(content), read_seconds=PATIENCE_SECONDS, offences_max=2)
    with run_peer(setup) as peer:
        attack(peer, seed, deed)
        assert asyncio.run(is_served()) is not is_banned


class Stream:
    """What is kept."""

    def __init__(self) -> None:
        self.is_reset = False

    async def reset(self) -> None:
        self.is_reset = True


async def _fill(kept: KeptStreams, number: int) -> list[Any]:
    streams: list[Any] = [Stream() for _ in range(number)]
    for at, stream in enumerate(streams):
        await kept.keep(KeyId(at.to_bytes(32)), stream)
    return streams


def test_the_oldest_of_too_many_is_reset() -> None:
    async def main() -> None:
        kept = KeptStreams()
        streams = await _fill(kept, KEPT_STREAMS_MAX + 1)
        assert [each.is_reset for each in streams] == [True] + [False] * KEPT_STREAMS_MAX
        assert await kept.take(KeyId(bytes(32))) is None
        assert await kept.take(KeyId((1).to_bytes(32))) is streams[1]
        assert await kept.take(KeyId((1).to_bytes(32))) is None

    trio.run(main)


@pytest.mark.parametrize(
    ("seconds", "is_there"), [(KEPT_SECONDS - 1, True), (KEPT_SECONDS + 1, False)]
)
def test_one_that_was_idle_for_long_is_not_used(seconds: float, is_there: bool) -> None:
    async def main() -> None:
        kept = KeptStreams()
        [stream] = await _fill(kept, 1)
        await trio.sleep(seconds)
        assert (await kept.take(KeyId(bytes(32))) is stream) is is_there
        assert stream.is_reset is not is_there

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
