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
from contracts.inspection import ARTIFACTS
from contracts.signed import Signed
from coordinator.deploying import constructor_arguments, contract_address
from coordinator.terms import Founding, tryout
from node.wallet import Wallet
from protocol.money.payload import NOTHING, Payload, hash_payload, post_digest
from protocol.money.settlement import (
    CONTRACTS,
    ETHER,
    Address,
    Deployment,
    Leaf,
    SettlementTree,
    build_tree,
    sum_totals,
)

ACCOUNTS: Final = 10_000
DEPTH: Final = 14  # of the deeper leaves; the others save one hash, about 700 gas
CLAIM_GAS_MAX: Final = 60_000  # what we promise for a later claim of one asset
CLAIM_ALL_GAS_MAX: Final = 95_000  # and of three at once
EPOCH_GAS_MAX: Final = 200_000  # and for an epoch with three assets, from the second on
FIRST_EPOCH_GAS_MAX: Final = 240_000  # which fills three slots, for 17,100 more each
QUORUM: Final = 3
_SAMPLES: Final = 20
_GAS_LIMIT: Final = 8_000_000
_EMISSION: Final = 10**13
_WITNESSES: Final = sorted(
    (Wallet(bytes([n]) * 32) for n in range(1, 5)), key=lambda wallet: wallet.address
)


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
        at = self.address_of(self.nonce)
        gas = self.send(
            None, bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:])
        )
        return at, gas

    def address_of(self, nonce: int) -> Address:
        """Return where the contract of a later transaction will be."""
        return contract_address(Address(bytes.fromhex(self.operator.address[2:])), nonce)


def _encode(name: str, function: str, *arguments: Any) -> bytes:
    contract = Web3().eth.contract(abi=load(name).abi)
    return bytes.fromhex(contract.encode_abi(function, list(arguments))[2:])


def _network(bench: Bench, tokens: list[Address]) -> tuple[Deployment, int]:
    """Deploy everything; return where it is and the gas."""
    at = {name: bench.address_of(bench.nonce + i) for i, name in enumerate(CONTRACTS)}
    terms = tryout(tokens=[f"0x{token.hex()}" for token in tokens])
    witnesses = tuple(wallet.address for wallet in _WITNESSES)
    founding = Founding(witnesses, _EMISSION, _EMISSION * terms.emission_factor)
    arguments = constructor_arguments(at, terms, founding)
    gas = sum(bench.deploy(ARTIFACTS[name], *arguments[name])[1] for name in CONTRACTS)
    places: dict[str, Any] = dict(at)
    return Deployment(CHAIN_ID, 1, 0, **places), gas


def _leaves(kinds: dict[str, list[Address]], epoch: int) -> list[Leaf]:
    """Return a leaf for each account, by turns of those who earn one asset, another, or all of them."""
    turns = [
        tuple((asset, epoch * 1_234_567) for asset in sorted(assets)) for assets in kinds.values()
    ]
    accounts = (Address(sha256(n.to_bytes(4)).digest()[:20]) for n in range(ACCOUNTS))
    return [Leaf(account, turns[n % len(turns)]) for n, account in enumerate(accounts)]


def _settle(bench: Bench, where: Deployment, payload: Payload, last: Payload) -> int:
    """Post and enact a root; return the gas of both."""
    deadline = bench.evm.header().timestamp + 3_600
    digest = post_digest(where, hash_payload(payload), 0, 0, deadline)
    witnesses = tuple(wallet.address for wallet in _WITNESSES)
    signatures = [wallet.sign_digest(digest) for wallet in _WITNESSES[:QUORUM]]
    by = Signed(digest, 0, witnesses, signatures, deadline).attestation()
    posted = _encode("Settlement", "post", _struct(payload), _struct(last), by)
    gas = bench.send(where.settlement, posted)
    bench.evm.increase_time(2)
    return gas + bench.send(where.settlement, _encode("Settlement", "enact", _struct(payload)))


def _struct(payload: Payload) -> tuple[Any, ...]:
    assets = [to_checksum_address(asset) for asset, _ in payload.totals]
    return (payload.epoch, payload.root, assets, [total for _, total in payload.totals])


def _claim(bench: Bench, where: Deployment, tree: SettlementTree, index: int) -> int:
    """Claim all of a leaf; return the gas."""
    leaf = tree.leaves[index]
    assets = [to_checksum_address(each) for each, _ in leaf.amounts]
    account, amounts = to_checksum_address(leaf.account), [amount for _, amount in leaf.amounts]
    data = _encode("Settlement", "claim", tree.proof(index), 0, account, assets, amounts)
    return bench.send(where.settlement, data)


def _deep(trees: list[SettlementTree], assets: list[Address]) -> list[int]:
    """Return leaves of these assets that are at full depth in all trees: positions follow hashes."""
    found = (
        index
        for index, leaf in enumerate(trees[0].leaves)
        if [asset for asset, _ in leaf.amounts] == sorted(assets)
        and all(len(tree.proof(index)) == DEPTH for tree in trees)
    )
    return list(islice(found, _SAMPLES))


def run() -> dict[str, object]:
    """Return gas by step. Of each kind of claim it is the dearest of 20 at full depth."""
    bench = Bench()
    stable, _ = bench.deploy("TestStable")
    where, deploy_gas = _network(bench, [stable])
    kinds = {"share token": [where.share_token], "ERC-20": [stable], "ether": [ETHER]}
    kinds["all three"] = [where.share_token, stable, ETHER]

    bench.send(stable, _encode("TestStable", "approve", where.vault, 2**256 - 1))
    figures: dict[str, object] = {"deploy all eight contracts": deploy_gas}
    token = _encode("Vault", "deposit", to_checksum_address(stable), 10**14, bytes(32))
    ether = _encode("Vault", "depositEther", bytes(32))
    for name, data, wei in (("ERC-20", token, 0), ("ether", ether, 10**14)):
        bench.send(where.vault, data, wei=wei)
        figures[f"deposit {name}"] = bench.send(where.vault, data, wei=wei)

    # The first epoch writes for the first time how many shares there are, and two balances of the settlement.
    trees = [build_tree(_leaves(kinds, epoch)) for epoch in (1, 2, 3)]
    last = NOTHING
    for when, epoch, tree in zip(("first", "second", "later"), (1, 2, 3), trees, strict=True):
        payload = Payload(epoch, tree.root, sum_totals(tree.leaves))
        gas = _settle(bench, where, payload, last)
        figures[f"post and enact, {when}: operator's gas for an epoch"] = gas
        last = payload
        for name, assets in kinds.items():
            costs = [_claim(bench, where, tree, index) for index in _deep(trees, assets)]
            figures[f"claim {name}, {when}"] = max(costs)
    dearest = max(
        int(str(figures[f"claim {name}, later"])) for name in kinds if name != "all three"
    )
    return figures | {"dearest later claim": dearest, "promised at most": CLAIM_GAS_MAX}


if __name__ == "__main__":
    show(run())
