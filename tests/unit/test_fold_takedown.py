"""The fold: what the operator takes down, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol.errors import Misbehaviour
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM, TAKEDOWN_CHARS_MAX
from protocol.log.merkle import hash_leaf
from protocol.money.accounts import conserves
from protocol.rows import Takedown
from protos.gen import records_pb2 as pb
from tests.fold import (
    UNDECIDED,
    ids,
    items,
    last_lines,
    off_by,
    refuses,
    same,
    shares_of,
    statuses,
    waiting,
)
from tests.simulated import NETWORK, Network, Person


def reviewed(net: Network, count: int = 2) -> list[bytes]:
    """Ids of items by the first person, accepted in an epoch that has closed."""
    net.submit(net.people[0], [net.item(i) for i in range(count)])
    net.run_epoch(*net.people[1:])
    return ids(net)


def test_the_operator_takes_an_item_down_and_says_why(net: Network) -> None:
    first, second = reviewed(net)
    body = pb.Takedown(network=NETWORK, item_id=first, reason=pb.TAKEDOWN_RIGHTS, words="Why.")
    with refuses("only the network's operator"):
        net.add(net.people[0], "takedown", body)
    with refuses("the log holds no item"):
        net.take_down(bytes(32))
    for reason in (0, 99):
        with pytest.raises((Misbehaviour, ValueError)):
            net.take_down(first, reason=reason)
    for words in ("", "a" * (TAKEDOWN_CHARS_MAX + 1), "two\nlines"):
        with refuses("why it is taken down"):
            net.take_down(first, words=words)
    net.take_down(first, reason=pb.TAKEDOWN_PERSONAL, words="a" * TAKEDOWN_CHARS_MAX)
    assert statuses(net) == [ItemStatus.TAKEN_DOWN, ItemStatus.ACCEPTED]
    assert items(net)[0].takedown == Takedown(
        pb.TAKEDOWN_PERSONAL, "a" * TAKEDOWN_CHARS_MAX, ItemStatus.ACCEPTED, len(net.log) - 1
    )
    with refuses("was taken down already"):
        net.take_down(first)
    net.take_down(second)
    assert same(net.replay(), net.state)


def test_what_is_taken_down_keeps_its_description_its_verdict_and_its_pay(net: Network) -> None:
    first, _ = reviewed(net)
    before, shares = items(net)[0], shares_of(net, net.people[0])
    net.take_down(first)
    assert net.changes[-1].gone == [first]
    assert net.changes[-1].erased == []
    after = items(net)[0]
    assert (after.description, after.answer, after.decided_in) == (
        before.description,
        before.answer,
        before.decided_in,
    )
    net.close()
    assert shares_of(net, net.people[0]) == shares
    assert not len(net.state.repayable)
    assert conserves(net.state)


def test_what_is_taken_down_before_its_close_is_paid(net: Network) -> None:
    """The reviewers have accepted it: one alone does not decide otherwise."""
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.run_rounds(*reviewers)
    net.take_down(ids(net)[0])
    net.close()
    [line] = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert (line.evidence.accepted, line.evidence.repaid_micro) == (1, 0)
    assert len(last_lines(net, pb.ROLE_REVIEWER)) == 3


def test_nothing_is_taken_down_in_mid_review(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    [item_id] = ids(net)
    net.stand_by(*reviewers)
    net.seal()
    with refuses("is being reviewed"):
        net.take_down(item_id)
    net.draw()
    with refuses("is being reviewed"):
        net.take_down(item_id)
    net.review(*reviewers)
    with refuses("is being reviewed"):
        net.take_down(item_id)
    net.verdict()
    net.take_down(item_id)


def test_what_is_taken_down_waits_for_no_round_and_its_answers_are_paid() -> None:
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4))]
    net = Network(ada, *reviewers, policy=UNDECIDED)
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.run_round(*reviewers)
    net.submit(ada, [net.item(2), net.item(3)])
    drawn, fresh, other = ids(net)
    net.take_down(drawn)
    net.take_down(fresh)
    assert waiting(net) == [other]
    assert [item.decided_in for item in items(net)] == [1, None, None]
    net.close()
    assert not len(net.state.answers)
    assert sum(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)) == 3
    assert same(net.replay(), net.state)


def test_a_copy_of_what_was_taken_down_is_found_to_be_one(net: Network) -> None:
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"a picture")])
    net.run_epoch(ben, *reviewers)
    original = ids(net)[0]
    net.take_down(original)
    net.submit(ben, [net.item(1, content=b"a picture")])
    net.run_epoch(ada, *reviewers)
    assert statuses(net) == [ItemStatus.TAKEN_DOWN, ItemStatus.DUPLICATE]
    assert items(net)[1].duplicate_of == original
    net.take_down(ids(net)[1])
    assert statuses(net)[1] is ItemStatus.TAKEN_DOWN


def test_no_later_snapshot_has_it_and_none_before_is_used(net: Network) -> None:
    first, second = reviewed(net)
    held = net.snapshot()
    net.take_down(first)
    with refuses("1 items or parts of snapshot"):
        net.license(held)
    with refuses("the snapshot's items are not those that follow from the log"):
        net.add_snapshot([first, second], pb.Consent(train=True))
    free = net.snapshot()
    assert net.state.snapshots[free].items == (second,)
    net.license(free)
    assert same(net.replay(), net.state)


def test_its_author_may_still_withdraw_it_and_then_its_description_goes(net: Network) -> None:
    """It counts once for the snapshots that hold it, and is repaid as any accepted item."""
    ada = net.people[0]
    first, _ = reviewed(net)
    held = net.snapshot()
    net.take_down(first)
    net.withdraw(ada, [first])
    assert net.state.snapshots[held].withdrawn == 1
    assert net.state.repayable[ada.id, "digits"] == PPM
    item = items(net)[0]
    assert (item.status, item.is_erased) == (ItemStatus.WITHDRAWN, True)
    assert item.takedown is not None
    assert (net.changes[-1].erased, net.changes[-1].gone) == ([first], [first])
    with refuses("was withdrawn by its author"):
        net.take_down(first)
    assert same(net.replay(gone=[first]), net.state)


def test_what_was_rejected_owes_nothing_when_it_is_taken_down_and_withdrawn(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, label=2)])
    net.run_epoch(*reviewers)
    [item_id] = ids(net)
    assert statuses(net) == [ItemStatus.REJECTED]
    net.take_down(item_id)
    net.withdraw(ada, [item_id])
    assert not len(net.state.repayable)


def test_gold_that_is_taken_down_measures_until_it_is_paid(net: Network) -> None:
    ada, *reviewers = net.people
    leaf = net.item(1)
    net.submit(ada, [leaf])
    net.run_rounds(*reviewers, gold=[hash_leaf(leaf)])
    net.take_down(hash_leaf(leaf))
    net.close()
    assert all(line.evidence.gold_answers == 1 for line in last_lines(net, pb.ROLE_REVIEWER))
