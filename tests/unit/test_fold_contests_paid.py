"""The fold: whoever answers in a contest is paid for it once, whatever comes of it."""

from __future__ import annotations

import pytest

from protocol.lifecycle import ItemStatus
from protocol.log.envelope import parse_envelope
from protocol.log.strict import parse_leaf
from protocol.rules import close
from protos.gen import records_pb2 as pb
from tests.fold import refuses, same, says
from tests.likely import (
    COPY,
    DERIVATIVE,
    INDEPENDENT,
    OTHER,
    C,
    contested,
    item,
    network,
    pair,
    run,
    submit,
)
from tests.simulated import Network


@pytest.fixture
def net() -> Network:
    return network()


def answers_paid(net: Network) -> int:
    """How many answers closes have paid, of everybody."""
    lines = [
        parse_leaf(pb.RewardLine, leaf)
        for entry in net.log
        if parse_envelope(entry.raw).kind == "close"
        for leaf in entry.leaves
    ]
    return sum(line.evidence.answers for line in lines if line.role == pb.ROLE_REVIEWER)


def disagree(net: Network) -> None:
    """Each reviewer says something else, so that no panel decides."""
    for at, person in enumerate(net.people[2:]):
        person.judge = says(str(at + 1))


@pytest.mark.parametrize("first", [COPY, DERIVATIVE])
def test_a_panel_that_decides_no_contest_is_paid_once(net: Network, first: pb.Relation) -> None:
    likely = contested(net, first)
    panel = item(net, likely).answered_by
    assert answers_paid(net) == 6
    disagree(net)
    for _ in range(3):
        run(net, INDEPENDENT)
    assert item(net, likely).before is None
    assert item(net, likely).answered_by == panel, "what it was is what the first panel said"
    net.close()
    assert answers_paid(net) == 9
    assert not len(net.state.answers)
    net.close()
    assert answers_paid(net) == 9
    assert same(net.replay(), net.state)


@pytest.mark.parametrize("first", [COPY, DERIVATIVE])
def test_a_contest_holds_back_nobodys_pay(net: Network, first: pb.Relation) -> None:
    """A campaign that is paused for ever keeps the first panel's answers no longer than the next close;
    those of the second one are paid once that has decided."""
    _, likely = pair(net, first)
    net.contest(net.people[1], likely)
    net.pause(c=C)
    net.close()
    assert answers_paid(net) == 6
    assert not len(net.state.answers)
    assert not len(net.state.reviewed)
    net.pause(paused=False, c=C)
    run(net, INDEPENDENT)
    assert item(net, likely).before is None
    net.close()
    assert answers_paid(net) == 9
    assert not len(net.state.answers)
    assert same(net.replay(), net.state)


def test_of_a_contest_that_goes_on_the_first_panel_is_paid_and_the_second_one_waits(
    net: Network,
) -> None:
    _, likely = pair(net, DERIVATIVE)
    net.contest(net.people[1], likely)
    disagree(net)
    run(net, INDEPENDENT)
    panel = item(net, likely).panel
    assert item(net, likely).status is ItemStatus.UNDECIDED
    net.close()
    assert answers_paid(net) == 6
    assert {person for (_, _, person), _ in net.state.answers.scan(C)} == set(panel)
    assert {person for (_, person), _ in net.state.reviewed.scan(C)} == set(panel)
    net.withdraw(net.people[1], [likely])
    net.close()
    assert answers_paid(net) == 9
    assert not len(net.state.answers)
    assert same(net.replay(gone={likely}), net.state)


def test_a_full_close_ends_no_contest_that_nobody_has_heard(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, likely = pair(net, DERIVATIVE)
    net.close()
    stuck = submit(net, 0, OTHER)
    disagree(net)
    run(net, INDEPENDENT)
    net.contest(net.people[1], likely)
    monkeypatch.setattr(close, "close_due", lambda *_: "it is full")
    net.close()
    assert item(net, stuck).decided_in is not None, "this one's answers fill the close"
    assert item(net, likely).before is not None
    assert item(net, likely).waits


def test_after_a_contest_that_was_won_the_same_items_are_another_snapshot(net: Network) -> None:
    """Or its royalties would stay at half for ever: the first one keeps what it was taken with."""
    original, likely = pair(net, DERIVATIVE)
    net.close()
    first = net.snapshot(campaign_id=C)
    with refuses("in the log already"):
        net.snapshot(campaign_id=C)
    net.contest(net.people[1], likely)
    run(net, INDEPENDENT)
    with refuses("or what they are worth"):
        leaves = [(original, 0), (likely, 250)]
        said = [pb.SnapshotItem(item_id=each, less_permille=less) for each, less in leaves]
        net.add_snapshot_leaves(said, campaign_id=C)
    second = net.snapshot(campaign_id=C)
    was, now = (net.state.snapshots[each] for each in (first, second))
    assert was.items == now.items
    assert dict(was.credits)[net.people[1].id] == 500
    assert dict(now.credits)[net.people[1].id] == 1000
    assert same(net.replay(), net.state)
