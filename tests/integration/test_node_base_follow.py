"""The client and the follower against a real TLS server: what is true is taken, every lie is caught."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from nacl.signing import SigningKey

from commonground.addresses import now_ms
from commonground.client import CoordinatorClient
from commonground.receipts import Lie, UnknownKey
from coordinator.keys import Keys
from node.follower import Follower
from node.keys import NodeKeys, generate_keys
from node.outbox import flush, keep_flushing, send_postponed
from node.registration import registration
from node.rows import OutboxState, Outgoing
from node.store import Store
from node.trust import require_trust
from protocol.errors import Ignore, Misbehaviour, NotYet, Reject, StoreError, Unreachable
from protocol.identity import KeyId
from protocol.log.batch import encode_bundle
from protocol.log.link import NetworkLink
from protocol.log.note import Verifier, sign_checkpoint
from protocol.state import State
from protocol.transition import Applied, Changes
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.scripted_coordinator import ScriptedCoordinator, make_keys, serving
from tests.simulated import Network, Person, campaign, successor


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def keys() -> NodeKeys:
    return generate_keys()


@pytest.fixture
async def coordinator(operator: Keys) -> ScriptedCoordinator:
    return ScriptedCoordinator(operator)


@pytest.fixture
async def link(coordinator: ScriptedCoordinator) -> AsyncIterator[NetworkLink]:
    async with serving(coordinator) as where:
        yield where


@pytest.fixture
async def client(link: NetworkLink) -> AsyncIterator[CoordinatorClient]:
    async with CoordinatorClient(link) as connected:
        yield connected


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened


def same(one: State, other: State) -> bool:
    return list(one.rows()) == list(other.rows())


class Waits:
    """A sleep that passes at once, keeps what it was asked for, and ends a loop after some."""

    def __init__(self, most: int) -> None:
        self.asked: list[float] = []
        self.most = most

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) == self.most:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


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


# ---- following ----


async def test_a_follower_holds_the_state_of_the_log_and_wakes_who_waits(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, link: NetworkLink, store: Store
) -> None:
    follower, seen = Follower(store, link), []
    follower.subscribe(lambda applied: seen.append((applied.record.index, applied.kind)))
    running = asyncio.create_task(follower.run(client))
    assert await follower.wait_beyond(0) == 2
    coordinator.operate("campaign", campaign(id="letters"))
    assert await follower.wait_beyond(2) == 3
    running.cancel()
    assert seen == [(0, "genesis"), (1, "campaign"), (2, "campaign")]
    assert [name for name, _ in follower.state.campaigns.scan()] == ["digits", "letters"]
    assert follower.checkpoint is not None
    assert follower.checkpoint.size == follower.size == store.log_size() == 3

    again = Follower(store, link)
    again.replay()
    assert same(again.state, follower.state)
    assert again.tree.root() == coordinator.tree.root()


async def test_pages_smaller_than_their_checkpoint_are_folded_when_it_is_covered(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    follower = Follower(store, link)
    assert not follower.take(coordinator.page(0, 1))
    assert (follower.size, store.log_size(), store.checkpoint()) == (0, 1, None)
    resumed = Follower(store, link)
    resumed.replay()
    assert (resumed.size, resumed.tree.size) == (0, 1), "not acted upon before it is signed for"
    assert resumed.take(coordinator.page(1))
    assert resumed.size == 2


async def test_a_follower_comes_back_for_ever_with_bounded_waits(
    link: NetworkLink, store: Store
) -> None:
    waits = Waits(most=12)
    async with CoordinatorClient(replace(link, port=1)) as nobody:
        with pytest.raises(asyncio.CancelledError):
            await Follower(store, link, sleep=waits).run(nobody)
    assert max(waits.asked) <= 60
    assert min(waits.asked[6:]) >= 30


async def test_whoever_reaches_the_coordinator_has_the_log_followed_at_once(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    """It may have been away for hours, so that the follower would wait for a minute more."""
    async with CoordinatorClient(link) as client:
        pausing = asyncio.create_task(client.pause(3_600))
        await asyncio.sleep(0)
        assert not pausing.done()
        await client.lookup([])
        await pausing
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        await client.pause(7, sleep)  # a busy server is not asked sooner
        assert slept == [7]


async def test_a_coordinator_that_does_not_say_where_its_log_is_does_not_count_as_connected(
    coordinator: ScriptedCoordinator, client: CoordinatorClient, link: NetworkLink, store: Store
) -> None:
    waits = Waits(most=2)
    follower = Follower(store, link, sleep=waits)
    running = asyncio.create_task(follower.run(client))
    await follower.wait_beyond(0)
    assert follower.is_assured
    running.cancel()

    async def refuse(*_: Any) -> Any:
        raise Unreachable("not now")
        yield

    async def pause(_: Any, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> None:
        await sleep(seconds)

    silent: Any = type("Silent", (), {"follow": refuse, "pause": pause})()
    with pytest.raises(asyncio.CancelledError):
        await follower.run(silent)
    assert not follower.is_assured


async def test_two_processes_may_follow_into_one_store(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    one, other = Follower(store, link), Follower(store, link)
    one.take(coordinator.page())
    other.take(coordinator.page())
    coordinator.operate("campaign", campaign(id="letters"))
    other.take(coordinator.page(2))
    one.take(coordinator.page(2))
    assert same(one.state, other.state)


# ---- lies ----


def _forged(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    return coordinator.page(2, note=coordinator.note()[:-8] + b"AAAAAA=\n")


def _wrong_root(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    coordinator.operate("campaign", campaign(id="letters"))
    return coordinator.page(2, note=coordinator.note(3, bytes(32)))


def _split_view(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    return coordinator.page(2, note=coordinator.note(2, b"\1" * 32))


def _uncovered(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    note = coordinator.note()
    coordinator.operate("campaign", campaign(id="letters"))
    return coordinator.page(2, note=note)


def _truncated(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    for name in ("letters", "words"):
        coordinator.operate("campaign", campaign(id=name))
    return coordinator.page(3)


def _rule_broken(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    coordinator.operate("campaign", campaign(id="digits"))
    return coordinator.page(2)


def _leaves_of_another(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    coordinator.operate("campaign", campaign(id="letters"))
    page = coordinator.page(2)
    page.entries[0].bundle = encode_bundle((b"leaf",))
    return page


def _garbage_bundle(coordinator: ScriptedCoordinator) -> api.FollowResponse:
    coordinator.operate("campaign", campaign(id="letters"))
    page = coordinator.page(2)
    page.entries[0].bundle = b"\7"
    return page


LIES = [
    (_forged, "checkpoint"),
    (_wrong_root, "root"),
    (_split_view, "split-view"),
    (_uncovered, "checkpoint"),
    (_truncated, "order"),
    (_rule_broken, "rule"),
    (_leaves_of_another, "rule"),
    (_garbage_bundle, "rule"),
]


@pytest.mark.parametrize(("tell", "kind"), LIES, ids=[tell.__name__ for tell, _ in LIES])
async def test_every_lie_is_caught_kept_and_ends_the_following(
    coordinator: ScriptedCoordinator,
    link: NetworkLink,
    store: Store,
    tell: Callable[[ScriptedCoordinator], api.FollowResponse],
    kind: str,
) -> None:
    follower = Follower(store, link, clock=lambda: 77)
    follower.take(coordinator.page())
    waiting = asyncio.create_task(_outcome(follower.wait_beyond(2)))
    await asyncio.sleep(0)
    response = tell(coordinator)
    with pytest.raises(Lie):
        follower.take(response)
    [alarm] = store.alarms()
    assert (alarm.kind, alarm.raised_ms) == (kind, 77)
    assert response.checkpoint in alarm.evidence
    assert isinstance(await waiting, Lie), "whoever waits is told"
    with pytest.raises(Lie):
        follower.take(coordinator.page(2))
    with pytest.raises(Misbehaviour):
        require_trust(store)
    async with CoordinatorClient(link) as client:
        with pytest.raises(Misbehaviour, match="not to be trusted"):
            await Follower(store, link).run(client)


async def _outcome(work: Awaitable[int]) -> int | Misbehaviour:
    try:
        return await work
    except Misbehaviour as error:
        return error


async def test_a_lie_over_the_wire_ends_a_running_follower(
    coordinator: ScriptedCoordinator, link: NetworkLink, client: CoordinatorClient, store: Store
) -> None:
    coordinator.on_follow = lambda page: coordinator.page(note=coordinator.note(2, bytes(32)))
    with pytest.raises(Lie, match="root"):
        await Follower(store, link).run(client)
    assert len(store.alarms()) == 1


async def test_a_log_of_another_network_is_refused(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    """The log's key is right and the genesis names another network."""
    mine = coordinator.keys.network
    coordinator.log.clear()
    coordinator.tree = type(coordinator.tree)()
    coordinator.add(Network().log[0].raw)
    follower = Follower(store, link)
    assert link.network == mine
    with pytest.raises(Lie, match="another network"):
        follower.take(coordinator.page())


async def test_two_stores_of_one_node_must_not_be_told_two_histories(
    coordinator: ScriptedCoordinator, operator: Keys, link: NetworkLink, store: Store
) -> None:
    other = ScriptedCoordinator(operator)
    coordinator.operate("campaign", campaign(id="letters"))
    other.operate("campaign", campaign(id="words"))
    one, two = Follower(store, link), Follower(store, link)
    one.take(coordinator.page())
    with pytest.raises(Lie, match="different entries"):
        two.take(other.page())


async def test_a_receipt_that_the_log_does_not_keep_is_a_lie(
    coordinator: ScriptedCoordinator,
    client: CoordinatorClient,
    link: NetworkLink,
    store: Store,
    keys: NodeKeys,
) -> None:
    """The coordinator acknowledged our record, and then shows a log without it."""
    outgoing = registration(keys, link.network)
    store.enqueue(outgoing)
    await flush(client, store)
    forgetful = ScriptedCoordinator(coordinator.keys)
    forgetful.operate("campaign", campaign(id="letters"))
    with pytest.raises(Lie, match="where its receipt says"):
        Follower(store, link).take(forgetful.page())
    [alarm] = store.alarms()
    assert alarm.kind == "broken-receipt"
    assert outgoing.envelope in alarm.evidence


async def test_a_damaged_file_is_our_own_fault(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    Follower(store, link).take(coordinator.page())
    store._write("UPDATE entries SET envelope = x'00' WHERE idx = 1")
    with pytest.raises(StoreError, match="damaged"):
        Follower(store, link).replay()
    assert store.alarms() == []


async def test_the_log_key_of_the_link_decides(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    stranger = replace(link, log_verifier=Verifier(link.log_verifier.name, bytes(32)))
    with pytest.raises(Lie, match="bad checkpoint"):
        Follower(store, stranger).take(coordinator.page())


# ---- successors of the log's key ----


class Rotating:
    """A log whose key is replaced now and then."""

    def __init__(self, coordinator: ScriptedCoordinator) -> None:
        self.coordinator, self.key = coordinator, coordinator.keys.log_keys[0]
        self.announced = self.key  # the log's key by what it says of itself

    def announce(self, key: SigningKey, by: Person | None = None) -> None:
        """Logs the successor; the key before still signs, until `self.key` is set."""
        network = self.coordinator.keys.network
        body = successor(pb.KEY_ROLE_LOG, key, self.announced, network)
        self.announced = key
        sealed = by.seal("successor", body) if by else self.coordinator.sealed("successor", body)
        self.coordinator.add(sealed)

    def page(self, start: int, stop: int | None = None) -> api.FollowResponse:
        """What the log has from `start` on, signed by the present key alone."""
        tree, name = self.coordinator.tree, self.coordinator.keys.log_verifier.name
        verifier = Verifier(name, bytes(self.key.verify_key))
        note = sign_checkpoint(
            verifier, tree.size, tree.root(), lambda text: self.key.sign(text).signature
        )
        return self.coordinator.page(start, stop, note)


SECOND, THIRD = SigningKey(b"\2" * 32), SigningKey(b"\3" * 32)


async def test_the_logs_next_key_is_believed_once_it_is_announced_and_the_old_one_no_more(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    follower.take(log.page(0))
    log.announce(SECOND)
    follower.take(log.page(2))  # the old key signs for the entry that replaces it
    assert follower.verifier.public_key == bytes(SECOND.verify_key)
    log.key = SECOND
    coordinator.operate("campaign", campaign(id="letters"))
    follower.take(log.page(3))
    again = Follower(store, link)
    again.replay()
    assert same(again.state, follower.state)
    log.key = coordinator.keys.log_keys[0]
    coordinator.operate("campaign", campaign(id="words"))
    with pytest.raises(Lie, match="bad checkpoint"):
        follower.take(log.page(4))


async def test_whoever_comes_late_learns_the_key_from_the_log_itself(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.announce(SECOND)
    log.announce(THIRD)
    log.key = THIRD
    late = Follower(store, link)
    assert not late.take(log.page(0, 2))  # nothing so far says that the key is the log's
    assert late.size == 0, "and nothing is believed"
    late = Follower(store, link)  # after a restart, too
    late.replay()
    assert late.take(log.page(2))
    again = Follower(store, link)
    again.replay()
    assert again.size == 4
    assert again.verifier.public_key == bytes(THIRD.verify_key)


async def test_a_key_that_nothing_announces_to_the_end_is_not_the_logs(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.key = SECOND
    late = Follower(store, link)
    assert not late.take(log.page(0, 1))
    with pytest.raises(Lie, match="bad checkpoint"):
        late.take(log.page(1))
    assert late.size == 0


async def test_nobody_shows_a_newcomer_a_log_that_its_first_key_did_not_hand_over(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.announced = SECOND  # as if it had been followed already
    log.announce(SECOND)
    log.key = SECOND
    with pytest.raises(Lie, match="did not hand over"):
        Follower(store, link).take(log.page(0))


async def test_a_key_that_served_between_two_others_signs_no_more(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    log.announce(SECOND)
    log.announce(THIRD)
    log.key = THIRD
    follower.take(log.page(0))
    coordinator.operate("campaign", campaign(id="letters"))
    log.key = SECOND
    with pytest.raises(Lie, match="bad checkpoint"):
        follower.take(log.page(4))


async def test_nobody_but_the_operator_announces_a_key(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    follower.take(log.page(0))
    log.announce(SECOND, by=Person("mallory"))
    log.key = SECOND
    with pytest.raises(Lie, match="breaks a rule"):
        follower.take(log.page(2))
    assert follower.verifier == link.log_verifier


async def test_receipts_are_checked_by_the_key_that_the_log_has_as_far_as_it_was_followed(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, keys: NodeKeys
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    coordinator.on_receipt = lambda receipt: api.Receipt(
        index=receipt.index, proof=receipt.proof, checkpoint=log.page(0, 0).checkpoint
    )
    log.announce(SECOND)
    log.key = SECOND  # alone: the first one was taken away
    store.enqueue(registration(keys, link.network))
    async with CoordinatorClient(link, lambda: follower.verifier) as client:
        with pytest.raises(UnknownKey, match="has not read of yet"):
            await flush(client, store)
        assert store.alarms() == [], "it proves nothing"
        follower.take(log.page(0))
        assert (await flush(client, store)).sent == 1
        log.key = coordinator.keys.log_keys[0]
        with pytest.raises(UnknownKey):  # whoever has only the key that was replaced
            await client.append(registration(generate_keys(), link.network).envelope)
