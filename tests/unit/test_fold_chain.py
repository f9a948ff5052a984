"""The fold: what the chain says. Possible or refused; and taken back where it was reorganised."""

from __future__ import annotations

import pytest

from protocol.limits import RANGES_MAX
from protocol.money import events
from protocol.money.accounts import conserves
from protocol.money.eip712 import keccak256
from protocol.money.onchain import Deposit
from protocol.money.payload import bond_id
from protocol.money.settlement import ETHER, Address
from protos.gen import records_pb2 as pb
from tests.chain_says import (
    PAYER,
    TOKEN,
    WHERE,
    chain_record,
    deploy,
    deployment,
    pay,
    said,
    says,
    settle,
)
from tests.fold import changed, closed, deposits, held, refuses, same
from tests.simulated import NETWORK, Network, batch

ANN = Address(b"\x21" * 20)


def deposit(amount: int = 5, asset: Address = ETHER) -> events.Deposited:
    return events.Deposited(asset, PAYER, amount, bytes(32))


def last_first(net: Network) -> int:
    return max(first for first, _ in net.state.ranges.scan())


def rewind(net: Network, first: int) -> None:
    net.add(
        net.operator, "rewind", pb.Rewind(network=NETWORK, first=first, serial=net.state.rewinds)
    )


def test_a_network_has_eight_contracts_of_their_own(net: Network) -> None:
    good = deployment()
    for wrong, message in (
        (changed(good, board=WHERE.stake), "addresses of their own"),
        (changed(good, board=bytes(20)), "none of them zero"),
        (changed(good, board=bytes(19)), "has 20 bytes"),
        (changed(good, chain_id=0), "an id above zero"),
        (changed(good, block=0), "first block"),
    ):
        with refuses(message):
            net.add(net.operator, "deployment", wrong)
    with refuses("no contracts on a chain"):
        body = pb.Chain(network=NETWORK, last_hash=bytes(32), logs=batch([]))
        net.add(net.operator, "chain", body)
    net.add(net.operator, "deployment", good)
    with refuses("has its contracts already"):
        net.add(net.operator, "deployment", good)


def test_blocks_are_read_once_and_in_order(net: Network) -> None:
    net.add(net.operator, "deployment", deployment())
    body, leaves = chain_record(net, said(deposit()))
    assert body.first == WHERE.block
    for wrong, message in (
        (changed(body, first=9), "has read the chain up to block 9"),
        (changed(body, first=11), "has read the chain up to block 9"),
        (changed(body, last=9), "before the first"),
        (changed(body, last_hash=b""), "a block's hash"),
    ):
        with refuses(message):
            net.add(net.operator, "chain", wrong, leaves)
    deploy_after = chain_record(net)
    net.add(net.operator, "chain", *deploy_after)
    later, _ = chain_record(net)
    with refuses("time runs backwards"):
        net.add(net.operator, "chain", changed(later, last_time=1), [])
    assert net.state.onchain.last == deploy_after[0].last


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block": 999_999}, "not in these blocks"),
        ({"block": 0}, "not in these blocks"),
        ({"block_hash": bytes(31)}, "has 32 bytes"),
        ({"tx_hash": b""}, "has 32 bytes"),
        ({"contract": b"\x01" * 19}, "is of one contract"),
        ({"contract": b"\x01" * 20}, "not one of the network's"),
        ({"contract": TOKEN}, "not one of the network's"),
        ({"contract": WHERE.share_token}, "not one of the network's"),
        ({"topics": [bytes(32)] * 5}, "at most 4 topics"),
        ({"topics": [bytes(31)]}, "has 32 bytes"),
        ({"data": bytes(5_000)}, "travels as its hash"),
        ({"data_hash": bytes(32)}, "travels as its hash"),
    ],
)
def test_a_log_has_the_shape_of_a_log(
    net: Network, values: dict[str, object], message: str
) -> None:
    deploy(net)
    body, [leaf] = chain_record(net, said(deposit()))
    log = pb.ChainLog.FromString(leaf[1:])
    wrong = bytes([leaf[0]]) + changed(log, **values).SerializeToString(deterministic=True)
    with refuses(message):
        net.add(net.operator, "chain", changed(body, logs=batch([wrong])), [wrong])
    net.add(net.operator, "chain", body, [leaf])


def test_logs_stand_in_the_order_of_the_chain(net: Network) -> None:
    deploy(net)
    body, leaves = chain_record(net, said(deposit()), said(deposit(6)))
    with refuses("not in the order of the chain"):
        swapped = leaves[::-1]
        net.add(net.operator, "chain", changed(body, logs=batch(swapped)), swapped)
    with refuses("not in the order of the chain"):
        twice = [leaves[0], leaves[0]]
        net.add(net.operator, "chain", changed(body, logs=batch(twice)), twice)
    one, two = (pb.ChainLog.FromString(leaf[1:]) for leaf in leaves)
    two.block, two.block_hash = one.block, bytes(32)
    with refuses("has two hashes"):
        both = [leaves[0], leaves[1][:1] + two.SerializeToString(deterministic=True)]
        net.add(net.operator, "chain", changed(body, logs=batch(both)), both)


def test_long_data_travels_as_its_hash(net: Network) -> None:
    deploy(net)
    vote = pb.ChainLog(contract=WHERE.governor, topics=[bytes(32)], data_hash=keccak256(b"long"))
    says(net, vote)
    hidden = said(deposit())
    hidden.data, hidden.data_hash = b"", keccak256(b"long")
    with refuses("ends too early"):
        says(net, hidden)


def test_what_the_log_does_not_follow_passes(net: Network) -> None:
    deploy(net)
    before = {name: each for name, each in held(net.state).items() if name != "ranges"}
    says(net, pb.ChainLog(contract=WHERE.timelock, topics=[b"\1" * 32], data=b"anything"))
    says(net, pb.ChainLog(contract=WHERE.vault, data=b"no topics at all"))
    after = {name: each for name, each in held(net.state).items() if name != "ranges"}
    changed_fields = {name for name in after if after[name] != before[name]}
    assert changed_fields == {"size", "onchain"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda log: log.topics.append(bytes(32)), "topics"),
        (lambda log: setattr(log, "data", log.data + bytes(32)), "another length"),
        (lambda log: setattr(log, "data", log.data[:-1]), "too early"),
        (lambda log: log.topics.__setitem__(1, b"\xff" * 32), "longer than an address"),
    ],
)
def test_what_no_contract_writes_is_refused(net: Network, spoil: object, message: str) -> None:
    deploy(net)
    log = said(deposit())
    spoil(log)  # type: ignore[operator]
    with refuses(message):
        says(net, log)
    says(net, deposit())


def test_impossible_events_are_refused(net: Network) -> None:
    deploy(net)
    bond = bond_id(net.people[0].id, ANN)
    for event, message in (
        (deposit(asset=Address(b"\x09" * 20)), "an asset that is not listed"),
        (deposit(0), "more than nothing"),
        (deposit(2**128), "more came in than the vault can count"),
        (events.Posted(2, b"\1" * 32, (), (), 0, 0, 0), "the next one"),
        (events.Posted(1, b"\1" * 32, (ETHER,), (), 0, 0, 0), "as many totals"),
        (events.Enacted(1, b"\1" * 32), "no root of epoch 1"),
        (events.Enacted(2, b"\1" * 32), "in order"),
        (events.Undone(1, 1, b"\0" * 4), "no root of epoch 1"),
        (events.Challenged(1, ANN, bytes(32)), "no root of epoch 1"),
        (events.WitnessesChanged(1, 1), "nobody proposed"),
        (events.ChangeProposed(1, (), 5), "not empty"),
        (events.Withdrawn(bond, 1), "nobody has made this bond"),
        (events.SlashExecuted(0, 1), "was not proposed"),
    ):
        with refuses(message):
            says(net, event)
    says(net, events.Posted(1, b"\1" * 32, (), (), 0, 0, 0))
    with refuses("WAITING cannot UPHOLD"):
        says(net, events.Upheld(1, 5))
    with refuses("another root"):
        says(net, events.Enacted(1, b"\2" * 32))


# ---- revenue, claims, bonds ----


def test_claims_are_counted_by_asset(net: Network) -> None:
    deploy(net)
    out = events.Transfer(WHERE.settlement, ANN, 7)
    says(net, said(out, TOKEN), said(out, WHERE.share_token), events.EtherClaimed(ANN, 3))
    assert dict(net.state.claimed.scan()) == {TOKEN: 7, WHERE.share_token: 7, bytes(20): 3}
    says(net, said(events.Transfer(ETHER, WHERE.settlement, 10**6), WHERE.share_token))
    assert net.state.claimed[WHERE.share_token] == 7, "a mint is no claim"
    for stranger in (said(events.Transfer(ANN, PAYER, 7), TOKEN), said(out, b"\x44" * 20)):
        with refuses("not one of the network's"):
            says(net, stranger)
    with refuses("not one of the network's"):
        says(net, said(events.Transfer(ETHER, ANN, 7), TOKEN))


def test_bonds_grow_leave_and_are_slashed(net: Network) -> None:
    deploy(net)
    who = net.people[0].id
    name = bond_id(who, ANN)
    says(net, events.Bonded(who, ANN, ANN, 100), events.Bonded(who, ANN, ANN, 50))
    assert net.state.bonds[name].active == 150
    says(
        net,
        events.UnbondRequested(name, 40, 9_000),
        events.SlashProposed(0, name, 120, b"\3" * 32, 9),
    )
    bond = net.state.bonds[name]
    assert (bond.active, bond.leaving, bond.leaves_at_s, bond.held) == (110, 40, 9_000, 120)
    says(net, events.SlashAppealed(0))
    assert net.state.slashes[0].is_appealed
    says(net, events.SlashExecuted(0, 120), events.Withdrawn(name, 30))
    bond = net.state.bonds[name]
    assert (bond.active, bond.leaving, bond.held) == (0, 0, 0)
    assert not list(net.state.slashes.scan())
    says(net, events.Bonded(who, ANN, ANN, 5), events.SlashProposed(1, name, 5, b"\4" * 32, 9))
    says(net, events.SlashOverturned(1))
    assert (net.state.bonds[name].active, net.state.bonds[name].held) == (5, 0)
    with refuses("more is withdrawn"):
        says(net, events.Withdrawn(name, 1))
    with refuses("more leaves a bond"):
        says(net, events.UnbondRequested(name, 6, 9_000))


# ---- a reorganisation ----


def test_what_was_read_is_taken_back_whole(net: Network) -> None:
    closed(net)
    deploy(net)
    settle(net, 1)
    before = held(net.state)
    name = bond_id(net.people[0].id, ANN)
    says(net, deposit(1_000), events.Bonded(net.people[0].id, ANN, ANN, 5), fork=1)
    first = last_first(net)
    says(
        net,
        events.UnbondRequested(name, 2, 9),
        events.MinimumChanged(3),
        events.PolicyDecided(b"\7" * 32),
        events.AssetUnlisted(TOKEN),
        said(events.Transfer(WHERE.settlement, ANN, 7), TOKEN),
    )
    rewind(net, first)
    after = held(net.state)
    assert {n for n in after if after[n] != before[n]} == {"size", "rewinds"}
    says(net, deposit(7))
    assert deposits(net) == [Deposit(ETHER, 7)]
    assert same(net.replay(), net.state)


def test_only_where_a_record_began(net: Network) -> None:
    with refuses("no contracts"):
        rewind(net, 1)
    deploy(net)
    says(net, deposit())
    with refuses("begins with block"):
        rewind(net, last_first(net) + 1)
    rewind(net, last_first(net))


def test_an_old_one_is_not_played_again(net: Network) -> None:
    deploy(net)
    says(net, deposit())
    rewind(net, last_first(net))
    old = net.log[-1]
    says(net, deposit())
    with refuses("said something else since"):
        net.add_raw(old.raw)


def test_it_reaches_back_so_far_and_no_farther(net: Network) -> None:
    deploy(net)
    for _ in range(RANGES_MAX):
        says(net)
    with refuses("begins with block"):
        rewind(net, WHERE.block)
    assert len(net.state.ranges) == RANGES_MAX


def test_what_was_shared_out_stays_and_as_much_less_is_shared_out_later(net: Network) -> None:
    closed(net)
    deploy(net)
    pay(net, 1_000)
    first = last_first(net)
    net.close()
    earned = sum(a for (_, asset), a in net.state.earned.scan() if asset == ETHER)
    assert earned == 1_000
    rewind(net, first)
    assert dict(net.state.overshared.scan()) == {ETHER: 1_000}
    assert conserves(net.state)
    pay(net, 600, fork=1)
    assert not deposits(net)
    pay(net, 500, fork=1)
    assert deposits(net) == [Deposit(ETHER, 100)]
    assert not list(net.state.overshared.scan())
    assert conserves(net.state)
    # And back again, with one of them shared out and one paid for the other.
    rewind(net, last_first(net))
    assert dict(net.state.overshared.scan()) == {ETHER: 400}
    assert conserves(net.state)
    net.close()
    assert sum(a for (_, asset), a in net.state.earned.scan() if asset == ETHER) == 1_000
    assert same(net.replay(), net.state)


def test_questions_that_the_chain_has_answered_come_back_with_it(net: Network) -> None:
    closed(net)
    deploy(net)
    settle(net, 1)
    rewind(net, last_first(net))
    assert net.state.settled_epoch == 0
    assert net.state.proposed_epoch == 1
    assert settle(net, 1) == net.state.payloads[1]
