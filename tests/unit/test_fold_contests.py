"""The fold: an author contests what was said of an item, once, before people who have not seen it."""

from __future__ import annotations

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.review.reputation import belief_of
from protocol.rows import Item
from protocol.rules import flagging, sealing
from protos.gen import records_pb2 as pb
from tests.fold import last_lines, off_by, refuses, same
from tests.likely import (
    ALIKE,
    COPY,
    DERIVATIVE,
    INDEPENDENT,
    OTHER,
    C,
    item,
    line_of,
    network,
    pair,
    run,
    set_aside,
    submit,
)
from tests.simulated import Network


@pytest.fixture
def net() -> Network:
    return network()


@pytest.mark.parametrize(
    ("relation", "status", "weight"),
    [
        (INDEPENDENT, ItemStatus.ACCEPTED, PPM),
        (DERIVATIVE, ItemStatus.ACCEPTED, PPM // 2),
        (COPY, ItemStatus.DUPLICATE, 0),
    ],
)
def test_a_panel_decides_what_a_fingerprint_set_aside(
    net: Network, relation: pb.Relation, status: ItemStatus, weight: int
) -> None:
    original, copy = set_aside(net)
    net.contest(net.people[1], copy)
    assert item(net, copy).status is ItemStatus.SUBMITTED
    run(net, relation)
    found = item(net, copy)
    assert (found.status, found.relation, found.resembles) == (status, relation, original)
    net.close()
    assert line_of(net, net.people[1]).weight_micro == weight
    assert same(net.replay(), net.state)
    net.withdraw(net.people[1], [copy])
    assert same(net.replay(gone={copy}), net.state)


def test_a_panel_that_called_it_a_copy_is_followed_by_another_one(net: Network) -> None:
    _, likely = pair(net, COPY)
    first = set(item(net, likely).answered_by)
    net.contest(net.people[1], likely)
    run(net, INDEPENDENT)
    found = item(net, likely)
    assert (found.status, found.relation) == (ItemStatus.ACCEPTED, INDEPENDENT)
    assert first.isdisjoint(found.answered_by[found.heard :])
    net.close()
    line = line_of(net, net.people[1])
    assert (line.evidence.accepted, line.evidence.duplicates) == (1, 1)
    assert not net.state.answers.count(C), "both panels are paid"


def test_an_item_is_contested_by_its_author_once_and_while_it_is_set_aside(net: Network) -> None:
    original, copy = set_aside(net)
    with refuses("not an item of this author"):
        net.contest(net.people[0], copy)
    with refuses("not an item of this author"):
        net.contest(net.people[1], bytes(32))
    with refuses("is not set aside as a copy: it is accepted"):
        net.contest(net.people[0], original)
    with refuses("id is malformed"):
        net.contest(net.people[1], copy[:31])
    net.pause(c=C)
    with refuses("is paused"):
        net.contest(net.people[1], copy)
    net.pause(paused=False, c=C)
    net.contest(net.people[1], copy)
    with refuses("contested already"):
        net.contest(net.people[1], copy)
    run(net, COPY)
    with refuses("contested already"):
        net.contest(net.people[1], copy)


def test_a_contest_counts_among_what_one_may_submit() -> None:
    net = network(newcomer_items=1, items_per_standing=0)
    _, copy = set_aside(net)
    with refuses("you may submit 0 more"):
        net.contest(net.people[1], copy)
    net.close()
    net.contest(net.people[1], copy)
    with refuses("you may submit 0 more"):
        submit(net, 1, OTHER)


def test_what_the_first_panel_said_of_the_answer_is_not_heard_again(net: Network) -> None:
    """Where no epoch was closed between, either: it is paid, and decides nothing."""
    original = submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    for person in net.people[2:]:
        person.judge = off_by(1)
    run(net, COPY)
    net.contest(net.people[1], likely)
    first = item(net, likely).answered_by
    before = {who: belief_of(net.state, who, pb.ROLE_REVIEWER, C) for who in first}
    for person in net.people[2:]:
        person.judge = off_by(0)
    run(net, INDEPENDENT)
    assert item(net, likely).answer == net.answer(1, C)
    assert item(net, likely).belief_ppm[1] > 999_000, "the others say another one"
    assert item(net, likely).status is ItemStatus.ACCEPTED
    assert before == {who: belief_of(net.state, who, pb.ROLE_REVIEWER, C) for who in first}
    net.close()
    assert sum(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)) == 9
    assert item(net, original).status is ItemStatus.ACCEPTED


@pytest.mark.parametrize("gone", ["withdrawn", "taken down"])
def test_a_copy_of_a_copy_that_is_gone_is_compared_with_its_original(
    net: Network, gone: str
) -> None:
    original, copy = set_aside(net)
    likely = Item(net.people[1].id, C, 0, 0, None, resembles=copy, draws=1)
    if gone == "withdrawn":
        net.withdraw(net.people[1], [copy])
    else:
        net.take_down(copy)
    assert flagging.kept_original(net.state, likely) == original
    net.withdraw(net.people[0], [original])
    assert flagging.kept_original(net.state, likely) == b""


def test_of_what_is_contested_nothing_is_a_copy_meanwhile(net: Network) -> None:
    original, copy = set_aside(net)
    net.contest(net.people[1], copy)
    third = submit(net, 1)
    assert sealing.compute_seal(net.state, net.campaign(C)).duplicates == {third: original}


@pytest.mark.parametrize("order", [1, -1])
def test_once_the_original_went_the_first_of_its_copies_takes_its_place(
    net: Network, order: int
) -> None:
    """In whatever order they were contested: the first is the one that came first."""
    original, copy = set_aside(net)
    other = submit(net, 1)
    net.seal(c=C)
    net.draw(C)
    for each in (copy, other)[::order]:
        net.contest(net.people[1], each)
    net.withdraw(net.people[0], [original])
    run(net, COPY)
    assert (item(net, copy).status, item(net, copy).relation) == (
        ItemStatus.ACCEPTED,
        pb.RELATION_NONE,
    )
    assert (item(net, other).status, item(net, other).duplicate_of) == (ItemStatus.DUPLICATE, copy)


def test_what_a_contested_copy_resembles_is_followed_to_its_original(net: Network) -> None:
    """A copy of a likely copy that turns out to be one is compared with the original of that."""
    original, likely = pair(net, COPY)
    net.state.items.put(likely, item(net, likely))
    third = Item(net.people[1].id, C, 0, 0, None, resembles=likely, draws=1)
    assert flagging.kept_original(net.state, third) == original
