"""What repeated gossip costs a node: one connection says one valid checkpoint, under ever new authors.

    python -m benchmarks.gossip

Real processes on loopback: a peer, and here the stranger, who sends as much as is read. Beside it what a peer
costs that is left alone, and one check of such a message's signature, in the same run.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import trio
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import signature_validator

from benchmarks.report import show
from commonground.p2p.gossip import MESHSUB, TOPIC
from tests.adversarial.test_attack_gossip import BURST, author, framed, message
from tests.p2p_peer import Attacker, Peer, Setup, attack, run_peer

SECONDS: Final = 10.0
AUTHORS: Final = 6_000  # what the stranger would get rid of at 600 a second
CHECKS: Final = 200
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def _cpu_seconds(peer: Peer) -> float:
    fields = Path(f"/proc/{peer.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _share_of_a_core(peer: Peer, deed: Any) -> float:
    began, spent = time.perf_counter(), _cpu_seconds(peer)
    deed()
    return (_cpu_seconds(peer) - spent) / (time.perf_counter() - began)


def _repeat(peer: Peer, frames: list[bytes]) -> int:
    """How many messages the peer took within SECONDS."""
    sent = 0

    async def deed(attacker: Attacker) -> None:
        nonlocal sent
        stream = await attacker.open(str(MESHSUB))
        options = rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)
        await stream.write(framed(rpc_pb2.RPC(subscriptions=[options])))
        with trio.move_on_after(SECONDS):
            for frame in frames:
                await stream.write(frame)
                sent += BURST
            await trio.sleep_forever()

    attack(peer, b"\x66" * 32, deed)
    return sent


def run() -> dict[str, object]:
    """All figures of one run."""
    messages = [message(author(number), b"ok: the checkpoint") for number in range(AUTHORS)]
    frames = [
        framed(rpc_pb2.RPC(publish=messages[start : start + BURST]))
        for start in range(0, AUTHORS, BURST)
    ]
    began = time.perf_counter()
    for each in messages[:CHECKS]:
        signature_validator(each)
    check = (time.perf_counter() - began) / CHECKS
    with tempfile.TemporaryDirectory() as temporary:
        content = Path(temporary) / "content"
        content.write_bytes(b"content")
        with run_peer(Setup(content=str(content))) as peer:
            quiet = _share_of_a_core(peer, lambda: time.sleep(SECONDS))
            sent = 0

            def flood() -> None:
                nonlocal sent
                sent = _repeat(peer, frames)

            flooded = _share_of_a_core(peer, flood)
    return {
        "quiet_core_percent": 100 * quiet,
        "repeated_core_percent": 100 * flooded,
        "messages_written": sent,
        "signature_check_us": 1e6 * check,
    }


if __name__ == "__main__":
    show(run())
