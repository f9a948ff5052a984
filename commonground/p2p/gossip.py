"""The checkpoint topic, and /commonhold/head/1 to ask for what gossip lost.

GossipSub is a rumour: libp2p drops messages in five silent ways, so that whoever needs the latest
checkpoint asks for it (anti-entropy). The library's read loop is replaced here: its own runs one
task per message without a limit, believes peers about back-off and other peers' addresses, and ends
the process on a frame that is not protobuf.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import libp2p.pubsub.mcache as cache_module
import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.exceptions import ParseError, ValidationError
from libp2p.io.exceptions import IOException, MessageTooLarge
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import signature_validator
from libp2p.tools.anyio_service import background_trio_service
from libp2p.tools.timed_cache.first_seen_cache import FirstSeenCache
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from commonground.p2p import limits
from commonground.p2p.api import IsNews, ValidateCheckpoint
from commonground.p2p.bridge import TrioBridge
from commonground.p2p.guards import GuardedHost, GuardedSwarm, peer_key
from commonground.p2p.penalties import Offence
from commonground.p2p.transfer import RequestRates, RequestReader, ask_owner, read_exactly
from commonground.p2p.wire import HEAD_REQUEST, LENGTH_BYTES, encode_head, parse_head_length
from commonground.rates import Buckets
from protocol.errors import Ignore, Misbehaviour, Reject, StoreError
from protocol.identity import KeyId, key_of

log = logging.getLogger(__name__)

TOPIC: Final = "commonhold/checkpoint/1"
# 1.1 has no IDONTWANT, which doubles the messages of a topic whose messages are this small.
MESHSUB: Final = TProtocol("/meshsub/1.1.0")


def message_id(message: rpc_pb2.Message) -> bytes:
    """The same checkpoint is one message, whoever signed it: authors cost nothing to make up."""
    return hashlib.sha256(message.data).digest()


def checked_control(control: rpc_pb2.ControlMessage) -> rpc_pb2.ControlMessage:
    """The part of a control message that we act on; raises Offence on one that is out of bounds.

    Of long lists of ids only the beginning: an honest peer in a large network has much to tell.
    """
    kept = rpc_pb2.ControlMessage()
    parts = len(control.ihave) + len(control.iwant) + len(control.graft) + len(control.prune)
    if parts > limits.GOSSIP_CONTROLS_PER_FRAME_MAX:
        raise Offence("too many gossip controls in one frame")
    # Other topics are dropped: the router keeps a table entry for every name that it hears.
    for have in control.ihave:
        if have.topicID == TOPIC:
            told = have.messageIDs[: limits.GOSSIP_IDS_PER_CONTROL_MAX]
            kept.ihave.add(topicID=TOPIC, messageIDs=told)
    for want in control.iwant:
        # The library answers each in one frame, and others take a fuller one for a flood.
        kept.iwant.add(messageIDs=want.messageIDs[: limits.GOSSIP_MESSAGES_PER_FRAME_MAX])
    kept.graft.extend(part for part in control.graft if part.topicID == TOPIC)
    for prune in control.prune:
        if prune.topicID == TOPIC:
            # Peer exchange is dropped: we dial whom the log names, not whom a stranger names.
            backoff = min(prune.backoff, limits.GOSSIP_BACKOFF_SECONDS_MAX)
            kept.prune.add(topicID=TOPIC, backoff=backoff)
    return kept


class GuardedPubsub(Pubsub):
    """Pubsub with a bounded, contained read loop, for exactly one topic."""

    def __init__(
        self,
        host: GuardedHost,
        swarm: GuardedSwarm,
        validate: ValidateCheckpoint,
        is_news: IsNews,
    ) -> None:
        router = GossipSub(
            protocols=[MESHSUB],
            degree=6,
            degree_low=4,
            degree_high=12,
            heartbeat_interval=1,  # the default of 120 s makes the mesh useless
            adaptive_gossip_enabled=False,  # slows the heartbeat down when the network is ill
            spam_protection_enabled=False,  # counts forwarders; ours counts authors
        )
        super().__init__(
            host,
            router,
            max_inbound_rpc_size=limits.GOSSIP_FRAME_BYTES_MAX,
            allowed_topics=frozenset({TOPIC}),
            msg_id_constructor=message_id,
        )
        # What we offer to others; it takes no argument.
        cache_module.default_msg_id_fn = message_id  # type: ignore[assignment]
        # The default begins anew at each repetition: what is repeated often enough is never heard again.
        self.seen_messages.stop()
        self.seen_messages = FirstSeenCache(limits.GOSSIP_SEEN_SECONDS)  # type: ignore[assignment]
        # The default restarts at the second: a node that restarts is taken for an echo of itself.
        self.counter = time.time_ns()
        self.gossip = router
        self._swarm = swarm
        self._validate, self._is_news = validate, is_news
        self._messages = Buckets[bytes](
            limits.GOSSIP_MESSAGES_PER_SECOND, limits.GOSSIP_MESSAGES_BURST, trio.current_time
        )
        self._authors = Buckets[bytes](
            limits.CHECKPOINTS_PER_SECOND_PER_AUTHOR,
            limits.CHECKPOINTS_BURST_PER_AUTHOR,
            trio.current_time,
        )

    async def continuously_read_stream(self, stream: INetStream) -> None:
        """Read frames until the stream ends. Offences go to the stream guard, which punishes."""
        peer, key = stream.muxed_conn.peer_id, peer_key(stream)
        while self.manager.is_running:
            try:
                raw = await read_varint_prefixed_bytes_limited(stream, self.max_inbound_rpc_size)
            except (ParseError, MessageTooLarge) as error:
                raise Offence("a gossip frame with a bad length") from error
            except StreamEOF:
                return
            await self._take_frame(peer, key, raw)

    async def _take_frame(self, peer: ID, key: KeyId, raw: bytes) -> None:
        try:
            frame = rpc_pb2.RPC.FromString(raw)
        except DecodeError as error:
            raise Offence("a gossip frame that is not protobuf") from error
        if len(frame.publish) > limits.GOSSIP_MESSAGES_PER_FRAME_MAX:
            raise Offence("too many messages in one gossip frame")
        if len(frame.subscriptions) > limits.GOSSIP_CONTROLS_PER_FRAME_MAX:
            raise Offence("too many subscriptions in one gossip frame")
        # Who sends faster waits, as its window does not grow; an honest one has a queue, and gossip may
        # be lost.
        await trio.sleep(self._messages[key].borrow(max(1, len(frame.publish))))
        for subscription in frame.subscriptions:
            self.handle_subscription(peer, subscription)
        for message in frame.publish:
            # One after the other: the peer waits for our checks, we do not queue its messages.
            await self.push_msg(peer, message)
        if frame.HasField("control"):
            # `senderRecord` is left out: nobody's address book entry is taken from gossip.
            control = rpc_pb2.RPC(control=checked_control(frame.control))
            await self.router.handle_rpc(control, peer)

    async def stream_handler(self, stream: INetStream) -> None:
        peer = stream.muxed_conn.peer_id
        try:
            await self.continuously_read_stream(stream)
        except (Offence, IOException):
            self._handle_dead_peer(peer)
            raise
        finally:
            self._forget_if_gone(peer)

    async def _handle_new_peer(self, peer_id: ID) -> None:
        self._forget_if_gone(peer_id)
        await super()._handle_new_peer(peer_id)

    def _forget_if_gone(self, peer: ID) -> None:
        """Let go of a stream whose connection ended while the peer has come back on another one.

        The library keeps it as long as the peer has any connection, and so never greets a node
        that was restarted; the two would not hear each other.
        """
        stream: Any = self.peers.get(peer)
        if stream is not None and stream.muxed_conn.event_shutting_down.is_set():
            self._handle_dead_peer(peer)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Deliver and forward what is new and valid; what costs little is asked first."""
        if msg_forwarder == self.my_id:
            await super().push_msg(msg_forwarder, msg)
            return
        try:
            author = self._check_shape(msg)
            if self._is_msg_seen(msg) or not self._is_news(author, msg.data):
                return  # whoever sends it may have read less of the log than we, or more
            if not signature_validator(msg):
                raise Offence("a gossip message with a bad signature")
            if not await self._is_valid(author, msg):
                return
            self._mark_msg_seen(msg)
            self.notify_subscriptions(msg)
            await self.router.publish(msg_forwarder, msg)
        except Reject as offence:
            self._punish(msg_forwarder, str(offence))
        except Exception as error:  # would end the whole service
            self._punish(msg_forwarder, f"a message that fails with {type(error).__name__}")

    def _check_shape(self, message: rpc_pb2.Message) -> KeyId:
        """The author's key; raises Reject for what no correct peer passes on."""
        if list(message.topicIDs) != [TOPIC]:
            raise Offence("a gossip message outside the topic")
        if not 0 < len(message.data) <= limits.CHECKPOINT_BYTES_MAX:
            raise Offence("a gossip message of a bad size")
        if len(message.seqno) != 8:
            raise Offence("a gossip message without a number")
        return key_of(str(ID(message.from_id)))  # Ed25519 authors only: the key is in the name

    async def _is_valid(self, author: KeyId, message: rpc_pb2.Message) -> bool:
        """Whether the signed message is worth passing on, and no other was faster meanwhile."""
        if not self._authors[author].take():
            return False  # the forwarder may have seen a slower stream than we did: nobody's fault
        try:
            if not await self._validate(author, message.data):
                # An honest forwarder applies the same rule and does not forward what we refuse.
                raise Offence("a checkpoint that breaks the rule")
        except ValidationError:
            return False
        return not self._is_msg_seen(message)

    def _punish(self, peer: ID, why: str) -> None:
        self._swarm.punish(key_of(str(peer)), peer, why)


class Checkpoints:
    """The checkpoint topic and the head protocol of one host; used in the trio thread only."""

    def __init__(
        self,
        host: GuardedHost,
        swarm: GuardedSwarm,
        bridge: TrioBridge,
        *,
        validate: ValidateCheckpoint,
        is_news: IsNews,
        deliver: Callable[[KeyId, bytes], None],
        rates: RequestRates,
        head: Callable[[], bytes],
    ) -> None:
        self._bridge, self._rates, self._head = bridge, rates, head
        self._rule, self._deliver = validate, deliver
        self.pubsub = GuardedPubsub(host, swarm, self._validate, is_news)

    async def _validate(self, author: KeyId, data: bytes) -> bool:
        try:
            return await ask_owner(self._bridge, self._rule, author, data)
        except Ignore as doubt:
            log.debug("gossip was dropped: %s", doubt)
            raise ValidationError("not for us") from doubt
        except StoreError as fault:
            log.error("could not validate a checkpoint: %s", fault)
            raise ValidationError("our own fault") from fault  # dropped, nobody punished

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Run the topic until cancelled; hand each new checkpoint of others to `deliver`."""
        async with (
            _stopping_sweeper(self.pubsub),
            background_trio_service(self.pubsub),
            background_trio_service(self.pubsub.gossip),
        ):
            await self.pubsub.wait_until_ready()
            subscription = await self.pubsub.subscribe(TOPIC)
            task_status.started()
            while True:
                message = await subscription.get()
                author = key_of(str(ID(message.from_id)))
                if ID(message.from_id) != self.pubsub.my_id:
                    self._bridge.post(self._deliver, author, message.data)

    async def publish(self, data: bytes) -> None:
        await self.pubsub.publish(TOPIC, data)

    async def handle_head(self, stream: INetStream) -> None:
        """Answer a head request with the latest checkpoint that the node has set."""
        self._rates.check(peer_key(stream))
        reader = RequestReader(stream, limits.REQUEST_READ_SECONDS)
        request = await reader.read(len(HEAD_REQUEST))
        if request != HEAD_REQUEST:
            raise Offence("a head request of an unknown version")
        with trio.fail_after(limits.CHUNK_IDLE_SECONDS):
            await stream.write(encode_head(self._head()))
            await stream.close()


@asynccontextmanager
async def _stopping_sweeper(pubsub: GuardedPubsub) -> AsyncIterator[None]:
    """The library sweeps its table of seen messages in a thread that it never ends."""
    try:
        yield
    finally:
        pubsub.seen_messages.stop()


async def ask_head(stream: INetStream) -> bytes:
    """Ask an open /commonhold/head/1 stream; empty when the peer has none. Raises Misbehaviour."""
    with trio.fail_after(limits.REQUEST_READ_SECONDS):
        await stream.write(HEAD_REQUEST)
        raw = await read_exactly(stream, LENGTH_BYTES)
        try:
            length = parse_head_length(raw)
        except Offence as offence:
            raise Misbehaviour(str(offence)) from offence
        return await read_exactly(stream, length)
