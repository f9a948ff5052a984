"""What a node sends over a real TLS server: the channel, receipts, and what waits in the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest

from commonground.addresses import now_ms
from commonground.client import CoordinatorClient
from commonground.receipts import Lie
from node.keys import NodeKeys, generate_keys
from node.outbox import flush, keep_flushing, send_postponed
from node.registration import registration
from node.rows import OutboxState, Outgoing
from node.store import Store
from protocol.errors import Ignore, Misbehaviour, NotYet, Reject, Unreachable
from protocol.identity import KeyId
from protocol.log.link import NetworkLink
from protocol.transition import Applied, Changes
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.following_lab import Waits
from tests.scripted_coordinator import ScriptedCoordinator

# ---- the channel ----


async def test_the_pinned_server_is_believed_and_no_other(
    client: CoordinatorClient, link: NetworkLink, keys: NodeKeys
) -> None:
    receipt = await client.append(registration(keys, link.network).envelope)
    assert receipt.index == 2
    for fingerprint in (bytes(32), link.tls_fingerprint[:-1] + b"\0"):
        async with CoordinatorClient(replace(link, tls_fingerprint=fingerprint)) as wrong:
            with pytest.raises(Misbehaviour, match="another one") as caught:
                await wrong.append(b"anything")
            assert "ask the operator" in caught.value.advice


@pytest.mark.parametrize("years", [-3, 11])
async def test_a_clock_that_is_years_off_is_called_so(
    link: NetworkLink, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """One that is hours off is none: certificates allow for that."""
    hours = 3_600_000
    monkeypatch.setattr("commonground.client.now_ms", lambda: now_ms() - 20 * hours)
    async with CoordinatorClient(link) as client:
        await client.connect()
    monkeypatch.setattr("commonground.client.now_ms", lambda: now_ms() + years * 8_766 * hours)
    async with CoordinatorClient(link) as client:
        with pytest.raises(
            Unreachable, match="its clock is wrong, or the certificate ran"
        ) as caught:
            await client.connect()
        assert "set this machine's clock" in caught.value.advice


async def test_nobody_there_is_unreachable(link: NetworkLink) -> None:
    async with CoordinatorClient(replace(link, port=1)) as nobody:
        with pytest.raises(Unreachable, match="does not answer"):
            await nobody.connect()


async def test_no_proxy_stands_between_us_and_this_machine(
    link: NetworkLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with CoordinatorClient(link) as client:
        await client.connect()
    async with CoordinatorClient(replace(link, host="coordinator.example")) as elsewhere:
        with pytest.raises(Unreachable, match="does not answer") as lost:
            await elsewhere.connect()
    assert "grpc_proxy of the environment" in lost.value.advice
    assert "without it: no_proxy=coordinator.example" in lost.value.advice


async def test_a_coordinator_is_reached_through_a_proxy(
    link: NetworkLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{port}")
        async with CoordinatorClient(replace(link, host="coordinator.example")) as client:
            await client.connect()
    assert {line.rpartition(b" ")[0] for line in asked} == {
        f"CONNECT coordinator.example:{link.port}".encode()
    }
    assert len(asked) == 2  # for the certificate, and to stay


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.ALREADY_EXISTS, Ignore),
        (grpc.StatusCode.INVALID_ARGUMENT, Reject),
        (grpc.StatusCode.PERMISSION_DENIED, Reject),
        (grpc.StatusCode.FAILED_PRECONDITION, NotYet),
        (grpc.StatusCode.UNAVAILABLE, Unreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unreachable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Unreachable),
        (grpc.StatusCode.INTERNAL, Unreachable),
    ],
)
async def test_statuses_come_back_as_our_errors_in_the_servers_words(
    coordinator: ScriptedCoordinator,
    client: CoordinatorClient,
    code: grpc.StatusCode,
    kind: type[Exception],
) -> None:
    coordinator.refusal = (code, "in its\x1b[31m words" + "!" * 1000)
    with pytest.raises(kind, match="in its") as caught:
        await client.append(b"anything")
    assert "\x1b" not in str(caught.value), "a terminal takes no orders from a server"
    assert len(str(caught.value)) < 500


async def test_announcements_travel_as_they_are(client: CoordinatorClient) -> None:
    await client.announce(b"here I am")
    assert await client.lookup([KeyId(bytes(32))]) == [b"here I am"]


# ---- receipts ----


def _other_index(receipt: api.Receipt) -> api.Receipt:
    receipt.index = 0
    return receipt


def _no_proof(receipt: api.Receipt) -> api.Receipt:
    del receipt.proof[:]
    return receipt


def _forged_signature(receipt: api.Receipt) -> api.Receipt:
    receipt.checkpoint = receipt.checkpoint[:-8] + b"AAAAAA=\n"
    return receipt


@pytest.mark.parametrize("tamper", [_other_index, _no_proof, _forged_signature])
async def test_a_forged_receipt_raises_an_alarm_and_nothing_more_is_sent(
    coordinator: ScriptedCoordinator,
    client: CoordinatorClient,
    store: Store,
    keys: NodeKeys,
    tamper: Callable[[api.Receipt], api.Receipt],
) -> None:
    coordinator.on_receipt = tamper
    outgoing = registration(keys, coordinator.keys.network)
    store.enqueue(outgoing)
    with pytest.raises(Lie):
        await flush(client, store)
    [alarm] = store.alarms()
    assert outgoing.envelope in alarm.evidence
    with pytest.raises(Misbehaviour, match="not to be trusted"):
        await flush(client, store)
    assert len(coordinator.calls) == 1
    coordinator.on_receipt = lambda receipt: receipt
    store.acknowledge_alarms()
    assert (await flush(client, store)).sent == 1


# ---- the outbox ----


async def test_what_is_queued_arrives_once_and_in_order(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store
) -> None:
    queued = [
        Outgoing("x", coordinator.sealed("x", pb.Register(network=bytes([i])))) for i in range(5)
    ]
    for outgoing in queued:
        store.enqueue(outgoing)
    assert (await flush(client, store)).sent == 5
    assert coordinator.calls == [outgoing.envelope for outgoing in queued]
    assert [store.outbox_row(o.digest).receipt_index for o in queued] == [2, 3, 4, 5, 6]  # type: ignore[union-attr]
    assert (await flush(client, store)).sent == 0


async def test_a_kill_before_the_receipt_was_noted_costs_one_more_call(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store, keys: NodeKeys
) -> None:
    outgoing = registration(keys, coordinator.keys.network)
    store.enqueue(outgoing)
    await client.append(outgoing.envelope)  # the answer never reached the store
    assert (await flush(client, store)).sent == 1
    assert coordinator.tree.size == 3, "logged once"


async def test_a_refusal_is_kept_with_its_reason_and_the_rest_goes_on(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store, keys: NodeKeys
) -> None:
    store.enqueue(registration(keys, coordinator.keys.network))
    coordinator.refusal = (grpc.StatusCode.INVALID_ARGUMENT, "it breaks a rule")
    done = await flush(client, store)
    assert [row.last_error for row in done.refused] == ["it breaks a rule"]
    coordinator.refusal = (grpc.StatusCode.ALREADY_EXISTS, "late")
    store.enqueue(Outgoing("toss", b"late"))
    assert (await flush(client, store)).unproved == 1
    assert store.outbox_counts() == {OutboxState.REFUSED: 1, OutboxState.UNPROVED: 1}


async def test_what_is_too_much_for_an_epoch_holds_nothing_up_and_is_sent_in_the_next(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store, keys: NodeKeys
) -> None:
    outgoing = registration(keys, coordinator.keys.network)
    store.enqueue(outgoing)
    coordinator.refusal = (grpc.StatusCode.FAILED_PRECONDITION, "nobody more in this epoch")
    assert [row.last_error for row in (await flush(client, store)).refused] == [
        "nobody more in this epoch"
    ]
    assert [row.outgoing for row in store.refused()] == [outgoing], "its owner is told"
    coordinator.refusal = (grpc.StatusCode.ALREADY_EXISTS, "late")
    store.enqueue(Outgoing("beacon", b"late"))
    assert (await flush(client, store)).unproved == 1
    assert store.outbox_counts() == {OutboxState.POSTPONED: 1, OutboxState.UNPROVED: 1}

    coordinator.refusal = None
    record: Any = None
    send_postponed(store, Applied("verdict", record, Changes({}, {})))
    assert (await flush(client, store)).sent == 0, "only a new epoch brings new budgets"
    send_postponed(store, Applied("close", record, Changes({}, {}, closed=1)))
    assert (await flush(client, store)).sent == 1


async def test_without_a_coordinator_the_work_is_kept_and_tried_again_with_backoff(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store, keys: NodeKeys
) -> None:
    outgoing = registration(keys, coordinator.keys.network)
    store.enqueue(outgoing)
    coordinator.unavailable = 8
    now_ms = 0

    async def sleep(seconds: float) -> None:
        nonlocal now_ms
        now_ms += int(seconds * 1000)
        if (queued := store.next_queued()) is None:
            raise asyncio.CancelledError
        waits[queued.attempts] += seconds

    waits: defaultdict[int, float] = defaultdict(float)  # seconds, by the failures before
    with pytest.raises(asyncio.CancelledError):
        await keep_flushing(client, store, lambda: now_ms, sleep)
    row = store.outbox_row(outgoing.digest)
    assert row is not None
    assert (row.state, row.attempts, row.receipt_index) == (OutboxState.SENT, 8, 2)
    assert max(waits.values()) <= 60
    assert waits[6] > 2 * waits[1], "the waits grow"


async def test_a_clock_that_was_set_back_and_somebody_who_waits_postpone_nothing(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, store: Store, keys: NodeKeys
) -> None:
    day_ms, waits = 86_400_000, Waits(most=2)
    outgoing = registration(keys, coordinator.keys.network)
    store.enqueue(outgoing)
    store.mark_attempt(outgoing.digest, "away", day_ms + 30_000)
    with pytest.raises(asyncio.CancelledError):
        await keep_flushing(client, store, lambda: day_ms, waits)
    assert store.next_queued() is not None, "not due"
    with pytest.raises(asyncio.CancelledError):
        await keep_flushing(client, store, lambda: 0, Waits(most=1))
    assert store.next_queued() is None, "a day back"

    store.enqueue(other := registration(generate_keys(), coordinator.keys.network))
    store.mark_attempt(other.digest, "away", day_ms + 30_000)
    store.hurry()
    with pytest.raises(asyncio.CancelledError):
        await keep_flushing(client, store, lambda: day_ms, Waits(most=1))
    assert store.next_queued() is None
