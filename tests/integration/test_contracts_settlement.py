"""Deploy, pay in, publish, claim: over JSON-RPC, on the development chain and on anvil alike."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.client import ChainClient, ContractRefused, decode_revert
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain, Published
from node.wallet import Wallet
from protocol.errors import ConfigError, LocalError, Reject, StateError, Unreachable
from protocol.money.settlement import (
    ETHER,
    Address,
    Deployment,
    Leaf,
    SettlementTree,
    build_tree,
    publication_digest,
    sum_totals,
)
from tests.contract_chains import ROOT, anvil, devchain, find_anvil

OPERATOR = dev_keys()[0].to_bytes()
WITNESSES = [Wallet(bytes([n]) * 32) for n in (1, 2, 3)]
ANN, BOB = Wallet(b"\x21" * 32), Wallet(b"\x22" * 32)
QUORUM = 2


@pytest.fixture(scope="module", params=["devchain", "anvil"])
def rpc_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "devchain":
        with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
            yield url
        return
    binary = find_anvil()
    if binary is None:
        pytest.skip("anvil is not installed: npm ci --ignore-scripts --prefix contracts")
    with anvil(binary) as (url, _):
        yield url


@dataclass
class Network:
    """A deployed settlement with funded contributors."""

    url: str
    chain: OperatorChain
    deployment: Deployment
    epoch: int = 0

    def publish(self, leaves: list[Leaf]) -> SettlementTree:
        """Publish the next epoch, signed by a quorum."""
        self.epoch += 1
        tree, totals = build_tree(leaves), sum_totals(leaves)
        self.chain.publish(self.epoch, tree.root, totals, self.signatures(tree.root, totals))
        return tree

    def signatures(
        self, root: bytes, totals: dict[Address, int], signers: list[Wallet] = WITNESSES[:QUORUM]
    ) -> list[bytes]:
        return [
            wallet.sign_publication(self.deployment, self.epoch, root, totals)
            for wallet in reversed(signers)
        ]

    def claim(self, wallet: Wallet, tree: SettlementTree, asset: Address) -> int:
        """Claim and return what was paid."""
        index = tree.index_of(wallet.address, asset)
        assert index is not None
        leaf, proof = tree.leaves[index], tree.proof(index)
        return wallet.claim(self.url, self.deployment, leaf, proof, tree.root).paid


@pytest.fixture
def network(rpc_url: str) -> Network:
    chain = OperatorChain(rpc_url, OPERATOR)
    deployment = chain.deploy([wallet.address for wallet in WITNESSES], QUORUM)
    chain.fund([ANN.address, BOB.address], 10**17)
    return Network(rpc_url, chain, deployment)


def share_leaves(network: Network, ann: int, bob: int) -> list[Leaf]:
    share = network.deployment.share_token
    return [Leaf(ANN.address, share, ann), Leaf(BOB.address, share, bob)]


def test_shares_are_claimed_once_and_later_epochs_pay_the_difference(network: Network) -> None:
    share = network.deployment.share_token
    tree = network.publish(share_leaves(network, 100, 50))
    assert network.chain.published() == Published(1, tree.root)
    assert network.claim(ANN, tree, share) == 100
    with pytest.raises(StateError, match="nothing to claim"):
        network.claim(ANN, tree, share)

    tree = network.publish(share_leaves(network, 130, 90))
    assert network.claim(ANN, tree, share) == 30
    assert network.claim(BOB, tree, share) == 90
    for wallet, total in ((ANN, 130), (BOB, 90)):
        assert wallet.balance(network.url, network.deployment, share) == total
        assert wallet.claimed(network.url, network.deployment, share) == total
    assert network.chain.published_total(share) == 220


def test_revenue_flows_from_deposit_to_claim(network: Network) -> None:
    chain = network.chain
    stable = chain.deploy_test_stable()
    hashes = [chain.deposit(stable, 1_000, b"invoice 1"), chain.deposit(ETHER, 10**15)]
    events = chain.deposits()
    assert [(event.asset, event.amount, event.tx_hash) for event in events] == [
        (stable, 1_000, hashes[0]),
        (ETHER, 10**15, hashes[1]),
    ]
    assert events[0].memo == b"invoice 1".ljust(32, b"\0")
    assert events[0].sender == chain.address
    assert chain.deposits(events[1].block) == events[1:]

    tree = network.publish(
        [
            Leaf(ANN.address, stable, 600),
            Leaf(BOB.address, stable, 400),
            Leaf(BOB.address, ETHER, 10**15),
        ]
    )
    assert network.claim(ANN, tree, stable) == 600
    assert ANN.balance(network.url, network.deployment, stable) == 600
    before = BOB.balance(network.url, network.deployment, ETHER)
    index = tree.index_of(BOB.address, ETHER)
    assert index is not None
    chain.claim_for(tree.leaves[index], tree.proof(index), tree.root)  # Bob pays no gas
    assert BOB.balance(network.url, network.deployment, ETHER) == before + 10**15


def test_a_root_cannot_promise_what_was_never_paid_in(network: Network) -> None:
    network.chain.deposit(ETHER, 1_000)
    with pytest.raises(ContractRefused, match=r"InsufficientRevenue.*available=1000, needed=1001"):
        network.publish([Leaf(ANN.address, ETHER, 1_001)])
    network.epoch -= 1
    tree = network.publish([Leaf(ANN.address, ETHER, 1_000)])
    assert network.claim(ANN, tree, ETHER) == 1_000


def test_publishing_needs_a_quorum_of_witnesses(network: Network) -> None:
    network.epoch = 1
    leaves = share_leaves(network, 1, 1)
    root, totals = build_tree(leaves).root, sum_totals(leaves)
    publish = network.chain.publish
    with pytest.raises(Reject, match="1 of 2"):
        publish(1, root, totals, network.signatures(root, totals, WITNESSES[:1]))
    with pytest.raises(Reject, match="not a witness"):
        publish(1, root, totals, network.signatures(root, totals, [WITNESSES[0], ANN]))
    with pytest.raises(Reject, match="not a witness"):  # signed something else
        publish(1, root, totals, network.signatures(b"\x09" * 32, totals))
    publish(1, root, totals, network.signatures(root, totals, WITNESSES))

    network.chain.set_witnesses([ANN.address], 1)
    assert network.chain.witnesses() == ([ANN.address], 1)
    network.epoch = 2
    with pytest.raises(Reject, match="not a witness"):
        publish(2, root, totals, network.signatures(root, totals))
    publish(2, root, totals, network.signatures(root, totals, [ANN]))


def test_publishing_again_after_a_crash_finds_the_first(network: Network) -> None:
    network.epoch = 4
    leaves = share_leaves(network, 5, 6)
    root, totals = build_tree(leaves).root, sum_totals(leaves)
    first = network.chain.publish(4, root, totals, network.signatures(root, totals))
    restarted = OperatorChain(network.url, OPERATOR, network.deployment)
    assert restarted.publish(4, root, totals, network.signatures(root, totals)) == first
    with pytest.raises(ContractRefused, match="EpochNotLater") as caught:
        other = build_tree(share_leaves(network, 6, 6)).root
        restarted.publish(4, other, totals, network.signatures(other, totals))
    assert caught.value.error == "EpochNotLater"


def test_a_proof_survives_one_new_root(network: Network) -> None:
    share = network.deployment.share_token
    first = network.publish(share_leaves(network, 10, 10))
    network.publish(share_leaves(network, 20, 20))
    assert network.claim(ANN, first, share) == 10
    network.publish(share_leaves(network, 30, 30))
    with pytest.raises(StateError, match="root was replaced"):
        network.claim(BOB, first, share)


def test_a_wrong_proof_is_refused_before_it_costs_gas(network: Network) -> None:
    tree = network.publish(share_leaves(network, 10, 10))
    forged = Leaf(ANN.address, network.deployment.share_token, 11)
    with pytest.raises(Reject, match="does not lead"):
        ANN.claim(network.url, network.deployment, forged, tree.proof(0), tree.root)
    with pytest.raises(ContractRefused, match="InvalidProof"):
        network.chain.claim_for(forged, tree.proof(0), tree.root)


def test_the_contract_computes_the_digest_that_witnesses_sign(network: Network) -> None:
    client = ChainClient(network.url, OPERATOR)
    settlement = client.contract("Settlement", network.deployment.settlement)
    totals = {ETHER: 5, network.deployment.share_token: 2**256 - 1, Address(b"\xee" * 20): 0}
    for chosen in ({}, totals):
        assets = sorted(chosen)
        on_chain = client.read(
            settlement.functions.publicationDigest(
                2**64, b"\x0a" * 32, assets, [chosen[asset] for asset in assets]
            )
        )
        assert on_chain == publication_digest(
            network.deployment.chain_id, network.deployment.settlement, 2**64, b"\x0a" * 32, chosen
        )


def test_every_leaf_of_a_larger_tree_is_accepted_by_the_contract(network: Network) -> None:
    """Our trees, proofs and encodings against the contract's, at every depth of an odd size."""
    share = network.deployment.share_token
    leaves = [Leaf(Address(bytes([n]) * 20), share, n * 10**n) for n in range(1, 12)]
    tree = network.publish(leaves)
    for index, leaf in enumerate(tree.leaves):
        network.chain.claim_for(leaf, tree.proof(index), tree.root)
    assert network.chain.published_total(share) == sum(leaf.cumulative for leaf in leaves)


def test_no_chain_no_money_and_no_contract_are_told_apart(network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(Unreachable, match="does not answer") as caught:
        OperatorChain(nowhere, OPERATOR).deploy([ANN.address], 1)
    assert "chain dev" in caught.value.advice
    with pytest.raises(Unreachable):
        ANN.claimed(nowhere, network.deployment, ETHER)

    poor = OperatorChain(network.url, b"\x77" * 32, network.deployment)
    with pytest.raises(LocalError):
        poor.fund([ANN.address], 1)
    with pytest.raises(StateError, match="no settlement contract"):
        OperatorChain(network.url, OPERATOR).published()
    wrong_chain = Deployment(1, network.deployment.settlement, network.deployment.share_token)
    with pytest.raises(ConfigError, match="not on this one"):
        OperatorChain(network.url, OPERATOR, wrong_chain).published()
    with pytest.raises(ConfigError, match="not on this one"):
        ANN.claimed(network.url, wrong_chain, ETHER)
    empty = Deployment(network.deployment.chain_id, Address(b"\x01" * 20), Address(b"\x02" * 20))
    with pytest.raises(ConfigError, match="no such contract"):
        ANN.claimed(network.url, empty, ETHER)


@pytest.mark.skipif(
    find_anvil() is None, reason="needs anvil: npm ci --ignore-scripts --prefix contracts"
)
def test_a_transaction_that_waits_too_long_is_not_called_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("contracts.sending.RECEIPT_TIMEOUT_S", 0.3)
    with anvil(str(find_anvil()), "--no-mining") as (url, _):
        with pytest.raises(Unreachable, match="not mined") as caught:
            ChainClient(url, OPERATOR).transfer(ANN.address, 1)
        assert "before sending again" in caught.value.advice


def test_a_memo_longer_than_a_word_is_refused(network: Network) -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        network.chain.deposit(ETHER, 1, b"m" * 33)


class _NotAChain(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = b"<html>hello</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_web_server_is_not_a_chain() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NotAChain) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ConfigError, match="does not speak"):
            ChainClient(f"http://127.0.0.1:{server.server_port}", OPERATOR).head()
        server.shutdown()
    with pytest.raises(ConfigError, match="no address"):
        ChainClient("not a url", OPERATOR)


def test_unknown_reverts_are_admitted() -> None:
    assert decode_revert(b"")[0] == ""
    assert decode_revert(b"\xff" * 40)[0] == ""


def test_signing_does_not_load_web3() -> None:
    """A node starts in the time that eth_keys takes, not in web3's second."""
    script = (
        "import sys; from node.wallet import Wallet;"
        "Wallet(b'\\x01' * 32).sign_binding(bytes(32), bytes(32));"
        "sys.exit('web3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_no_error_quotes_the_key(tmp_path: Path) -> None:
    key = b"\xff" * 32  # above the curve's order: invalid
    with pytest.raises(ConfigError) as caught:
        OperatorChain("http://127.0.0.1:1", key)
    assert key.hex() not in str(caught.value) and caught.value.__cause__ is None
