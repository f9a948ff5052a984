"""What anybody may hold open without a key: watches, idle connections, unsent messages, unread streams.

Each attack is a small version of one of `python -m benchmarks.flood`, over real TLS sockets, from the address
that the honest have, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from commonground.client import CoordinatorClient
from commonground.status import Busy
from coordinator import connections, rooms, service, traffic
from coordinator.pages import PAGE_BYTES
from protocol.log.link import parse_link
from protos.gen import api_pb2
from tests import attackers
from tests.attackers import Target
from tests.helpers import Person
from tests.live_coordinator import Live, Mirror, channel_to, found_network, live

ALICE = Person("alice")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.open_campaign()
        await running.join(ALICE)
        yield running
        assert not running.fatal


def target_of(net: Live) -> Target:
    return Target(net.address.grpc_port, net.address.http_port, net.keys.tls_certificate)


@asynccontextmanager
async def attacked(attack: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(attack)
    try:
        yield
        assert not task.done(), "the attack has given up"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def metric(net: Live, name: str) -> float:
    """What the operator's monitoring sees; 0 before it was counted."""
    async with httpx.AsyncClient(timeout=30) as web:
        text = (await web.get(f"http://127.0.0.1:{net.address.http_port}/metrics")).text
    rows = dict(row.rsplit(" ", 1) for row in text.splitlines() if not row.startswith("#"))
    return float(rows.get(name, 0.0))


async def until(net: Live, name: str, reached: Callable[[float], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached(await metric(net, name)):
            await asyncio.sleep(0.05)


async def submit_as_a_newcomer(net: Live) -> None:
    """On a connection of its own, as somebody does who comes in the midst of it."""
    request = net.submission(ALICE, [1])
    async with CoordinatorClient(parse_link(net.address.link)) as client:
        async with asyncio.timeout(30):
            while True:
                try:
                    await client.append(request.envelope, request.leaves, request.openings)
                    return
                except Busy as busy:
                    await asyncio.sleep(busy.seconds)


async def test_nobody_watches_the_health_and_whoever_asks_for_it_is_told(net: Live) -> None:
    health = health_pb2_grpc.HealthStub(net.channel)
    calls = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(300)]
    assert {await call.code() for call in calls} == {grpc.StatusCode.UNIMPLEMENTED}
    answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await net.append(net.submission(ALICE, [1]))


async def test_health_checks_count_towards_the_limits(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    settings = home.config_path.read_text()
    home.config_path.write_text(settings.replace("= 100000", "= 3"))
    async with live(home) as net:
        check = health_pb2_grpc.HealthStub(net.channel).Check
        for _ in range(3):
            await check(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            for _ in range(traffic.FIRST_CALLS + 1):
                await check(health_pb2.HealthCheckRequest())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(caught.value.trailing_metadata() or ())
        assert int(str(trailing["retry-after"])) >= 1
        assert await metric(net, 'commonhold_refused_total{limit="rate"}') >= 1


async def test_idle_connections_leave_room_for_newcomers_and_for_those_who_have_one(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STRANGERS_PER_NETWORK", 10)
    async with attacked(attackers.hold_connections(target_of(net), 40)):
        await until(net, "commonhold_ended_connections_total", lambda ended: ended >= 30)
        await submit_as_a_newcomer(net)
        await net.append(net.submission(ALICE, [1]))


async def test_calls_without_a_message_make_room_for_calls_with_one(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rooms, traffic):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    async with attacked(attackers.begin_calls(target_of(net), 400)):
        await until(net, 'commonhold_refused_total{limit="calls"}', lambda refused: refused >= 1)
        await submit_as_a_newcomer(net)
        await net.append(net.submission(ALICE, [1]))


async def test_a_call_that_brings_its_message_in_time_is_served(net: Live) -> None:
    call: Any = net.channel.stream_unary("/commonhold.v1.Coordinator/Append")()
    await asyncio.sleep(0)
    await call.write(net.submission(ALICE, [1]).SerializeToString())
    await call.done_writing()
    assert api_pb2.Receipt.FromString(await call).index


async def test_unread_streams_hold_a_bounded_part_and_others_follow(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await net.append(net.submission(ALICE, [1] * 3_000))  # half a megabyte each
    limits = traffic.strangers_rooms(lambda: 0.0)
    async with attacked(attackers.follow_unread(target_of(net), limits.streams.each + 40)):
        await until(net, 'commonhold_refused_total{limit="streams"}', lambda count: count >= 1)
        await net.append(net.submission(ALICE, [1]))
        state = await asyncio.wait_for(
            Mirror(net).until(lambda state: len(state.items) > 9_000), 60
        )
        assert len(state.items) == 9_001


async def test_a_stream_that_is_not_read_ends_and_one_that_is_read_slowly_goes_on(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(service, "SLOWEST_BYTES_PER_SECOND", 1 << 30)
    for _ in range(12):
        await net.append(
            net.submission(ALICE, [1] * 4_000)
        )  # 0.8 MB each, more than what sockets hold
    size = 14
    async with channel_to(net.keys, net.address.grpc_port) as other:
        follow: Any = other.unary_stream("/commonhold.v1.Coordinator/Follow")
        stalled: Any = follow(b"")
        slow: Any = net.stub.Follow(api_pb2.FollowRequest(start=0))
        seen = 0
        while seen < size:
            seen += len((await asyncio.wait_for(slow.read(), 30)).entries)
            await asyncio.sleep(0.05)
        await until(net, 'commonhold_refused_total{limit="stall"}', lambda count: count >= 1)
        slow.cancel()
        stalled.cancel()


async def test_a_hundred_readers_of_one_page_cost_one_reading(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    await net.append(net.submission(ALICE, [1] * 100))
    pages = await asyncio.gather(*(first_page(net) for _ in range(60)))
    assert len(set(pages)) == 1
    assert len(pages[0]) < PAGE_BYTES


async def first_page(net: Live) -> bytes:
    stream = net.stub.Follow(api_pb2.FollowRequest(start=0))
    page: api_pb2.FollowResponse = await stream.read()
    stream.cancel()
    return page.SerializeToString()
