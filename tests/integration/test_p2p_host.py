"""PeerHost against PeerHost: fetching, gossip, heads, limits over a lifetime, restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from commonground.p2p import Denial, DialRule, Grant, PeerPolicy, limits
from commonground.p2p.host import PeerHost
from commonground.p2p.limits import MIB
from protocol.errors import ConfigError, Reject, StateError, Unreachable
from protocol.identity import KeyId, key_of
from protocol.log.commitments import content_commitment
from tests.p2p_peer import (
    HEAD,
    ITEM,
    PART,
    SALT,
    OneBlob,
    Peer,
    Setup,
    make_host,
    run_peer,
    running,
    starts_with_ok,
)

NOBODY = Setup(content=os.devnull, seed="77" * 32)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    content = tmp_path_factory.mktemp("peer") / "content"
    content.write_bytes(os.urandom(3 * MIB + 17))
    with run_peer(Setup(content=str(content))) as process:
        yield process


async def _fetch(me: PeerHost, peer: Peer, sink: Path, item: bytes = ITEM, part: str = PART) -> Any:
    return await me.fetch(
        peer.peer_id,
        peer.addresses,
        item,
        part,
        sink_path=sink,
        size_max=1 << 30,
        commitment=peer.commitment,
    )


async def test_a_fetched_item_is_whole_private_and_comes_with_its_salt(
    peer: Peer, tmp_path: Path
) -> None:
    async with running(make_host(NOBODY)) as me:
        fetched = await _fetch(me, peer, tmp_path / "item")
    assert fetched.salt == SALT
    assert fetched.path.read_bytes() == Path(peer.setup.content).read_bytes()
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o600


async def test_the_peer_id_is_the_record_key() -> None:
    host = make_host(NOBODY)
    assert key_of(host.peer_id) == host.key
    assert host.peer_id.startswith("12D3Koo")


async def test_an_item_that_is_not_there_is_unreachable_at_once(peer: Peer, tmp_path: Path) -> None:
    async with running(make_host(NOBODY)) as me:
        with pytest.raises(Unreachable, match="does not have"):
            await _fetch(me, peer, tmp_path / "item", item=bytes(32))
        with pytest.raises(Unreachable, match="does not have"):
            await _fetch(me, peer, tmp_path / "item", part="another")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("part", ["", "../keys", "a/b", "Content", "x" * 65, "caf\u00e9"])
async def test_a_name_that_no_part_has_is_not_even_asked_for(
    peer: Peer, tmp_path: Path, part: str
) -> None:
    async with running(make_host(NOBODY)) as me:
        with pytest.raises(Reject, match="not the name of a part"):
            await _fetch(me, peer, tmp_path / "item", part=part)
    assert os.listdir(tmp_path) == []


async def test_a_denied_peer_is_rejected_and_another_is_not(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"content")
    denied = make_host(NOBODY).key.hex()
    with run_peer(Setup(content=str(content), denied=(denied,))) as peer:
        async with running(make_host(NOBODY)) as me:
            with pytest.raises(Reject, match="refuses"):
                await _fetch(me, peer, tmp_path / "item")
        async with running(make_host(Setup(content=os.devnull, seed="78" * 32))) as other:
            assert (await _fetch(other, peer, tmp_path / "item")).length == 7


async def test_nobody_at_an_address_is_unreachable(peer: Peer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        nowhere = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        async with running(make_host(NOBODY)) as me:
            with pytest.raises(Unreachable):
                await me.connect(peer.peer_id, [nowhere])
            # No minute of silence after a failure, and a good address behind a bad one counts.
            await me.connect(peer.peer_id, [nowhere, *peer.addresses])


async def test_checkpoints_travel_both_ways_and_a_head_can_be_asked_for(peer: Peer) -> None:
    async with running(make_host(NOBODY)) as me:
        queue = me.subscribe()
        await me.connect(peer.peer_id, peer.addresses)
        assert await me.fetch_head(peer.peer_id, peer.addresses) == HEAD
        await me.publish(b"ok: from the test")
        assert await asyncio.to_thread(peer.hear, "checkpoint") == "ok: from the test"
        async with running(make_host(Setup(content=os.devnull, seed="79" * 32))) as third:
            await third.connect(peer.peer_id, peer.addresses)
            await third.publish(b"ok: from a third")
            checkpoint = await asyncio.wait_for(queue.get(), 20)
            # Forwarded by the peer, and still in the name of the author.
            assert (checkpoint.author, checkpoint.data) == (third.key, b"ok: from a third")


async def test_a_node_that_restarts_is_heard_again(peer: Peer) -> None:
    for number in range(3):
        async with running(make_host(Setup(content=os.devnull, seed="80" * 32))) as me:
            await me.connect(peer.peer_id, peer.addresses)
            await me.publish(f"ok: after restart {number}".encode())
            assert await asyncio.to_thread(_heard_before, peer, f"ok: after restart {number}") == []


async def test_a_peer_that_falls_silent_loses_its_connection(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PING_INTERVAL_SECONDS", 0.01)
    # One that is on its way when the peer falls silent still waits for so long.
    monkeypatch.setattr(limits, "PING_SECONDS", 5)
    async with running(make_host(NOBODY)) as me:
        await me.connect(peer.peer_id, peer.addresses)
        connection: Any = me._up()[1].swarm.get_connections()[0]
        while connection.muxed_conn._ping_id < 10:
            await asyncio.sleep(0.01)
        assert not connection.is_closed  # it answers
        monkeypatch.setattr(limits, "PING_SECONDS", 0.1)
        peer.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                while not connection.is_closed:
                    await asyncio.sleep(0.01)
        finally:
            peer.process.send_signal(signal.SIGCONT)
        monkeypatch.setattr(limits, "PING_SECONDS", 20)
        await me.connect(peer.peer_id, peer.addresses)


def _heard_before(peer: Peer, last: str) -> list[str]:
    """What broke the rule and the peer's node passed to its owner before `last`."""
    heard: list[str] = []
    while (data := peer.hear("checkpoint")) != last:
        heard.append(data)
    return [data for data in heard if not data.startswith("ok")]


async def test_a_checkpoint_that_breaks_the_rule_is_not_passed_on(peer: Peer) -> None:
    async with running(make_host(Setup(content=os.devnull, seed="7a" * 32))) as me:
        await me.connect(peer.peer_id, peer.addresses)
        await me.publish(b"no: this one is refused")
        await me.publish(b"ok: this one is not")
        assert await asyncio.to_thread(_heard_before, peer, "ok: this one is not") == []
        with pytest.raises(Reject):
            await me.publish(b"x" * (limits.CHECKPOINT_BYTES_MAX + 1))


async def test_more_visitors_over_a_lifetime_than_connections_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library's own accept loop never gives a slot back."""
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 4)
    async with running(make_host(NOBODY)) as host:
        for number in range(10):
            visitor = make_host(Setup(content=os.devnull, seed=f"{number:02x}" * 32))
            async with running(visitor), asyncio.timeout(20):
                await _let_in(visitor, host)


async def _let_in(visitor: PeerHost, host: PeerHost) -> None:
    """A slot comes free a moment after its holder left."""
    while True:
        with suppress(Unreachable):
            assert await visitor.fetch_head(host.peer_id, host.addresses) == b""
            return
        await asyncio.sleep(0.05)


async def test_only_the_admitted_connect() -> None:
    friend, stranger = make_host(NOBODY), make_host(Setup(content=os.devnull, seed="7b" * 32))
    host = make_host(Setup(content=os.devnull, seed="7c" * 32))
    host._admit = lambda key: key == friend.key
    async with running(host), running(friend), running(stranger):
        assert await friend.fetch_head(host.peer_id, host.addresses) == b""
        with pytest.raises(Unreachable):
            await stranger.fetch_head(host.peer_id, host.addresses)


async def test_a_fault_of_our_own_is_not_blamed_on_the_peer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "FETCH_BACKOFF_SECONDS", 0.01)
    (tmp_path / "content").write_bytes(b"content")
    faults = [RuntimeError("the database is locked")] * 3

    async def sometimes(item_id: bytes, part: str, peer: KeyId) -> Grant | Denial:
        if faults:
            raise faults.pop()
        return Grant()

    host = PeerHost(
        b"\x7f" * 32,
        authorise=sometimes,
        source=OneBlob(tmp_path / "content"),
        validate_checkpoint=starts_with_ok,
        dialling=DialRule("127.0.0.1"),
        policy=PeerPolicy(offences_max=2),
    )
    async with running(host), running(make_host(NOBODY)) as me:
        fetched = await me.fetch(
            host.peer_id,
            host.addresses,
            ITEM,
            PART,
            sink_path=tmp_path / "item",
            size_max=7,
            commitment=content_commitment(SALT, b"content"),
        )
    assert fetched.length == 7
    assert faults == []


async def _blow_up() -> None:
    raise RuntimeError("libp2p has a bad day")


async def test_a_network_that_died_comes_back_on_the_same_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RESTART_BACKOFF_SECONDS", 0.01)
    async with (
        running(make_host(NOBODY)) as host,
        running(make_host(Setup(content=os.devnull, seed="7d" * 32))) as other,
    ):
        addresses = host.addresses
        await _crash(host)
        await _restarted(host, 1)
        assert (host.restarts, host.addresses) == (1, addresses)
        assert await other.fetch_head(host.peer_id, addresses) == b""


async def _crash(host: PeerHost) -> None:
    """Let an error escape into the library's own task group, as an unguarded handler would."""
    bridge, running = host._up()
    swarm = running.swarm

    async def explode() -> None:
        swarm.manager.run_task(_blow_up)

    with suppress(Unreachable):  # the network may end before it answers
        await bridge.call(explode)
    assert await asyncio.wait_for(bridge.done, 20) is not None


async def _restarted(host: PeerHost, times: int) -> None:
    while host.restarts < times or host._running is None:
        await asyncio.sleep(0.01)


async def test_a_network_that_keeps_dying_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESTART_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(limits, "RESTARTS_MAX", 1)
    async with running(make_host(NOBODY)) as host:
        await _crash(host)
        await _restarted(host, 1)
        assert host.failed is not None
        assert not host.failed.done()
        await _crash(host)
        assert isinstance(await asyncio.wait_for(host.failed, 20), BaseException)


async def test_a_taken_port_is_a_configuration_error_and_not_a_shared_one() -> None:
    async with running(make_host(NOBODY)) as host:
        second = make_host(Setup(content=os.devnull, seed="7e" * 32, listen=host.addresses[0]))
        with pytest.raises(ConfigError, match="cannot listen"):
            await second.start()


@pytest.mark.parametrize("address", ["nonsense", "/ip4/127.0.0.1/udp/1", "/ip4/300.0.0.1/tcp/1"])
async def test_a_malformed_address_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigError):
        await make_host(Setup(content=os.devnull, listen=address)).start()


async def test_a_stopped_host_says_so() -> None:
    host = make_host(NOBODY)
    with pytest.raises(StateError):
        await host.publish(b"ok")
    async with running(host):
        with pytest.raises(StateError):
            await host.start()
    with pytest.raises(StateError):
        await host.publish(b"ok")
    await host.stop()
