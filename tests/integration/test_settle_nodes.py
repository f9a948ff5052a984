"""The witnesses on chain follow those who toss the coin, with real nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from contracts.devchain import dev_keys
from coordinator.operator import Operator
from coordinator.terms import tryout
from node.wallet import Wallet
from protocol.identity import name_of
from tests.node_lab import Lab, wait_for

pytestmark = pytest.mark.timeout(300)


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
