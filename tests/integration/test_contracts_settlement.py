"""Deploy, pay in, post, object, enact, claim: over JSON-RPC, on the development chain and on anvil alike."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.client import ChainClient, ContractRefused, decode_revert
from contracts.spending import Spending, Unfunded
from coordinator.chain import OperatorChain
from coordinator.deploying import contract_address
from coordinator.terms import Founding, tryout
from node.wallet import Wallet
from protocol.errors import ConfigError, LocalError, Reject, StateError, Unreachable
from protocol.lifecycle import RootStatus
from protocol.money.eip712 import keccak256
from protocol.money.payload import NOTHING, Payload, hash_payload
from protocol.money.settlement import (
    CONTRACTS,
    ETHER,
    NOTHING_EARNED,
    Address,
    Deployment,
    Leaf,
    build_tree,
    sum_totals,
)
from tests.contract_chains import ROOT, anvil, devchain, find_anvil
from tests.contract_lab import DELAY_S, EMISSION, GAS_WEI, OPERATOR, QUORUM, WITNESSES, ChainLab
from tests.simulated import Network, Person

ANN, BOB = Wallet(b"\x21" * 32), Wallet(b"\x22" * 32)


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


@pytest.fixture
def lab(rpc_url: str) -> ChainLab:
    stable = OperatorChain(rpc_url, OPERATOR).deploy_test_stable()
    lab = ChainLab(rpc_url, tokens=[stable])
    lab.chain.fund([ANN.address, BOB.address], 10**17)
    return lab


def shares(lab: ChainLab, ann: int, bob: int) -> list[Leaf]:
    share = lab.deployment.share_token
    return [Leaf(ANN.address, ((share, ann),)), Leaf(BOB.address, ((share, bob),))]


def held(lab: ChainLab, wallet: Wallet, asset: Address) -> int:
    return wallet.chain(lab.url, lab.deployment).balance(asset)


def test_contracts_are_where_the_accounts_nonces_say() -> None:
    """The first is of the EVM's own test vectors, the others of `cast compute-address`-like tools."""
    account = Address(bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"))
    assert contract_address(account, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert contract_address(account, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"


def test_shares_are_claimed_once_and_later_epochs_pay_the_difference(lab: ChainLab) -> None:
    share = lab.deployment.share_token
    assert (lab.chain.epochs(), lab.chain.root()) == ((0, 0), NOTHING_EARNED)
    tree = lab.settle(shares(lab, 100, 50))
    assert (lab.chain.epochs(), lab.chain.root()) == ((1, 1), tree.root)
    assert lab.claim(ANN, tree).paid == ((share, 100),)
    with pytest.raises(StateError, match="nothing to claim"):
        lab.claim(ANN, tree)

    tree = lab.settle(shares(lab, 130, 90))
    assert lab.claim(ANN, tree).paid == ((share, 30),)
    assert lab.claim(BOB, tree).paid == ((share, 90),)
    assert (held(lab, ANN, share), held(lab, BOB, share)) == (130, 90)


def test_revenue_flows_from_deposit_to_claim(lab: ChainLab) -> None:
    [stable] = lab.tokens
    lab.chain.deposit(stable, 1_000, b"invoice 1")
    lab.chain.deposit(ETHER, 10**15)
    share = lab.deployment.share_token
    amounts = tuple(sorted([(stable, 400), (ETHER, 10**15), (share, 7)]))
    tree = lab.settle([Leaf(ANN.address, ((stable, 600),)), Leaf(BOB.address, amounts)])
    assert lab.claim(ANN, tree).paid == ((stable, 600),)
    before = held(lab, BOB, ETHER)
    index = tree.index_of(BOB.address)
    assert index is not None
    lab.chain.claim_for(tree.leaves[index], tree.proof(index))  # Bob pays no gas, for all at once
    assert held(lab, BOB, ETHER) == before + 10**15
    assert (held(lab, BOB, stable), held(lab, BOB, share)) == (400, 7)


def test_some_assets_are_left_out_and_claimed_later(lab: ChainLab) -> None:
    [stable] = lab.tokens
    lab.chain.deposit(stable, 1_000)
    share = lab.deployment.share_token
    amounts = tuple(sorted([(stable, 1_000), (share, 7)]))
    tree = lab.settle([Leaf(ANN.address, amounts)])
    assert lab.claim(ANN, tree, [share]).paid == ((share, 7),)
    assert held(lab, ANN, stable) == 0
    assert lab.claim(ANN, tree).paid == ((stable, 1_000),)


def test_a_root_cannot_promise_what_was_never_paid_in(lab: ChainLab) -> None:
    lab.chain.deposit(ETHER, 1_000)
    with pytest.raises(ContractRefused, match=r"NotReceived.*total=1001, received=1000"):
        lab.post([Leaf(ANN.address, ((ETHER, 1_001),))])
    share = lab.deployment.share_token
    with pytest.raises(ContractRefused, match="EmissionExceeded"):
        lab.post([Leaf(ANN.address, ((share, EMISSION + 1),))])
    tree = lab.settle([Leaf(ANN.address, ((ETHER, 1_000),))])
    assert lab.claim(ANN, tree).paid == ((ETHER, 1_000),)


def test_posting_needs_a_quorum_of_witnesses(lab: ChainLab) -> None:
    leaves = shares(lab, 1, 1)
    payload = Payload(1, build_tree(leaves).root, sum_totals(leaves))
    with pytest.raises(Reject, match=f"{QUORUM - 1} of {QUORUM}"):
        lab.chain.post(payload, NOTHING, lab.signed_post(payload, WITNESSES[: QUORUM - 1]))
    with pytest.raises(Reject, match="not a witness"):
        lab.chain.post(payload, NOTHING, lab.signed_post(payload, [*WITNESSES[:2], ANN]))
    other = lab.signed_post(replace(payload, root=b"\x09" * 32))
    with pytest.raises(ContractRefused, match="NotAWitness"):
        lab.chain.post(payload, NOTHING, other)
    late = lab.signed_post(payload)
    lab.chain.post(payload, NOTHING, replace(late, signatures=late.signatures[:QUORUM]))


def test_an_epoch_without_earnings_is_settled_too(lab: ChainLab) -> None:
    assert lab.settle([]).root == NOTHING_EARNED
    assert lab.chain.epochs() == (1, 1)


def test_a_root_waits_and_time_is_not_to_be_hurried(lab: ChainLab) -> None:
    payload, _ = lab.post(shares(lab, 5, 6))
    assert lab.chain.waiting(1).status == "waiting"
    restarted = OperatorChain(lab.url, OPERATOR, lab.deployment)
    assert restarted.epochs() == (0, 1)
    lab.pass_time(DELAY_S)
    restarted.enact(payload)
    with pytest.raises(ContractRefused, match="EpochNotNext"):
        restarted.enact(payload)


def test_a_proof_survives_one_new_root(lab: ChainLab) -> None:
    first = lab.settle(shares(lab, 10, 10))
    lab.settle(shares(lab, 20, 20))
    assert lab.claim(ANN, first).paid == ((lab.deployment.share_token, 10),)
    lab.settle(shares(lab, 30, 30))
    with pytest.raises(StateError, match="not in force"):
        lab.claim(BOB, first)


def test_a_wrong_proof_is_refused_before_it_costs_gas(lab: ChainLab) -> None:
    tree = lab.settle(shares(lab, 10, 10))
    forged = Leaf(ANN.address, ((lab.deployment.share_token, 11),))
    with pytest.raises(Reject, match="does not lead"):
        ANN.chain(lab.url, lab.deployment).claim(forged, tree.proof(0), tree.root, [])
    with pytest.raises(ContractRefused, match="RootNotInForce"):
        lab.chain.claim_for(forged, tree.proof(0))


def test_the_contracts_compute_the_digests_that_witnesses_sign(lab: ChainLab) -> None:
    client = ChainClient(lab.url, OPERATOR)
    settlement = client.contract("Settlement", lab.deployment.settlement).functions
    witness_set = client.contract("WitnessSet", lab.deployment.witness_set).functions
    totals = tuple(sorted([(ETHER, 5), (Address(b"\xee" * 20), 2**256 - 1)]))
    for payload in (NOTHING, Payload(2**64, b"\x0a" * 32, totals)):
        name = hash_payload(payload)
        assets = [f"0x{asset.hex()}" for asset, _ in payload.totals]
        listed = [client._web3.to_checksum_address(asset) for asset in assets]
        struct = (payload.epoch, payload.root, listed, [total for _, total in payload.totals])
        assert client.read(settlement.hashPayload(struct)) == name
        posted = lab.signed_post(payload)
        assert client.read(settlement.postDigest(name, 0, 0, posted.deadline_s)) == posted.digest
        upheld = lab.signed_uphold(payload)
        assert client.read(settlement.upholdDigest(name, 0, 0, upheld.deadline_s)) == upheld.digest
    assert client.read(settlement.posting(0))[0] == hash_payload(NOTHING)
    change = lab.signed_change(lab.listed[:2], 5)
    words = b"".join(each.rjust(32, b"\0") for each in lab.listed[:2])
    assert (
        client.read(witness_set.changeDigest(keccak256(words), 5, 0, change.deadline_s))
        == change.digest
    )


def test_every_leaf_of_a_larger_tree_is_accepted_by_the_contract(lab: ChainLab) -> None:
    """Our trees, proofs and encodings against the contract's, at every depth of an odd size."""
    share = lab.deployment.share_token
    leaves = [Leaf(Address(bytes([n]) * 20), ((share, n * 10**7),)) for n in range(1, 12)]
    tree = lab.settle(leaves)
    for index, leaf in enumerate(tree.leaves):
        lab.chain.claim_for(leaf, tree.proof(index))
    client = ChainClient(lab.url, OPERATOR)
    token = client.contract("ShareToken", share).functions
    for leaf in leaves:
        holder = client._web3.to_checksum_address(leaf.account)
        assert client.read(token.balanceOf(holder)) == leaf.amount(share)


# ---- objections, other witnesses, the log ----


def bonded(lab: ChainLab, wallet: Wallet, person: bytes) -> None:
    lab.chain.fund([wallet.address], GAS_WEI)
    chain = wallet.chain(lab.url, lab.deployment)
    chain.bond(person, chain.bond_minimum())  # type: ignore[arg-type]


def test_one_bonded_witness_freezes_a_root_and_the_quorum_may_uphold_it(lab: ChainLab) -> None:
    person = b"\x0b" * 32
    payload, _ = lab.post(shares(lab, 5, 6))
    objector = WITNESSES[0].chain(lab.url, lab.deployment)
    lab.chain.fund([WITNESSES[0].address], GAS_WEI)
    with pytest.raises(ContractRefused, match="NotBonded"):
        objector.challenge(1, bytes(32), lab.listed, person)  # type: ignore[arg-type]
    bonded(lab, WITNESSES[0], person)
    [waits] = objector.waiting()
    assert (waits.payload, waits.is_open) == (hash_payload(payload), True)
    objector.challenge(1, bytes(32), lab.listed, person)  # type: ignore[arg-type]
    assert lab.chain.waiting(1).status == "frozen"
    assert not objector.waiting()[0].is_open
    lab.pass_time(DELAY_S)
    with pytest.raises(ContractRefused, match="WrongStatus"):
        lab.chain.enact(payload)
    lab.chain.lapse(1)
    assert lab.chain.epochs() == (0, 0)

    lab.attempt, lab.last = 1, NOTHING
    payload, _ = lab.post(shares(lab, 5, 6))
    objector.challenge(1, bytes(32), lab.listed, person)  # type: ignore[arg-type]
    lab.chain.uphold(1, lab.signed_uphold(payload))
    assert lab.chain.waiting(1).status == "upheld"
    lab.pass_time(DELAY_S)
    lab.chain.enact(payload)


def test_a_bond_comes_back_after_its_delay(lab: ChainLab) -> None:
    person = b"\x0c" * 32
    bonded(lab, ANN, person)
    chain = ANN.chain(lab.url, lab.deployment)
    amount = chain.bond_minimum()
    assert chain.bonded(person)[0] == amount  # type: ignore[arg-type]
    chain.request_unbond(person, amount)  # type: ignore[arg-type]
    with pytest.raises(ContractRefused, match="TooEarly"):
        chain.withdraw(person)  # type: ignore[arg-type]
    lab.pass_time(201)
    chain.withdraw(person)  # type: ignore[arg-type]
    assert chain.bonded(person)[:2] == (0, 0)  # type: ignore[arg-type]


def test_another_set_of_witnesses_waits_and_takes_over(lab: ChainLab) -> None:
    others = tuple(sorted([ANN.address, BOB.address, *lab.listed[:2]]))
    lab.chain.propose_witnesses(others, lab.signed_change(others, 1))
    assert lab.chain.change_due_s() > 0
    lab.pass_time(DELAY_S)
    lab.chain.activate_witnesses()
    assert lab.chain.change_due_s() == 0
    with pytest.raises(ContractRefused, match="NotTheSet"):
        lab.post(shares(lab, 1, 1))


def test_the_log_follows_the_chain(lab: ChainLab) -> None:
    """What real contracts write, through the fold: a deposit, a bond, a freeze, a lapse, a claim."""
    net = Network(Person("ada"))
    [stable] = lab.tokens
    net.add(net.operator, "deployment", lab.log_deployment())
    net.add(net.operator, "chain", *lab.log_chain(net))
    view = net.state.onchain
    assert (view.witnesses, view.nonce, view.emission_micro) == (lab.listed, 0, EMISSION)
    assert dict(net.state.listed.scan()) == {ETHER: True, stable: True}
    lab.chain.deposit(stable, 1_000, b"invoice 1")
    lab.chain.deposit(ETHER, 10**15)
    person = net.people[0].id
    bonded(lab, WITNESSES[0], person)
    share = lab.deployment.share_token
    payload, _ = lab.post(shares(lab, 5, 6))
    WITNESSES[0].chain(lab.url, lab.deployment).challenge(1, b"\7" * 32, lab.listed, person)
    net.add(net.operator, "chain", *lab.log_chain(net))
    assert dict(net.state.received.scan()) == {ETHER: 10**15, stable: 1_000}
    root = net.state.roots[1]
    assert (root.payload, root.status) == (payload, RootStatus.FROZEN)
    assert (root.challenger, root.evidence) == (WITNESSES[0].address, b"\7" * 32)
    [(_, bond)] = net.state.bonds.scan()
    assert (bond.person, bond.witness, bond.active) == (person, WITNESSES[0].address, 10**17)
    lab.pass_time(DELAY_S)
    lab.chain.lapse(1)
    lab.attempt, lab.last = 1, NOTHING
    everything = tuple(sorted([(stable, 1_000), (ETHER, 10**15), (share, 7)]))
    tree = lab.settle([Leaf(ANN.address, everything)])
    lab.claim(ANN, tree)
    net.add(net.operator, "chain", *lab.log_chain(net))
    assert (net.state.onchain.epoch, net.state.onchain.attempt) == (1, 1)
    assert dict(net.state.claimed.scan()) == dict(everything)


@pytest.mark.parametrize("made", [0, 3, len(CONTRACTS)])
def test_a_deployment_that_ended_in_between_is_gone_on_with(
    rpc_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: int
) -> None:
    secret = bytes([0x40 + made]) * 32
    OperatorChain(rpc_url, OPERATOR).fund([Wallet(secret).address], 10**18)
    terms, listed = tryout(), [WITNESSES[0].address]

    def run(emission: int = 1, counted: int = len(CONTRACTS)) -> tuple[Deployment, int]:
        chain = OperatorChain(rpc_url, secret, spending=Spending(journal=tmp_path))
        deploy, sent = ChainClient.deploy, 0

        def count(client: ChainClient, name: str, *arguments: Any) -> Any:
            nonlocal sent
            if sent == counted:
                raise Unreachable("the power went")
            sent += 1
            return deploy(client, name, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(ChainClient, "deploy", count)
            founding = Founding(tuple(listed), emission, emission * terms.emission_factor)
            return chain.deploy(terms, founding), sent

    before = ChainClient(rpc_url, secret).head()
    if made < len(CONTRACTS):
        with pytest.raises(Unreachable):
            run(counted=made)
        deployment, sent = run()
        assert sent == len(CONTRACTS) - made, "what is there is not paid for again"
    else:
        deployment, _ = run()
    assert deployment.block == before + 1, "in a block of its own each, from there on"
    assert run() == (deployment, 0), "all was there, and only the log lacked it"
    governor = OperatorChain(rpc_url, secret, deployment).governor
    assert governor.emission_max() == terms.emission_factor
    other, sent = run(emission=2)
    assert (other == deployment, sent) == (False, len(CONTRACTS)), "other terms, other contracts"


def test_an_account_that_cannot_pay_for_all_deploys_nothing(rpc_url: str) -> None:
    chain = OperatorChain(rpc_url, b"\x4f" * 32)
    OperatorChain(rpc_url, OPERATOR).fund([chain.address], 10**16)
    with pytest.raises(Unfunded):
        chain.deploy(tryout(), Founding((WITNESSES[0].address,), 1, 1))
    assert ChainClient(rpc_url, b"\x4f" * 32).nonce() == 0


def test_no_chain_no_money_and_no_contract_are_told_apart(lab: ChainLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(Unreachable, match="does not answer") as caught:
        OperatorChain(nowhere, OPERATOR).deploy(tryout(), Founding(lab.listed, 1, 1))
    assert "chain dev" in caught.value.advice
    with pytest.raises(Unreachable):
        ANN.chain(nowhere, lab.deployment)

    poor = OperatorChain(lab.url, b"\x77" * 32, lab.deployment)
    with pytest.raises(LocalError):
        poor.fund([ANN.address], 1)
    with pytest.raises(StateError, match="no contracts are known"):
        OperatorChain(lab.url, OPERATOR).epochs()
    wrong_chain = replace(lab.deployment, chain_id=1)
    with pytest.raises(ConfigError, match="is on chain 31337"):
        OperatorChain(lab.url, OPERATOR, wrong_chain).epochs()
    with pytest.raises(ConfigError, match="is on chain 31337"):
        ANN.chain(lab.url, wrong_chain)
    empty = replace(lab.deployment, settlement=Address(b"\x01" * 20))
    with pytest.raises(ConfigError, match="no such contract"):
        ANN.chain(lab.url, empty).claimed(ANN.address, ETHER)


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


def test_a_memo_longer_than_a_word_is_refused(lab: ChainLab) -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        lab.chain.deposit(ETHER, 1, b"m" * 33)


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
    panic = bytes.fromhex("4e487b71")
    assert "names what is not there" in decode_revert(panic + (0x32).to_bytes(32))[1]
    assert "code=17" in decode_revert(panic + (0x11).to_bytes(32))[1]


def test_a_time_in_a_revert_is_one_that_people_read() -> None:
    too_early = keccak256(b"TooEarly(uint256)")[:4]
    said = decode_revert(too_early + (1_795_771_998).to_bytes(32))[1]
    assert "due=2026-11-27 09:33:18 UTC" in said
    assert (
        "due=1361129467683753853853498429727072845824"
        in decode_revert(too_early + (2**130).to_bytes(32))[1]
    )


def test_signing_does_not_load_web3() -> None:
    """A node starts in the time that eth_keys takes, not in web3's second."""
    script = (
        "import sys; from node.wallet import Wallet;"
        "Wallet(b'\\x01' * 32).sign_digest(bytes(32));"
        "sys.exit('web3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_no_error_quotes_the_key(tmp_path: Path) -> None:
    key = b"\xff" * 32  # above the curve's order: invalid
    with pytest.raises(ConfigError) as caught:
        OperatorChain("http://127.0.0.1:1", key)
    assert key.hex() not in str(caught.value) and caught.value.__cause__ is None
