"""A stranger's repetitions stay with the node that gets them; its honest neighbours keep each other."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

from commonground.p2p.host import PeerHost
from tests.adversarial.test_attack_gossip import author, heard, message, say
from tests.p2p_peer import Setup, make_host, running

NODES = 4
AUTHORS = 96


def node(number: int, **rules: Any) -> PeerHost:
    """One that bans at the first offence, so that one counted by mistake shows."""
    seed = bytes([0xD0 + number]).hex() * 32
    return make_host(Setup(content=os.devnull, seed=seed, offences_max=1), **rules)


async def test_neighbours_do_not_cut_each_other_off_for_what_a_stranger_sends() -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(running(node(n))) for n in range(NODES)]
        queues = [each.subscribe() for each in nodes]
        for each in nodes[1:]:
            await each.connect(nodes[0].peer_id, nodes[0].addresses)
        await _until_meshed(nodes[0], queues)
        flood = [message(author(n), b"ok: old") for n in range(AUTHORS)]
        flood += [message(author(n), b"ok: number %d" % n, 2) for n in range(8)]
        await say(nodes[0], flood)
        await say(nodes[0], [message(author(0), b"ok: afterwards", 3)], b"\x67" * 32)
        for queue in queues:
            texts = await heard(queue, b"ok: afterwards")
            assert texts.count(b"ok: old") == 1
            assert {b"ok: number %d" % n for n in range(8)} <= set(texts)


async def _until_meshed(first: PeerHost, queues: list[asyncio.Queue[Any]]) -> None:
    """Until what reaches the first node reaches all: it says something now and then."""
    missing = set(range(1, len(queues)))
    number = 0
    async with asyncio.timeout(30):
        while missing:
            number += 1
            await first.publish(b"ok: hello %d" % number)
            await asyncio.sleep(0.6)  # below the rate of an author
            missing -= {each for each in missing if not queues[each].empty()}
