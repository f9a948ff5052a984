"""PeerHost: the node's place in the peer-to-peer network, as one asyncio class.

The network runs in a thread (see bridge). If libp2p fails, the thread ends, and the supervisor here
starts another one with the same key, port and handlers: at most RESTARTS_MAX times in ten minutes,
with backoff; then `failed` resolves with the last error, and the node goes on without a network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from commonground.p2p import limits
from commonground.p2p.api import (
    Admit,
    Authorise,
    BlobSource,
    Checkpoint,
    DialRule,
    Fetched,
    IsNews,
    PeerPolicy,
    ValidateCheckpoint,
)
from commonground.p2p.bridge import TrioBridge
from commonground.p2p.dialling import Dialler
from commonground.p2p.gossip import Checkpoints, ask_head
from commonground.p2p.guards import GuardedHost, GuardedSwarm, build_host, reset_quietly
from commonground.p2p.kept import KeptStreams
from commonground.p2p.penalties import Interrupted
from commonground.p2p.transfer import BlobServer, RequestRates, Wanted, fetch
from commonground.p2p.wire import BLOB_PROTOCOL, HEAD_PROTOCOL, BlobRequest
from commonground.places import parse_place
from protocol.errors import ConfigError, Misbehaviour, Reject, StateError, Unreachable
from protocol.identity import KeyId, key_of, peer_id_of
from protocol.limits import HASH_BYTES, KEY_BYTES

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_LISTEN = ("/ip4/127.0.0.1/tcp/0",)
_LISTEN_ADVICE = (
    "stop what listens there, or choose another address or port (tcp/0: any free one): a node's is `listen`"
    " in its node.toml, or --listen"
)


@dataclass(slots=True)
class _Running:
    """What lives in the trio thread; touched there only."""

    host: GuardedHost
    swarm: GuardedSwarm
    dialler: Dialler
    checkpoints: Checkpoints
    kept: KeptStreams


class PeerHost:
    """A libp2p peer whose name is its record key. Construct, `start`, use, `stop`."""

    def __init__(
        self,
        seed: bytes,
        *,
        authorise: Authorise,
        source: BlobSource,
        validate_checkpoint: ValidateCheckpoint,
        is_news: IsNews = lambda author, data: True,
        listen: Sequence[str] = DEFAULT_LISTEN,
        admit: Admit | None = None,
        policy: PeerPolicy | None = None,
        dialling: DialRule | None = None,
        reached: Callable[[KeyId], None] = lambda key: None,
    ) -> None:
        """`seed` is the 32-byte Ed25519 seed of the record key; `listen` are multiaddrs (TCP).

        `reached` is told, on the asyncio loop, the key of each peer that connected to us from outside:
        from an address that we would dial.
        """
        if len(seed) != KEY_BYTES:
            raise ConfigError(
                f"an Ed25519 seed has {KEY_BYTES} bytes, not {len(seed)}",
                "restore the key from a copy",
            )
        self._seed = seed
        self.key = KeyId(create_new_key_pair(seed).public_key.to_bytes())
        self.peer_id: str = peer_id_of(self.key)
        self._listen = tuple(listen)
        self._authorise, self._source, self._rule = authorise, source, validate_checkpoint
        self._admit, self._policy, self._is_news = admit, policy or PeerPolicy(), is_news
        self._dialling, self._reached = dialling or DialRule(), reached
        self._queues: set[asyncio.Queue[Checkpoint]] = set()
        self._head = b""
        self._addresses: tuple[str, ...] = ()
        self._bridge: TrioBridge | None = None
        self._running: _Running | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.failed: asyncio.Future[BaseException] | None = None
        self.restarts = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """The multiaddrs that we listen on, without the /p2p part; empty before `start`."""
        return self._addresses

    @property
    def peers(self) -> int:
        """How many peers we are connected to."""
        running = self._running
        # Their number alone: what the connections are is the thread's.
        return 0 if running is None else len(running.swarm.connections)

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind and serve. Raises ConfigError when an address is malformed or taken."""
        if self._supervisor is not None:
            raise StateError("the peer host is running")
        self.failed = asyncio.get_running_loop().create_future()
        for address in self._listen:
            _check_free(address)
        await self._launch()
        self._listen = self._addresses  # a restart keeps the port that peers already know
        self._supervisor = asyncio.create_task(self._supervise(self.failed))

    async def _launch(self) -> None:
        self._bridge = TrioBridge()
        self._running = await self._bridge.start(self._serve)

    async def _supervise(self, failed: asyncio.Future[BaseException]) -> None:
        loop = asyncio.get_running_loop()
        recent: deque[float] = deque()
        while self._bridge is not None:
            error = await self._bridge.done
            self._running = None
            log.error("the peer-to-peer network failed: %s", type(error).__name__)
            while recent and recent[0] < loop.time() - limits.RESTART_WINDOW_SECONDS:
                recent.popleft()
            if len(recent) >= limits.RESTARTS_MAX:
                failed.set_result(error or StateError("the network ended by itself"))
                return
            await asyncio.sleep(limits.RESTART_BACKOFF_SECONDS * 2 ** len(recent))
            recent.append(loop.time())
            self.restarts += 1
            try:
                await self._launch()
            except Exception as again:  # counted by the next turn: its bridge is done already
                log.error("the peer-to-peer network did not restart: %s", again)

    async def stop(self) -> None:
        """Close every connection and end the thread. Safe to call twice."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        if self._bridge is not None:
            if not await self._bridge.stop():
                log.warning("the peer-to-peer thread did not end in time")
            self._bridge = None
        self._running = None
        self._addresses = ()

    @asynccontextmanager
    async def _serve(self, bridge: TrioBridge) -> AsyncIterator[_Running]:
        """The trio program: everything is up inside the context, and closed after it."""
        host = build_host(self._seed, self._policy, self._admit)
        swarm = host.swarm
        rates = RequestRates(self._policy)
        blobs = BlobServer(bridge, self._authorise, self._source, self._policy, rates)
        checkpoints = Checkpoints(
            host,
            swarm,
            bridge,
            validate=self._rule,
            is_news=self._is_news,
            deliver=self._deliver,
            rates=rates,
            head=lambda: self._head,
        )
        host.set_stream_handler(TProtocol(BLOB_PROTOCOL), blobs.handle)
        host.set_stream_handler(TProtocol(HEAD_PROTOCOL), checkpoints.handle_head)
        wanted = [Multiaddr(address) for address in self._listen]
        async with host.run(wanted), trio.open_nursery() as nursery:
            if len(swarm.listeners) != len(set(self._listen)):
                raise ConfigError(f"cannot listen on {', '.join(self._listen)}", _LISTEN_ADVICE)
            self._addresses = tuple(str(address) for address in host.get_transport_addrs())
            dialler = Dialler(swarm, self._dialling)

            async def on_visit(key: KeyId, address: str) -> None:
                if await dialler.is_outside(ipaddress.ip_address(address)):
                    bridge.post(self._reached, key)

            swarm.on_visit = on_visit
            await nursery.start(checkpoints.run)
            try:
                yield _Running(host, swarm, dialler, checkpoints, KeptStreams())
                await swarm.close_connections()
            finally:
                nursery.cancel_scope.cancel()

    def _up(self) -> tuple[TrioBridge, _Running]:
        if self._bridge is None:
            raise StateError("the peer host is not running", "start it first")
        if self._running is None:
            raise Unreachable(
                "the peer-to-peer network is down", "it restarts by itself; try again"
            )
        return self._bridge, self._running

    # --- peers -----------------------------------------------------------------------------------

    async def connect(self, peer_id: str, addresses: Sequence[str]) -> None:
        """Connect, unless connected already; raises Unreachable, and Reject for a bad peer id."""
        bridge, running = self._up()
        key_of(peer_id)
        try:
            await bridge.call(running.dialler.connect, ID.from_string(peer_id), tuple(addresses))
        except Interrupted as error:
            raise Unreachable(f"cannot reach peer {peer_id}: {error}") from error

    async def fetch(
        self,
        peer_id: str,
        addresses: Sequence[str],
        item_id: bytes,
        part: str,
        *,
        sink_path: Path,
        size_max: int,
        commitment: bytes,
    ) -> Fetched:
        """Fetch the content of an item's part to `sink_path` (replaced atomically, mode 0600).

        Raises Reject (refused), Misbehaviour (not what was committed to), Unreachable, StoreError.
        """
        bridge, running = self._up()
        BlobRequest(item_id, part, 0).encode()  # raises before anybody is called
        if len(commitment) != HASH_BYTES:
            raise Reject(f"a commitment has {HASH_BYTES} bytes, not {len(commitment)}")
        wanted = Wanted(key_of(peer_id), item_id, part, size_max, commitment, sink_path)

        async def open_stream() -> INetStream:
            return await _open_stream(running, peer_id, tuple(addresses), BLOB_PROTOCOL)

        return await self._blame(
            peer_id, bridge.call(fetch, wanted, open_stream, running.kept, timeout=None)
        )

    async def fetch_head(self, peer_id: str, addresses: Sequence[str]) -> bytes:
        """A peer's latest checkpoint, unchecked; empty when it has none. Raises Unreachable."""
        bridge, running = self._up()
        key_of(peer_id)

        async def ask() -> bytes:
            stream = await _open_stream(running, peer_id, tuple(addresses), HEAD_PROTOCOL)
            try:
                return await ask_head(stream)
            finally:
                await reset_quietly(stream)

        try:
            return await self._blame(peer_id, bridge.call(ask))
        except (Interrupted, BaseLibp2pError, trio.TooSlowError, TimeoutError) as error:
            raise Unreachable(f"peer {peer_id} did not tell its checkpoint ({error})") from error

    async def _blame(self, peer_id: str, work: Awaitable[T]) -> T:
        """Await `work`; a peer that misbehaved in it is punished before the error goes on."""
        try:
            return await work
        except Misbehaviour as deed:
            await self.punish(peer_id, str(deed))
            raise

    async def punish(self, peer_id: str, why: str) -> None:
        """Record an offence that only the caller could see, such as a false checkpoint."""
        bridge, running = self._up()
        key = key_of(peer_id)

        async def record() -> None:
            running.swarm.punish(key, ID.from_string(peer_id), why)

        await bridge.call(record)

    # --- checkpoints -----------------------------------------------------------------------------

    def set_head(self, data: bytes) -> None:
        """What /commonhold/head/1 answers from now on."""
        if len(data) > limits.CHECKPOINT_BYTES_MAX:
            raise Reject(f"a checkpoint has at most {limits.CHECKPOINT_BYTES_MAX} bytes")
        self._head = bytes(data)

    async def publish(self, data: bytes) -> None:
        """Gossip a checkpoint and answer head requests with it. Delivery is not promised."""
        if not data:
            raise Reject("an empty checkpoint")
        self.set_head(data)
        bridge, running = self._up()
        await bridge.call(running.checkpoints.publish, bytes(data))

    def subscribe(self) -> asyncio.Queue[Checkpoint]:
        """A bounded queue of others' checkpoints; when full, the oldest makes room."""
        queue: asyncio.Queue[Checkpoint] = asyncio.Queue(limits.SUBSCRIPTION_QUEUE_MAX)
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Checkpoint]) -> None:
        self._queues.discard(queue)

    def _deliver(self, author: KeyId, data: bytes) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()  # a newer checkpoint says everything that an older one says
            queue.put_nowait(Checkpoint(author, data))


def _check_free(address: str) -> None:
    """libp2p listens with SO_REUSEPORT, so that a second process would silently share our port."""
    try:
        place = parse_place(address)
        if place.is_name:
            raise Reject("a name is nothing to listen on")
    except Reject as error:
        raise ConfigError(
            f"{address!r} is not a multiaddr to listen on", "write /ip4/ADDRESS/tcp/PORT"
        ) from error
    try:
        with socket.socket(socket.AF_INET if place.form == "ip4" else socket.AF_INET6) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((place.host, place.port))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {address}: {error.strerror}", _LISTEN_ADVICE
        ) from error


# --- in the trio thread ---------------------------------------------------------------------------


async def _open_stream(
    running: _Running, peer_id: str, addresses: tuple[str, ...], protocol: str
) -> INetStream:
    await running.dialler.connect(ID.from_string(peer_id), addresses)
    try:
        return await running.host.new_stream(ID.from_string(peer_id), [TProtocol(protocol)])
    except BaseLibp2pError as error:
        raise Interrupted(str(error)) from error
