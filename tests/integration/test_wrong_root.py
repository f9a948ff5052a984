"""A root that is not the log's: below a quorum nobody posts it, and one honest witness stops a whole quorum.

With real nodes, on the development chain and on anvil.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from commonhold.demo.stage import Stage
from contracts.client import ChainClient, ContractRefused
from contracts.devchain import dev_keys
from contracts.signed import Signed
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.terms import tryout
from node.chainwatch import noted_look
from node.rows import AlarmKind
from node.wallet import Wallet
from protocol.errors import Reject, StateError
from protocol.identity import PersonId, name_of
from protocol.money.eip712 import keccak256
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import Leaf, SettlementTree, build_tree, sum_totals
from protocol.state import State
from tests.contract_chains import anvil, devchain, find_anvil
from tests.contract_lab import DELAY_S, GAS_WEI, WITNESSES, ChainLab, ask_chain
from tests.node_lab import Lab, Node, until, wait_for

pytestmark = pytest.mark.timeout(300)
SECRET = dev_keys()[0].to_bytes()
THIEF, ANN = Wallet(b"\x66" * 32), Wallet(b"\x21" * 32)
STOLEN = 10**9
VOTING_S = 20


@pytest.fixture(scope="module", params=["devchain", "anvil"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "devchain":
        with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
            yield found
        return
    binary = find_anvil()
    if binary is None:
        pytest.skip("anvil is not installed: npm ci --ignore-scripts --prefix contracts")
    # What it calls final is two blocks behind then, and a block comes each second as elsewhere.
    with anvil(binary, "--slots-in-an-epoch", "1", "--block-time", "1") as (found, _):
        yield found


def pass_delay(url: str, seconds: int = DELAY_S) -> None:
    ask_chain(url, "evm_increaseTime", seconds)
    ask_chain(url, "evm_mine")


# ---- with real nodes ----


@dataclass
class Lie:
    """A root that pays a thief, as the next epoch's, and who signs it."""

    operator: Operator
    chain: OperatorChain

    @property
    def state(self) -> State:
        return self.operator.state

    @property
    def tree(self) -> SettlementTree:
        assert self.state.deployment is not None
        return build_tree([Leaf(THIEF.address, ((self.state.deployment.share_token, STOLEN),))])

    @property
    def payload(self) -> Payload:
        epoch = self.state.onchain.epoch + 1
        return Payload(epoch, self.tree.root, sum_totals(self.tree.leaves))

    def post(self, liars: list[Node], *, checked: bool = True) -> Payload:
        """Posts it. Without the check of our own software if the contract is to refuse it."""
        deployment, view = self.state.deployment, self.state.onchain
        assert deployment is not None
        lie, last = self.payload, self.state.payloads[view.epoch]
        deadline = self.chain.head()[1] + 3_600
        digest = post_digest(deployment, hash_payload(lie), view.attempt, view.nonce, deadline)
        wallets = sorted((wallet_of(node) for node in liars), key=lambda w: w.address)
        signatures = [wallet.sign_digest(digest) for wallet in wallets]
        if checked:
            signed = Signed(digest, view.nonce, view.witnesses, signatures, deadline)
            self.chain.post(lie, last, signed)
            return lie
        client = ChainClient(self.operator.home.load().rpc_url, SECRET)
        settlement = client.contract("Settlement", deployment.settlement).functions
        listed = [to_checksum_address(each) for each in view.witnesses]
        attestation = (view.nonce, listed, b"".join(signatures), deadline)
        client.send(settlement.post(struct(lie), struct(last), attestation))
        return lie


def wallet_of(node: Node) -> Wallet:
    return Wallet(node.keys.payout_secret)


def struct(payload: Payload) -> tuple[Any, ...]:
    assets = [to_checksum_address(asset) for asset, _ in payload.totals]
    return (payload.epoch, payload.root, assets, [total for _, total in payload.totals])


def root_alarm(node: Node) -> bool | None:
    with node.store() as store:
        kinds = {alarm.kind for alarm in store.alarms()}
    assert kinds <= {AlarmKind.ROOT}, kinds
    return bool(kinds) or None


def test_one_honest_witness_stops_all_the_others(tmp_path: Path, url: str) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found_on_chain(url, SECRET, tryout(delay="60s", unbond_delay="300s"))
        home = ("--dir", str(lab.home.path))

        def settle() -> dict[str, Any]:
            done: dict[str, Any] = stage.run("coordinator", "settle", *home, "--timeout", "30")
            return dict(done["settled"])

        with Operator(lab.home) as operator:
            names = ("honest", "liar-one", "liar-two", "liar-three")
            honest, *liars = nodes = [lab.node(n, stand_by=False, rpc_url=url) for n in names]
            stage.wait_ready(*(lab.start(node) for node in nodes))
            people = [name_of(node.keys.person) for node in nodes]
            stage.run("coordinator", "witnesses", *people, *home)
            wait_for(operator, lambda s: s.coin_nonce == 1, "the coin of the four")
            operator.close_epoch(1)
            assert settle()["posted"] == 1
            pass_delay(url)
            assert settle()["epoch"] == 1
            operator.refresh()
            assert operator.state.deployment is not None
            chain = OperatorChain(url, SECRET, operator.state.deployment)
            assert len(operator.state.onchain.witnesses) == 4
            chain.fund([wallet_of(honest).address], GAS_WEI)
            stage.run("node", "bond", str(10**17), "--dir", str(honest.home.root))
            operator.close_epoch(2)

            # A quorum minus one: neither our software nor the contract takes it.
            lie = Lie(operator, chain)
            with pytest.raises(Reject):
                lie.post(liars[:2])
            with pytest.raises(ContractRefused) as refused:
                lie.post(liars[:2], checked=False)
            assert refused.value.error == "QuorumNotReached"
            assert chain.epochs() == (1, 1)

            # A whole quorum: frozen by the one honest node, by itself.
            wrong = lie.post(liars)
            until(lambda: chain.waiting(2).status == "frozen" or None, "the objection")
            assert settle()["waiting"][0]["status"] == "frozen"
            until(
                lambda: root_alarm(honest), "the alarm"
            )  # once the log has read it, at the latest
            operator.refresh()
            root = operator.state.roots[2]
            assert (root.payload, root.challenger) == (wrong, wallet_of(honest).address)
            stage.fails("verify", lab.link, "--rpc-url", url)

            # Nobody upholds it: it is undone, and nobody was paid by it.
            leaf, thief = lie.tree.leaves[0], THIEF.chain(url, operator.state.deployment)
            chain.fund([THIEF.address], GAS_WEI)
            pass_delay(url)
            with pytest.raises(StateError):
                thief.claim(leaf, lie.tree.proof(0), lie.tree.root, [leaf.amounts[0][0]])

            # It has lapsed, and the network goes on: the same witnesses sign what is the log's.
            assert settle()["posted"] == 2
            with pytest.raises(ContractRefused):
                chain.enact(wrong)
            pass_delay(url)
            assert settle()["epoch"] == 2
            operator.refresh()
            assert operator.state.roots[2].payload == operator.state.payloads[2] != wrong
            assert thief.balance(operator.state.deployment.share_token) == 0
            assert stage.run("verify", lab.link, "--rpc-url", url)["chain"]["outcome"] == "agrees"
            with honest.store() as store:
                noted = noted_look(store)
            assert noted is not None and noted.compared > 0


# ---- where the quorum insists ----


def vote(lab: ChainLab, wallet: bytes, epoch: int) -> None:
    """A holder of shares proposes to cancel a root, votes for it, and has it done."""
    client = ChainClient(lab.url, wallet)
    governor = client.contract("NetworkGovernor", lab.deployment.governor).functions
    settlement = client.contract("Settlement", lab.deployment.settlement)
    call = bytes.fromhex(settlement.encode_abi("cancel", [epoch])[2:])
    what = ([to_checksum_address(lab.deployment.settlement)], [0], [call])
    words = "cancel a root that is not the log's"
    proposal = client.read(governor.hashProposal(*what, keccak256(words.encode())))
    client.send(governor.propose(*what, words))
    lab.pass_time(2)
    client.send(governor.castVote(proposal, 1))
    lab.pass_time(VOTING_S + 2)  # and what a late quorum may add
    client.send(governor.queue(*what, keccak256(words.encode())))
    lab.pass_time(2)
    client.send(governor.execute(*what, keccak256(words.encode())))


def test_the_holders_of_shares_decide_where_the_quorum_insists(url: str) -> None:
    """Challenged, upheld by the liars, cancelled by a vote before it can come into force."""
    lab = ChainLab(url, voting_s=VOTING_S)
    share, me = lab.deployment.share_token, PersonId(b"\5" * 32)
    lab.chain.fund([ANN.address, WITNESSES[0].address], GAS_WEI)
    lab.claim(ANN, lab.settle([Leaf(ANN.address, ((share, 10**9),))]))
    holder = ChainClient(url, b"\x21" * 32)
    token = holder.contract("ShareToken", share).functions
    holder.send(token.delegate(to_checksum_address(ANN.address)))
    lab.pass_time(2)
    honest = WITNESSES[0].chain(url, lab.deployment)
    honest.bond(me, honest.bond_minimum())

    before = lab.last
    leaf = Leaf(THIEF.address, ((share, 10**9 + STOLEN),))
    wrong, tree = lab.post([leaf])
    honest.challenge(2, b"\7" * 32, lab.listed, me)
    lab.chain.uphold(2, lab.signed_uphold(wrong))
    assert lab.chain.waiting(2).status == "upheld"
    with pytest.raises(ContractRefused) as refused:
        lab.chain.enact(wrong)
    assert refused.value.error == "TooEarly"
    vote(lab, b"\x21" * 32, 2)
    assert lab.chain.epochs() == (1, 1)
    lab.pass_time(10 * DELAY_S)
    with pytest.raises(ContractRefused):
        lab.chain.enact(wrong)
    lab.chain.fund([THIEF.address], GAS_WEI)
    with pytest.raises(StateError):
        lab.claim(THIEF, tree)
    lab.attempt, lab.last = 1, before
    right = lab.settle([Leaf(ANN.address, ((share, 10**9 + 7),))])
    lab.claim(ANN, right)
    assert ANN.chain(url, lab.deployment).balance(share) == 10**9 + 7
    assert THIEF.chain(url, lab.deployment).balance(share) == 0
