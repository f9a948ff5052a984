"""A network's contracts on a real chain, and witnesses that sign for them. Time is moved, not waited for."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.devchain import dev_keys
from contracts.signed import Signed
from coordinator.chain import OperatorChain
from coordinator.terms import Founding, tryout
from node.wallet import ClaimTx, Wallet
from protocol.log.strict import encode_leaf
from protocol.money.payload import (
    NOTHING,
    Payload,
    change_digest,
    hash_payload,
    payload_before,
    post_digest,
    uphold_digest,
)
from protocol.money.settlement import (
    CONTRACTS,
    Address,
    Deployment,
    Leaf,
    SettlementTree,
    build_tree,
    sum_totals,
)
from protocol.rules.chain import next_block
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, batch

OPERATOR = dev_keys()[0].to_bytes()
WITNESSES = [Wallet(bytes([n]) * 32) for n in (1, 2, 3, 4)]
QUORUM = 3
EMISSION = 10**12
GAS_WEI = 10**18
HOUR_S = 3_600
DELAY_S = 61  # of the contracts, and a second
SLASH_DELAY_S = 16  # likewise


def ask_chain(url: str, method: str, *params: object) -> object:
    """One JSON-RPC call."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"]


@dataclass
class ChainLab:
    """Deployed contracts. Witnesses are in no order; the chain's is ascending."""

    url: str
    witnesses: Sequence[Wallet] = field(default_factory=lambda: WITNESSES)
    tokens: Sequence[Address] = ()
    voting_s: int = 1
    start: int = 0
    carried: int = 0
    chain: OperatorChain = field(init=False)
    deployment: Deployment = field(init=False)
    last: Payload = NOTHING
    nonce: int = 0
    attempt: int = 0

    def __post_init__(self) -> None:
        self.chain = OperatorChain(self.url, OPERATOR)
        tokens = [f"0x{token.hex()}" for token in self.tokens]
        terms = tryout(
            tokens=tokens,
            voting_period=f"{self.voting_s}s",
            delay="60s",
            appeal_delay="60s",
            slash_delay="15s",
            witness_delay="60s",
            unbond_delay="200s",
        )
        most = EMISSION * terms.emission_factor
        founding = Founding(self.listed, EMISSION, most, self.start, self.carried)
        self.deployment = self.chain.deploy(terms, founding)
        self.last = payload_before(self.deployment)

    @property
    def listed(self) -> tuple[Address, ...]:
        return tuple(sorted(witness.address for witness in self.witnesses))

    @property
    def deadline(self) -> int:
        return self.chain.head()[1] + HOUR_S

    def pass_time(self, seconds: int) -> None:
        ask_chain(self.url, "evm_increaseTime", seconds)
        ask_chain(self.url, "evm_mine")

    def signed(
        self, digest: bytes, deadline: int, signers: Sequence[Wallet] | None = None
    ) -> Signed:
        chosen = self.witnesses if signers is None else signers
        signatures = [wallet.sign_digest(digest) for wallet in chosen]
        return Signed(digest, self.nonce, self.listed, signatures, deadline)

    def signed_post(self, payload: Payload, signers: Sequence[Wallet] | None = None) -> Signed:
        deadline, name = self.deadline, hash_payload(payload)
        digest = post_digest(self.deployment, name, self.attempt, self.nonce, deadline)
        return self.signed(digest, deadline, signers)

    def signed_uphold(self, payload: Payload) -> Signed:
        deadline, name = self.deadline, hash_payload(payload)
        digest = uphold_digest(self.deployment, name, self.attempt, self.nonce, deadline)
        return self.signed(digest, deadline)

    def signed_change(self, witnesses: Sequence[Address], proposal: int) -> Signed:
        deadline = self.deadline
        digest = change_digest(self.deployment, witnesses, proposal, self.nonce, deadline)
        return self.signed(digest, deadline)

    def post(self, leaves: Sequence[Leaf]) -> tuple[Payload, SettlementTree]:
        """The next root, signed by all."""
        tree = build_tree(leaves)
        payload = Payload(self.last.epoch + 1, tree.root, sum_totals(leaves))
        self.chain.post(payload, self.last, self.signed_post(payload))
        self.last = payload
        return payload, tree

    def settle(self, leaves: Sequence[Leaf]) -> SettlementTree:
        """The next root, in force."""
        payload, tree = self.post(leaves)
        self.pass_time(DELAY_S)
        self.chain.enact(payload)
        return tree

    def claim(
        self, wallet: Wallet, tree: SettlementTree, assets: Sequence[Address] = ()
    ) -> ClaimTx:
        """All of an account's leaf, or some of its assets, paid for by itself."""
        index = tree.index_of(wallet.address)
        assert index is not None
        leaf, proof = tree.leaves[index], tree.proof(index)
        wanted = assets or [asset for asset, _ in leaf.amounts]
        return wallet.chain(self.url, self.deployment).claim(leaf, proof, tree.root, wanted)

    # -- and the log of it

    def log_deployment(self) -> pb.Deployment:
        names = {name: getattr(self.deployment, name) for name in CONTRACTS}
        return pb.Deployment(
            network=NETWORK,
            chain_id=self.deployment.chain_id,
            block=self.deployment.block,
            finality=self.deployment.finality,
            **names,
        )

    def log_chain(self, net: Network) -> tuple[pb.Chain, list[bytes]]:
        """All that the log has not read yet."""
        first, last = next_block(net.state), self.chain.final_block()
        logs = self.chain.logs([asset for asset, _ in net.state.listed.scan()], first, last)
        leaves = [encode_leaf(log) for log in logs]
        block_hash, time_s = self.chain.block_at(last)
        body = pb.Chain(
            network=NETWORK,
            first=first,
            last=last,
            last_hash=block_hash,
            last_time=time_s,
            logs=batch(leaves),
        )
        return body, leaves
