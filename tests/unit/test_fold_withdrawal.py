"""The fold: consent withdrawn, each rejection beside its acceptance; and the log without the leaves."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Misbehaviour, StateError
from protocol.lifecycle import ItemStatus
from protocol.limits import ENTRY_BYTES_MAX, PPM, WITHDRAWN_ITEMS_MAX
from protocol.log.batch import Erased, Leaf
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.money.accounts import conserves
from protocol.state import State, waits_of
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
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
from tests.simulated import NETWORK, Network, Person, campaign, rounds


def reviewed(net: Network, count: int = 4) -> list[bytes]:
    """Ids of items by the first person, accepted in an epoch that has closed."""
    leaves = [net.item(i) for i in range(count)]
    net.submit(net.people[0], leaves)
    net.run_epoch(*net.people[1:])
    return [hash_leaf(leaf) for leaf in leaves]


def last_line(net: Network, role: pb.Role) -> pb.RewardLine:
    (line,) = last_lines(net, role)
    return line


# ---- who withdraws what ----


def test_one_withdraws_ones_own_items(net: Network) -> None:
    ada, ben = net.people[:2]
    first, *_ = reviewed(net)
    with refuses("is not an item of this author"):
        net.withdraw(ben, [first])
    with refuses("is not an item of this author"):
        net.withdraw(ada, [bytes(32)])
    with refuses("nobody has delegated the key"):
        net.withdraw(Person("stranger"), [first])
    net.withdraw(ada, [first])
    assert statuses(net)[0] is ItemStatus.WITHDRAWN


def test_a_withdrawal_names_each_item_once(net: Network) -> None:
    first, second, *_ = reviewed(net)
    with refuses("withdraws 1 to"):
        net.withdraw(net.people[0], [])
    with refuses("withdrawn twice"):
        net.withdraw(net.people[0], [first, first])
    net.withdraw(net.people[0], [first])
    with refuses("withdrawn already"):
        net.withdraw(net.people[0], [second, first])
    net.withdraw(net.people[0], [second])


def test_a_withdrawal_fits_a_log_entry(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = pb.Withdraw(network=NETWORK, item_ids=[bytes(32)] * WITHDRAWN_ITEMS_MAX)
    assert len(net.people[0].seal("withdraw", largest)) <= ENTRY_BYTES_MAX
    monkeypatch.setattr("protocol.rules.withdrawal.WITHDRAWN_ITEMS_MAX", 2)
    ids = reviewed(net)
    with refuses("withdraws 1 to 2"):
        net.withdraw(net.people[0], ids[:3])
    net.withdraw(net.people[0], ids[:2])


def test_nothing_is_withdrawn_in_mid_review(net: Network) -> None:
    ada, *reviewers = net.people
    leaves = [net.item(1), net.item(2, content=b"twice"), net.item(2, content=b"twice")]
    first, original, copy = (hash_leaf(leaf) for leaf in leaves)

    def refused() -> None:
        for item_id in (first, original):
            with refuses("is being reviewed"):
                net.withdraw(ada, [item_id])

    net.submit(ada, leaves)
    net.stand_by(*reviewers)
    net.seal()
    refused()
    net.withdraw(ada, [copy])
    net.draw()
    refused()
    net.review(*reviewers)
    refused()
    net.verdict()
    net.withdraw(ada, [first])  # no close is waited for
    net.close()
    net.withdraw(ada, [original])
    assert set(statuses(net)) == {ItemStatus.WITHDRAWN}
    assert same(net.replay(gone=ids(net)), net.state)


def test_what_is_withdrawn_between_verdict_and_close_is_paid_and_owed(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_rounds(*reviewers)
    first, second = ids(net)
    net.withdraw(ada, [first])
    net.close()
    line = last_line(net, pb.ROLE_CONTRIBUTOR)
    assert (line.evidence.accepted, line.evidence.repaid_micro) == (2, PPM)
    assert not len(net.state.repayable), "what was owed is repaid by the other one"
    assert len(last_lines(net, pb.ROLE_REVIEWER)) == 4
    assert all(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER))
    assert conserves(net.state)
    assert same(net.replay(gone={first}), net.state)
    net.withdraw(ada, [second])


def test_what_waits_may_be_withdrawn_while_others_are_reviewed(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.submit(ada, [net.item(2), net.item(3)])
    second, third = waiting(net)
    net.withdraw(ada, [second])
    assert waiting(net) == [third]
    net.run_round(*reviewers)
    net.run_epoch(*reviewers)
    assert statuses(net) == [ItemStatus.ACCEPTED, ItemStatus.WITHDRAWN, ItemStatus.ACCEPTED]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_queue_closes_up_when_one_of_it_is_withdrawn(net: Network, place: int) -> None:
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1), net.item(2), net.item(3)])
    net.submit(ben, [net.item(4)])
    mine, theirs = ids(net)[:3], ids(net)[3]
    net.withdraw(ada, [mine.pop(place)])
    assert waiting(net) == [mine[0], theirs, mine[1]]
    assert waits_of(net.state, "digits") == 3
    net.withdraw(ada, mine)
    assert waiting(net) == [theirs]
    assert [queue for queue, _ in net.state.queues.scan()] == [("digits", ben.id)]


def test_nothing_is_sealed_when_all_that_waited_is_withdrawn(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.withdraw(ada, waiting(net))
    with refuses("nothing waits for review"):
        net.seal()
    net.close()


def test_an_item_that_waits_to_be_drawn_again_can_be_withdrawn() -> None:
    """Its reviewers are paid for what they answered, and the answers are forgotten with the close."""
    ada, *reviewers = people = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4))]
    net = Network(*people)
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.run_round(*reviewers)
    (item_id,) = ids(net)
    assert statuses(net) == [ItemStatus.UNDECIDED]
    assert waiting(net) == [item_id]
    net.withdraw(ada, [item_id])
    assert not waiting(net)
    net.close()
    assert not len(net.state.answers)
    assert [line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)] == [1, 1, 1]
    assert not last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert same(net.replay(gone={item_id}), net.state)


def test_gold_that_nobody_could_review_and_that_is_withdrawn_is_opened_all_the_same() -> None:
    ada, ben, *reviewers = people = [Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")]
    net = Network(*people)
    net.submit(ada, [net.item(1)])
    net.submit(ben, [net.item(2)])
    first, second = ids(net)
    net.stand_by(ben)
    net.seal(gold=[second])
    net.draw()
    assert net.round().items == (first,), "ben reviews all but his own"
    net.withdraw(ben, [second])
    net.review(ben)
    net.verdict()
    assert statuses(net) == [ItemStatus.UNDECIDED, ItemStatus.WITHDRAWN]
    net.run_epoch(*reviewers)
    assert statuses(net) == [ItemStatus.ACCEPTED, ItemStatus.WITHDRAWN]
    assert same(net.replay(gone={second}), net.state)


def test_every_item_that_is_not_in_review_can_be_withdrawn() -> None:
    ada, *reviewers = people = [Person("ada"), *(Person(f"r{i}") for i in range(4))]
    net = Network(*people)
    net.add(net.operator, "campaign", campaign(id="once", rounds=rounds(draws_max=1)))
    leaves = [net.item(1, content=b"one", c="once"), net.item(1, content=b"one", c="once")]
    net.submit(ada, [*leaves, net.item(2, label=3, c="once")], c="once")
    net.run_rounds(*reviewers, c="once")
    for place, reviewer in enumerate(reviewers):
        reviewer.judge = off_by(place)
    net.submit(ada, [net.item(4, c="once")], c="once")
    net.run_rounds(*reviewers, c="once")
    net.submit(ada, [net.item(5, c="once")], c="once")
    assert statuses(net) == [
        ItemStatus.ACCEPTED,
        ItemStatus.DUPLICATE,
        ItemStatus.REJECTED,
        ItemStatus.UNDECIDED,
        ItemStatus.SUBMITTED,
    ]
    net.withdraw(ada, ids(net))
    assert set(statuses(net)) == {ItemStatus.WITHDRAWN}
    assert not waiting(net, "once")
    assert same(net.replay(gone=ids(net)), net.state)
    net.close()
    assert same(net.replay(gone=ids(net)), net.state)


# ---- what is forgotten, and what stays ----


def test_a_withdrawn_item_is_forgotten_but_for_its_id_and_verdict(net: Network) -> None:
    ada = net.people[0]
    first, second, *_ = reviewed(net)
    net.withdraw(ada, [first])
    item = net.state.items[first]
    assert item.description is None
    with pytest.raises(StateError, match="withdrawn by its author"):
        item.described()
    assert (item.answer, item.decided_in) == (net.answer(0), 1)
    assert first not in net.state.copies["digits"]
    assert second in net.state.copies["digits"]
    assert net.state.items[second].described().part("image").size > 0
    with pytest.raises(StateError, match="no part 'sound'"):
        net.state.items[second].described().part("sound")


def test_shares_stay_and_later_items_repay_them_one_for_one(net: Network) -> None:
    ada = net.people[0]
    ids = reviewed(net, 3)
    earned = shares_of(net, ada)
    net.withdraw(ada, ids)
    assert shares_of(net, ada) == earned > 0
    assert net.state.repayable[ada.id, "digits"] == 3 * PPM
    reviewed(net, 2)
    line = last_line(net, pb.ROLE_CONTRIBUTOR)
    assert (line.amount, line.evidence.accepted, line.evidence.repaid_micro) == ("0", 2, 2 * PPM)
    assert shares_of(net, ada) == earned
    reviewed(net, 2)
    line = last_line(net, pb.ROLE_CONTRIBUTOR)
    assert (line.evidence.accepted, line.evidence.repaid_micro) == (2, PPM)
    assert shares_of(net, ada) > earned
    assert (ada.id, "digits") not in net.state.repayable
    assert conserves(net.state)


def test_only_what_was_accepted_is_repaid(net: Network) -> None:
    ada = net.people[0]
    net.submit(ada, [net.item(1, label=2), net.item(3, content=b"x"), net.item(3, content=b"x")])
    net.run_epoch(*net.people[1:])
    rejected, accepted, copy = ids(net)
    net.withdraw(ada, [rejected, copy])
    assert not len(net.state.repayable)
    net.withdraw(ada, [accepted])
    assert dict(net.state.repayable.scan()) == {(ada.id, "digits"): PPM}


def test_a_debt_is_one_of_its_campaign(net: Network) -> None:
    ada, *reviewers = net.people
    ids = reviewed(net, 2)
    net.withdraw(ada, ids)
    net.add(net.operator, "campaign", campaign(id="letters"))
    net.submit(ada, [net.item(1, c="letters")], c="letters")
    net.run_rounds(*reviewers, c="letters")
    net.close()
    assert last_line(net, pb.ROLE_CONTRIBUTOR).evidence.repaid_micro == 0
    assert net.state.repayable[ada.id, "digits"] == 2 * PPM


def test_shares_are_kept_only_where_no_fingerprint_tells_copies(net: Network) -> None:
    openly = campaign(id="letters", withdrawal=pb.WITHDRAWAL_KEEPS)
    with refuses("pays twice"):
        net.add(net.operator, "campaign", openly)
    net.add(net.operator, "campaign", changed(openly, privacy=pb.PRIVACY_REVIEWERS))
    net.submit(net.people[0], [net.item(1, c="letters")], c="letters")
    net.run_rounds(*net.people[1:], c="letters")
    assert statuses(net) == [ItemStatus.ACCEPTED]
    net.withdraw(net.people[0], ids(net))
    assert not len(net.state.repayable)


# ---- a log whose leaves are gone ----


def test_a_leaf_is_erased_only_with_its_authors_withdrawal(net: Network) -> None:
    first, second, *_ = reviewed(net)
    with pytest.raises(Misbehaviour, match="its author did not withdraw it"):
        transition.require_explained(net.replay(gone={first}))
    net.withdraw(net.people[0], [first])
    transition.require_explained(net.replay(gone={first}))
    with pytest.raises(Misbehaviour, match=second.hex()):
        transition.require_explained(net.replay(gone={first, second}))
    transition.require_explained(net.replay())


def test_a_replay_without_the_leaves_ends_in_the_same_state(net: Network) -> None:
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"one"), net.item(2, label=3), net.item(3)])
    net.submit(ben, [net.item(1, content=b"one"), net.item(4)])
    net.run_epoch(*reviewers)
    net.snapshot()
    original, *_ = ids(net)
    net.withdraw(ada, [i for i, item in net.state.items.scan() if item.author == ada.id])
    gone = {i for i, item in net.state.items.scan() if item.is_erased}
    assert same(net.replay(gone), net.state)
    net.submit(ben, [net.item(1, content=b"one")])
    net.run_epoch(*reviewers)
    again = items(net)[-1]
    assert again.status is ItemStatus.ACCEPTED, "nothing is left to recognise it by"
    for erased in (gone, {original}):
        assert same(net.replay(erased), net.state)


def test_only_leaves_of_submissions_are_erased(net: Network) -> None:
    reviewed(net)
    state, kinds = State(), set()
    for entry in net.log:
        kind = parse_envelope(entry.raw).kind
        erased: list[Leaf] = [Erased(hash_leaf(leaf)) for leaf in entry.leaves]
        if erased and kind != "submission":
            kinds.add(kind)
            with refuses(f"the leaves of a {kind} are never erased"):
                transition.apply(state, entry.raw, erased)
        transition.apply(state, entry.raw, entry.leaves if kind != "submission" else erased)
    assert kinds == {"draw", "reveal", "verdict", "close"}
    assert {i for (i, _), _ in state.unexplained.scan()} == {i for i, _ in state.items.scan()}


def test_an_erased_item_is_not_submitted_again(net: Network) -> None:
    first, *_ = reviewed(net)
    (leaf,) = (leaf for entry in net.log for leaf in entry.leaves if hash_leaf(leaf) == first)
    net.withdraw(net.people[0], [first])
    with refuses("submitted already"):
        net.submit(net.people[0], [leaf])
    net.submit(net.people[0], [net.item(1)])
