"""Why the guards exist: the library as it comes dies of six bytes, and our host does not.

If the first test fails after an upgrade of libp2p, the fault was mended there; then read what else
changed before a guard is taken away.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from libp2p.custom_types import TProtocol

from commonground.p2p.gossip import MESHSUB
from tests.p2p_peer import ROOT, Attacker, Peer, Setup, attack, read_to_end, run_peer

STOCK = """
import json, trio
from libp2p import new_host
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

async def main():
    host = new_host()
    gossip = GossipSub(["/meshsub/1.1.0"], 6, 4, 12)
    pubsub = Pubsub(host, gossip)
    async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        async with background_trio_service(pubsub), background_trio_service(gossip):
            await pubsub.wait_until_ready()
            addresses = [str(address) for address in host.get_transport_addrs()]
            print(json.dumps([str(host.get_id()), addresses]), flush=True)
            await trio.sleep_forever()

trio.run(main)
"""


async def _six_bytes(attacker: Attacker) -> None:
    stream = await attacker.open(TProtocol(MESHSUB))
    await stream.write(bytes.fromhex("05ffffffffff"))
    await read_to_end(stream)


def test_the_library_as_it_comes_dies_of_six_bytes() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOCK],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            peer_id, addresses = json.loads(process.stdout.readline())
            victim = Peer(process, peer_id, tuple(addresses), Setup(content=""), b"")
            attack(victim, b"\x01" * 32, _six_bytes)
            assert process.wait(timeout=30) != 0
        finally:
            process.kill()


def test_our_host_lives(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"content")
    with run_peer(Setup(content=str(content))) as victim:
        attack(victim, b"\x02" * 32, _six_bytes)
        attack(victim, b"\x03" * 32, _six_bytes)
        assert victim.alive()
