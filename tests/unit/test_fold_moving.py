"""The fold: a network moves to other contracts by a quorum of its witnesses; what was promised is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.money import events
from protocol.money.accounts import conserves, cumulative_leaves, owed_to
from protocol.money.ballot import policy_hash
from protocol.money.moving import deployment_at, left_behind
from protocol.money.onchain import OnChain
from protocol.money.payload import Payload, change_digest, hash_payload
from protocol.money.settlement import ETHER, RETIRED, Address
from protocol.policy import Policy
from protocol.rules.admission import bond_missing, lacks_bond
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.chain_says import (
    EMISSION,
    THERE,
    TOKEN,
    WHERE,
    attest,
    begin,
    deploy,
    move,
    pay,
    posted,
    retire,
    said,
    says,
    settle,
    settlement,
)
from tests.fold import changed, closed, refuses, same, shares_of
from tests.simulated import NETWORK, Network, Person, policy

REVENUE = 1_000_000


@pytest.fixture
def settled(net: Network) -> Network:
    """Four witnesses; an epoch with shares and ether is in force."""
    net.change_witnesses(*net.people[:4])
    deploy(net)
    pay(net, REVENUE)
    closed(net)
    settle(net, 1)
    return net


def ask(net: Network, **changes: object) -> None:
    net.add(net.operator, "move", move(net, **changes))  # type: ignore[arg-type]


def moved(net: Network) -> None:
    ask(net)
    attest(net, "move", *net.people[:3])


def test_a_move_says_what_goes_along_and_what_stays(settled: Network) -> None:
    pay(settled, 7, asset=TOKEN)
    good = move(settled)
    assert [(each.asset, each.amount) for each in good.left] == [(TOKEN, "7")]
    assert int(good.carried) == settled.state.minted_micro > 0
    for wrong, message in (
        (changed(good, epoch=0), "epoch 1 was closed last"),
        (changed(good, epoch=2), "epoch 1 was closed last"),
        (changed(good, carried=str(int(good.carried) + 1)), "micro-shares were earned"),
        (changed(good, carried="0"), "micro-shares were earned"),
        (changed(good, left=[]), "what the move leaves behind is not"),
        (changed(good, left=[pb.AssetTotal(asset=TOKEN, amount="6")]), "leaves behind is not"),
        (changed(good, chain_id=0), "an id above zero"),
        (changed(good, board=good.stake), "addresses of their own"),
        (changed(good, chain_id=WHERE.chain_id, stake=WHERE.board), "has settled there before"),
        (changed(good, witness_nonce=1), "the witnesses in force are set 0"),
        (changed(good, deadline=settled.state.onchain.time_s), "the deadline has passed"),
    ):
        with refuses(message):
            settled.add(settled.operator, "move", wrong)
    settled.add(settled.operator, "move", good)
    with refuses("asked for this already"):
        settled.add(settled.operator, "move", good)
    # On another chain the same account makes contracts at the same addresses.
    ask(settled, to=replace(WHERE, chain_id=2), deadline=good.deadline + 1)


def test_before_there_are_contracts_there_is_nothing_to_leave(net: Network) -> None:
    with refuses("no contracts"):
        ask(net)
    deploy(net)
    ask(net)


def test_it_takes_a_quorum_of_the_present_witnesses(settled: Network) -> None:
    ask(settled)
    with refuses("only the witnesses on chain"):
        attest(settled, "move", settled.people[4])
    attest(settled, "move", *settled.people[:2])
    assert settled.state.deployment == WHERE
    attest(settled, "move", settled.people[2])
    to = replace(THERE, start=1, carried=settled.state.minted_micro)
    assert settled.state.deployment == to
    assert same(settled.replay(), settled.state)


def test_what_is_left_does_not_change_any_more(settled: Network) -> None:
    pay(settled, 7)
    view, in_force = settled.state.onchain, settled.state.roots[1].payload.totals
    moved(settled)
    past = settled.state.past[0]
    assert (past.deployment, past.view, past.promised) == (WHERE, view, in_force)
    assert (past.left, past.moved_at) == (((ETHER, 7),), len(settled.log) - 1)
    assert settled.state.onchain == OnChain(epoch=1, posted=1)
    with refuses("not one of the network's"):
        says(settled, said(events.Enacted(2, bytes(32)), where=WHERE))


def test_shares_are_minted_again_for_those_who_earned_them(settled: Network) -> None:
    """At the address that they have by then; and numbering goes on."""
    ann = settled.people[0]
    before = {each.id: shares_of(settled, each) for each in settled.people}
    moved(settled)
    assert settled.state.payloads[1] == Payload(
        1, bytes(32), ((THERE.share_token, settled.state.minted_micro),)
    )
    begin(settled)
    ann.wallet = Person("ann's wallet on another chain").wallet
    settled.add(ann, "register", settled.registration(ann, serial=2))
    closed(settled)
    with refuses("epoch 2 is the next"):
        settled.add(settled.operator, "settlement", settlement(settled, 1))
    settle(settled, 2)
    leaves = {leaf.account: leaf for leaf in cumulative_leaves(settled.state, 2)}
    assert leaves[Address(ann.address)].amount(THERE.share_token) >= before[ann.id] > 0
    promised = sum(leaf.amount(THERE.share_token) for leaf in leaves.values())
    assert promised == settled.state.minted_micro
    assert settled.state.settled_epoch == 2
    assert same(settled.replay(), settled.state)


def test_ether_of_the_old_chain_is_owed_there_and_nowhere_else(settled: Network) -> None:
    people = (settled.operator, *settled.people)
    assert sum(settled.state.earned.get((each.id, ETHER), 0) for each in people) == REVENUE
    moved(settled)
    assert dict(settled.state.past[0].promised)[ETHER] == REVENUE
    assert all(owed_to(settled.state, each.id, ETHER) == 0 for each in people)
    assert conserves(settled.state)
    begin(settled)
    pay(settled, 500)
    closed(settled)
    totals = dict(settle(settled, 2).totals)
    assert totals[ETHER] == 500
    assert conserves(settled.state)


def test_what_the_log_says_meanwhile_needs_another_decision(settled: Network) -> None:
    ask(settled)
    attest(settled, "move", *settled.people[:2])
    pay(settled, 1)
    with refuses("not asked for this"):
        body = pb.Attest(network=NETWORK, digest=bytes(32))
        settled.add(settled.people[2], "attest", body)
    assert settled.state.asks.get("move") is None
    ask(settled)
    closed(settled)
    assert settled.state.asks.get("move") is None
    moved(settled)
    assert settled.state.past[0].left == ((ETHER, 1),)


def test_a_move_is_decided_in_time(settled: Network) -> None:
    ask(settled, deadline=settled.state.onchain.time_s + 1)
    says(settled)
    assert settled.state.asks.get("move") is None
    ask(settled)
    says(settled)
    assert settled.state.asks.get("move") is not None


def test_a_new_member_changes_what_goes_along(settled: Network) -> None:
    """The treasury's shares, where the operator had no account."""
    member = settled.state.members[settled.operator.id]
    settled.state.members.remove(settled.operator.id)
    ask(settled)
    settled.state.members.put(settled.operator.id, member)
    with refuses("the log has gone on"):
        attest(settled, "move", settled.people[0])


def test_other_questions_to_the_witnesses_are_dropped(settled: Network) -> None:
    closed(settled)
    settled.add(settled.operator, "settlement", settlement(settled, 2))
    attest(settled, "settlement", settled.people[0])
    moved(settled)
    assert not list(settled.state.asks.scan())
    assert not list(settled.state.attestations.scan())
    assert settled.state.proposed_epoch == settled.state.closed_epoch == 2


def test_who_must_keep_a_bond_has_until_the_first_root(settled: Network) -> None:
    ann, bob = settled.people[:2]
    state = settled.state
    by_bond: Policy = replace(state.policy, admission=pb.ADMISSION_BOND, bond=100)
    state.policy = by_bond
    for each in (ann, bob):
        says(settled, events.Bonded(each.id, Address(each.address), Address(bytes(20)), 100))
        state.members.put(each.id, replace(state.members[each.id], is_bonded=True))
    moved(settled)
    begin(settled)
    assert not lacks_bond(state, ann.id)
    assert bond_missing(state, settled.people[2].id) == 100
    says(settled, events.Bonded(ann.id, Address(ann.address), Address(bytes(20)), 100))
    closed(settled)
    state.policy = by_bond
    settle(settled, 2)
    assert not lacks_bond(state, ann.id)
    assert lacks_bond(state, bob.id)


def test_the_network_moves_again_but_never_back(settled: Network) -> None:
    moved(settled)
    begin(settled)
    assert settled.state.onchain.emission_micro == EMISSION
    with refuses("has settled there before"):
        ask(settled, to=WHERE)
    with refuses("has settled there before"):
        ask(settled, to=THERE)
    ask(settled, to=replace(WHERE, chain_id=3))
    attest(settled, "move", *settled.people[:3])
    assert [each.deployment.chain_id for _, each in settled.state.past.scan()] == [1, 2]
    assert settled.state.past[1].promised == ()
    assert left_behind(settled.state) == ()
    assert settled.state.earned[settled.people[0].id, SHARES] > 0
    assert same(settled.replay(), settled.state)


def test_holders_decide_before_and_after(net: Network) -> None:
    """And nobody does before there was a root that gave them shares."""
    net.change_witnesses(*net.people[:4])
    deploy(net)
    closed(net)
    moved(net)
    begin(net)
    net.change_policy(reviewers_ppm=300_000)
    closed(net)
    settle(net, 2)
    ask(net, to=replace(THERE, chain_id=9))
    attest(net, "move", *net.people[:3])
    begin(net)
    with refuses("the holders of shares decide on this policy"):
        net.change_policy(reviewers_ppm=200_000)
    says(net, events.PolicyDecided(policy_hash(policy(reviewers_ppm=200_000))))
    net.change_policy(reviewers_ppm=200_000)
    assert same(net.replay(), net.state)


def test_who_reads_an_old_record_reads_it_by_the_contracts_of_then(settled: Network) -> None:
    moved(settled)
    index = settled.state.past[0].moved_at
    found = [deployment_at(settled.state, each) for each in (0, index, index + 1)]
    assert found == [WHERE, WHERE, settled.state.deployment]


def test_the_witnesses_of_then_make_room_for_nobody(settled: Network) -> None:
    """And no others: who signs for money now may be somebody else."""
    with refuses("the network has left no such contracts"):
        body = pb.Retire(network=NETWORK, proposal=1, deadline=2**32)
        settled.add(settled.operator, "retire", body)
    moved(settled)
    begin(settled, *settled.people[2:5])
    good = retire(settled)
    for wrong, message in (
        (changed(good, contracts=1), "left no such contracts"),
        (changed(good, proposal=2), "the next change there is 1"),
        (changed(good, witness_nonce=1), "the witnesses there are set 0"),
        (changed(good, deadline=settled.state.past[0].view.time_s), "the deadline has passed"),
    ):
        with refuses(message):
            settled.add(settled.operator, "retire", wrong)
    settled.add(settled.operator, "retire", good)
    with refuses("asked for this already"):
        settled.add(settled.operator, "retire", good)
    with refuses("only the witnesses on chain"):
        attest(settled, "retire", settled.people[4])
    attest(settled, "retire", *settled.people[:3])
    says(settled)  # what the present chain says does not answer it
    digest = change_digest(WHERE, (RETIRED,), 1, 0, good.deadline)
    assert settled.state.attestations.count(digest) == 3
    assert same(settled.replay(), settled.state)


def test_contracts_whose_witnesses_the_log_never_read_are_not_retired(net: Network) -> None:
    net.change_witnesses(*net.people[:4])
    deploy(net)
    moved(net)
    begin(net)
    past = net.state.past[0]
    net.state.past.put(0, replace(past, view=replace(past.view, witnesses=())))
    with refuses("never read who the witnesses there were"):
        net.add(net.operator, "retire", retire(net))


def test_a_root_that_waits_is_left_with_its_money(settled: Network) -> None:
    pay(settled, 9)
    closed(settled)
    settled.add(settled.operator, "settlement", settlement(settled, 2))
    says(settled, posted(settled.state.payloads[2]))
    waits = hash_payload(settled.state.payloads[2])
    moved(settled)
    assert settled.state.past[0].left == ((ETHER, 9),)
    assert settled.state.past[0].proposed == ((2, waits),)
    assert settled.state.deployment is not None
    assert settled.state.deployment.start == 2
