"""Gas at 10,000 leaves: what a claim costs its owner and an epoch costs the operator.

    python -m benchmarks.gas

Exact and repeatable to about 50 gas (zero bytes in random proofs are cheaper): the embedded EVM
executes mainnet's rules. Needs neither Node.js nor a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from eth_account import Account
from eth_utils.address import to_checksum_address
from web3 import Web3

from benchmarks.report import show
from contracts import load
from contracts.devchain import dev_addresses, dev_keys
from contracts.evm import CHAIN_ID, Evm
from node.wallet import Wallet
from protocol.money.eip712 import keccak256
from protocol.money.payout import verify_quorum
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

LEAVES: Final = 10_000
DEPTH: Final = 14  # of the deeper leaves; the others save one hash, about 700 gas
CLAIM_GAS_MAX: Final = 60_000  # what we promise for a later claim
QUORUM: Final = 3
_SAMPLES: Final = 20
_GAS_LIMIT: Final = 8_000_000
_WITNESSES: Final = [Wallet(bytes([n]) * 32) for n in range(1, 6)]


@dataclass
class Bench:
    """One deployed network whose every account holds leaves of three assets."""

    evm: Evm = field(default_factory=lambda: Evm(dev_addresses()))
    operator: Any = field(default_factory=lambda: Account.from_key(dev_keys()[0].to_bytes()))
    nonce: int = 0

    def send(self, to: Address | None, data: bytes, wei: int = 0) -> int:
        """Execute a transaction of the operator; return its gas. A revert is an error."""
        fields = {"type": 2, "chainId": CHAIN_ID, "nonce": self.nonce, "gas": _GAS_LIMIT}
        fields |= {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1, "value": wei}
        where = {} if to is None else {"to": to_checksum_address(to)}
        signed = self.operator.sign_transaction({**fields, **where, "data": data})
        mined = self.evm.mined(self.evm.send_raw(signed.raw_transaction))
        if mined.receipt.state_root != b"\x01":
            raise RuntimeError("the transaction reverted")
        self.nonce += 1
        return mined.gas_used

    def deploy(self, name: str, *arguments: Any) -> tuple[Address, int]:
        """Deploy an artifact; return where it is and the gas."""
        artifact = load(name)
        factory = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        sender, nonce = bytes.fromhex(self.operator.address[2:]), self.nonce
        gas = self.send(
            None, bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:])
        )
        return _created(sender, nonce), gas


def _created(sender: bytes, nonce: int) -> Address:
    """Return where a contract lands: keccak(rlp([sender, nonce])), for nonces below 128."""
    encoded = b"\xd6\x94" + sender + (bytes([nonce]) if nonce else b"\x80")
    return Address(keccak256(encoded)[12:])


def _encode(name: str, function: str, *arguments: Any) -> bytes:
    contract = Web3().eth.contract(abi=load(name).abi)
    return bytes.fromhex(contract.encode_abi(function, list(arguments))[2:])


def _leaves(assets: list[Address], epoch: int) -> list[Leaf]:
    """Return LEAVES leaves: every account earned some of every asset in every epoch."""
    accounts = [Address(sha256(n.to_bytes(4)).digest()[:20]) for n in range(LEAVES // 3 + 1)]
    everything = [
        Leaf(account, asset, epoch * 1_234_567) for account in accounts for asset in assets
    ]
    return everything[:LEAVES]


def _publish(bench: Bench, where: Deployment, tree: SettlementTree, epoch: int) -> int:
    totals = sum_totals(tree.leaves)
    digest = publication_digest(CHAIN_ID, where.settlement, epoch, tree.root, totals)
    signatures = [
        wallet.sign_publication(where, epoch, tree.root, totals) for wallet in _WITNESSES[:QUORUM]
    ]
    ordered = verify_quorum(digest, signatures, [w.address for w in _WITNESSES], QUORUM)
    assets = sorted(totals)
    data = _encode(
        "Settlement", "publish", epoch, tree.root, assets, [totals[a] for a in assets], ordered
    )
    return bench.send(where.settlement, data)


def _claim(bench: Bench, where: Deployment, tree: SettlementTree, index: int) -> int:
    leaf, proof = tree.leaves[index], tree.proof(index)
    data = _encode(
        "Settlement", "claim", leaf.account, leaf.asset, leaf.cumulative, tree.root, proof
    )
    return bench.send(where.settlement, data)


def run() -> dict[str, object]:
    """Return gas by step. Of each kind of claim it is the dearest of 20 at full depth."""
    bench = Bench()
    settlement, deploy_gas = bench.deploy(
        "Settlement", [to_checksum_address(w.address) for w in _WITNESSES], QUORUM
    )
    intake = _created(settlement, 2)  # a contract's own nonces start at 1 (EIP-161)
    where = Deployment(CHAIN_ID, settlement, _created(settlement, 1))
    stable, _ = bench.deploy("TestStable")
    assets = {"share token": where.share_token, "ERC-20": stable, "ether": ETHER}

    bench.send(stable, _encode("TestStable", "approve", intake, 2**256 - 1))
    figures: dict[str, object] = {"deploy all three contracts": deploy_gas}
    for name, asset in (("ERC-20", stable), ("ether", ETHER)):
        data = _encode("RevenueIntake", "deposit", asset, 10**14, bytes(32))
        bench.send(intake, data, wei=10**14 if asset == ETHER else 0)
        figures[f"deposit {name}"] = bench.send(intake, data, wei=10**14 if asset == ETHER else 0)

    trees = [build_tree(_leaves(list(assets.values()), epoch)) for epoch in (1, 2)]
    for when, epoch, tree in zip(("first", "later"), (1, 2), trees, strict=True):
        figures[f"publish, {when}: operator's gas for an epoch"] = _publish(
            bench, where, tree, epoch
        )
        for name, asset in assets.items():
            deep = (  # in both trees: positions follow hashes, which change with the amounts
                index
                for index, leaf in enumerate(tree.leaves)
                if leaf.asset == asset and all(len(t.proof(index)) == DEPTH for t in trees)
            )
            costs = [_claim(bench, where, tree, index) for index in islice(deep, _SAMPLES)]
            figures[f"claim {name}, {when}"] = max(costs)
    dearest = max(int(str(figures[f"claim {name}, later"])) for name in assets)
    return figures | {"dearest later claim": dearest, "promised at most": CLAIM_GAS_MAX}


if __name__ == "__main__":
    show(run())
