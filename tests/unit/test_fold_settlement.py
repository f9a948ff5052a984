"""The fold: what an epoch owes, what witnesses are asked to sign, and what the chain says became of it."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import Reject
from protocol.lifecycle import RootStatus
from protocol.log import commitments
from protocol.money import events
from protocol.money.accounts import cumulative_leaves, owed_to, promised_leaves
from protocol.money.payload import Payload, hash_payload, post_digest, uphold_digest
from protocol.money.settlement import NOTHING_EARNED, Address, build_tree
from protocol.rules.settling import witnesses_to_be
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.chain_says import (
    WHERE,
    attest,
    deploy,
    pay,
    posted,
    says,
    settle,
    settlement,
)
from tests.fold import changed, closed, refuses
from tests.simulated import NETWORK, Network, Person


def propose(net: Network, epoch: int = 1, **changes: Any) -> None:
    net.add(net.operator, "settlement", settlement(net, epoch, **changes))


def uphold(net: Network, epoch: int = 1) -> pb.Uphold:
    view = net.state.onchain
    return pb.Uphold(
        network=NETWORK, epoch=epoch, witness_nonce=view.nonce, deadline=view.time_s + 1_800
    )


def change(net: Network, **changes: Any) -> pb.WitnessChange:
    view = net.state.onchain
    values: dict[str, Any] = {
        "network": NETWORK,
        "proposal": view.proposals + 1,
        "witness_nonce": view.nonce,
        "deadline": view.time_s + 1_800,
        "witnesses": witnesses_to_be(net.state),
    }
    return pb.WitnessChange(**(values | changes))


def test_a_settlement_is_recomputed(net: Network) -> None:
    closed(net)
    with refuses("no contracts to settle on"):
        net.add(net.operator, "settlement", pb.Settlement(network=NETWORK, epoch=1, root=bytes(32)))
    deploy(net)
    good = settlement(net)
    amount, asset = good.totals[0].amount, good.totals[0].asset
    twice = [pb.AssetTotal(asset=asset, amount=amount)] * 2
    for wrong, message in (
        (changed(good, root=bytes(32)), "root does not recompute"),
        (changed(good, leaves=good.leaves + 1), "number of leaves does not recompute"),
        (changed(good, totals=[pb.AssetTotal(asset=asset, amount="1")]), "totals do not recompute"),
        (changed(good, totals=twice), "not in ascending order"),
        (changed(good, epoch=2), "epoch 1 is the next"),
        (changed(good, attempt=1), "the attempt on chain is 0"),
        (changed(good, witness_nonce=1), "the witnesses in force are set 0"),
        (changed(good, deadline=net.state.onchain.time_s), "the deadline has passed"),
    ):
        with refuses(message):
            net.add(net.operator, "settlement", wrong)
    net.add(net.operator, "settlement", good)
    with refuses("asked for this already"):
        net.add(net.operator, "settlement", good)
    assert net.state.proposed_epoch == 1


def test_an_epoch_that_is_not_closed_is_not_settled(net: Network) -> None:
    deploy(net)
    with refuses("epoch 1 has not been closed"):
        propose(net)


def test_without_the_operators_account_the_treasury_would_be_lost(net: Network) -> None:
    closed(net)
    deploy(net)
    member = net.state.members[net.operator.id]
    net.state.members.remove(net.operator.id)
    with refuses("the operator has not registered"):
        propose(net)
    net.state.members.put(net.operator.id, member)
    propose(net)


def test_a_settlement_has_what_was_earned_up_to_its_epoch(net: Network) -> None:
    closed(net)
    first = {who: n for (who, asset), n in net.state.earned.scan() if asset == SHARES}
    closed(net)
    deploy(net)
    propose(net)
    by_account = {
        leaf.account: leaf.amount(WHERE.share_token) for leaf in promised_leaves(net.state)
    }
    people = {person.address: person.id for person in (net.operator, *net.people)}
    assert by_account == {a: first[who] for a, who in people.items() if first.get(who)}
    says(net, posted(net.state.payloads[1]))
    propose(net, 2)
    total = sum(leaf.amount(WHERE.share_token) for leaf in promised_leaves(net.state))
    assert total == net.state.minted_micro
    assert not list(net.state.owed.scan())


def test_an_epoch_without_earnings_has_a_root_too(net: Network) -> None:
    net.close()
    deploy(net)
    propose(net)
    assert net.state.payloads[1] == Payload(1, NOTHING_EARNED, ())
    assert build_tree([]).root == NOTHING_EARNED


def test_attestations_are_of_the_chains_witnesses(net: Network) -> None:
    closed(net)
    ada, ben, cyn, dov, *_ = net.people
    net.change_witnesses(ada, ben, cyn, dov)
    deploy(net)
    propose(net)
    digest = net.state.asks["settlement"].digest
    payload = hash_payload(net.state.payloads[1])
    deadline = net.state.asks["settlement"].deadline_s
    assert digest == post_digest(WHERE, payload, 0, 0, deadline)
    attest(net, "settlement", ada)
    with refuses("attested already"):
        body = pb.Attest(
            network=NETWORK, digest=digest, signature=ada.sign_digest(digest) + b"again"
        )
        net.add(ada, "attest", body)
    with refuses("did not sign this"):
        body = pb.Attest(network=NETWORK, digest=digest, signature=cyn.sign_digest(digest))
        net.add(ben, "attest", body)
    with refuses("only the witnesses on chain"):
        attest(net, "settlement", net.operator)
    with refuses("not asked for this"):
        other = bytes(32)
        body = pb.Attest(network=NETWORK, digest=other, signature=ben.sign_digest(other))
        net.add(ben, "attest", body)
    attest(net, "settlement", ben, cyn)
    assert net.state.attestations.count(digest) == 3


def test_asking_again_changes_the_deadline_and_nothing_else(net: Network) -> None:
    closed(net)
    deploy(net)
    propose(net)
    attest(net, "settlement", net.operator)
    before = net.state.payloads[1]
    # Somebody moves; what was promised stays where it was.
    ada = net.people[0]
    ada.wallet = Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada, serial=2))
    again = settlement(net)
    again.deadline += 1
    again.root, again.leaves = before.root, 0
    del again.totals[:]
    again.totals.extend(pb.AssetTotal(asset=a, amount=str(n)) for a, n in before.totals)
    with refuses("another root of epoch 1 was proposed before"):
        net.add(net.operator, "settlement", changed(again, root=bytes(32)))
    net.add(net.operator, "settlement", again)
    assert net.state.payloads[1] == before
    assert not list(net.state.attestations.scan())


def test_a_root_waits_and_comes_into_force(net: Network) -> None:
    closed(net)
    deploy(net)
    propose(net)
    payload = net.state.payloads[1]
    says(net, posted(payload))
    assert not list(net.state.asks.scan())
    assert (net.state.roots[1].status, net.state.settled_epoch) == (RootStatus.WAITING, 0)
    says(net, events.Enacted(1, payload.root))
    assert (net.state.roots[1].status, net.state.settled_epoch) == (RootStatus.IN_FORCE, 1)


def test_a_frozen_root_is_upheld_only_if_it_is_the_logs(net: Network) -> None:
    closed(net)
    deploy(net)
    propose(net)
    payload = net.state.payloads[1]
    with refuses("no root of epoch 1 is frozen"):
        net.add(net.operator, "uphold", uphold(net))
    says(net, posted(payload), events.Challenged(1, Address(net.people[0].address), b"\7" * 32))
    root = net.state.roots[1]
    assert (root.status, root.challenger) == (RootStatus.FROZEN, net.people[0].address)
    net.add(net.operator, "uphold", uphold(net))
    ask = net.state.asks["uphold"]
    assert ask.digest == uphold_digest(WHERE, hash_payload(payload), 0, 0, ask.deadline_s)
    attest(net, "uphold", net.operator)
    says(net, events.Upheld(1, 2_000_000), events.Enacted(1, payload.root))
    assert not list(net.state.asks.scan())
    assert net.state.settled_epoch == 1


def test_a_root_that_is_not_the_logs_lapses_and_is_proposed_anew(net: Network) -> None:
    closed(net)
    deploy(net)
    propose(net)
    own = net.state.payloads[1]
    wrong = Payload(1, b"\x66" * 32, own.totals)
    says(net, posted(wrong), events.Challenged(1, Address(net.people[0].address), b"\7" * 32))
    with refuses("on chain is not the log's"):
        net.add(net.operator, "uphold", uphold(net))
    closed(net)
    with refuses("the root of epoch 1 on chain is not the log's"):
        propose(net, 2)
    says(net, events.Undone(1, 1, b"\1\2\3\4"))
    assert (net.state.onchain.posted, net.state.onchain.attempt) == (0, 1)
    propose(
        net, 1, root=own.root, totals=[pb.AssetTotal(asset=a, amount=str(n)) for a, n in own.totals]
    )
    assert net.state.payloads[1] == own
    assert net.state.asks["settlement"].attempt == 1


def test_what_witnesses_signed_stays_as_long_as_another_root_is_on_chain(net: Network) -> None:
    """It is proof against those who signed both; logging the wrong root must not take it away."""
    closed(net)
    deploy(net)
    propose(net)
    attest(net, "settlement", net.operator)
    asked, own = net.state.asks["settlement"], net.state.payloads[1]
    says(net, posted(Payload(1, b"\x66" * 32, own.totals)))
    assert net.state.asks["settlement"] == asked
    assert net.state.attestations.count(asked.digest) == 1
    again = posted(Payload(1, b"\x67" * 32, own.totals), attempt=1)
    says(net, events.Undone(1, 1, b"\1\2\3\4"), again)
    assert "settlement" not in net.state.asks, "of another attempt it proves nothing"
    assert not len(net.state.attestations)


def test_what_is_undone_takes_along_what_is_behind_it(net: Network) -> None:
    for _ in range(3):
        net.close()
    deploy(net)
    for epoch in (1, 2, 3):
        propose(net, epoch)
        says(net, posted(net.state.payloads[epoch]))
    says(net, events.Enacted(1, NOTHING_EARNED))
    with refuses("what is in force is not undone"):
        says(net, events.Undone(1, 1, b"\1\2\3\4"))
    says(net, events.Undone(2, 1, b"\1\2\3\4"))
    assert [epoch for epoch, _ in net.state.roots.scan()] == [1]
    assert net.state.onchain.posted == 1


def test_a_root_that_the_log_never_proposed_stops_the_next(net: Network) -> None:
    for _ in range(3):
        net.close()
    deploy(net)
    says(net, posted(Payload(1, b"\1" * 32, ())), posted(Payload(2, b"\2" * 32, ())))
    with refuses("a root is on chain that the log never proposed"):
        propose(net, 3)


def test_the_chains_witnesses_follow_the_coin(net: Network) -> None:
    ada, ben, cyn, dov, *_ = net.people
    deploy(net)
    with refuses("these are the witnesses, or soon will be"):
        net.add(net.operator, "witness-change", change(net))
    net.change_witnesses(ada, ben, cyn, dov)
    for wrong, message in (
        (change(net, witnesses=[ada.address]), "not those who toss the coin"),
        (change(net, witnesses=list(reversed(witnesses_to_be(net.state)))), "not those who toss"),
        (change(net, witnesses=[]), "not empty"),
        (change(net, proposal=2), "the next change is number 1"),
        (change(net, witness_nonce=1), "the witnesses in force are set 0"),
    ):
        with refuses(message):
            net.add(net.operator, "witness-change", wrong)
    net.add(net.operator, "witness-change", change(net))
    attest(net, "witness-change", net.operator)
    wanted = witnesses_to_be(net.state)
    says(net, events.ChangeProposed(1, wanted, 2_000_000))
    assert not list(net.state.asks.scan())
    assert (net.state.onchain.waiting, net.state.onchain.active_at_s) == (wanted, 2_000_000)
    with refuses("these are the witnesses, or soon will be"):
        net.add(net.operator, "witness-change", change(net))
    says(net, events.WitnessesChanged(1, 1))
    assert (net.state.onchain.nonce, net.state.onchain.witnesses) == (1, wanted)
    assert net.state.onchain.waiting == ()


def test_a_vetoed_change_may_be_proposed_again(net: Network) -> None:
    deploy(net)
    net.change_witnesses(*net.people[:4])
    says(net, events.ChangeProposed(1, witnesses_to_be(net.state), 9), events.ChangeVetoed(1))
    net.add(net.operator, "witness-change", change(net))
    assert net.state.asks["witness-change"].number == 2


def test_an_asset_that_is_not_covered_waits_and_holds_up_no_other(net: Network) -> None:
    closed(net)
    deploy(net)
    pay(net, 1_000)
    first = max(first for first, _ in net.state.ranges.scan())
    net.close()
    net.add(
        net.operator, "rewind", pb.Rewind(network=NETWORK, first=first, serial=net.state.rewinds)
    )
    settle(net, 1)
    payload = settle(net, 2)
    assert [asset for asset, _ in payload.totals] == [WHERE.share_token]
    assert owed_to(net.state, net.operator.id, bytes(20)) > 0
    net.close()
    pay(net, 1_000)
    payload = settle(net, 3)
    assert dict(payload.totals)[Address(bytes(20))] == 1_000


def test_a_new_payout_address_keeps_what_was_earned(net: Network) -> None:
    closed(net)
    deploy(net)
    ada = net.people[0]
    before = {leaf.account: leaf.amounts for leaf in cumulative_leaves(net.state, 1)}
    old, ada.wallet = ada.address, Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada, serial=2))
    after = {leaf.account: leaf.amounts for leaf in cumulative_leaves(net.state, 1)}
    assert after[Address(ada.address)] == before[Address(old)]
    assert Address(old) not in after


def test_a_contract_is_paid_that_said_so_on_chain(net: Network) -> None:
    deploy(net)
    ada, safe = net.people[0], Address(b"\x5a" * 20)
    body = net.registration(ada, serial=2)
    body.payout_address, body.payout_signature = safe, b""
    with refuses("has not agreed"):
        net.add(ada, "register", body)
    says(net, events.PayeeAccepted(safe, net.people[1].id))
    with refuses("has not agreed"):
        net.add(ada, "register", body)
    says(net, events.PayeeAccepted(safe, ada.id))
    net.add(ada, "register", body)
    assert net.state.members[ada.id].payout == safe


def test_a_policy_mints_no_more_than_the_contracts_do(net: Network) -> None:
    deploy(net)
    with refuses("the contracts mint 1000000000000 millionths"):
        net.change_policy(epoch_emission_micro=10**12 + 1)
    net.change_policy(epoch_emission_micro=10**12)


def test_commitments_need_whole_salts() -> None:
    assert len(commitments.proposal_commitment(bytes(32), b"\1")) == 32
    for salt in (b"short", bytes(33), b""):
        with pytest.raises(Reject, match="a salt has 32 bytes"):
            commitments.proposal_commitment(salt, b"\1")
