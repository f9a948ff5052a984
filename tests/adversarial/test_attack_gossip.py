"""Repetitions, under ever new authors or with old checkpoints, cost a node almost nothing and go no further.

Signature checks are counted, since they are what gossip costs: two of them, in Python, for each message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from nacl.signing import SigningKey

import commonground.p2p.gossip as gossip_module
from commonground.p2p import limits
from commonground.p2p.gossip import MESHSUB, TOPIC
from commonground.p2p.host import PeerHost
from tests.p2p_peer import (
    Attacker,
    Peer,
    Setup,
    attack,
    make_host,
    running,
    write_what_it_takes,
)

AUTHORS = 96
BURST = limits.GOSSIP_MESSAGES_PER_FRAME_MAX


def author(number: int) -> SigningKey:
    return SigningKey(hashlib.sha256(b"author %d" % number).digest())


def message(key: SigningKey, text: bytes, number: int = 1) -> Any:
    """A message that its author signed."""
    made = rpc_pb2.Message(
        from_id=ID.from_pubkey(create_new_key_pair(bytes(key)).public_key).to_bytes(),
        data=text,
        seqno=number.to_bytes(8, "big"),
        topicIDs=[TOPIC],
    )
    made.signature = key.sign(b"libp2p-pubsub:" + made.SerializeToString()).signature
    return made


def framed(rpc: Any) -> bytes:
    raw: bytes = rpc.SerializeToString()
    prefix, length = bytearray(), len(raw)
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + raw


def say(peer: PeerHost, messages: list[Any], seed: bytes = b"\x66" * 32) -> Awaitable[None]:
    """Connects as a stranger and sends the messages, as many in a frame as are allowed."""

    async def deed(attacker: Attacker) -> None:
        stream = await attacker.open(str(MESHSUB))
        options = rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)
        frames = [rpc_pb2.RPC(subscriptions=[options])]
        for start in range(0, len(messages), BURST):
            frames.append(rpc_pb2.RPC(publish=messages[start : start + BURST]))
        await write_what_it_takes(stream, *map(framed, frames))
        await trio.sleep(0.2)  # so that they are read before the connection ends

    to = Peer(None, peer.peer_id, peer.addresses, Setup(os.devnull), b"")  # type: ignore[arg-type]
    return asyncio.to_thread(attack, to, seed, deed)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The texts whose signatures were checked."""
    found: list[bytes] = []
    real: Callable[[Any], bool] = vars(gossip_module)["signature_validator"]

    def count(message: Any) -> bool:
        found.append(message.data)
        return real(message)

    monkeypatch.setattr(gossip_module, "signature_validator", count)
    return found


def host(**rules: Any) -> PeerHost:
    return make_host(Setup(content=os.devnull, seed="c0" * 32, offences_max=1), **rules)


async def heard(queue: asyncio.Queue[Any], last: bytes) -> list[bytes]:
    """What was delivered, up to the one that comes last."""
    texts: list[bytes] = []
    async with asyncio.timeout(20):
        while last not in texts:
            texts.append((await queue.get()).data)
    return texts


async def test_one_checkpoint_under_many_authors_is_one_message(checks: list[bytes]) -> None:
    async with running(host()) as peer:
        queue = peer.subscribe()
        repeated = [message(author(number), b"ok: old") for number in range(AUTHORS)]
        await say(peer, [*repeated, message(author(1), b"ok: new", 2)])
        assert await heard(queue, b"ok: new") == [b"ok: old", b"ok: new"]
        assert checks == [b"ok: old", b"ok: new"]
        await say(peer, [message(author(1), b"ok: newer", 3)])  # and nobody is banned for it
        assert await heard(queue, b"ok: newer") == [b"ok: newer"]


async def test_strangers_cost_no_signature_check_and_members_are_heard(
    checks: list[bytes],
) -> None:
    member = author(AUTHORS)
    members = {bytes(member.verify_key)}
    async with running(host(is_news=lambda who, data: who in members)) as peer:
        queue = peer.subscribe()
        strange = [message(author(number), b"ok: %d" % number) for number in range(AUTHORS)]
        await say(peer, [*strange, message(member, b"ok: a member's")])
        assert await heard(queue, b"ok: a member's") == [b"ok: a member's"]
        assert checks == [b"ok: a member's"]


async def test_what_a_stranger_says_first_does_not_silence_a_member(checks: list[bytes]) -> None:
    member = author(AUTHORS)
    members = {bytes(member.verify_key)}
    forged = message(member, b"ok: the checkpoint")
    forged.signature = bytes(64)
    async with running(host(is_news=lambda who, data: who in members)) as peer:
        queue = peer.subscribe()
        await say(peer, [message(author(1), b"ok: the checkpoint"), forged])
        await say(peer, [message(member, b"ok: the checkpoint")], b"\x67" * 32)
        assert await heard(queue, b"ok: the checkpoint") == [b"ok: the checkpoint"]
        assert len(checks) == 2  # the forged one, whose sender it costs, and the member's


async def test_messages_are_counted_and_not_frames(
    monkeypatch: pytest.MonkeyPatch, checks: list[bytes]
) -> None:
    """A connection that says more than the rate is read more slowly, and loses nothing by it."""
    monkeypatch.setattr(limits, "GOSSIP_MESSAGES_BURST", 4)
    monkeypatch.setattr(limits, "GOSSIP_MESSAGES_PER_SECOND", 20)
    texts = [b"ok: %d" % number for number in range(8)]
    async with running(host()) as peer:
        queue = peer.subscribe()
        began = asyncio.get_running_loop().time()
        saying = asyncio.ensure_future(
            say(peer, [message(author(n), text) for n, text in enumerate(texts)])
        )
        assert await heard(queue, texts[-1]) == texts
        waited = asyncio.get_running_loop().time() - began
        await saying
        assert waited >= (len(texts) - 4) / 20
