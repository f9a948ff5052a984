"""The fold: consent withdrawn, each rejection beside its acceptance; and the log without the leaves."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Misbehaviour, StateError
from protocol.lifecycle import ItemStatus
from protocol.limits import ENTRY_BYTES_MAX, WITHDRAWN_ITEMS_MAX
from protocol.log.batch import Erased, Leaf
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.money.accounts import conserves
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.fold import off_by, refuses
from tests.simulated import NETWORK, Network, Person, batch, campaign, policy


def reviewed(net: Network, count: int = 4) -> list[bytes]:
    """Ids of items by the first person, accepted in an epoch that has closed."""
    leaves = [net.item(i) for i in range(count)]
    net.submit(net.people[0], leaves)
    net.run_epoch(*net.people[1:])
    return [hash_leaf(leaf) for leaf in leaves]


def statuses(net: Network) -> list[ItemStatus]:
    return [item.status for item in net.state.items.values()]


def shares_of(net: Network, person: Person) -> int:
    return net.state.earned.get((person.identity, SHARES), 0)


def last_line(net: Network, role: pb.Role) -> pb.RewardLine:
    lines = map(pb.RewardLine.FromString, net.log[-1].leaves)
    (line,) = (line for line in lines if line.role == role)
    return line


# ---- who withdraws what ----


def test_one_withdraws_ones_own_items(net: Network) -> None:
    ada, ben = net.people[:2]
    first, *_ = reviewed(net)
    with refuses("is not an item of this author"):
        net.withdraw(ben, [first])
    with refuses("is not an item of this author"):
        net.withdraw(ada, [bytes(32)])
    with refuses("has not registered"):
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
    item_ids = [hash_leaf(leaf) for leaf in leaves]

    def refused() -> None:
        for item_id in item_ids:
            with refuses("is being reviewed; withdraw it when epoch 1 has closed"):
                net.withdraw(ada, [item_id])

    net.submit(ada, leaves)
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    refused()
    net.open_beacons(*reviewers)
    net.draw()
    refused()
    net.review(*reviewers)
    refused()
    net.verdict()
    assert net.state.epoch.phase.name == "CLOSING"
    refused()  # between verdict and close the epoch's items are counted as they are
    net.close()
    net.withdraw(ada, item_ids)
    assert set(statuses(net)) == {ItemStatus.WITHDRAWN}


def test_what_waits_may_be_withdrawn_while_others_are_reviewed(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    net.submit(ada, [net.item(2), net.item(3)])
    waiting = list(net.state.pending)
    net.withdraw(ada, waiting[:1])
    assert net.state.pending == waiting[1:]
    net.run_rounds(*reviewers)
    net.close()
    net.run_epoch(*reviewers)
    assert statuses(net) == [ItemStatus.ACCEPTED, ItemStatus.WITHDRAWN, ItemStatus.ACCEPTED]


def test_an_epoch_closes_when_all_that_waited_is_withdrawn(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.commit_gold(list(net.truth))
    net.withdraw(ada, list(net.state.pending))
    with refuses("nothing to review"):
        net.phase(pb.PHASE_BEACON)
    net.close()


def test_gold_that_is_withdrawn_is_opened_all_the_same(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    first, _ = net.state.items
    net.stand_by(*reviewers)
    net.commit_gold([first])
    net.withdraw(ada, [first])
    net.phase(pb.PHASE_BEACON)
    net.run_rounds(*reviewers)
    net.close()
    assert statuses(net) == [ItemStatus.WITHDRAWN, ItemStatus.ACCEPTED]
    assert net.replay(gone={first}) == net.state


def test_every_item_that_is_not_in_review_can_be_withdrawn() -> None:
    ada, *reviewers = people = [Person("ada"), *(Person(f"r{i}") for i in range(4))]
    net = Network(*people, policy=policy(rounds_max=1))
    net.submit(
        ada,
        [
            net.item(1, content=b"one"),
            net.item(1, content=b"one"),
            net.item(2, label=3),
        ],
    )
    net.run_epoch(*reviewers)
    for place, reviewer in enumerate(reviewers):
        reviewer.judge = off_by(place)
    net.submit(ada, [net.item(4)])
    net.run_epoch(*reviewers)
    net.submit(ada, [net.item(5)])
    assert statuses(net) == [
        ItemStatus.ACCEPTED,
        ItemStatus.DUPLICATE,
        ItemStatus.REJECTED,
        ItemStatus.UNDECIDED,
        ItemStatus.SUBMITTED,
    ]
    net.withdraw(ada, list(net.state.items))
    assert set(statuses(net)) == {ItemStatus.WITHDRAWN}
    assert not net.state.pending
    assert net.replay(gone=net.state.items) == net.state


# ---- what is forgotten, and what stays ----


def test_a_withdrawn_item_is_forgotten_but_for_its_id_and_verdict(net: Network) -> None:
    ada = net.people[0]
    first, second, *_ = reviewed(net)
    net.withdraw(ada, [first])
    item = net.state.items[first]
    assert item.leaf == b""
    with pytest.raises(StateError, match="withdrawn by its author"):
        item.record()
    assert (item.label, item.decided_in) == (0, 1)
    assert first not in net.state.indexes["digits"]
    assert second in net.state.indexes["digits"]
    assert net.state.items[second].record().size > 0


def test_shares_stay_and_later_items_repay_them_one_for_one(net: Network) -> None:
    ada = net.people[0]
    ids = reviewed(net, 3)
    earned = shares_of(net, ada)
    net.withdraw(ada, ids)
    assert shares_of(net, ada) == earned > 0
    assert net.state.repayable[ada.identity, "digits"] == 3
    reviewed(net, 2)
    line = last_line(net, pb.ROLE_CONTRIBUTOR)
    assert (line.amount, line.evidence.accepted, line.evidence.repaid) == ("0", 2, 2)
    assert shares_of(net, ada) == earned
    reviewed(net, 2)
    line = last_line(net, pb.ROLE_CONTRIBUTOR)
    assert (line.evidence.accepted, line.evidence.repaid) == (2, 1)
    assert shares_of(net, ada) > earned
    assert net.state.repayable[ada.identity, "digits"] == 0
    assert conserves(net.state)


def test_only_what_was_accepted_is_repaid(net: Network) -> None:
    ada = net.people[0]
    net.submit(ada, [net.item(1, label=2), net.item(3, content=b"x"), net.item(3, content=b"x")])
    net.run_epoch(*net.people[1:])
    rejected, accepted, copy = net.state.items
    net.withdraw(ada, [rejected, copy])
    assert not net.state.repayable
    net.withdraw(ada, [accepted])
    assert net.state.repayable == {(ada.identity, "digits"): 1}


def test_a_debt_is_one_of_its_campaign(net: Network) -> None:
    ada, *reviewers = net.people
    ids = reviewed(net, 2)
    net.withdraw(ada, ids)
    net.add(net.operator, "campaign", campaign(id="letters"))
    leaves = [net.item(1)]
    body = pb.Submission(network=NETWORK, campaign_id="letters", items=batch(leaves))
    net.add(ada, "submission", body, leaves)
    net.run_epoch(*reviewers)
    assert last_line(net, pb.ROLE_CONTRIBUTOR).evidence.repaid == 0
    assert net.state.repayable[ada.identity, "digits"] == 2


def test_shares_are_kept_only_where_no_fingerprint_tells_copies(net: Network) -> None:
    keeps = {"id": "letters", "withdrawal": pb.WITHDRAWAL_KEEPS}
    openly, privately = campaign(**keeps), campaign(**keeps, privacy=pb.PRIVACY_REVIEWERS)
    for terms in (openly, privately):
        terms.withdrawal = pb.WITHDRAWAL_KEEPS  # merging leaves the default of an enum out
    with refuses("pays twice; use repays"):
        net.add(net.operator, "campaign", openly)
    net.add(net.operator, "campaign", privately)
    item = pb.Item.FromString(net.item(1))
    item.fingerprint = b""
    leaf = item.SerializeToString()
    net.truth[hash_leaf(leaf)], net.openings[hash_leaf(leaf)] = 1, next(iter(net.openings.values()))
    body = pb.Submission(network=NETWORK, campaign_id="letters", items=batch([leaf]))
    net.add(net.people[0], "submission", body, [leaf])
    net.run_epoch(*net.people[1:])
    assert statuses(net) == [ItemStatus.ACCEPTED]
    net.withdraw(net.people[0], [hash_leaf(leaf)])
    assert not net.state.repayable


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
    original, *_ = net.state.items
    net.withdraw(ada, [i for i, item in net.state.items.items() if item.author == ada.identity])
    gone = {i for i, item in net.state.items.items() if item.is_erased}
    assert net.replay(gone) == net.state
    net.submit(ben, [net.item(1, content=b"one")])
    net.run_epoch(*reviewers)
    again = next(reversed(net.state.items.values()))
    assert again.status is ItemStatus.ACCEPTED, "nothing is left to recognise it by"
    for erased in (gone, {original}):
        assert net.replay(erased) == net.state


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
    assert state.unexplained == set(state.items)


def test_an_erased_item_is_not_submitted_again(net: Network) -> None:
    first, *_ = reviewed(net)
    (leaf,) = (leaf for entry in net.log for leaf in entry.leaves if hash_leaf(leaf) == first)
    net.withdraw(net.people[0], [first])
    with refuses("submitted already"):
        net.submit(net.people[0], [leaf])
    net.submit(net.people[0], [net.item(1)])
