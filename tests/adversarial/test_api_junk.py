"""Bytes that are no records, at every layer; the coordinator serves on, and remembers nobody for ever."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from commonground.status import Busy, error_of
from coordinator.config import RateLimit
from coordinator.connections import Connection
from coordinator.traffic import FIRST_CALLS, PAYERS_MAX, REJECT_CALLS, Traffic
from protocol.identity import KeyId
from protocol.limits import MESSAGE_BYTES_MAX
from protos.gen import api_pb2
from tests.helpers import Person
from tests.live_coordinator import Live, check_receipt, found_network, live

ALICE = Person("alice")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.open_campaign()
        await running.join(ALICE)
        yield running
        await running.append(running.submission(ALICE, [0]))
        assert not running.fatal


async def code_of(call: object) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return caught.value.code()


def raw_call(net: Live, method: str, payload: bytes) -> Any:
    call: Any = net.channel.unary_unary(f"/commonhold.v1.Coordinator/{method}")
    return call(payload)


async def test_a_truncated_message(net: Live) -> None:
    whole = net.submission(ALICE, [1]).SerializeToString()
    for length in (1, len(whole) // 2, len(whole) - 1):
        code = await code_of(raw_call(net, "Append", whole[:length]))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    await raw_call(net, "Append", whole)


async def test_random_bytes_for_every_method(net: Live) -> None:
    rng = random.Random(11)
    for method in ("Append", "Announce", "CloseEpoch", "ImportGold"):
        for size in (0, 1, 33, 4_096):
            code = await code_of(raw_call(net, method, rng.randbytes(size)))
            assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_random_envelopes_are_refused_as_such(net: Live) -> None:
    rng = random.Random(12)
    for size in (0, 10, 200, 70_000):
        request = api_pb2.AppendRequest(envelope=rng.randbytes(size))
        assert await code_of(net.stub.Append(request)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_over_the_limit(net: Live) -> None:
    request = api_pb2.AppendRequest(envelope=bytes(MESSAGE_BYTES_MAX + 1))
    assert await code_of(net.stub.Append(request)) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_million_empty_leaves_are_counted_before_they_are_touched(net: Live) -> None:
    many = api_pb2.AppendRequest(envelope=b"x", leaves=[b""] * 1_000_000)
    assert await code_of(net.stub.Append(many)) is grpc.StatusCode.INVALID_ARGUMENT
    many = api_pb2.AppendRequest(envelope=b"x", openings=[api_pb2.Opening()] * 1_000_000)
    assert await code_of(net.stub.Append(many)) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\0" * 512])
async def test_bytes_that_are_not_tls(net: Live, junk: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", net.address.grpc_port)
    writer.write(junk)
    writer.write_eof()
    await reader.read()  # until the server hangs up
    writer.close()


async def test_tls_that_is_not_http2(net: Live) -> None:
    context = ssl.create_default_context(cadata=net.keys.tls_certificate.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", net.address.grpc_port, ssl=context)
    writer.write(random.Random(13).randbytes(2_048))
    await writer.drain()
    await reader.read()
    writer.close()


async def test_a_client_that_gives_up_leaves_the_record_whole(net: Live) -> None:
    request = net.submission(ALICE, [number % 10 for number in range(200)])
    calls = [net.stub.Append(request) for _ in range(3)]
    await asyncio.wait_for(net.append(net.submission(ALICE, [1])), 30)
    for call in calls:
        call.cancel()
    again = await net.append(request)
    check_receipt(request.envelope, again, net.keys.log_verifier)


# ---- the rate limit ----


async def test_a_busy_address_is_told_to_come_back(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    settings = home.config_path.read_text()
    home.config_path.write_text(settings.replace("= 100000", "= 3"))
    async with live(home) as net:
        nobody = api_pb2.LookupRequest()
        await net.stub.Lookup(nobody)
        junk = net.stub.Append(api_pb2.AppendRequest(envelope=b"junk"))
        assert await code_of(junk) is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await net.stub.Lookup(nobody)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "try again in" in (caught.value.details() or "").splitlines()[1]
        read = error_of(caught.value, "the coordinator", "check your connection")
        assert isinstance(read, Busy)
        assert read.seconds in {1, 2}  # a debt of 3 calls, and one more, at 3 a second
        assert f"is busy; try again in {read.seconds} second" in str(read)
        assert "connection" not in f"{read} {read.advice}"


def connected(network: str = "192.0.2.1") -> Connection:
    """A connection that has used up its first calls."""
    return Connection(network, used=0.0, calls=FIRST_CALLS)


def test_an_address_that_calls_too_often_waits_and_then_may_call_again() -> None:
    now = 0.0
    traffic = Traffic(RateLimit(calls_per_second=10, burst_calls=20), lambda: now)
    peer = connected()
    for _ in range(20):
        traffic.take(peer)
    with pytest.raises(Busy) as caught:
        traffic.take(peer)
    assert caught.value.limit == "rate"
    traffic.take(connected("192.0.2.2"))
    now = 0.1
    traffic.take(peer)


def test_a_new_connection_is_heard_even_when_its_address_has_no_calls_left() -> None:
    traffic = Traffic(RateLimit(calls_per_second=1, burst_calls=1), lambda: 0.0)
    traffic.take(connected())
    newcomer = Connection("192.0.2.1", used=0.0)
    for _ in range(FIRST_CALLS):
        traffic.take(newcomer)
    with pytest.raises(Busy):
        traffic.take(newcomer)
    newcomer.member = KeyId(b"k" * 32)  # whose own calls nobody has used up
    traffic.take(newcomer)


def test_a_rule_breaker_waits_longer_but_never_for_ever() -> None:
    now = 0.0
    traffic = Traffic(RateLimit(calls_per_second=10, burst_calls=100), lambda: now)
    peer = connected()
    for _ in range(1_000):
        traffic.penalise(peer)
    now = 9.0
    with pytest.raises(Busy) as caught:
        traffic.take(peer)
    assert caught.value.seconds == 2  # still in debt by 10 calls, at 10 a second
    now = 10.2
    traffic.take(peer)
    assert REJECT_CALLS > 1


async def test_large_messages_cost_more() -> None:
    traffic = Traffic(RateLimit(calls_per_second=1, burst_calls=100), lambda: 0.0)
    peer = connected()

    async def read() -> int:
        return MESSAGE_BYTES_MAX

    async with traffic.message(peer, read):
        pass
    with pytest.raises(Busy):
        traffic.take(peer)


def test_memory_of_addresses_is_bounded() -> None:
    traffic = Traffic(RateLimit(), lambda: 0.0)
    for number in range(PAYERS_MAX + 10):
        traffic.take(connected(f"{number}"))
    assert len(traffic._buckets) == PAYERS_MAX
