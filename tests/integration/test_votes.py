"""The holders of shares change the policy, with the commands that they have, on a real chain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from commonhold.demo.stage import Stage
from contracts.devchain import dev_keys
from contracts.signed import Signed
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.terms import tryout
from node.wallet import Wallet
from protocol.limits import PPM
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import ETHER, Leaf, build_tree, sum_totals
from tests.contract_lab import GAS_WEI, ask_chain
from tests.node_lab import Lab, Node

pytestmark = pytest.mark.timeout(300)
VOTING_S = 600  # until it begins, and then again until it ends: longer than the commands take
TERMS = {
    "voting_delay": f"{VOTING_S}s",
    "voting_period": f"{VOTING_S}s",
    "late_extension": "1s",
    "appeal_delay": "2000s",
    "witness_delay": "2000s",
    "unbond_delay": "2100s",
}


def pass_time(url: str, seconds: int) -> None:
    ask_chain(url, "evm_increaseTime", seconds)
    ask_chain(url, "evm_mine")


def refused(*arguments: str, code: int = EXIT_STATE) -> str:
    """What a command says that ends so."""
    done = subprocess.run(
        [sys.executable, "-m", "commonhold", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def hand_out(operator: Operator, secret: bytes, url: str, *shares: tuple[Node, int]) -> None:
    """A root that pays nodes whole shares, signed by the only witness, who is the operator; and claims."""
    state, deployment = operator.state, operator.state.deployment
    assert deployment is not None
    chain, view = OperatorChain(url, secret, deployment), state.onchain
    wallets = [Wallet(node.keys.payout_secret) for node, _ in shares]
    chain.fund([wallet.address for wallet in wallets], GAS_WEI)
    leaves = [
        Leaf(wallet.address, ((deployment.share_token, amount * PPM),))
        for wallet, (_, amount) in zip(wallets, shares, strict=True)
    ]
    tree, last = build_tree(leaves), state.payloads[view.posted]
    payload = Payload(last.epoch + 1, tree.root, sum_totals(leaves))
    deadline = chain.head()[1] + 3_600
    digest = post_digest(deployment, hash_payload(payload), view.attempt, view.nonce, deadline)
    signature = Wallet(secret).sign_digest(digest)
    chain.post(payload, last, Signed(digest, view.nonce, view.witnesses, [signature], deadline))
    pass_time(url, 2)
    chain.enact(payload)
    for leaf, wallet in zip(leaves, wallets, strict=True):
        index = tree.index_of(leaf.account)
        assert index is not None
        account = wallet.chain(url, deployment)
        account.claim(leaf, tree.proof(index), tree.root, [deployment.share_token])


def test_holders_change_the_policy(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        evm = stage.serve("chain", "chain", "dev", "--port", "0")
        stage.wait_ready(evm)
        url, secret = str(evm.ready["url"]), dev_keys()[0].to_bytes()
        lab = Lab(stage, tmp_path)
        lab.found_on_chain(url, secret, tryout(**TERMS))
        home = ("--dir", str(lab.home.path))
        ada, ben = nodes = [lab.node(name, stand_by=False, rpc_url=url) for name in ("ada", "ben")]
        of_ada, of_ben = (("--dir", str(node.home.root)) for node in nodes)
        first = stage.run("coordinator", "policy", "set", "--royalty", "40", *home)
        assert first["voted"] is False, "nobody holds shares yet"

        with Operator(lab.home) as operator:
            operator.close_epoch(1)
            stage.run("coordinator", "settle", *home)
            operator.refresh()
            hand_out(operator, secret, url, (ada, 60), (ben, 30))
            stage.run("coordinator", "settle", *home)
            words = refused("coordinator", "policy", "set", "--reviewers", "20", *home)
            assert "commonhold node propose policy" in words

            why = ("--why", "who looks earns too much")
            made = stage.run("node", "propose", "policy", "--reviewers", "20", *why, *of_ada)
            id_ = made["id"]
            assert made["does"] == ["reviewers' part of the emission: 25 % -> 20 %"]
            words = refused("node", "vote", id_, "no", *of_ben)
            assert "they are delegated to you now" in words
            assert "begins at" in words
            assert "no proposal has" in refused(
                "node", "vote", "0xzz", "no", *of_ben, code=EXIT_USAGE
            )

            pass_time(url, VOTING_S)
            stage.run("node", "vote", id_, "no", *of_ben)
            voted = stage.run("node", "vote", id_, "yes", *of_ada)
            assert (voted["yes"], voted["no"]) == (str(60 * PPM), str(30 * PPM))
            assert "you have voted" in refused("node", "vote", id_, "no", *of_ada)
            assert "ends at" in refused("node", "enact", id_, *of_ben)

            pass_time(url, VOTING_S + 2)
            assert "is over: it is succeeded" in refused("node", "vote", id_, "no", *of_ben)
            done = stage.run("node", "enact", id_, "--wait", "20", *of_ben)
            assert done["state"] == "executed"
            assert "not yet carried out" in refused("node", "enact", id_, *of_ben)

            stage.run("coordinator", "settle", *home)
            operator.refresh()
            coming: Any = operator.state.policy_to_come
            assert (coming.reviewers_ppm, coming.royalty_ppm) == (200_000, 400_000)
            assert operator.state.policies == 2
            stage.run("coordinator", "settle", *home)
            operator.refresh()
            assert operator.state.policies == 2, "a decision is logged once"
        for nothing, why_not in (
            (("cancel", "12"), "NotWaiting"),
            (("veto",), "NothingWaits"),
            (("overturn", "4"), "names what is not there"),
            (("list-asset", "0x" + "ab" * 20), "NotAnAsset"),
            (("unlist-asset", "0x" + "ab" * 20), "NotListed"),
            (("witness-bond", "1"), "InvalidMinimum"),
        ):
            words = refused("node", "propose", *nothing, *of_ada)
            assert why_not in words
            assert "nothing was sent" in words
        [row] = stage.run("node", "proposals", *of_ben)["proposals"]
        assert (row["id"], row["state"], row["why"]) == (id_, "executed", why[1])
        asset = stage.run("node", "propose", "unlist-asset", f"0x{ETHER.hex()}", *of_ada)
        assert asset["does"] == ["take ether in the vault no longer"]
