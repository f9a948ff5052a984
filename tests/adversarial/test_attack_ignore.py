"""A coordinator that says "already there" and logs nothing: nobody is believed without a proof."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from commonground.client import CoordinatorClient
from commonground.receipts import Lie
from commonhold.audit.alarm import check_alarm
from node.alarmfile import parse_alarm_file
from node.alarms import AlarmFiles
from node.follower import Follower
from node.keys import NodeKeys, generate_keys
from node.outbox import flush
from node.registration import registration
from node.rows import OutboxState, Outgoing
from node.store import Store
from node.unproved import ASK_MS, IGNORED, PATIENCE_MS, Unproved
from protocol.errors import Misbehaviour
from protocol.log.envelope import parse_envelope
from protocol.log.link import NetworkLink
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.scripted_coordinator import ScriptedCoordinator, make_keys, serving
from tests.simulated import campaign

ALREADY = (grpc.StatusCode.ALREADY_EXISTS, "nothing to do")


class World:
    """A node that follows a liar, and a clock that the test sets."""

    def __init__(self, coordinator: ScriptedCoordinator, link: NetworkLink, store: Store) -> None:
        self.coordinator, self.link, self.store = coordinator, link, store
        self.keys: NodeKeys = generate_keys()
        self.follower = Follower(store, link)
        self.client = CoordinatorClient(link, lambda: self.follower.verifier)
        self.now_ms = 1_000_000
        self.unproved = Unproved(store, self.follower, self.client, lambda: self.now_ms)

    def clock(self) -> int:
        return self.now_ms

    async def send(self, *records: Outgoing) -> None:
        for each in records:
            self.store.enqueue(each)
        await flush(self.client, self.store, self.clock, follower=self.follower)

    async def settle(self, later_ms: int = ASK_MS) -> None:
        self.now_ms += later_ms
        await self.follower.catch_up(self.client)
        await self.unproved.settle()

    def states(self) -> dict[OutboxState, int]:
        return self.store.outbox_counts()

    def grow(self, name: str) -> None:
        self.coordinator.operate("campaign", campaign(id=name))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    coordinator = ScriptedCoordinator(make_keys(tmp_path / "coordinator"))
    async with serving(coordinator) as link:
        with Store(tmp_path / "node.db") as store:
            made = World(coordinator, link, store)
            await made.follower.catch_up(made.client)
            yield made
            await made.client.close()


async def test_nothing_is_sent_that_only_an_unsigned_word_calls_superfluous(world: World) -> None:
    network = world.link.network
    bodies = {
        "withdraw": pb.Withdraw(network=network, item_ids=[b"i" * 32]),
        "reveal": pb.Reveal(network=network, campaign_id="digits", round=1),
        "submission": pb.Submission(network=network),
    }
    world.coordinator.refusal = ALREADY
    await world.send(*(Outgoing(kind, world.keys.seal(kind, b)) for kind, b in bodies.items()))
    assert world.states() == {OutboxState.UNPROVED: 3}
    assert world.store.next_queued() is None, "what is behind them is not held up"


async def test_a_record_that_is_kept_out_of_a_log_that_goes_on_is_an_alarm(
    world: World, tmp_path: Path
) -> None:
    outgoing = registration(world.keys, world.link.network)
    world.coordinator.refusal = ALREADY
    await world.send(outgoing)
    await world.settle(PATIENCE_MS + 1)  # the log stands still: nobody is kept out of anything
    assert world.store.alarms() == []
    world.grow("letters")
    await world.settle(ASK_MS - 1)  # not asked again yet
    assert world.store.alarms() == []
    with pytest.raises(Lie, match="gone on"):
        await world.settle()
    [alarm] = world.store.alarms()
    assert alarm.kind == IGNORED
    assert alarm.evidence[0] == outgoing.envelope
    assert world.states() == {OutboxState.UNPROVED: 1}, "it is not lost"

    # The file is a testimony: the refusal was not signed, and nothing pretends that it was.
    for keys in (None, world.keys):  # a command without the passphrase first, then the daemon
        files = AlarmFiles(world.store, tmp_path / "alarms", world.link, keys)
        [path] = files.write_missing()
        file = parse_alarm_file(path.read_bytes())
        arguments = (file, world.link.network, world.link.log_verifier, path.parent)
        if keys is None:
            with pytest.raises(Misbehaviour, match="no node stands for it"):
                check_alarm(*arguments)
        else:
            assert not check_alarm(*arguments).proven


async def test_what_our_own_replay_shows_is_sent(world: World) -> None:
    outgoing = registration(world.keys, world.link.network)
    world.coordinator.refusal = ALREADY
    await world.send(outgoing)
    world.coordinator.add(outgoing.envelope)  # it was logged all the same
    await world.settle()
    assert world.states() == {OutboxState.SENT: 1}


async def test_what_our_own_replay_calls_superfluous_is_sent(world: World) -> None:
    """An honest coordinator has done the same by another record."""
    world.coordinator.add(registration(world.keys, world.link.network).envelope)
    again = registration(world.keys, world.link.network)
    body = pb.Register.FromString(_payload(again))
    body.serial = 1
    world.coordinator.refusal = ALREADY
    await world.send(Outgoing("register", world.keys.seal("register", body)))
    assert world.states() == {OutboxState.UNPROVED: 1}
    await world.settle()
    assert world.states() == {OutboxState.SENT: 1}


async def test_a_receipt_settles_it(world: World) -> None:
    world.coordinator.refusal = ALREADY
    await world.send(registration(world.keys, world.link.network))
    world.coordinator.refusal = None
    await world.settle()
    [row] = [world.store.outbox_row(registration(world.keys, world.link.network).digest)]
    assert row is not None
    assert (row.state, row.receipt_index) == (OutboxState.SENT, 2)


async def test_what_the_rules_do_not_take_is_refused_in_the_end_and_no_alarm(world: World) -> None:
    body = pb.Withdraw(network=world.link.network, item_ids=[b"i" * 32])
    world.coordinator.refusal = ALREADY
    await world.send(Outgoing("withdraw", world.keys.seal("withdraw", body)))
    world.grow("letters")
    await world.settle()
    assert world.states() == {OutboxState.UNPROVED: 1}, "what it builds on may still come"
    await world.settle(PATIENCE_MS)
    assert world.states() == {OutboxState.REFUSED: 1}
    assert world.store.alarms() == []


async def test_a_receipt_that_contradicts_our_tree_is_an_alarm_at_once(world: World) -> None:
    outgoing = registration(world.keys, world.link.network)
    other = ScriptedCoordinator(world.coordinator.keys)
    other.operate("campaign", campaign(id="words"))
    index = other.add(outgoing.envelope)
    forked_receipt = api.Receipt(
        index=index, checkpoint=other.note(), proof=other.tree.inclusion_proof(index)
    )
    world.grow("letters")
    world.grow("sounds")
    await world.follower.catch_up(world.client)
    world.coordinator.on_receipt = lambda _: forked_receipt
    with pytest.raises(Lie) as caught:
        await world.send(outgoing)
    assert caught.value.kind == "split-view"
    assert [each.kind for each in world.store.alarms()] == ["split-view"]
    assert world.states() == {OutboxState.QUEUED: 1}


def _payload(outgoing: Outgoing) -> bytes:
    return parse_envelope(outgoing.envelope).payload
