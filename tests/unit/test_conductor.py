"""When a round goes on: the conductor's judgement, on states that a simulated network comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from coordinator import conductor
from coordinator.life import left_undecided
from coordinator.rounds import GRACE_MS, Clock, Futile, Step, Wait, futile_round, next_step
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.lifecycle import CampaignStatus, RoundPhase
from protocol.log.merkle import hash_leaf
from protocol.rows import Campaign, ItemId
from protocol.rules import sealing
from protocol.state import State, waits_of
from tests.fold import drawn, people, submitted
from tests.simulated import Network, campaign, rounds

WAIT_MS, WINDOW_MS = 60_000, 10_000


def network(*names: str, seal_items: int = 3, **changes: int) -> Network:
    """A network whose campaign "slow" seals three items, or what has waited a minute."""
    net = Network(*people(*(names or ("author", "r1", "r2", "r3"))))
    windows = {"commit_ms": WINDOW_MS, "reveal_ms": WINDOW_MS}
    terms = rounds(seal_items=seal_items, seal_wait_ms=WAIT_MS, **(windows | changes))
    net.add(net.operator, "campaign", campaign(id="slow", rounds=terms))
    return net


def step(
    net: Network, after_ms: int = 0, c: str = "slow", waited_ms: int = 0, **changes: object
) -> Step | Wait:
    """The next step so long after the operator's last record, the oldest item having waited so long."""
    now_ms = net.clock_ms + after_ms
    clock = Clock(now_ms, started_ms=0, waiting_since_ms=now_ms - waited_ms)
    return next_step(net.state, net.campaign(c), replace(clock, **changes))  # type: ignore[arg-type]


def submit(net: Network, count: int, who: int = 0, c: str = "slow") -> None:
    net.submit(net.people[who], [net.item(i % 10, c=c) for i in range(count)], c=c)


def sealed(net: Network) -> tuple[ItemId, ...]:
    return net.state.round_of("slow").items


class TestSealing:
    def test_nothing_waits(self) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)

    def test_nobody_stands_by(self) -> None:
        net = network()
        submit(net, 5)
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)

    def test_enough_waits(self) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        submit(net, 2)
        assert step(net) == Wait(net.clock_ms + WAIT_MS)
        submit(net, 1)
        assert step(net) is Step.SEAL

    def test_the_oldest_has_waited_long_enough(self) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        submit(net, 1)
        assert step(net, waited_ms=WAIT_MS - 1) == Wait(net.clock_ms + 1)
        assert step(net, waited_ms=WAIT_MS) is Step.SEAL

    def test_a_panel_that_is_not_complete_gets_time_to_gather(self) -> None:
        net = network()
        net.stand_by(net.people[1], c="slow")
        submit(net, 5)
        assert step(net) == Wait(net.clock_ms + WAIT_MS)
        assert step(net, waited_ms=WAIT_MS) is Step.SEAL

    def test_only_the_author_stands_by(self) -> None:
        net = network(*[f"p{i}" for i in range(4)])
        submit(net, 5)
        net.stand_by(net.people[0], c="slow")
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)
        submit(net, 1, who=1)  # which the author of the others may review
        assert step(net, waited_ms=10 * WAIT_MS) is Step.SEAL

    def test_another_name_with_the_authors_address_is_the_author(self) -> None:
        net = network("author", "twin", "r2", "r3")
        author, twin = net.people[:2]
        net.add(twin, "register", net.registration(twin, serial=2, wallet=author))
        submit(net, 5)
        net.stand_by(author, twin, c="slow")
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)

    def test_who_has_answered_cannot_review_again(self) -> None:
        net = network("author", "r1", "r2", "r3", seal_items=1)
        net.people[1].judge = lambda _: 1
        net.people[2].judge = net.people[3].judge = lambda _: None
        submit(net, 1)
        net.stand_by(*net.people[1:], c="slow")
        net.seal(c="slow")
        net.run_round(*net.people[1:], c="slow")
        assert net.state.queues.has("slow"), "the item is undecided, and waits"
        assert net.state.standbys.count("slow") == 3
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)

    def test_a_paused_campaign(self) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        submit(net, 5)
        paused = replace(net.campaign("slow"), status=CampaignStatus.PAUSED)
        net.state.campaigns.put("slow", paused)
        assert step(net, waited_ms=10 * WAIT_MS) == Wait(None)

    def test_what_was_contested_gets_its_round_in_a_closed_campaign(self) -> None:
        net = network()
        author, *reviewers = net.people
        net.stand_by(*reviewers, c="slow")
        leaves = [net.item(1, content=b"the same", c="slow") for _ in range(2)]
        net.submit(author, leaves, c="slow")
        net.seal(c="slow")
        net.run_round(*reviewers, c="slow")
        net.contest(author, hash_leaf(leaves[1]))
        submit(net, 5)
        assert left_undecided(net.state, "slow") == 5
        net.close_campaign("slow")
        assert waits_of(net.state, "slow") == 1
        assert step(net, waited_ms=10 * WAIT_MS) is Step.SEAL

    def test_what_nobody_could_be_drawn_for_waits_for_somebody_or_something_new(self) -> None:
        net = network()
        net.stand_by(*net.people[1:3], c="slow")
        submit(net, 5)
        net.seal(c="slow")
        # Both come after the seal, so that the round says nothing about them.
        net.stand_by(net.people[3], c="slow")
        submit(net, 1, who=1)
        futile = futile_round(net.state, "slow")
        assert futile == Futile(frozenset(p.id for p in net.people[1:3]), frozenset(sealed(net)))
        net.state.rounds.remove("slow")
        waited = partial(step, net, waited_ms=10 * WAIT_MS)
        assert waited(futile=futile) is Step.SEAL
        everybody = Futile(frozenset(p.id for p in net.people), futile.items)
        assert waited(futile=everybody) is Step.SEAL
        everything = Futile(everybody.people, frozenset(i for _, i in net.state.waiting.scan()))
        assert waited(futile=everything) == Wait(None)
        assert waited(futile=replace(everything, people=futile.people)) is Step.SEAL

    def test_a_round_of_copies_alone_says_nothing_of_what_is_contested_later(self) -> None:
        net = network()
        author, *reviewers = net.people
        leaves = [net.item(1, content=b"the same", c="slow") for _ in range(2)]
        net.submit(author, leaves[:1], c="slow")
        net.stand_by(*reviewers, c="slow")
        net.seal(c="slow")
        net.run_round(*reviewers, c="slow")
        net.stand_by(*reviewers, c="slow")
        net.submit(author, leaves[1:], c="slow")
        net.seal(c="slow")
        futile = futile_round(net.state, "slow")
        net.run_round(*reviewers, c="slow")
        net.contest(author, hash_leaf(leaves[1]))
        assert step(net, waited_ms=10 * WAIT_MS, futile=futile) is Step.SEAL

    def test_rounds_in_vain_for_the_same_people_add_up(self) -> None:
        ann, bob, one, two = (PersonId(b"ann"), PersonId(b"bob"), ItemId(b"1"), ItemId(b"2"))
        first = Futile(frozenset({ann}), frozenset({one}))
        assert Futile(first.people, frozenset({two})).after(first).items == {one, two}
        other = Futile(frozenset({ann, bob}), frozenset({two}))
        assert other.after(first) == other

    def test_an_epoch_without_room_is_closed_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        submit(net, 5)
        monkeypatch.setattr("coordinator.rounds.close_due", lambda *_: "answers wait for their pay")
        assert step(net) is Step.CLOSE

    def test_what_it_asks_for_the_rules_allow(self) -> None:
        net = network()
        net.stand_by(*net.people[1:], c="slow")
        submit(net, 5)
        assert step(net) is Step.SEAL
        net.seal(c="slow")
        assert sealing.close_due(net.state, net.campaign("slow")) == ""


class TestWindows:
    def test_the_draw_waits_for_tosses_and_nothing_else(self) -> None:
        net = network()
        submitted(net)
        assert step(net, c="digits") == step(net, 10**12, c="digits") == Wait(None)
        net.toss(net.operator)
        assert step(net, c="digits") is Step.DRAW

    def test_commits(self) -> None:
        net = network()
        drawn(net)
        assert net.round().phase is RoundPhase.COMMITTING
        assert step(net, c="digits") == Wait(net.round().since_ms + 1_000)
        assert step(net, 1_000, c="digits") is Step.END_COMMITS
        for person in net.people[1:]:
            net.commit(person, net.answers(person))
        assert step(net, c="digits") is Step.END_COMMITS

    def test_a_round_keeps_the_window_that_it_was_sealed_with(self) -> None:
        net = network()
        drawn(net)
        net.change(rounds=rounds(commit_ms=5_000))
        assert step(net, c="digits") == Wait(net.round().since_ms + 1_000)
        assert step(net, 1_000, c="digits") is Step.END_COMMITS

    def test_reveals(self) -> None:
        net = network()
        drawn(net)
        answers = {person.name: net.answers(person) for person in net.people[1:3]}
        for person in net.people[1:3]:
            net.commit(person, answers[person.name])
        net.end_commits()
        assert step(net, c="digits") == Wait(net.round().since_ms + 1_000)
        assert step(net, 1_000, c="digits") is Step.DECIDE
        for person in net.people[1:3]:
            net.reveal(person, answers[person.name])
        # The third, who made no commitment, is not waited for.
        assert step(net, c="digits") is Step.DECIDE

    def test_a_restart_shuts_nobody_out_at_once(self) -> None:
        net = network(commit_ms=10 * GRACE_MS)
        submit(net, 3)
        net.stand_by(*net.people[1:], c="slow")
        net.seal(c="slow")
        net.draw("slow")
        since_ms = net.round("slow").since_ms
        started_ms = since_ms + 100 * GRACE_MS
        late = {"after_ms": 100 * GRACE_MS, "started_ms": started_ms}
        assert step(net, **late) == Wait(started_ms + GRACE_MS)  # type: ignore[arg-type]
        late["after_ms"] += GRACE_MS
        assert step(net, **late) is Step.END_COMMITS  # type: ignore[arg-type]
        # A restart in the middle of a window does not make it longer.
        middle = {"started_ms": since_ms + 5 * GRACE_MS}
        assert step(net, **middle) == Wait(since_ms + 10 * GRACE_MS)  # type: ignore[arg-type]

    def test_a_clock_that_was_set_back_only_waits(self) -> None:
        net = network()
        drawn(net)
        assert step(net, -5_000, c="digits") == Wait(net.round().since_ms + 1_000)


def test_campaigns_are_judged_one_by_one() -> None:
    net = network()
    drawn(net)  # in "digits"
    submit(net, 3)
    net.stand_by(*net.people[1:], c="slow")
    assert isinstance(step(net, c="digits"), Wait)
    assert step(net) is Step.SEAL


# ---- the loop ----


class StandingBook:
    """What the conductor sees of a book whose log stands still."""

    def __init__(self, net: Network) -> None:
        self.state = net.state
        self.touched = {name for name, _ in net.state.campaigns.scan()}
        self.stirred = asyncio.Event()
        self.composed = 0

    def touch(self, *campaigns: str) -> None:
        self.touched |= set(campaigns)
        self.stirred.set()

    def take_touched(self) -> set[str]:
        touched, self.touched = self.touched, set()
        self.stirred.clear()
        return touched

    async def wait_touched(self) -> None:
        await self.stirred.wait()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[State]:
        yield self.state

    async def append_own(self, compose: Callable[[State], object]) -> None:
        self.composed += 1
        raise Reject("the log stands still")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The campaigns that the conductor looked at, in turn."""
    seen: list[str] = []

    def look(state: State, each: Campaign, clock: Clock) -> Step | Wait:
        seen.append(each.id)
        return next_step(state, each, clock)

    monkeypatch.setattr(conductor, "next_step", look)
    return seen


async def settle_down() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


@asynccontextmanager
async def conducting(book: StandingBook, clock_ms: Callable[[], int]) -> AsyncIterator[None]:
    led = conductor.Conductor(book, clock_ms)  # type: ignore[arg-type]
    task = asyncio.create_task(led.run())
    try:
        await settle_down()
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_campaigns_in_which_nothing_happens_cost_nothing(looks: list[str]) -> None:
    net = network()
    for number in range(conductor.LOOKS_MAX + 50):
        net.add(net.operator, "campaign", campaign(id=f"idle-{number}"))
    book = StandingBook(net)
    async with conducting(book, lambda: net.clock_ms):
        assert sorted(looks) == sorted(name for name, _ in net.state.campaigns.scan())
        looks.clear()
        book.touch("idle-7")
        await settle_down()
        assert looks == ["idle-7"]
        await settle_down()
        assert looks == ["idle-7"]
    assert book.composed == 0


async def test_a_refused_step_waits_and_is_tried_again(looks: list[str]) -> None:
    net = network()
    net.stand_by(*net.people[1:], c="slow")
    submit(net, 3)
    now_ms = net.clock_ms
    book = StandingBook(net)
    async with conducting(book, lambda: now_ms):
        assert book.composed == 1
        book.touch("slow", "digits")
        await settle_down()
        assert book.composed == 1, "not before its time, whatever happens"
        now_ms += conductor.RETRY_MS
        book.touch("digits")
        await settle_down()
        assert book.composed == 2
