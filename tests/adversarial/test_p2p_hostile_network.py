"""Floods, impostors, silent readers and killed senders, with real sockets and processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from commonground.p2p.limits import HANDSHAKES_MAX, MIB, STREAMS_PER_PEER_MAX
from commonground.p2p.wire import BLOB_PROTOCOL, HEAD_PROTOCOL, BlobRequest
from protocol.errors import Misbehaviour, Unreachable
from protocol.identity import peer_id_of
from tests.p2p_peer import (
    ITEM,
    PART,
    ROOT,
    Attacker,
    Peer,
    Setup,
    attack,
    make_host,
    read_to_end,
    run_peer,
    running,
    still_serves,
)

NOBODY = Setup(content=os.devnull, seed="77" * 32)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(4 * MIB))
    return path


@pytest.fixture
def victim(content: Path) -> Iterator[Peer]:
    with run_peer(Setup(content=str(content), read_seconds=1)) as peer:
        yield peer


def _dial(peer: Peer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", peer.port), timeout=10)


def test_three_hundred_silent_connections_do_not_shut_an_honest_peer_out(
    victim: Peer, tmp_path: Path
) -> None:
    assert HANDSHAKES_MAX < 300
    with ExitStack() as stack:
        crowd = [stack.enter_context(_dial(victim)) for _ in range(300)]
        assert still_serves(victim, tmp_path / "fetched")
        # The oldest made room: it was closed, after the greeting that libp2p sends at once.
        crowd[0].settimeout(10)
        while crowd[0].recv(4096):
            pass
    assert still_serves(victim, tmp_path / "again")


def test_junk_before_the_handshake(victim: Peer, tmp_path: Path) -> None:
    for junk in (b"\x00", b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\x01\n"):
        with _dial(victim) as raw:
            raw.sendall(junk)
            raw.shutdown(socket.SHUT_WR)
            _drain(raw)
    # Eight gigabytes announced: the library would take whatever comes within the deadline.
    with _dial(victim) as raw, pytest.raises(OSError, match=r"reset|pipe"):
        raw.sendall(b"\x80\x80\x80\x80\x20" + bytes(64 * MIB))
    assert still_serves(victim, tmp_path / "fetched")


def _drain(raw: socket.socket) -> bytes:
    received = b""
    try:
        while piece := raw.recv(4096):
            received += piece
    except ConnectionResetError:
        return received
    return received


def _multistream(name: bytes) -> bytes:
    return bytes([len(name) + 1]) + name + b"\n"


@pytest.mark.parametrize("protocol", [b"/plaintext/2.0.0", b"/secio/1.0.0", b"/tls/1.0.0"])
def test_only_noise_is_spoken(victim: Peer, protocol: bytes) -> None:
    """With plaintext, a peer id would be a claim: anybody could be the reviewer of an item."""
    hello = _multistream(b"/multistream/1.0.0")
    for asked, answer in ((protocol, b"na"), (b"/noise", b"/noise")):
        expected = hello + _multistream(answer)
        with _dial(victim) as raw:
            raw.sendall(hello + _multistream(asked))
            received = b""
            while len(received) < len(expected):
                piece = raw.recv(4096)
                assert piece, "closed before it answered"
                received += piece
        assert received == expected


async def test_a_peer_behind_another_name_is_not_believed(victim: Peer, tmp_path: Path) -> None:
    somebody = peer_id_of(b"\x09" * 32)
    async with running(make_host(NOBODY)) as me:
        with pytest.raises(Unreachable):
            await me.connect(somebody, victim.addresses)
        await me.connect(victim.peer_id, victim.addresses)


def test_slow_streams_are_bounded_and_end(victim: Peer, tmp_path: Path) -> None:
    async def deed(attacker: Attacker) -> None:
        streams = []
        for _ in range(2 * STREAMS_PER_PEER_MAX):
            try:
                streams.append(await attacker.open(BLOB_PROTOCOL))
            except Exception:  # reset before or after the negotiation: both are refusals
                break
        assert len(streams) <= STREAMS_PER_PEER_MAX
        await streams[0].write(b"\x01")  # one byte of forty-one, then silence
        assert await read_to_end(streams[0], seconds=30) == b""

    attack(victim, b"\x60" * 32, deed)
    assert still_serves(victim, tmp_path / "fetched")


def test_a_consumer_that_stops_reading_holds_nobody_up(victim: Peer, tmp_path: Path) -> None:
    before = victim.rss_bytes()

    async def deed(attacker: Attacker) -> None:
        for _ in range(4):
            stream = await attacker.open(BLOB_PROTOCOL)
            await stream.write(BlobRequest(ITEM, PART, 0).encode())
        # Nobody reads: each transfer stands still in a full window while an honest peer is served.
        assert await trio.to_thread.run_sync(still_serves, victim, tmp_path / "fetched")
        assert victim.rss_bytes() - before < 64 * MIB
        # Its own further requests get an answer, and no fifth transfer.
        stream = await attacker.open(HEAD_PROTOCOL)
        await stream.write(b"\x01")
        assert await read_to_end(stream)

    attack(victim, b"\x70" * 32, deed)
    assert still_serves(victim, tmp_path / "again")


async def test_a_transfer_goes_on_after_the_sender_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(24 * MIB))
    slow = Setup(content=str(path), rate=6 * MIB)
    sink = tmp_path / "in" / "fetched"
    sink.parent.mkdir()
    async with running(make_host(NOBODY)) as me:
        with run_peer(slow) as first:
            fetching = asyncio.create_task(
                me.fetch(
                    first.peer_id,
                    first.addresses,
                    ITEM,
                    PART,
                    sink_path=sink,
                    size_max=path.stat().st_size,
                    commitment=first.commitment,
                )
            )
            await _until(lambda: _part_size(sink) >= 4 * MIB)
            first.kill()
        assert not fetching.done()
        # The same key on the same port, as a node that its owner restarts.
        again = replace(slow, listen=first.addresses[0], rate=256 * MIB)
        with run_peer(again) as second:
            fetched = await fetching
            resumed_at = second.hear("seek")
    assert fetched.path.read_bytes() == path.read_bytes()
    assert resumed_at >= 4 * MIB
    assert os.listdir(sink.parent) == ["fetched"]


def _part_size(sink: Path) -> int:
    return sum(part.stat().st_size for part in sink.parent.glob("*.part"))


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def test_content_that_changed_under_a_sender_is_misbehaviour(
    victim: Peer, content: Path, tmp_path: Path
) -> None:
    honest = content.read_bytes()
    async with running(make_host(NOBODY)) as me:
        arguments = (victim.peer_id, victim.addresses, ITEM, PART)
        sink = tmp_path / "fetched"
        content.write_bytes(honest[:-1] + bytes([honest[-1] ^ 1]))
        with pytest.raises(Misbehaviour, match="commitment"):
            await me.fetch(
                *arguments, sink_path=sink, size_max=4 * MIB, commitment=victim.commitment
            )
        assert not sink.exists()
        content.write_bytes(honest)
        with pytest.raises(Misbehaviour, match="at most"):
            await me.fetch(
                *arguments, sink_path=sink, size_max=4 * MIB - 1, commitment=victim.commitment
            )
        fetched = await me.fetch(
            *arguments, sink_path=sink, size_max=4 * MIB, commitment=victim.commitment
        )
    assert fetched.path.read_bytes() == honest
    assert [path.name for path in tmp_path.glob("*.part")] == []


STALLER = """
import struct, sys, trio
from libp2p.stream_muxer.yamux.yamux import TYPE_WINDOW_UPDATE, YAMUX_HEADER_FORMAT
from commonground.p2p.wire import BLOB_PROTOCOL, BlobRequest
from tests.p2p_peer import ITEM, PART, Peer, Setup, attack

async def deed(attacker):
    for _ in range(4):
        stream = await attacker.open(BLOB_PROTOCOL)
        number = stream.muxed_stream.stream_id
        await stream.muxed_conn._write_frame(
            struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_WINDOW_UPDATE, 0, number, 2**30)
        )
        await stream.write(BlobRequest(ITEM, PART, 0).encode())
    print("stalled", flush=True)
    await trio.sleep_forever()

attack(Peer(None, sys.argv[1], (sys.argv[2],), Setup(content=""), b""), b"\\x71" * 32, deed)
"""


def test_a_consumer_that_is_stopped_with_open_windows_holds_nobody_up(
    tmp_path: Path,
) -> None:
    """Windows of a gigabyte and a socket that nobody drains: our writes themselves stand still."""
    content = tmp_path / "content"
    content.write_bytes(os.urandom(16 * MIB))
    with (
        run_peer(Setup(content=str(content))) as victim,
        subprocess.Popen(
            [sys.executable, "-c", STALLER, victim.peer_id, victim.addresses[0]],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as staller,
    ):
        try:
            assert staller.stdout is not None
            assert staller.stdout.readline() == b"stalled\n"
            staller.send_signal(signal.SIGSTOP)
            before = victim.rss_bytes()
            assert still_serves(victim, tmp_path / "fetched")
            assert victim.rss_bytes() - before < 64 * MIB
        finally:
            staller.kill()
        assert still_serves(victim, tmp_path / "again")
