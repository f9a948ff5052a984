"""The conductor: its judgement as a table, and whole epochs that it leads over the API."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from coordinator.conductor import Step, next_step
from coordinator.ledger import Ledger
from coordinator.recovery import fsck
from protocol.identity import peer_id_of
from protocol.lifecycle import EpochPhase
from protocol.log.commitments import beacon_commitment, gold_commitment
from protocol.log.merkle import hash_leaf
from protocol.money.accounts import conserves
from protocol.state import CommittedBatch, Member, State
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import Person, append_request, batch
from tests.live_coordinator import Live, Mirror, found_network, live

ONE, TWO = Person("one").identity, Person("two").identity


def state_in(phase: EpochPhase) -> State:
    state = State()
    state.epoch.phase = phase
    return state


def with_beacons(*opened: bytes) -> State:
    state = state_in(EpochPhase.BEACON)
    state.members = {who: Member(b"", 0, standby=b"c") for who in (ONE, TWO)}
    state.epoch.round.beacons = {who: b"v" for who in (ONE, TWO) if who in opened}
    return state


def with_tasks(phase: EpochPhase, commits: int, reveals: int = 0) -> State:
    state, people = state_in(phase), (ONE, TWO)
    round_ = state.epoch.round
    round_.tasks = dict.fromkeys(people, (b"item",))
    round_.commits = {who: CommittedBatch(b"", 1) for who in people[:commits]}
    round_.revealed = set(people[:reveals])
    return state


def pending() -> State:
    state = State()
    state.pending = [b"item"]
    return state


COMMITTING, REVEALING = EpochPhase.COMMITTING, EpochPhase.REVEALING


@pytest.mark.parametrize(
    ("state", "close_wanted", "deadline_passed", "step"),
    [
        (State(), False, False, Step.WAIT),
        (State(), False, True, Step.WAIT),
        (State(), True, False, Step.CLOSE),
        (pending(), False, True, Step.WAIT),
        (pending(), True, False, Step.SEAL),
        (state_in(EpochPhase.BEACON), False, False, Step.DRAW),  # nobody stands by
        (with_beacons(), False, False, Step.WAIT),
        (with_beacons(ONE), False, False, Step.WAIT),
        (with_beacons(ONE), False, True, Step.DRAW),
        (with_beacons(ONE, TWO), False, False, Step.DRAW),
        (with_tasks(COMMITTING, 1), False, False, Step.WAIT),
        (with_tasks(COMMITTING, 1), False, True, Step.END_COMMITS),
        (with_tasks(COMMITTING, 2), False, False, Step.END_COMMITS),
        (with_tasks(REVEALING, 2, 1), False, False, Step.WAIT),
        (with_tasks(REVEALING, 2, 1), False, True, Step.DECIDE),
        (
            with_tasks(REVEALING, 1, 1),
            False,
            False,
            Step.DECIDE,
        ),  # the silent one is not waited for
        (with_tasks(REVEALING, 0, 0), False, False, Step.DECIDE),
        (state_in(EpochPhase.CLOSING), False, False, Step.CLOSE),
    ],
)
def test_the_next_step_follows_from_the_state(
    state: State, close_wanted: bool, deadline_passed: bool, step: Step
) -> None:
    found = next_step(state, close_wanted=close_wanted, deadline_passed=deadline_passed)
    assert found is step


async def close_epoch(net: Live, epoch: int) -> None:
    body = api_pb2.CloseEpoch(network=net.network, epoch=epoch)
    envelope = net.operator.seal("close-epoch", body)
    await net.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=envelope))


def beacon_value(person: Person, number: int) -> bytes:
    return bytes([number]) + person.identity[1:]


async def stand_by(net: Live, epoch: int, *people: Person) -> None:
    for person in people:
        value = beacon_value(person, epoch)
        commitment = beacon_commitment(net.network, person.identity, value)
        await net.log(person, "standby", pb.Standby(network=net.network, commitment=commitment))


async def open_beacons(net: Live, epoch: int, *people: Person) -> None:
    for person in people:
        body = pb.Beacon(
            network=net.network, epoch=epoch, round=1, value=beacon_value(person, epoch)
        )
        await net.log(person, "beacon", body)


def answers_of(state: State, person: Person, truth: dict[bytes, int]) -> list[bytes]:
    return [
        pb.Answer(
            item_id=item_id, reviewer=person.identity, nonce=b"n" * 32, label=truth[item_id]
        ).SerializeToString()
        for item_id in state.epoch.round.tasks[person.identity]
    ]


async def review(net: Live, mirror: Mirror, people: list[Person], truth: dict[bytes, int]) -> None:
    """From the drawn round to its verdict, by honest reviewers."""
    state = await mirror.until(lambda s: s.epoch.phase is EpochPhase.COMMITTING)
    drawn = [person for person in people if person.identity in state.epoch.round.tasks]
    here = (net.network, state.epoch.number, state.epoch.round.number)
    leaves = {person.name: answers_of(state, person, truth) for person in drawn}
    for person in drawn:
        body = pb.Commit(
            network=here[0], epoch=here[1], round=here[2], answers=batch(leaves[person.name])
        )
        await net.log(person, "commit", body)
    await mirror.until(lambda s: s.epoch.phase is EpochPhase.REVEALING)
    for person in drawn:
        opened = pb.Reveal(
            network=here[0], epoch=here[1], round=here[2], answers=batch(leaves[person.name])
        )
        await net.append(append_request(person, "reveal", opened, leaves[person.name]))


@pytest.mark.timeout(120)
async def test_an_epoch_runs_from_submissions_to_rewards(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    author, *reviewers = [Person(name) for name in ("author", "r1", "r2", "r3")]
    async with live(home) as net:
        await net.open_campaign()
        await net.join(author, *reviewers)
        labels = [number % 10 for number in range(30)]
        request = net.submission(author, labels)
        await net.append(request)
        truth = dict(zip(map(hash_leaf, request.leaves), labels, strict=True))
        await stand_by(net, 1, *reviewers)
        await commit_gold(net, dict(list(truth.items())[:10]))
        await close_epoch(net, 1)
        await open_beacons(net, 1, *reviewers)
        mirror = Mirror(net)
        await review(net, mirror, reviewers, truth)
        state = await mirror.until(lambda s: s.closed_epoch == 1)
        assert {item.status.name for item in state.items.values()} == {"ACCEPTED"}
        assert state.earned[author.identity, b""] > 0
        assert all(state.earned[each.identity, b""] > 0 for each in reviewers)
        assert conserves(state)
        assert not net.fatal
        async with httpx.AsyncClient() as web:
            site = f"http://127.0.0.1:{net.address.http_port}"
            page = (await web.get(f"{site}/")).text
            people = (await web.get(f"{site}/contributors")).text
        assert "Epoch 2 is" in page
        assert all(peer_id_of(each.identity) in people for each in (author, *reviewers))
    with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
        kinds = fsck(ledger, net.keys.log_verifier).kinds
    assert (kinds["phase"], kinds["draw"], kinds["verdict"], kinds["close"]) == (2, 1, 1, 1)


async def commit_gold(net: Live, answers: dict[bytes, int]) -> None:
    openings = [
        api_pb2.Opening(item_id=item_id, salt=net.rng.randbytes(32), label=label)
        for item_id, label in answers.items()
    ]
    hashes = [gold_commitment(o.item_id, o.salt, o.label) for o in openings]
    body = pb.GoldCommit(network=net.network, epoch=1, hashes=batch(hashes))
    await net.append(append_request(net.operator, "gold-commit", body, hashes, openings))


async def test_a_coordinator_that_went_down_in_mid_epoch_goes_on(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net", rounds_max=1)
    author, *reviewers = [Person(name) for name in ("author", "r1", "r2", "r3")]
    async with live(home) as net:
        await net.open_campaign()
        await net.join(author, *reviewers)
        request = net.submission(author, [1, 2, 3])
        await net.append(request)
        truth = {
            hash_leaf(leaf): o.label
            for leaf, o in zip(request.leaves, request.openings, strict=True)
        }
        await stand_by(net, 1, *reviewers)
        await close_epoch(net, 1)
        await open_beacons(net, 1, reviewers[0])
    async with live(home) as net:
        await open_beacons(net, 1, *reviewers[1:])
        mirror = Mirror(net)
        await review(net, mirror, reviewers, truth)
        state = await mirror.until(lambda s: s.closed_epoch == 1)
        assert state.epoch.phase is EpochPhase.SUBMITTING
        assert conserves(state)


async def test_an_epoch_without_reviewers_leaves_its_items_for_the_next(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(Person("author"))
        await net.append(net.submission(Person("author"), [1, 2]))
        await close_epoch(net, 1)
        state = await Mirror(net).until(lambda s: s.closed_epoch == 1)
        assert len(state.pending) == 2
        assert state.minted_micro == 0


async def test_an_empty_epoch_closes_at_once_and_only_once(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await close_epoch(net, 1)
        state = await Mirror(net).until(lambda s: s.closed_epoch == 1)
        assert state.size == 2
        with pytest.raises(Exception, match="asked for already"):
            await close_epoch(net, 1)
        with pytest.raises(Exception, match="has not begun"):
            await close_epoch(net, 3)
        await close_epoch(net, 2)


async def test_a_batch_of_copies_is_set_aside_and_the_epoch_closes(tmp_path: Path) -> None:
    author, copier = Person("author"), Person("copier")
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(author, copier)
        original = net.submission(author, [1])
        await net.append(original)
        fingerprint = pb.Item.FromString(original.leaves[0]).fingerprint
        await net.append(net.submission(copier, [1], fingerprint=fingerprint))
        await close_epoch(net, 1)
        state = await Mirror(net).until(lambda s: s.closed_epoch == 1)
        statuses = [item.status.name for item in state.items.values()]
        assert statuses == ["SUBMITTED", "DUPLICATE"]
