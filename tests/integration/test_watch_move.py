"""Whoever watches a network follows it to other contracts, and compares nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.endpoint import Endpoint
from contracts.findings import Finding, Kind
from contracts.logged import Logged
from contracts.reader import ChainReader
from contracts.watch import Outcome, Watch
from node.wallet import Wallet
from protocol import transition
from protocol.money.moving import carried_shares
from protocol.state import State
from tests.chain_says import attest, move
from tests.contract_chains import devchain
from tests.contract_lab import ChainLab
from tests.simulated import Network, Person
from tests.watch_lab import NOW_S, WatchLab


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
        yield found


def followed(lab: WatchLab, logged: Logged) -> Logged:
    state = State()
    for entry in lab.net.log:
        applied = transition.apply(state, entry.raw, entry.leaves)
        logged.take(state, applied.kind, applied.record)
    return logged


def test_it_follows_and_starts_from_what_it_had_compared(url: str) -> None:
    net = Network(*(Person(f"p{n}") for n in range(5)))
    wallets = [Wallet(person.wallet.to_bytes()) for person in net.people[:4]]
    lab = WatchLab(ChainLab(url, witnesses=wallets), net)
    lab.settle()
    watch = Watch(ChainReader(Endpoint(url)))
    assert watch.look(lab.said(), NOW_S).outcome is Outcome.AGREES

    state = lab.state
    carried = carried_shares(state)
    there = ChainLab(url, witnesses=wallets, start=state.closed_epoch, carried=carried)
    net.add(net.operator, "move", move(net, there.deployment))
    attest(net, "move", *net.people[:3])
    assert state.deployment == there.deployment

    # Before the log has read a word of the new contracts, and after.
    assert watch.look(lab.said(), NOW_S).outcome is Outcome.AGREES
    lab.lab = there
    lab.read()
    lab.settle()
    logged = lab.logged()
    said = logged.said(state)
    assert said is not None
    look = watch.look(said, NOW_S)
    assert (look.outcome, look.epoch) == (Outcome.AGREES, 2)
    assert dict(said.payloads[2].totals)[there.deployment.share_token] == state.minted_micro
    first = min(each.first for each in said.ranges)
    assert first == there.deployment.block

    # Whoever starts anew goes on from there; what it had compared before the move counts for nothing.
    logged.forget(look.compared)
    assert (logged.compared, logged.moves) == (state.onchain.last, 1)
    again = followed(lab, Logged(logged.compared, logged.moves)).said(state)
    assert again is not None
    assert again.ranges == ()
    older = followed(lab, Logged(state.past[0].view.last, 0)).said(state)
    assert older is not None
    assert older.ranges == said.ranges


def test_contracts_that_begin_otherwise_are_found(url: str) -> None:
    net = Network(*(Person(f"p{n}") for n in range(5)))
    wallets = [Wallet(person.wallet.to_bytes()) for person in net.people[:4]]
    lab = WatchLab(ChainLab(url, witnesses=wallets), net)
    lab.settle()
    start, carried = lab.state.closed_epoch, carried_shares(lab.state)
    there = ChainLab(url, witnesses=wallets, start=start, carried=carried + 1)
    net.add(net.operator, "move", move(net, there.deployment, carried=str(carried)))
    attest(net, "move", *net.people[:3])
    assert Finding(Kind.ANOTHER_VALUE, "Settlement, CARRIED") in lab.look().findings
