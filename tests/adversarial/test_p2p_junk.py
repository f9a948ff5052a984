"""Bytes that no correct peer sends, against a real process. After each, an honest peer is served."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.exceptions import IOException
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import TYPE_DATA, YAMUX_HEADER_FORMAT

from commonground.p2p.gossip import MESHSUB, TOPIC
from commonground.p2p.limits import CONNECTION_UNREAD_BYTES_MAX, MIB
from commonground.p2p.wire import BLOB_PROTOCOL, HEAD_PROTOCOL, BlobRequest, BlobResponse, Status
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
    still_serves,
    write_what_it_takes,
)

IDENTIFY = "/ipfs/id/1.0.0"
PROTOCOLS = [str(MESHSUB), BLOB_PROTOCOL, HEAD_PROTOCOL, IDENTIFY]
JUNK = {
    "six bytes": bytes.fromhex("05ffffffffff"),
    "four ff": b"\xff\xff\xff\xff",
    "bad varint": b"\xff" * 12,
    "oversized length": b"\xff\xff\xff\xff\x07" + b"x" * 100,
    "two megabytes announced": b"\x80\x80\x80\x01" + b"x" * 1000,
    "truncated": b"\x20abc",
    "nothing": b"",
    "zeros": bytes(64),
    "ones": b"\x01" * 64,
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    content = tmp_path_factory.mktemp("victim") / "content"
    content.write_bytes(os.urandom(2 * MIB))
    with run_peer(Setup(content=str(content), read_seconds=1)) as peer:
        yield peer


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_junk_on_a_protocol(victim: Peer, tmp_path: Path, protocol: str) -> None:
    pieces = list(JUNK.values())
    for number in range(0, len(pieces), 3):

        async def deed(attacker: Attacker, number: int = number) -> None:
            for junk in pieces[number : number + 3]:
                stream = await attacker.open(protocol)
                await write_what_it_takes(stream, junk, then_end=True)
                await read_to_end(stream, seconds=2)

        # A new key for every three, so that no ban keeps later bytes from being looked at.
        attack(victim, hashlib.sha256(f"{protocol} {number}".encode()).digest(), deed)
    assert still_serves(victim, tmp_path / "content")


def _framed(frame: rpc_pb2.RPC) -> bytes:
    raw = frame.SerializeToString()
    length, prefix = len(raw), b""
    while length >= 0x80:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return prefix + bytes([length]) + raw


def _message(**fields: Any) -> rpc_pb2.Message:
    keys = create_new_key_pair(b"\x09" * 32)
    whole: dict[str, Any] = {
        "data": b"ok",
        "topicIDs": [TOPIC],
        "from_id": ID.from_pubkey(keys.public_key).to_bytes(),
        "seqno": bytes(8),
        "signature": b"s" * 64,
    }
    return rpc_pb2.Message(**{**whole, **fields})


def _bad_frames() -> dict[str, rpc_pb2.RPC]:
    control = rpc_pb2.ControlMessage
    return {
        "bad signature": rpc_pb2.RPC(publish=[_message()]),
        "no signature": rpc_pb2.RPC(publish=[_message(signature=b"")]),
        "junk author": rpc_pb2.RPC(publish=[_message(from_id=b"\xff" * 10)]),
        "hashed author with a junk key": rpc_pb2.RPC(
            publish=[_message(from_id=b"\x12\x20" + bytes(32), key=b"\xff" * 40)]
        ),
        "no author": rpc_pb2.RPC(publish=[_message(from_id=b"")]),
        "no number": rpc_pb2.RPC(publish=[_message(seqno=b"")]),
        "another topic too": rpc_pb2.RPC(publish=[_message(topicIDs=[TOPIC, "x"])]),
        "five kilobytes": rpc_pb2.RPC(publish=[_message(data=b"x" * 5000)]),
        "many messages": rpc_pb2.RPC(publish=[_message()] * 17),
        "many subscriptions": rpc_pb2.RPC(
            subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=str(n)) for n in range(33)]
        ),
        "junk record": rpc_pb2.RPC(senderRecord=b"\xff" * 30),
        "many grafts": rpc_pb2.RPC(
            control=control(graft=[rpc_pb2.ControlGraft(topicID=str(n)) for n in range(33)])
        ),
        "many ids": rpc_pb2.RPC(
            control=control(ihave=[rpc_pb2.ControlIHave(topicID=TOPIC, messageIDs=[b"00"] * 257)])
        ),
        "odd ids": rpc_pb2.RPC(
            control=control(iwant=[rpc_pb2.ControlIWant(messageIDs=[b"zz", b"\xff"])])
        ),
        "a prune for ever, with strangers": rpc_pb2.RPC(
            control=control(
                prune=[
                    rpc_pb2.ControlPrune(
                        topicID=TOPIC,
                        backoff=2**63,
                        peers=[rpc_pb2.PeerInfo(peerID=b"\xff", signedPeerRecord=b"\xff")],
                    )
                ]
            )
        ),
    }


def test_protobuf_that_breaks_the_rules_of_gossip(victim: Peer, tmp_path: Path) -> None:
    for number, frame in enumerate(_bad_frames().values()):

        async def deed(attacker: Attacker, frame: rpc_pb2.RPC = frame) -> None:
            stream = await attacker.open(str(MESHSUB))
            # The second frame is read only after the first was handled, and ends the stream, if the
            # first did not.
            await write_what_it_takes(stream, _framed(frame), b"\x04\xff\xff\xff\xff")
            await read_to_end(stream, seconds=2)

        attack(victim, b"\x20" + number.to_bytes(31, "big"), deed)
    assert still_serves(victim, tmp_path / "content")


async def _head_as(seed: bytes, victim: Peer) -> bytes:
    async with running(make_host(Setup(content=os.devnull, seed=seed.hex()))) as me:
        return await me.fetch_head(victim.peer_id, victim.addresses)


def test_a_peer_that_keeps_sending_junk_is_banned_and_others_are_not(
    victim: Peer, tmp_path: Path
) -> None:
    seed = b"\x30" * 32

    async def deed(attacker: Attacker) -> None:
        for _ in range(victim.setup.offences_max):
            stream = await attacker.open(HEAD_PROTOCOL)
            await write_what_it_takes(stream, b"\xee")
            await read_to_end(stream, seconds=5)
        connections: list[Any] = attacker.host.swarm.get_connections(attacker.target)
        for connection in connections:
            with trio.fail_after(10):
                await connection.muxed_conn.event_closed.wait()
        await attacker.connect()  # TCP and Noise succeed; admission is what refuses
        received = b""
        with suppress(BaseLibp2pError):  # whichever way it is cut off
            stream = await attacker.open(HEAD_PROTOCOL)
            await stream.write(b"\x01")
            received = await read_to_end(stream, seconds=5)
        assert received == b""

    attack(victim, seed, deed)
    with pytest.raises(Unreachable):
        asyncio.run(_head_as(seed, victim))
    assert asyncio.run(_head_as(b"\x31" * 32, victim)) == HEAD
    assert still_serves(victim, tmp_path / "content")


def test_a_peer_that_ignores_its_window_is_cut_off_before_it_fills_our_memory(
    victim: Peer, tmp_path: Path
) -> None:
    before = victim.rss_bytes()

    async def deed(attacker: Attacker) -> None:
        # The victim is stuck writing 2 MiB into a window of 256 KiB, and so does not read.
        stream = await attacker.open(BLOB_PROTOCOL)
        await stream.write(BlobRequest(ITEM, PART, 0).encode())
        muxed, number = stream.muxed_conn, stream.muxed_stream.stream_id
        frame = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, number, 65524) + bytes(65524)
        sent = 0
        with suppress(IOException):
            while sent < 20 * CONNECTION_UNREAD_BYTES_MAX and not muxed.is_closed:
                await muxed._write_frame(frame)
                sent += len(frame)
        assert sent < 20 * CONNECTION_UNREAD_BYTES_MAX

    attack(victim, b"\x40" * 32, deed)
    assert victim.rss_bytes() - before < 8 * CONNECTION_UNREAD_BYTES_MAX
    assert still_serves(victim, tmp_path / "content")


def test_an_unauthorised_peer_gets_a_refusal_and_not_one_byte_more(
    tmp_path: Path,
) -> None:
    content = tmp_path / "content"
    content.write_bytes(os.urandom(MIB))
    seed = b"\x50" * 32
    denied = create_new_key_pair(seed).public_key.to_bytes().hex()
    received: dict[tuple[bytes, str], bytes] = {}

    async def deed(attacker: Attacker) -> None:
        for asked in ((ITEM, PART), (ITEM, "another"), (bytes(32), PART)):
            stream = await attacker.open(BLOB_PROTOCOL)
            await stream.write(BlobRequest(*asked, 0).encode())
            received[asked] = await read_to_end(stream)

    with run_peer(Setup(content=str(content), denied=(denied,))) as peer:
        attack(peer, seed, deed)
        assert still_serves(peer, tmp_path / "fetched")
    # The same answer whether the item, and the part of it, exist or not.
    assert len(received) == 3
    assert set(received.values()) == {BlobResponse(Status.REFUSED).encode()}
