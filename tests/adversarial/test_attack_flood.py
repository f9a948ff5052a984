"""Floods: calls without end, messages as large as they may be, requests that never end; in small.

An honest member is served meanwhile, on the connection that they have and on a new one; and the operator's
monitoring always gets an answer.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from commonground.web import connections as web_connections
from coordinator.config import Home
from coordinator.http import FILES_PER_NETWORK_MAX
from protocol.limits import OPERATOR_LEAVES_MAX
from protocol.log.batch import batch_root, encode_bundle
from protocol.log.strict import require_few_fields
from protos.gen import api_pb2
from tests import attackers
from tests.adversarial.test_attack_watch import (
    ALICE,
    attacked,
    metric,
    net,
    submit_as_a_newcomer,
    target_of,
    until,
)
from tests.live_coordinator import Live, found_network, live

__all__ = ["net"]


def limited(home: Home, calls: int) -> Home:
    """The network with so many calls a second, and no more at once."""
    settings = home.config_path.read_text()
    home.config_path.write_text(settings.replace("= 100000", f"= {calls}"))
    return home


async def test_a_member_is_served_while_its_address_calls_without_end(tmp_path: Path) -> None:
    async with live(limited(found_network(tmp_path / "net"), 100)) as net:
        await net.open_campaign()
        await net.join(ALICE)
        refused = 'commonhold_refused_total{limit="rate"}'
        async with attacked(attackers.call_without_end(target_of(net), 200)):
            await until(net, refused, lambda count: count >= 500)
            await submit_as_a_newcomer(net)
            for _ in range(10):  # a member's calls are their own, not their address's
                await net.append(net.submission(ALICE, [1]))
            ended = "commonhold_ended_connections_total"
            await until(net, ended, lambda count: count >= 1)  # whoever does not wait is sent away


@pytest.fixture
def no_look_by_itself() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(10_000_000)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("no_look_by_itself")
async def test_refused_calls_are_not_kept(tmp_path: Path) -> None:
    """Each may hold a message of 8 MiB, however seldom the collector looks by itself."""
    async with live(limited(found_network(tmp_path / "net"), 20)) as net:
        gc.collect()
        async with attacked(attackers.send_messages(target_of(net), 20)):
            refused = 'commonhold_refused_total{limit="rate"}'
            await until(net, refused, lambda count: count >= 300)
            kept = sum(type(each).__name__ == "_ServicerContext" for each in gc.get_objects())
    assert kept < 150


async def test_members_are_limited_too(tmp_path: Path) -> None:
    async with live(limited(found_network(tmp_path / "net"), 20)) as net:
        await net.open_campaign()
        await net.join(ALICE)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            for _ in range(100):
                await net.append(net.submission(ALICE, [1]))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_the_log_shows_to_everybody_proves_nothing(tmp_path: Path) -> None:
    """Whoever plays a member's record again is no member by that."""
    async with live(limited(found_network(tmp_path / "net"), 20)) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [1])
        await net.append(request)
        target = target_of(net)
        async with target.channel() as stranger:
            append: Any = stranger.unary_unary("/commonhold.v1.Coordinator/Append")
            raw = request.SerializeToString()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                for _ in range(100):
                    await append(raw)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await net.append(net.submission(ALICE, [1]))  # from the same address, and served


async def test_messages_full_of_nothing_hold_up_nobody(net: Live) -> None:
    async with attacked(attackers.send_messages(target_of(net), 6)):
        invalid = 'commonhold_calls_total{code="INVALID_ARGUMENT",method="Append"}'
        await until(net, invalid, lambda count: count >= 2)
        await submit_as_a_newcomer(net)
        await net.append(net.submission(ALICE, [1]))


def test_fields_are_counted_before_they_are_parsed() -> None:
    request = api_pb2.AppendRequest(
        envelope=b"e" * 300, leaves=[b"l" * 200] * 5, openings=[api_pb2.Opening(salt=b"s")] * 5
    )
    raw = request.SerializeToString()
    require_few_fields(raw, 11, "the message")
    with pytest.raises(Exception, match="the message has more than 10 fields"):
        require_few_fields(raw, 10, "the message")
    others = (
        b"\x08\x96\x01" + b"\x0d1234" + b"\x0912345678" + b"\x82\x01\x01x"
    )  # of every wire type
    require_few_fields(others, 4, "the message")
    with pytest.raises(Exception, match="more than 3"):
        require_few_fields(others, 3, "the message")
    for junk in (b"", b"\x1a", b"\xff" * 30, b"\x1a\xff\xff\xff\xff\x7f", b"\x0b\x0b"):
        require_few_fields(junk, 1, "the message")  # it is for parsing to say what that is


async def test_too_many_leaves_are_refused_and_as_many_as_allowed_are_read(net: Live) -> None:
    call: Any = net.channel.unary_unary("/commonhold.v1.Coordinator/Append")
    for count, words in (
        (OPERATOR_LEAVES_MAX, "the envelope"),  # which is junk
        (OPERATOR_LEAVES_MAX + 1, "too many leaves"),
        (2 * OPERATOR_LEAVES_MAX + 1, "more than 131,073 fields"),
    ):
        request = api_pb2.AppendRequest(envelope=b"x", leaves=[b""] * count)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request.SerializeToString())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert words in (caught.value.details() or "")


async def test_monitoring_is_answered_while_requests_never_end(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_connections, "REQUEST_SECONDS", 1.0)
    url = f"http://127.0.0.1:{net.address.http_port}"
    async with attacked(attackers.begin_requests(target_of(net), 300)):
        for path in 5 * ("/healthz", "/checkpoint"):
            # A connection each: on a busy machine, one may be idle for too long between two requests.
            async with httpx.AsyncClient(base_url=url, timeout=10) as web:
                assert (await web.get(path)).status_code == 200
            await asyncio.sleep(0.05)
        assert await metric(net, "commonhold_log_entries") == 3


async def test_files_that_are_not_read_hold_up_no_other_page_and_end(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = net.submission(ALICE, [1] * 8_000)
    await net.append(request)
    path = f"/batch/{batch_root(list(request.leaves)).hex()}"
    url = f"http://127.0.0.1:{net.address.http_port}"
    target = target_of(net)
    async with httpx.AsyncClient(base_url=url, timeout=30) as web:
        assert (await web.get(path)).content == encode_bundle(list(request.leaves))
        async with attacked(attackers.fetch_unread(target, 2 * FILES_PER_NETWORK_MAX, path)):
            for _ in range(20):
                assert (await web.get("/checkpoint")).status_code == 200
            monkeypatch.setattr(web_connections, "ANSWER_SECONDS", 0.2)
            assert (await web.get(path)).content == encode_bundle(list(request.leaves))
