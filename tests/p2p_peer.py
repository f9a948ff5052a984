"""A peer for the peer-to-peer tests: a real process that serves one blob, and a hostile client.

As a program (`python -m tests.p2p_peer JSON`) it is an ordinary PeerHost over a file. It prints one
JSON line when it listens, and one for each `seek` that a transfer does, so that a test sees from
where a resumed transfer went on.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from commonground.p2p import Denial, DialRule, Fetched, Grant, OpenBlob, PeerPolicy
from commonground.p2p.guards import GuardedHost, build_host
from commonground.p2p.host import PeerHost
from commonground.p2p.limits import REQUESTS_BURST, REQUESTS_PER_SECOND
from protocol.errors import Ignore
from protocol.identity import KeyId
from protocol.log.commitments import content_commitment

ITEM = hashlib.sha256(b"the item").digest()
PART = "content"
SALT = hashlib.sha256(b"the salt").digest()
HEAD = b"ok: the head"
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Setup:
    """What a peer process serves."""

    content: str  # a path
    seed: str = "01" * 32
    listen: str = "/ip4/127.0.0.1/tcp/0"
    denied: tuple[str, ...] = ()  # keys in hex
    rate: int = 256 * 1024 * 1024
    read_seconds: float = 10
    offences_max: int = 8
    requests_per_second: int = REQUESTS_PER_SECOND
    requests_burst: int = REQUESTS_BURST


class LoudFile(io.FileIO):
    """Tells on standard output from where it is read."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        print(json.dumps({"seek": offset}), flush=True)
        return super().seek(offset, whence)


class OneBlob:
    """A BlobSource of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        if (item_id, part) != (ITEM, PART):
            return None
        return OpenBlob(SALT, self._path.stat().st_size, LoudFile(self._path))


async def starts_with_ok(author: KeyId, data: bytes) -> bool:
    """The rule of these tests; of what begins with `later` we have not read yet."""
    if data.startswith(b"later"):
        raise Ignore("not read of yet")
    return data.startswith(b"ok")


def make_host(setup: Setup, **rules: Any) -> PeerHost:
    """An ordinary host; `rules` are more of what PeerHost takes."""
    denied = {bytes.fromhex(key) for key in setup.denied}

    async def authorise(item_id: bytes, part: str, peer: KeyId) -> Grant | Denial:
        return Denial("not assigned") if peer in denied else Grant()

    return PeerHost(
        bytes.fromhex(setup.seed),
        authorise=authorise,
        source=OneBlob(Path(setup.content)),
        validate_checkpoint=starts_with_ok,
        listen=[setup.listen],
        policy=PeerPolicy(
            served_bytes_per_second_per_peer=setup.rate,
            request_read_seconds=setup.read_seconds,
            offences_max=setup.offences_max,
            requests_per_second=setup.requests_per_second,
            requests_burst=setup.requests_burst,
        ),
        **({"dialling": DialRule("127.0.0.1")} | rules),
    )


async def _main(setup: Setup) -> None:
    host = make_host(setup)
    await host.start()
    host.set_head(HEAD)
    queue = host.subscribe()
    print(json.dumps({"peer_id": host.peer_id, "addresses": host.addresses}), flush=True)
    while True:
        checkpoint = await queue.get()
        print(json.dumps({"checkpoint": checkpoint.data.decode()}), flush=True)


@dataclass
class Peer:
    """A running peer process, seen from the test."""

    process: subprocess.Popen[str]
    peer_id: str
    addresses: tuple[str, ...]
    setup: Setup
    commitment: bytes
    said: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, key: str) -> Any:
        """The value of the next line that has `key`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if key in message:
                return message[key]
        raise AssertionError("the peer process ended")

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def port(self) -> int:
        return int(self.addresses[0].rsplit("/", 1)[1])


@contextmanager
def run_peer(setup: Setup) -> Iterator[Peer]:
    """Run a peer process for the `with` block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.p2p_peer", json.dumps(asdict(setup))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        content = Path(setup.content).read_bytes()
        peer = Peer(process, "", (), setup, content_commitment(SALT, content))
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        peer.peer_id, peer.addresses = first["peer_id"], tuple(first["addresses"])
        yield peer
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@asynccontextmanager
async def running(host: PeerHost) -> AsyncIterator[PeerHost]:
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


async def honest_fetch(peer: Peer, sink: Path, seed: str = "77" * 32) -> Fetched:
    """Fetch the peer's item as a well-behaved stranger; the proof that the victim still serves."""
    async with running(make_host(Setup(content="/dev/null", seed=seed))) as me:
        return await me.fetch(
            peer.peer_id,
            peer.addresses,
            ITEM,
            PART,
            sink_path=sink,
            size_max=1 << 30,
            commitment=peer.commitment,
        )


def still_serves(peer: Peer, sink: Path) -> bool:
    fetched = asyncio.run(honest_fetch(peer, sink))
    return peer.alive() and fetched.length == Path(peer.setup.content).stat().st_size


class Attacker:
    """An authenticated peer that writes whatever it likes; lives in a trio thread of the test."""

    def __init__(self, host: GuardedHost, victim: Peer) -> None:
        self.host, self.victim = host, victim
        self.target = ID.from_string(victim.peer_id)

    async def connect(self) -> None:
        await self.host.swarm.dial_addr(Multiaddr(self.victim.addresses[0]), self.target)

    async def open(self, protocol: str) -> Any:
        return await self.host.new_stream(self.target, [TProtocol(protocol)])


def attack(victim: Peer, seed: bytes, deed: Callable[[Attacker], Awaitable[None]]) -> None:
    """Connect to the victim with the given key and do `deed`."""

    async def main() -> None:
        host = build_host(seed, PeerPolicy(), None)
        async with host.run([]):
            attacker = Attacker(host, victim)
            await attacker.connect()
            await deed(attacker)
            await host.swarm.close_connections()

    trio.run(main)


async def write_what_it_takes(stream: Any, *pieces: bytes, then_end: bool = False) -> None:
    """Write the pieces until the peer cuts the stream off: it may do so before it had the last."""
    with suppress(BaseLibp2pError):
        for piece in pieces:
            await stream.write(piece)
        if then_end:
            await stream.close_write()


async def read_to_end(stream: INetStream, seconds: float = 10) -> bytes:
    """Everything that the peer sends until it closes, resets or stays silent for too long."""
    data = bytearray()
    with trio.move_on_after(seconds):
        try:
            while piece := await stream.read(65536):
                data += piece
        except Exception:
            return bytes(data)
    return bytes(data)


if __name__ == "__main__":
    raw = json.loads(sys.argv[1])
    asyncio.run(_main(Setup(**{**raw, "denied": tuple(raw["denied"])})))
