"""libp2p 0.8.1 with what it lacks: nobody unauthenticated, limits that hold, contained faults.

docs/p2p.md lists every guard, what happens without it, and the test that holds it. The version is
pinned exactly because the guards reach private names; `check_version` fails closed on another one.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import libp2p.network.swarm as swarm_module
import libp2p.protocol_muxer.multiselect_communicator as multiselect_module
import libp2p.pubsub.pubsub as pubsub_module
import libp2p.pubsub.rpc_queue as queue_module
import libp2p.stream_muxer.yamux.yamux as yamux_module
import trio
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.exceptions import ParseError
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import identify_handler_for
from libp2p.io.exceptions import IOException
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.rcmgr.manager import ResourceLimits, ResourceManager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.upgrader import TransportUpgrader
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from commonground.p2p import limits
from commonground.p2p.api import Admit, PeerPolicy
from commonground.p2p.muxer import BoundedMuxers, BoundedYamux, shielded
from commonground.p2p.penalties import Busy, Interrupted, Offence, PenaltyBox, Slots
from protocol.errors import ConfigError, LocalError, Reject
from protocol.identity import KeyId, key_of, short_key

log = logging.getLogger(__name__)

LIBP2P_VERSION = "0.8.1"
Handler = Callable[[INetStream], Awaitable[None]]
OnVisit = Callable[[KeyId, str], Awaitable[None]]


def check_version() -> None:
    """Refuse a libp2p that nobody has read: the guards might hold nothing in it."""
    found = importlib.metadata.version("libp2p")
    if found != LIBP2P_VERSION:
        raise ConfigError(
            f"the peer-to-peer guards were written for libp2p {LIBP2P_VERSION}, not {found}",
            f"install libp2p=={LIBP2P_VERSION}",
        )


async def _read_delimited(reader: Any) -> bytes:
    """multistream-select's read, with a limit: libp2p's own asks the socket for any length told."""
    message = await read_varint_prefixed_bytes_limited(reader, limits.NEGOTIATION_BYTES_MAX)
    if not message.endswith(b"\n"):
        raise ParseError("a multistream message ends with a line feed")
    return message[:-1]


def tune_library() -> None:
    """Set the library's module-level values; they are read at call time. Idempotent."""
    swarm_module._HAPPY_EYEBALLS_DELAY = 0.01  # its timer is not woken by success: 250 ms per dial
    multiselect_module.read_delim = _read_delimited  # type: ignore[attr-defined]
    yamux_module.MAX_WINDOW_SIZE = limits.STREAM_WINDOW_BYTES
    pubsub_module.SUBSCRIPTION_CHANNEL_SIZE = limits.SUBSCRIPTION_QUEUE_MAX
    # 32 entries drop half of a burst of 32; each publication may take two.
    queue_module.RpcQueue.__init__.__defaults__ = (2048, limits.GOSSIP_FRAME_BYTES_MAX)
    # The library logs strangers' bytes as errors: a way to fill a disk. We log what matters.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)


def peer_key(stream_or_conn: Any) -> KeyId:
    """The authenticated Ed25519 key at the other end of a stream or muxed connection."""
    conn = getattr(stream_or_conn, "muxed_conn", stream_or_conn)
    return key_of(str(conn.peer_id))


class Handshakes:
    """Connections that are not authenticated yet; when full, the oldest makes room."""

    def __init__(self, size_max: int = limits.HANDSHAKES_MAX) -> None:
        self._size_max = size_max
        self._scopes: OrderedDict[int, trio.CancelScope] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scopes)

    def enter(self) -> trio.CancelScope:
        if len(self._scopes) >= self._size_max:
            _, oldest = self._scopes.popitem(last=False)
            oldest.cancel()
        scope = trio.CancelScope()
        self._scopes[id(scope)] = scope
        return scope

    def leave(self, scope: trio.CancelScope) -> None:
        self._scopes.pop(id(scope), None)


class NoAutomaticDials(AutoConnector):
    """The library dials whom it has heard of; we dial whom the log names, when there is a reason."""

    async def maybe_connect(self) -> None:
        """Called at every disconnect and by a timer."""


class GuardedSwarm(Swarm):
    """A swarm that admits Ed25519 peers who are not banned, and frees a slot when one leaves."""

    def __init__(self, *args: Any, penalties: PenaltyBox, admit: Admit | None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.penalties = penalties
        self._admit = admit
        self.handshakes = Handshakes()
        # Told who came, and from which IP address; no visit waits for it for long.
        self.on_visit: OnVisit | None = None
        self.auto_connector = NoAutomaticDials(self)

    async def _handle_inbound_connection(self, read_write_closer: Any, maddr: Any) -> None:
        # The library's version holds its slot until the swarm stops, so that a node refuses
        # everybody after its first `max_connections` visitors; this one holds it while it is used.
        raw = RawConnection(read_write_closer, False)
        muxed: Any = None
        scope = self.handshakes.enter()
        try:
            with scope:
                muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
        except Exception as error:
            log.debug("a handshake failed: %s", type(error).__name__)
        finally:
            self.handshakes.leave(scope)
        if muxed is not None:
            await self._tell_visit(muxed, read_write_closer)
            await muxed.event_closed.wait()  # returning closes the socket

    async def _tell_visit(self, muxed: Any, connection: Any) -> None:
        remote = connection.get_remote_address()
        if self.on_visit is not None and remote is not None:
            await self.on_visit(peer_key(muxed), remote[0])

    async def add_conn(self, muxed_conn: Any, direction: str = "unknown") -> Any:
        try:
            if not isinstance(muxed_conn, BoundedYamux):
                raise Reject("the connection lacks a guard")
            key = peer_key(muxed_conn)
            if key == key_of(str(self.self_id)):
                raise Reject("that is ourselves")
            if self.penalties.is_banned(key):
                raise Reject("the peer is banned")
            if self._admit is not None and not self._admit(key):
                raise Reject("the peer is not admitted")
        except Reject as refusal:
            await muxed_conn.secured_conn.close()
            raise SwarmException(str(refusal)) from refusal
        return await super().add_conn(muxed_conn, direction)

    def punish(self, key: KeyId, peer_id: ID, why: str) -> None:
        """Record an offence; a peer that reaches the limit is disconnected and banned."""
        log.info("peer %s: %s", short_key(key), why)
        if self.penalties.punish(key):
            log.warning("peer %s is banned for a time", short_key(key))
            self.manager.run_task(self._drop, peer_id)

    async def close_connections(self) -> None:
        """Say goodbye to everybody. The library closes under a cancellation, and so not at all."""
        with trio.move_on_after(limits.GOODBYE_SECONDS):
            async with trio.open_nursery() as nursery:
                for peer_id in list(self.connections):
                    nursery.start_soon(self._drop, peer_id)

    async def _drop(self, peer_id: ID) -> None:
        try:
            with trio.move_on_after(limits.FRAME_WRITE_SECONDS):
                await self.close_peer(peer_id)
        except Exception as error:
            log.warning("closing a connection failed: %s", type(error).__name__)


class GuardedHost(BasicHost):
    """A host whose outbound streams have a deadline, and that identifies nobody."""

    def __init__(self, swarm: GuardedSwarm) -> None:
        # Without "address discovery" a stranger cannot tell us which addresses to announce.
        super().__init__(swarm, disable_identify_address_discovery=True)
        self.swarm = swarm

    async def new_stream(self, peer_id: ID, protocol_ids: Sequence[TProtocol]) -> INetStream:
        try:
            with trio.fail_after(limits.STREAM_OPEN_SECONDS):
                return await super().new_stream(peer_id, protocol_ids)
        except trio.TooSlowError:
            raise SwarmException("opening a stream took too long") from None
        except ValueError as error:  # undecodable negotiation
            raise SwarmException("the peer negotiates nonsense") from error

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:
        """We learn nothing from a peer's self-description, so its parser is not exposed."""


def guard_streams(swarm: GuardedSwarm, handler: Handler) -> Handler:
    """Wrap the handler of every inbound stream: slots per peer, and no exception gets out.

    An exception that leaves a stream handler ends the process's whole swarm.
    """
    slots = Slots(limits.STREAMS_PER_PEER_MAX, limits.STREAMS_MAX)

    async def guarded(stream: INetStream) -> None:
        connection: Any = stream.muxed_conn
        key, peer_id = peer_key(stream), connection.peer_id
        try:
            with slots.hold(key):
                await handler(stream)
                await _linger(stream)
        except Offence as offence:
            swarm.punish(key, peer_id, str(offence))
        except LocalError as fault:
            log.error("could not serve %s: %s", short_key(key), fault)
        except (Busy, Interrupted, IOException, trio.TooSlowError) as error:
            log.debug("a stream of %s ended: %s", short_key(key), type(error).__name__)
        except Exception as error:
            what = f"a handler failed with {type(error).__name__}"
            if connection.event_shutting_down.is_set():
                # The library's tables of a peer shrink under whoever still works for it.
                log.debug("%s: %s", short_key(key), what)
            else:
                # Not known to be the peer's fault; still counted, since only its bytes got us here.
                swarm.punish(key, peer_id, what)
        await reset_quietly(stream)

    return guarded


async def _linger(stream: INetStream) -> None:
    """Say that we are done and give the peer a moment to take the last bytes.

    Without a reset afterwards, a peer that never closes its side leaves a table entry for ever.
    """
    await stream.close()
    try:
        with trio.move_on_after(limits.LINGER_SECONDS):
            await stream.read(1)
    except IOException:
        return


async def reset_quietly(stream: INetStream) -> None:
    """Reset a stream; a stream whose connection is gone has nothing left to reset."""
    try:
        with shielded(limits.FRAME_WRITE_SECONDS):
            await stream.reset()
    except Exception as error:
        log.debug("a stream could not be reset: %s", type(error).__name__)


def _resource_manager() -> ResourceManager:
    most = limits.CONNECTIONS_MAX
    return ResourceManager(
        ResourceLimits(max_connections=2 * most, max_streams=limits.STREAMS_MAX),
        connection_limits=ConnectionLimits(
            max_established_inbound=most,
            max_established_outbound=most,
            max_established_per_peer=limits.CONNECTIONS_PER_PEER_MAX + 1,
            max_established_total=most,
        ),
        enable_metrics=False,
        # Five refusals open this breaker and then nobody gets in for a minute: a gift to attackers.
        enable_circuit_breaker=False,
        enable_graceful_degradation=False,
        enable_rate_limiting=False,  # keeps a bucket per key for ever; ours are bounded
    )


def build_host(seed: bytes, policy: PeerPolicy, admit: Admit | None) -> GuardedHost:
    """A guarded host for a 32-byte Ed25519 seed: TCP, Noise, Yamux, identify; nothing else.

    Raises ConfigError when a guard is not in place.
    """
    check_version()
    tune_library()
    keys = create_new_key_pair(seed)
    peer_id = ID.from_pubkey(keys.public_key)
    peers = PeerStore()
    peers.add_key_pair(peer_id, keys)
    # Noise alone. The library's default offers plaintext, where a peer id is only a claim.
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    muxers = {TProtocol(YAMUX): BoundedYamux}
    upgrader = TransportUpgrader({NOISE: noise}, muxers)
    upgrader.muxer_multistream = BoundedMuxers(muxers)
    swarm = GuardedSwarm(
        peer_id,
        peers,
        upgrader,
        [TCP()],
        retry_config=RetryConfig(max_retries=0),  # retries are ours, where they are bounded
        connection_config=ConnectionConfig(
            max_connections=limits.CONNECTIONS_MAX,
            high_watermark=limits.CONNECTIONS_MAX * 3 // 4,
            low_watermark=0,
            min_connections=0,
            max_connections_per_peer=limits.CONNECTIONS_PER_PEER_MAX,
            dial_timeout=limits.DIAL_SECONDS,
            inbound_upgrade_timeout=limits.HANDSHAKE_SECONDS,
            outbound_upgrade_timeout=limits.HANDSHAKE_SECONDS,
            inbound_stream_protocol_negotiation_timeout=limits.NEGOTIATION_SECONDS,
            outbound_stream_protocol_negotiation_timeout=limits.NEGOTIATION_SECONDS,
        ),
        penalties=PenaltyBox(
            trio.current_time, offences_max=policy.offences_max, ban_seconds=policy.ban_seconds
        ),
        admit=admit,
    )
    # Without the semaphore a full table refuses a stream; with it, the stream would wait for ever.
    swarm.set_resource_manager(_resource_manager(), enable_stream_semaphore=False)
    host = GuardedHost(swarm)
    host.get_mux().handlers.clear()
    host.set_stream_handler(IDENTIFY, identify_handler_for(host, use_varint_format=True))
    swarm.set_stream_handler(guard_streams(swarm, host._swarm_stream_handler))
    _assert_guarded(swarm)
    return host


def _assert_guarded(swarm: GuardedSwarm) -> None:
    """The library falls back to running without limits when a part fails; we fail closed."""
    secure = list(swarm.upgrader.security_multistream.transports)
    muxers = list(swarm.upgrader.muxer_multistream.transports)
    if secure != [NOISE] or muxers != [YAMUX] or swarm._resource_manager is None:
        raise ConfigError("the peer-to-peer host lacks a guard", "report this: it is our bug")
