"""The index of own records says what a walk over everything would say, after every entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.page.own import OwnRecords, Standing, standing_of
from node.statement import read_statement
from protocol.log.envelope import parse_envelope
from protocol.rows import GivenAnswer
from protocol.transition import Applied
from protos.gen import records_pb2 as pb
from tests.fold import ids
from tests.own_page import World, live_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = live_world(tmp_path_factory.mktemp("ada"))
    yield made
    made.close()


def own_of(world: World) -> OwnRecords:
    replay = world.sources.replay
    assert replay is not None
    return replay.own


def recount(world: World) -> Counter[Standing]:
    """By walking over all items."""
    return Counter(
        standing_of(item)
        for _, item in world.follower.state.items.scan()
        if item.author == world.ada.id
    )


def test_every_entry_keeps_the_counts_right(tmp_path: Path) -> None:
    world = World(tmp_path)
    own, kinds = own_of(world), list[str]()

    def compare(applied: Applied) -> None:
        kinds.append(applied.kind)
        assert own.counts() == {each: recount(world)[each] for each in Standing}

    world.follower.subscribe(compare)
    first = world.give([1, 2, 3, 4], wrong=[2])
    world.net.submit(world.net.people[1], [world.net.item(5)])
    world.review()
    world.give([1], seed=0)
    world.withdraw(first[0])
    world.review()
    world.withdraw(first[2], first[3])
    world.close()
    assert {"submission", "draw", "verdict", "seal", "withdraw", "close"} <= set(kinds)
    assert own.counts()[Standing.WITHDRAWN] == 3


def test_an_item_names_the_entry_that_last_moved_it(world: World) -> None:
    expected = {
        Standing.WAITING: "submission",
        Standing.ACCEPTED: "verdict",
        Standing.REJECTED: "verdict",
        Standing.COPY: "seal",
        Standing.WITHDRAWN: "withdraw",
    }
    own = own_of(world)
    for standing, kind in expected.items():
        chosen = own.items(standing, 0, 1_000)
        assert chosen
        for item_id in chosen:
            index = own.entry_of(item_id)
            assert index is not None
            assert parse_envelope(world.net.log[index].raw).kind == kind


def test_answers_are_those_that_were_opened(world: World) -> None:
    own, state = own_of(world), world.follower.state
    for item_id in own.items(Standing.ACCEPTED, 0, 1_000):
        item = state.items[item_id]
        assert item.answer is not None
        given = GivenAnswer(item.answer, pb.REFUSAL_NONE)
        assert own.answers_to(item_id) == {given: len(item.answered_by)}
    [waiting, *_] = own.items(Standing.WAITING, 0, 10)
    assert not own.answers_to(waiting)


def test_pages_are_newest_first_and_do_not_overlap(world: World) -> None:
    own = own_of(world)
    everything = own.items(None, 0, 1_000)
    items = world.follower.state.items
    mine = [i for i in ids(world.net) if items[i].author == world.ada.id]
    assert everything == mine[::-1]
    assert [*own.items(None, 0, 7), *own.items(None, 7, 1_000)] == everything
    assert own.items(None, len(everything), 5) == []


def test_reward_lines_are_the_statement(world: World) -> None:
    own = own_of(world)
    assert own.lines() == read_statement(world.store, world.ada.id)
    assert own.lines() == own.lines(), "asked twice, nothing is counted twice"


def test_an_index_that_is_made_later_knows_the_items(world: World) -> None:
    late = OwnRecords(world.follower, world.store, world.ada.id)
    own = own_of(world)
    assert late.counts() == own.counts()
    assert set(late.items(None, 0, 1_000)) == set(own.items(None, 0, 1_000))
    [accepted, *_] = late.items(Standing.ACCEPTED, 0, 1)
    assert late.entry_of(accepted) is None, "it did not see the verdict, and says so"


def test_the_index_of_somebody_else_is_about_somebody_else(world: World) -> None:
    ben = world.net.people[1].id
    other = OwnRecords(world.follower, world.store, ben)
    assert sum(other.counts().values()) == 20
    assert not set(other.items(None, 0, 1_000)) & set(own_of(world).items(None, 0, 1_000))


def test_refusals_of_two_rounds_are_kept_apart_from_answers(tmp_path: Path) -> None:
    world = World(tmp_path)
    own = own_of(world)
    [item_id] = world.give([3])
    unsure = iter([None])  # whoever is asked first
    for person in world.net.people:
        person.judge = lambda truth: next(unsure, truth)
    world.review()
    refused = GivenAnswer(b"", pb.REFUSAL_UNSURE)
    said = own.answers_to(item_id)
    assert said[refused] == 1
    assert said.total() == len(world.follower.state.items[item_id].answered_by)
    world.withdraw(item_id)
    assert not own.answers_to(item_id), "what is withdrawn is not talked about"
    world.close()


def test_an_epoch_of_nothing_brings_no_line(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.net.close()
    world.follow()
    assert own_of(world).lines() == []
    world.close()
