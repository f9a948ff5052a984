"""A wrong root that a quorum signed, against real nodes: one freezes it, it lapses, the right one follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commonhold.demo.stage import Stage
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain, Signed
from coordinator.operator import Operator
from coordinator.terms import tryout
from node.wallet import Wallet
from protocol.identity import name_of
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import Leaf, build_tree, sum_totals
from tests.contract_lab import GAS_WEI, ask_chain
from tests.node_lab import Lab, Node, until, wait_for

pytestmark = pytest.mark.timeout(300)
DELAY_S = 60
THIEF = Wallet(b"\x66" * 32)


def pass_delay(url: str) -> None:
    ask_chain(url, "evm_increaseTime", DELAY_S + 1)
    ask_chain(url, "evm_mine")


def post_a_lie(operator: Operator, chain: OperatorChain, liars: list[Node]) -> Payload:
    """A quorum of the witnesses signs a root that pays a thief, for the next epoch."""
    state, deployment = operator.state, operator.state.deployment
    assert deployment is not None
    leaf = Leaf(THIEF.address, ((deployment.share_token, 10**9),))
    last = state.payloads[state.onchain.posted]
    lie = Payload(last.epoch + 1, build_tree([leaf]).root, sum_totals([leaf]))
    view, deadline = state.onchain, chain.head()[1] + 3_600
    digest = post_digest(deployment, hash_payload(lie), view.attempt, view.nonce, deadline)
    signatures = [Wallet(node.keys.payout_secret).sign_digest(digest) for node in liars]
    chain.post(lie, last, Signed(digest, view.nonce, view.witnesses, signatures, deadline))
    return lie


def test_one_honest_witness_stops_all_the_others(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        evm = stage.serve("chain", "chain", "dev", "--port", "0")
        stage.wait_ready(evm)
        url = str(evm.ready["url"])
        lab = Lab(stage, tmp_path)
        delays = {"delay": f"{DELAY_S}s", "unbond_delay": "300s"}
        secret = dev_keys()[0].to_bytes()
        lab.found_on_chain(url, secret, tryout(**delays))
        home = ("--dir", str(lab.home.path))

        def settle() -> dict[str, Any]:
            done: dict[str, Any] = stage.run("coordinator", "settle", *home, "--timeout", "30")
            return dict(done["settled"])

        with Operator(lab.home) as operator:
            names = ("honest", "liar one", "liar two", "liar three")
            honest, *liars = nodes = [
                lab.node(name.replace(" ", "-"), stand_by=False, rpc_url=url) for name in names
            ]
            stage.wait_ready(*(lab.start(node) for node in nodes))
            people = [name_of(node.keys.person) for node in nodes]
            stage.run("coordinator", "witnesses", *people, *home)
            wait_for(operator, lambda s: s.coin_nonce == 1, "the coin of the four")

            operator.close_epoch(1)
            first = settle()
            assert (first["epoch"], first["posted"]) == (0, 1), "it waits"
            pass_delay(url)
            assert settle()["epoch"] == 1
            operator.refresh()
            chain = OperatorChain(url, secret, operator.state.deployment)
            assert len(operator.state.onchain.witnesses) == 4
            chain.fund([Wallet(honest.keys.payout_secret).address], GAS_WEI)
            stage.run("node", "bond", str(10**17), "--dir", str(honest.home.root))

            operator.close_epoch(2)
            lie = post_a_lie(operator, chain, liars)
            until(lambda: chain.waiting(2).status == "frozen" or None, "the objection")
            [waits] = settle()["waiting"]
            assert waits["status"] == "frozen"
            operator.refresh()
            root = operator.state.roots[2]
            assert root.payload == lie
            assert root.challenger == Wallet(honest.keys.payout_secret).address
            [shown] = stage.run("coordinator", "status", *home)["roots"]
            assert (shown["status"], shown["is_ours"]) == ("frozen", False)

            pass_delay(url)
            assert settle()["posted"] == 1, "the lie has lapsed"
            again = settle()
            assert (again["epoch"], again["posted"]) == (1, 2)
            pass_delay(url)
            assert settle()["epoch"] == 2
            operator.refresh()
            assert operator.state.roots[2].payload == operator.state.payloads[2] != lie
            deployment = operator.state.deployment
            assert deployment is not None
            assert THIEF.chain(url, deployment).balance(deployment.share_token) == 0


def test_the_witnesses_on_chain_follow_those_who_toss_the_coin(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        evm = stage.serve("chain", "chain", "dev", "--port", "0")
        stage.wait_ready(evm)
        lab = Lab(stage, tmp_path)
        lab.found_on_chain(str(evm.ready["url"]), dev_keys()[0].to_bytes(), tryout())
        home = ("--dir", str(lab.home.path))
        with Operator(lab.home) as operator:
            operator.close_epoch(1)
            assert stage.run("coordinator", "settle", *home)["settled"]["epoch"] == 1
            operator.refresh()
            assert operator.state.onchain.witnesses == (operator.keys.account,)
            nodes = [lab.node(name, stand_by=False) for name in ("ann", "bob", "cyn", "dov")]
            stage.wait_ready(*(lab.start(node) for node in nodes))
            people = [name_of(node.keys.person) for node in nodes]
            stage.run("coordinator", "witnesses", *people, *home)
            wait_for(operator, lambda s: s.coin_nonce == 1, "the coin of the four")
            operator.close_epoch(2)
            assert stage.run("coordinator", "settle", *home)["settled"]["epoch"] == 2
            operator.refresh()
            view = operator.state.onchain
            paid = sorted(Wallet(node.keys.payout_secret).address for node in nodes)
            assert (view.nonce, list(view.witnesses)) == (1, paid)
