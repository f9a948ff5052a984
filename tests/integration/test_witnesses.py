"""The coin, tossed by real nodes: it moves from the operator to them, outlives some, and waits for enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from commonground.hand import Hand
from commonhold.demo.stage import Server, Stage
from coordinator.operator import Operator
from node.rows import Outgoing
from protocol.identity import name_of
from protocol.lifecycle import DealingPhase, RoundPhase
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import changed
from tests.node_lab import Lab, Node, standing_by, wait_for

pytestmark = pytest.mark.timeout(240)
C = "digits"


def names_of(nodes: Iterable[Node]) -> list[str]:
    return [name_of(node.keys.person) for node in nodes]


def decided(number: int) -> Callable[[State], bool]:
    """Whether so many rounds have ended with a verdict."""
    return lambda s: (s.round_of(C).number, s.round_of(C).phase) == (number, RoundPhase.OPEN)


def kill(*daemons: Server) -> None:
    for daemon in daemons:
        daemon.process.kill()
        daemon.process.wait()


def in_force(nonce: int) -> Callable[[State], bool]:
    return lambda s: s.coin_nonce == nonce


def test_rounds_go_on_without_two_of_five_witnesses_and_wait_without_three(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        home = ("--dir", str(lab.home.path))
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("one", "two")]
            author, *others = (lab.node(n, stand_by=False) for n in ("author", "four", "five"))
            witnesses = [*reviewers, author, *others]
            daemons = {node.name: lab.start(node) for node in witnesses}
            files = list(lab.write_digits(3, "3"))
            stage.wait_ready(*daemons.values())
            wait_for(operator, lambda s: standing_by(s, *reviewers), "stand-bys")

            def submit(number: int) -> None:
                asyncio.run(author.submit({files[number]: "3"}))

            before = stage.run("coordinator", "witnesses", *home)
            assert (before["threshold"], len(before["witnesses"])) == (1, 1)
            stage.run("coordinator", "witnesses", *names_of(witnesses), *home)
            state = wait_for(operator, in_force(1), "the coin of the five")
            assert state.coin.threshold == 3
            submit(0)
            state = wait_for(operator, decided(1), "a round of the five")
            assert state.round_of(C).coin == 1

            kill(*(daemons[node.name] for node in others))
            submit(1)
            wait_for(operator, decided(2), "a round of three")

            kill(daemons["author"])
            submit(2)
            wait_for(operator, lambda s: s.tosses.count(C) == 2, "what two toss")
            shown = stage.run("coordinator", "witnesses", *home)
            [owed] = shown["owed"]
            assert (owed["round"], owed["tossed"], owed["threshold"]) == (3, 2, 3)
            assert sorted(owed["missing"]) == sorted(names_of([author, *others]))
            assert {each["missed"] for each in shown["witnesses"]} == {0, 1}
            operator.refresh()
            assert operator.state.round_of(C).phase is RoundPhase.SEALED
            daemons["author"] = lab.start(author)
            state = wait_for(operator, decided(3), "a round that goes on when one returns")
            assert all(item.answered_by for _, item in state.items.scan())


def _deals_wrong(node: Node, state: State, victim: Node) -> None:
    """The node's daemon finds that it has dealt already."""
    [(kind, deal)] = Hand(node.keys.seed).due(state)
    assert isinstance(deal, pb.Deal)
    assert state.proposal is not None
    values, at = list(deal.values), state.proposal.keys.index(victim.keys.key)
    values[at] = bytes(32)
    with node.store() as store:
        store.enqueue(Outgoing(kind, node.keys.seal(kind, changed(deal, values=values))))
    asyncio.run(node.send())


def test_a_wrong_deal_is_left_out_and_kills_repeat_nothing_else(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        home = ("--dir", str(lab.home.path))
        with Operator(lab.home) as operator:
            ann, bob, eve = nodes = [lab.node(n, stand_by=False) for n in ("ann", "bob", "eve")]
            stage.run("coordinator", "witnesses", *names_of(nodes), *home)
            operator.refresh()
            _deals_wrong(eve, operator.state, victim=bob)
            daemons = {"ann": lab.start(ann)}
            dealt = (1, ann.keys.key)
            wait_for(operator, lambda s: dealt in s.deals, "a deal")
            kill(daemons["ann"])
            daemons |= {node.name: lab.start(node) for node in nodes}
            state = wait_for(operator, in_force(1), "the coin of the three")
            dealers = {key for (_, key), _ in state.deals.scan(1)}
            assert dealers == {ann.keys.key, bob.keys.key}

            assent = partial(stage.run, "node", "assent", "--yes", "--dir")
            stage.run("coordinator", "witnesses", *names_of([ann, bob]), *home)
            asks = stage.start("node", "assent", "--dir", str(ann.home.root))
            assert asks.process.wait() == 2
            assert "add --yes if you mean it" in asks.log.read_text()
            for node in nodes:
                operator.refresh()
                assert operator.state.proposal is not None
                assert operator.state.proposal.phase is DealingPhase.PROPOSED
                said = assent(str(node.home.root))
                assert [each["person"] for each in said["witnesses"]]
            state = wait_for(operator, in_force(2), "the coin of two")
            assert set(state.coin.keys) == {ann.keys.key, bob.keys.key}
