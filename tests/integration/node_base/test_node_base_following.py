"""The follower against a real TLS server: what is true is taken, every lie is caught."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from commonground.client import CoordinatorClient
from commonground.receipts import Lie
from coordinator.keys import Keys
from node.follower import Follower
from node.keys import NodeKeys
from node.outbox import flush
from node.registration import registration
from node.store import Store
from node.trust import require_trust
from protocol.errors import Misbehaviour, StoreError, Unreachable
from protocol.log.batch import encode_bundle
from protocol.log.link import NetworkLink
from protocol.log.note import Verifier
from protos.gen import api_pb2 as api
from tests.following_lab import Waits, same
from tests.scripted_coordinator import ScriptedCoordinator
from tests.simulated import Network, campaign

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
