"""What bans a peer, beside what an honest one does on a bad line, when it restarts or is in a hurry.

Two offences are a ban here, so that one that was counted by mistake shows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from commonground.p2p import limits
from commonground.p2p.guards import reset_quietly
from commonground.p2p.host import PeerHost
from commonground.p2p.limits import CHECKPOINTS_BURST_PER_AUTHOR, FLOOD_FACTOR, MIB
from commonground.p2p.wire import BLOB_PROTOCOL, HEAD_PROTOCOL, BlobRequest
from protocol.errors import Unreachable
from tests.p2p_peer import (
    HEAD,
    ITEM,
    PART,
    Attacker,
    Peer,
    Setup,
    attack,
    make_host,
    read_to_end,
    run_peer,
    running,
)

REQUEST = BlobRequest(ITEM, PART, 0).encode()
PATIENCE_SECONDS = 0.3  # for a request to be complete
TIMES = 4  # twice what is a ban


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    content = tmp_path_factory.mktemp("victim") / "content"
    content.write_bytes(os.urandom(24 * MIB))
    setup = Setup(str(content), read_seconds=PATIENCE_SECONDS, offences_max=2, rate=6 * MIB)
    with run_peer(setup) as peer:
        yield peer


def seed_of(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def is_banned(victim: Peer, name: str) -> bool:
    """Whether the victim will have nothing more to do with that peer."""
    host = make_host(Setup(content=os.devnull, seed=seed_of(name).hex()))

    async def ask() -> bool:
        async with running(host):
            try:
                return await host.fetch_head(victim.peer_id, victim.addresses) != HEAD
            except Unreachable:
                return True

    return asyncio.run(ask())


Deed = Callable[[Any], Awaitable[None]]


async def give_up_before_it_began(stream: Any) -> None:
    await reset_quietly(stream)


async def give_up_in_the_middle(stream: Any) -> None:
    await stream.write(REQUEST[:20])
    await reset_quietly(stream)


async def end_before_it_began(stream: Any) -> None:
    await stream.close_write()
    await read_to_end(stream)


async def end_in_the_middle(stream: Any) -> None:
    await stream.write(REQUEST[:-1])
    await stream.close_write()
    await read_to_end(stream)


async def say_nothing(stream: Any) -> None:
    assert await read_to_end(stream) == b""


async def give_up_the_answer(stream: Any) -> None:
    await stream.write(REQUEST)
    assert await stream.read(1)
    await reset_quietly(stream)


@pytest.mark.parametrize(
    "deed",
    [
        give_up_before_it_began,
        give_up_in_the_middle,
        end_before_it_began,
        end_in_the_middle,
        say_nothing,
        give_up_the_answer,
    ],
)
def test_a_request_that_is_not_finished_is_no_offence(victim: Peer, deed: Deed) -> None:
    async def repeat(attacker: Attacker) -> None:
        for _ in range(TIMES):
            await deed(await attacker.open(BLOB_PROTOCOL))

    attack(victim, seed_of(deed.__name__), repeat)
    assert not is_banned(victim, deed.__name__)


@pytest.mark.parametrize("protocol", [BLOB_PROTOCOL, HEAD_PROTOCOL])
def test_a_connection_that_breaks_in_a_request_is_no_offence(victim: Peer, protocol: str) -> None:
    name = f"breaks {protocol[-7:]}"

    async def cut(attacker: Attacker) -> None:
        stream = await attacker.open(protocol)
        if protocol == BLOB_PROTOCOL:
            await stream.write(REQUEST[:20])
        await stream.muxed_conn.secured_conn.close()  # no goodbye: the line is gone

    for _ in range(TIMES):
        attack(victim, seed_of(name), cut)
    assert not is_banned(victim, name)


async def trickle(stream: Any) -> None:
    """A byte now and then, never all: it holds the slot."""
    await stream.write(REQUEST[:1])
    with trio.move_on_after(2 * PATIENCE_SECONDS):
        for byte in REQUEST[1:]:
            await stream.write(bytes([byte]))
            await trio.sleep(PATIENCE_SECONDS / 10)


async def send_junk(stream: Any) -> None:
    await stream.write(b"\xee" * len(REQUEST))
    await read_to_end(stream)


@pytest.mark.parametrize("deed", [trickle, send_junk])
def test_a_request_in_drops_or_of_junk_is_one(victim: Peer, deed: Deed) -> None:
    async def repeat(attacker: Attacker) -> None:
        for _ in range(2):
            stream = await attacker.open(BLOB_PROTOCOL)
            try:
                await deed(stream)
            except Exception:  # it was cut off in the middle, as it should be
                await reset_quietly(stream)

    attack(victim, seed_of(deed.__name__), repeat)
    assert is_banned(victim, deed.__name__)


async def _begin(me: PeerHost, victim: Peer, sink: Path) -> asyncio.Task[Any]:
    """A fetch of which some has arrived."""
    fetching = asyncio.create_task(
        me.fetch(
            victim.peer_id,
            victim.addresses,
            ITEM,
            PART,
            sink_path=sink,
            size_max=1 << 30,
            commitment=victim.commitment,
        )
    )
    async with asyncio.timeout(20):
        while not any(part.stat().st_size for part in sink.parent.glob("*.part")):
            assert not fetching.done()
            await asyncio.sleep(0.01)
    return fetching


async def test_a_node_may_cancel_its_fetches_and_restart(victim: Peer, tmp_path: Path) -> None:
    setup = Setup(content=os.devnull, seed=seed_of("restarts").hex())
    for number in range(TIMES):
        async with running(make_host(setup)) as me:
            fetching = await _begin(me, victim, tmp_path / f"{number}")
            if number % 2:
                fetching.cancel()
        with pytest.raises((asyncio.CancelledError, Unreachable)):
            await fetching
    assert not await asyncio.to_thread(is_banned, victim, "restarts")


async def test_who_asks_too_fast_is_told_to_wait_and_who_floods_is_banned() -> None:
    burst = 10
    setup = Setup(
        content=os.devnull, seed="90" * 32, offences_max=2, requests_per_second=1,
        requests_burst=burst,
    )  # fmt: skip
    peer = make_host(setup)
    hurried = make_host(Setup(content=os.devnull, seed="91" * 32))
    flooding = make_host(Setup(content=os.devnull, seed="92" * 32))
    async with running(peer), running(hurried), running(flooding):
        peer.set_head(HEAD)
        answers = [await _head(hurried, peer) for _ in range(2 * burst)]
        assert answers[:burst] == [HEAD] * burst
        assert None in answers
        await hurried.connect(peer.peer_id, peer.addresses)
        for _ in range(FLOOD_FACTOR * burst + 20):
            await _head(flooding, peer)
        assert not await bans(peer, hurried)
        assert await bans(peer, flooding)


async def bans(peer: PeerHost, other: PeerHost) -> bool:
    bridge, up = peer._up()

    async def ask() -> bool:
        return up.swarm.penalties.is_banned(other.key)

    return await bridge.call(ask)


async def _head(me: PeerHost, peer: PeerHost) -> bytes | None:
    try:
        return await me.fetch_head(peer.peer_id, peer.addresses)
    except Unreachable:
        return None


async def test_a_neighbour_with_much_to_pass_on_waits_and_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All members' checkpoints come through a few neighbours: in a large network that is many."""
    monkeypatch.setattr(limits, "GOSSIP_MESSAGES_BURST", 2)
    peer = make_host(Setup(content=os.devnull, seed="93" * 32, offences_max=1))
    busy = make_host(Setup(content=os.devnull, seed="94" * 32))
    async with running(peer), running(busy):
        queue = peer.subscribe()
        await busy.connect(peer.peer_id, peer.addresses)
        said = [b"ok: %d" % number for number in range(CHECKPOINTS_BURST_PER_AUTHOR - 2)]
        for data in said:
            await busy.publish(data)
        async with asyncio.timeout(20):
            # In any order: what was said before the other subscribed comes when it asks.
            assert sorted([(await queue.get()).data for _ in said]) == sorted(said)
        assert not await bans(peer, busy)


async def test_gossip_that_we_cannot_judge_yet_is_dropped_and_false_gossip_is_an_offence() -> None:
    peer = make_host(Setup(content=os.devnull, seed="a0" * 32, offences_max=2))
    ahead = make_host(Setup(content=os.devnull, seed="a1" * 32))
    false = make_host(Setup(content=os.devnull, seed="a2" * 32))
    async with running(peer), running(ahead), running(false):
        queue = peer.subscribe()
        await ahead.connect(peer.peer_id, peer.addresses)
        for number in range(TIMES):
            await ahead.publish(b"later: %d" % number)
        await ahead.publish(b"ok: and this")
        assert (await asyncio.wait_for(queue.get(), 20)).data == b"ok: and this"
        assert not await bans(peer, ahead)
        await false.connect(peer.peer_id, peer.addresses)
        async with asyncio.timeout(20):
            number = 0
            while not await bans(peer, false):
                number += 1
                await false.publish(b"no: it breaks the rule, %d" % number)
                await asyncio.sleep(0.05)
    assert queue.empty()
