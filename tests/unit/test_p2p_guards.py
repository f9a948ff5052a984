"""Parts of the guards that can be seen without a network."""

from __future__ import annotations

import logging
import struct
import types

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import (
    FLAG_FIN,
    FLAG_SYN,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    YamuxStream,
)

from commonground.p2p import guards, limits
from commonground.p2p.api import PeerPolicy
from commonground.p2p.gossip import TOPIC, checked_control
from commonground.p2p.guards import Handshakes, build_host, check_version
from commonground.p2p.muxer import CREDIT_HELD_BYTES, BoundedYamux
from commonground.p2p.penalties import Offence
from protocol.errors import ConfigError


def test_the_oldest_handshake_makes_room_and_no_other_does() -> None:
    async def main() -> None:
        handshakes = Handshakes(size_max=2)
        first, second = handshakes.enter(), handshakes.enter()
        assert not first.cancel_called
        third = handshakes.enter()
        assert first.cancel_called
        assert not second.cancel_called
        handshakes.leave(first)  # as its task does when it notices
        handshakes.leave(second)
        handshakes.enter()
        assert not third.cancel_called
        assert len(handshakes) == 2

    trio.run(main)


def test_another_version_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_version()
    monkeypatch.setattr(guards, "LIBP2P_VERSION", "0.8.0")
    with pytest.raises(ConfigError, match=r"0\.8\.0"):
        check_version()


def test_a_host_without_a_resource_manager_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def build() -> None:
        build_host(bytes(32), PeerPolicy(), None)

    trio.run(build)
    monkeypatch.setattr(guards, "_resource_manager", lambda: None)
    with pytest.raises(ConfigError, match="lacks a guard"):
        trio.run(build)


def test_the_library_does_not_log_what_strangers_send() -> None:
    guards.tune_library()
    assert not logging.getLogger("libp2p.pubsub").isEnabledFor(logging.ERROR)


def test_of_a_control_message_only_our_topic_and_no_strangers_are_kept() -> None:
    control = rpc_pb2.ControlMessage(
        graft=[rpc_pb2.ControlGraft(topicID=name) for name in (TOPIC, "another")],
        prune=[
            rpc_pb2.ControlPrune(
                topicID=TOPIC, backoff=2**40, peers=[rpc_pb2.PeerInfo(peerID=b"somebody")]
            )
        ],
    )
    kept = checked_control(control)
    assert [part.topicID for part in kept.graft] == [TOPIC]
    assert kept.prune[0].backoff == limits.GOSSIP_BACKOFF_SECONDS_MAX
    assert not kept.prune[0].peers


def test_control_messages_are_counted() -> None:
    most = limits.GOSSIP_CONTROLS_PER_FRAME_MAX
    graft = rpc_pb2.ControlGraft(topicID=TOPIC)
    assert len(checked_control(rpc_pb2.ControlMessage(graft=[graft] * most)).graft) == most
    with pytest.raises(Offence):
        checked_control(rpc_pb2.ControlMessage(graft=[graft] * (most + 1)))


def test_of_a_long_list_of_ids_the_beginning_is_read_and_nobody_is_blamed() -> None:
    most = limits.GOSSIP_IDS_PER_CONTROL_MAX
    ids = [b"%04x" % number for number in range(most + 1)]
    control = rpc_pb2.ControlMessage(
        ihave=[rpc_pb2.ControlIHave(topicID=TOPIC, messageIDs=ids)],
        iwant=[rpc_pb2.ControlIWant(messageIDs=ids)],
    )
    kept = checked_control(control)
    assert list(kept.ihave[0].messageIDs) == ids[:most]
    # As many as we may send in one frame without being taken for a flood.
    assert len(kept.iwant[0].messageIDs) == limits.GOSSIP_MESSAGES_PER_FRAME_MAX


def test_unread_bytes_are_bounded_for_one_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNREAD_BYTES_MAX", 1000)
    monkeypatch.setattr(limits, "UNREAD_BYTES_FREE", 100)
    monkeypatch.setattr(limits, "CONNECTION_UNREAD_BYTES_MAX", 600)

    class Source:
        async def read(self, size: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return bytes(size)

    async def main() -> None:
        conn = types.SimpleNamespace(is_initiator=True, read=Source().read)
        one = BoundedYamux(conn, None)  # type: ignore[arg-type]
        two = BoundedYamux(conn, None, one._neighbours)  # type: ignore[arg-type]
        one.stream_buffers[1] = bytearray(500)
        assert len(await one._read_data_body(100)) == 100
        with pytest.raises(trio.TooSlowError):
            await one._read_data_body(101)
        two.stream_buffers[1] = bytearray(450)
        assert len(await two._read_data_body(50)) == 50
        with pytest.raises(trio.TooSlowError):
            await two._read_data_body(51)
        two.stream_buffers[1] = bytearray(50)
        one.stream_buffers[1] = bytearray(1000)
        assert len(await two._read_data_body(50)) == 50  # a small one is served in a crowd

    trio.run(main)


def test_small_credits_are_held_back_and_none_is_lost() -> None:
    class Sink:
        is_initiator = True

        def __init__(self) -> None:
            self.frames: list[bytes] = []

        async def write(self, data: bytes) -> None:
            await trio.lowlevel.checkpoint()
            self.frames.append(data)

    def update(stream_id: int, credit: int, flags: int = 0) -> bytes:
        return struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_WINDOW_UPDATE, flags, stream_id, credit)

    async def main() -> None:
        sink = Sink()
        muxed = BoundedYamux(sink, None)  # type: ignore[arg-type]
        for each in (1, 3):
            muxed.streams[each] = YamuxStream(each, muxed, True)
        for _ in range(9):
            await muxed._write_frame(update(1, CREDIT_HELD_BYTES // 10))
        data = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, 1, 0)
        others = [data, update(1, 0, FLAG_FIN), update(3, 7, FLAG_SYN), update(5, 7)]
        for frame in others:
            await muxed._write_frame(frame)
        assert sink.frames == others, "only what counts bytes of an open stream waits"
        await muxed._write_frame(update(1, CREDIT_HELD_BYTES // 2))
        whole = 9 * (CREDIT_HELD_BYTES // 10) + CREDIT_HELD_BYTES // 2
        assert sink.frames[len(others) :] == [update(1, whole)]
        await muxed._write_frame(update(3, CREDIT_HELD_BYTES))
        assert sink.frames[-1] == update(3, CREDIT_HELD_BYTES), "each stream has its own"

    trio.run(main)
