"""The fold: likely copies whose original nobody was shown, or is gone, and what is said against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.lifecycle import ItemStatus
from protocol.rows import Item, ItemId
from protocol.rules import flagging, sealing
from protos.gen import records_pb2 as pb
from tests.fold import off_by, same, says_of
from tests.likely import (
    ALIKE,
    COPY,
    DERIVATIVE,
    INDEPENDENT,
    TEXT,
    UNSEEN,
    C,
    contested,
    item,
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


def test_the_same_content_earns_nothing_by_being_contested_where_nobody_compares(
    net: Network,
) -> None:
    """Whether the original's author keeps it back, or the operator has taken it down."""
    original, copy = set_aside(net)
    other = submit(net, 1)
    net.seal(c=C)
    net.draw(C)
    net.contest(net.people[1], copy)
    run(net, UNSEEN)
    assert (item(net, copy).status, item(net, copy).duplicate_of) == (
        ItemStatus.DUPLICATE,
        original,
    )
    net.take_down(original)
    net.contest(net.people[1], other)
    run(net, UNSEEN)
    assert (item(net, other).status, item(net, other).duplicate_of) == (
        ItemStatus.DUPLICATE,
        original,
    )
    assert not item(net, original).kept_back


def test_an_original_that_was_taken_down_does_not_stand_against_who_is_seen_to_differ(
    net: Network,
) -> None:
    """A reviewer may have seen it, as its copies are elsewhere: voices count as any."""
    original, copy = set_aside(net)
    net.take_down(original)
    net.contest(net.people[1], copy)
    run(net, INDEPENDENT)
    assert (item(net, copy).status, item(net, copy).relation) == (ItemStatus.ACCEPTED, INDEPENDENT)


def test_an_original_that_was_kept_back_attracts_no_more(net: Network) -> None:
    original, likely = pair(net, UNSEEN)
    assert item(net, likely).relation == UNSEEN
    assert item(net, original).kept_back
    other = submit(net, 1, TEXT.replace("river", "water"))
    assert item(net, other).status is ItemStatus.SUBMITTED
    flags = sealing.compute_seal(net.state, net.campaign(C)).flags
    assert original not in {flag.original for flag in flags.values()}
    exact = submit(net, 1)
    assert sealing.compute_seal(net.state, net.campaign(C)).duplicates == {exact: original}


@pytest.mark.parametrize(
    ("said", "kept_back"),
    [
        ([UNSEEN, DERIVATIVE, INDEPENDENT], False),
        ([UNSEEN, COPY, INDEPENDENT], False),
        ([UNSEEN, UNSEEN, INDEPENDENT], True),
        ([UNSEEN, UNSEEN, COPY], True),
    ],
)
def test_it_takes_most_of_a_panel_to_call_an_original_kept_back(
    net: Network, said: list[pb.Relation], kept_back: bool
) -> None:
    """To pay the item in part those count, too, who saw the original; not to free others from it."""
    original, likely = pair_said(net, said)
    assert item(net, likely).relation == UNSEEN
    assert item(net, original).kept_back == kept_back


def pair_said(net: Network, said: list[pb.Relation]) -> tuple[ItemId, ItemId]:
    """As `pair`, of a panel that says this in turn, whoever is drawn."""
    original = submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    reviewers = net.people[2:]
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    drawn = [person for person in reviewers if (C, person.id) in net.state.tasks]
    for person, relation in zip(drawn, said, strict=True):
        person.relation = relation
    net.review(*drawn, c=C)
    net.verdict(C)
    return original, likely


def test_what_is_rejected_calls_no_original_kept_back(net: Network) -> None:
    """Or junk that resembles it would do, from accomplices who say so."""
    original = submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    for person in net.people[2:]:
        person.judge = off_by(1)
    run(net, UNSEEN)
    assert item(net, likely).status is ItemStatus.REJECTED
    assert item(net, likely).relation == UNSEEN
    assert not item(net, original).kept_back


def test_that_it_was_kept_back_outlives_a_contest_that_nobody_decides(net: Network) -> None:
    """Of which another panel said so meanwhile."""
    kept = contested(net, DERIVATIVE)
    likely = submit(net, 1, ALIKE.replace("market", "square"))
    net.truth[kept] = 9
    for at, person in enumerate(net.people[2:]):
        person.judge = says_of(9, at)
    while item(net, kept).before is not None:
        run(net, UNSEEN)
    assert item(net, likely).resembles == kept
    assert item(net, likely).relation == UNSEEN
    assert item(net, kept).kept_back
    assert same(net.replay(), net.state)


@pytest.mark.parametrize("said", [[COPY, COPY, UNSEEN], [INDEPENDENT], [DERIVATIVE]])
def test_one_that_was_shown_to_enough_attracts_on(net: Network, said: list[pb.Relation]) -> None:
    original, _ = pair(net, *said)
    assert not item(net, original).kept_back


def test_what_is_drawn_again_is_not_compared_with_what_was_kept_back(net: Network) -> None:
    original, _ = pair(net, UNSEEN)
    again = Item(net.people[1].id, C, 0, 0, None, resembles=original, draws=1)
    assert flagging.kept_original(net.state, again) == b""
    asked = replace(again, contested=True, before=again)
    assert flagging.kept_original(net.state, asked) == original


def test_a_copy_that_is_contested_is_nobodys_original_until_it_is_decided(net: Network) -> None:
    original, likely = pair(net, COPY)
    net.contest(net.people[1], likely)
    again = submit(net, 1, ALIKE)
    found = sealing.compute_seal(net.state, net.campaign(C))
    assert not found.duplicates
    assert found.flags[again].original == original


@pytest.mark.parametrize("was", [ItemStatus.ACCEPTED, ItemStatus.DUPLICATE])
def test_once_the_original_went_a_copy_is_sought_again_and_what_was_accepted_is_not(
    net: Network, was: ItemStatus
) -> None:
    before = Item(net.people[1].id, C, 0, 0, None, status=was)
    asked = replace(before, status=ItemStatus.SUBMITTED, contested=True, before=before)
    assert flagging.is_known(net.state, asked) == (was is ItemStatus.ACCEPTED)
