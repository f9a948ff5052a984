"""The fold: an author contests what was said of an item, once, before people who have not seen it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.log.strict import parse_leaf
from protocol.money.accounts import conserves
from protocol.review.reputation import belief_of
from protocol.rows import Item
from protocol.rules import close, flagging, sealing
from protos.gen import records_pb2 as pb
from tests.fold import changed, last_lines, off_by, refuses, same, waiting
from tests.likely import (
    ALIKE,
    COPY,
    DERIVATIVE,
    INDEPENDENT,
    OTHER,
    UNSEEN,
    C,
    contested,
    item,
    judge,
    line_of,
    network,
    pair,
    run,
    set_aside,
    submit,
)
from tests.simulated import Network, campaign, part


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
    with refuses("neither set aside as a copy nor paid in part: it is accepted"):
        net.contest(net.people[0], original)
    with refuses("id is malformed"):
        net.contest(net.people[1], copy[:31])
    net.contest(net.people[1], copy)
    with refuses("contested already"):
        net.contest(net.people[1], copy)
    run(net, COPY)
    with refuses("contested already"):
        net.contest(net.people[1], copy)


# ---- what earned a part ----


def earned(net: Network) -> int:
    """What the second person was paid for items, as closes say; one at its whole price is PPM."""
    lines = [
        parse_leaf(pb.RewardLine, leaf)
        for entry in net.log
        if parse_envelope(entry.raw).kind == "close"
        for leaf in entry.leaves
    ]
    mine = (x for x in lines if x.person == net.people[1].id and x.role == pb.ROLE_CONTRIBUTOR)
    return sum(line.weight_micro for line in mine)


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("first", [DERIVATIVE, UNSEEN])
@pytest.mark.parametrize(
    ("second", "becomes"),
    [
        (INDEPENDENT, (ItemStatus.ACCEPTED, PPM)),
        (DERIVATIVE, (ItemStatus.ACCEPTED, PPM // 2)),
        (COPY, (ItemStatus.DUPLICATE, 0)),
        (pb.RELATION_UNSURE, (ItemStatus.ACCEPTED, PPM // 2)),
    ],
)
def test_what_earned_a_part_is_contested_and_earns_what_the_second_panel_says(
    net: Network,
    closes: bool,
    first: pb.Relation,
    second: pb.Relation,
    becomes: tuple[ItemStatus, int],
) -> None:
    """To the last thousandth, whether it was paid meanwhile or not."""
    status, worth = becomes
    original, likely = pair(net, first)
    panel = item(net, likely).panel
    trust = belief_of(net.state, net.people[1].id, pb.ROLE_CONTRIBUTOR, C)
    if closes:
        net.close()
        trust = belief_of(net.state, net.people[1].id, pb.ROLE_CONTRIBUTOR, C)
    net.contest(net.people[1], likely)
    assert (item(net, likely).status, item(net, likely).answer) == (ItemStatus.SUBMITTED, None)
    assert (C, item(net, likely).place) not in net.state.accepted
    run(net, second)
    found = item(net, likely)
    assert (found.status, found.resembles, found.before) == (status, original, None)
    assert set(panel).isdisjoint(found.panel)
    assert belief_of(net.state, net.people[1].id, pb.ROLE_CONTRIBUTOR, C) == trust
    net.close()
    assert earned(net) - net.state.repayable.get((net.people[1].id, C), 0) == worth
    assert conserves(net.state)
    assert not net.state.answers.count(C)
    assert same(net.replay(), net.state)


def test_who_contests_lays_the_answer_open_too(net: Network) -> None:
    """The second panel finds another one: the item is rejected, and what it earned is owed."""
    _, likely = pair(net, DERIVATIVE)
    net.close()
    net.contest(net.people[1], likely)
    for person in net.people[2:]:
        person.judge = off_by(1)
    run(net, INDEPENDENT)
    assert (item(net, likely).status, item(net, likely).proposal) == (
        ItemStatus.REJECTED,
        net.answer(1, C),
    )
    assert dict(net.state.repayable.scan()) == {(net.people[1].id, C): PPM // 2}


def test_a_proposal_is_opened_once(net: Network) -> None:
    _, likely = pair(net, DERIVATIVE)
    net.contest(net.people[1], likely)
    reviewers = judge(net, INDEPENDENT)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    net.review(*reviewers, c=C)
    (good,) = net.compute_verdicts(C)
    salt, proposal = net.openings[likely]
    with refuses("its proposal is opened a second time"):
        net.add_verdict([changed(good, proposal=proposal, proposal_salt=salt)], C)
    net.add_verdict([good], C)


def test_of_an_item_that_is_contested_copies_are_still_found(net: Network) -> None:
    """What was accepted is an original, whatever it is to another one; meanwhile, too."""
    _, likely = pair(net, DERIVATIVE)
    net.contest(net.people[1], likely)
    again = submit(net, 1, ALIKE)
    assert sealing.compute_seal(net.state, net.campaign(C)).duplicates == {again: likely}


# ---- contests that nobody decides ----


@pytest.mark.parametrize("first", [COPY, DERIVATIVE])
@pytest.mark.parametrize("how", ["cannot agree", "have all answered", "no room"])
def test_what_no_panel_decides_is_what_it_was(
    net: Network, first: pb.Relation, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, likely = pair(net, first)
    net.close()
    before = item(net, likely)
    net.contest(net.people[1], likely)
    refusing = {person.name: person for person in net.people[2:]}
    for person in refusing.values():
        person.judge = lambda _: None
    for _ in range(1 if how == "no room" else 3):
        run(net, INDEPENDENT)
    if how == "no room":
        assert item(net, likely).status is ItemStatus.UNDECIDED
        monkeypatch.setattr(close, "close_due", lambda *_: "it is full")
        net.close()
    assert item(net, likely) == replace(before, contested=True)
    assert bool((C, before.place) in net.state.accepted) == (first == DERIVATIVE)
    assert len(net.state.answers) > 0, "who tried is paid"
    paid = earned(net)
    net.close()
    assert len(net.state.answers) == 0
    assert earned(net) == paid
    assert how == "no room" or same(net.replay(), net.state)
    again = submit(net, 1, ALIKE)
    found = sealing.compute_seal(net.state, net.campaign(C)).duplicates
    assert found == ({again: likely} if first == DERIVATIVE else {})
    assert item(net, original).status is ItemStatus.ACCEPTED


@pytest.mark.parametrize("somebody", [False, True])
def test_a_contest_that_nobody_answers_goes_behind_its_authors_others(
    net: Network, somebody: bool
) -> None:
    likely = contested(net, COPY)
    reviewers = judge(net, COPY)
    for person in reviewers:
        person.judge = lambda _: None  # the content: nobody decides
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    later = submit(net, 1, OTHER)
    if somebody:
        net.run_round(*reviewers, c=C)
    else:
        net.draw(C)
        net.end_commits(C)
        net.verdict(C)
    assert item(net, likely).status is ItemStatus.UNDECIDED
    assert bool(item(net, likely).panel) == somebody
    assert waiting(net, C) == ([likely, later] if somebody else [later, likely])


def test_a_part_that_is_taken_back_from_what_is_contested_stays_nowhere(net: Network) -> None:
    parts = [part("note"), part("extra", optional=True)]
    net.add(net.operator, "campaign", campaign(id="parts", parts=parts))
    ben, reviewers = net.people[1], net.people[2:]
    leaves = [net.item(1, content=b"the same", c="parts") for _ in range(2)]
    net.submit(ben, leaves, "parts")
    copy = hash_leaf(leaves[1])
    net.stand_by(*reviewers, c="parts")
    net.seal(c="parts")
    net.run_round(*reviewers, c="parts")
    net.contest(ben, copy)
    net.withdraw(ben, [copy], part="extra")
    assert same(net.replay(gone=net.erased_since()), net.state)
    net.take_down(copy)
    assert item(net, copy).taken_back == ("extra",)
    assert [each.name for each in item(net, copy).described().parts] == ["note"]
    assert same(net.replay(gone=net.erased_since()), net.state)


@pytest.mark.parametrize("first", [COPY, DERIVATIVE])
@pytest.mark.parametrize("taken_down", [True, False])
def test_what_goes_while_it_is_contested_goes_as_what_it_was(
    net: Network, first: pb.Relation, taken_down: bool
) -> None:
    """It owes what it earned when its author takes it back, and keeps it when the operator takes it down."""
    likely = contested(net, first)
    if taken_down:
        net.take_down(likely)
        assert not len(net.state.repayable)
        assert item(net, likely).takedown is not None
    net.withdraw(net.people[1], [likely])
    owed = dict(net.state.repayable.scan())
    assert owed == ({(net.people[1].id, C): PPM // 2} if first == DERIVATIVE else {})
    assert not net.state.queues.has(C)
    assert same(net.replay(gone={likely}), net.state)


# ---- what operators do meanwhile ----


def test_a_paused_campaign_takes_contests(net: Network) -> None:
    _, copy = set_aside(net)
    net.pause(c=C)
    net.contest(net.people[1], copy)
    with refuses("is paused"):
        net.seal(c=C)
    net.pause(paused=False, c=C)
    run(net, INDEPENDENT)
    assert item(net, copy).status is ItemStatus.ACCEPTED


@pytest.mark.parametrize("when", ["before", "after", "sealed"])
def test_a_contest_runs_to_its_end_in_a_campaign_that_is_closed(net: Network, when: str) -> None:
    _, copy = set_aside(net)
    waits = submit(net, 0, OTHER)
    reviewers = judge(net, INDEPENDENT)
    if when != "after":
        net.contest(net.people[1], copy)
    if when == "sealed":
        net.stand_by(*reviewers, c=C)
        net.seal(c=C)
    net.close_campaign(C)
    if when == "after":
        net.contest(net.people[1], copy)
    if when == "sealed":
        net.run_round(*reviewers, c=C)
    else:
        assert item(net, waits).status is ItemStatus.UNDECIDED
        net.close()
        run(net, INDEPENDENT)
    assert item(net, copy).status is ItemStatus.ACCEPTED
    assert same(net.replay(), net.state)


def test_in_a_closed_campaign_a_contest_is_drawn_again_like_any_other(net: Network) -> None:
    _, copy = set_aside(net)
    net.contest(net.people[1], copy)
    net.close_campaign(C)
    for person in net.people[2:]:
        person.judge = lambda _: None
    run(net, INDEPENDENT)
    assert (item(net, copy).status, item(net, copy).decided_in) == (ItemStatus.UNDECIDED, None)
    for person in net.people[2:]:
        person.judge = off_by(0)
    run(net, INDEPENDENT)
    assert item(net, copy).status is ItemStatus.ACCEPTED


def test_a_closed_campaign_takes_contests_for_an_epoch_and_then_needs_nobody(net: Network) -> None:
    _, copy = set_aside(net)
    other = submit(net, 1)
    net.seal(c=C)
    net.draw(C)
    net.close_campaign(C)
    net.close()
    net.contest(net.people[1], copy)
    net.close()
    with refuses("is closed, and took contests of this item until epoch 2"):
        net.contest(net.people[1], other)
    assert net.state.standbys.has(C), "the contest waits for its panel"
    run(net, INDEPENDENT)
    net.close()
    assert not net.state.standbys.has(C), "nobody has to stand down"
    with refuses("is closed"):
        net.stand_by(net.people[2], c=C)


def test_what_is_decided_after_the_close_is_contested_from_then_on(net: Network) -> None:
    submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    reviewers = judge(net, COPY)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.close_campaign(C)
    for _ in range(3):
        net.close()
    net.run_round(*reviewers, c=C)
    assert item(net, likely).status is ItemStatus.DUPLICATE
    net.close()
    net.contest(net.people[1], likely)
    run(net, INDEPENDENT)
    assert item(net, likely).status is ItemStatus.ACCEPTED


# ---- what counts meanwhile ----


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
