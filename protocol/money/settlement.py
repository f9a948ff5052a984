"""What an epoch pays: cumulative leaves and their Merkle tree.

A leaf says everything that an account ever earned, of all assets, so that one claim settles any number of
epochs and assets, and an unclaimed epoch costs nobody anything. The tree is OpenZeppelin's
StandardMerkleTree over `["address", "bytes32", "bytes32"]`: leaves are hashed twice (a node can therefore
never pass for a leaf), sorted by hash, and laid out as a complete binary tree in an array whose first
element is the root. contracts/src/Settlement.sol checks exactly this.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NewType

from protocol.errors import Reject
from protocol.limits import ADDRESS_BYTES, HASH_BYTES
from protocol.money.eip712 import UINT256_MAX, hash_words, keccak256

#: 20 bytes: an account or a token contract of the chain.
Address = NewType("Address", bytes)

#: The asset that is not a contract: ether, in wei.
ETHER: Final = Address(bytes(ADDRESS_BYTES))

#: An account that nobody has the key of: it takes the place of witnesses who are to sign nothing more.
RETIRED: Final = Address(bytes(ADDRESS_BYTES - 2) + b"\xde\xad")

#: Deepest proof worth reading: 2**40 leaves is more accounts than there are people.
PROOF_HASHES_MAX: Final = 40

#: The root of an epoch up to which nobody has earned anything: the contract takes none of zeros, and begins
#: with this one. No leaf leads to it.
NOTHING_EARNED: Final = keccak256(b"")

Amounts = tuple[tuple[Address, int], ...]
"""Amounts by asset, in the asset's smallest unit, ascending by asset."""


def address(raw: bytes) -> Address:
    """Return `raw` as an address; raise Reject unless it has 20 bytes."""
    if len(raw) != ADDRESS_BYTES:
        raise Reject(f"an address has {ADDRESS_BYTES} bytes, not {len(raw)}")
    return Address(raw)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a network settles: the chain, and the contracts in the order in which they were deployed.

    `block`: of the first of them. `finality`: blocks that follow one before it counts as final. Of contracts
    to which the network moved, `start`: the last epoch that was closed before; `carried`: the micro-shares
    that were earned up to then.
    """

    chain_id: int
    block: int
    finality: int
    share_token: Address
    timelock: Address
    governor: Address
    witness_set: Address
    vault: Address
    settlement: Address
    stake: Address
    board: Address
    start: int = 0
    carried: int = 0

    @property
    def contracts(self) -> dict[Address, str]:
        """The contracts' addresses, each with its name here."""
        return {getattr(self, name): name for name in CONTRACTS}


CONTRACTS: Final = (
    "share_token",
    "timelock",
    "governor",
    "witness_set",
    "vault",
    "settlement",
    "stake",
    "board",
)
"""The contracts of a network, as `Deployment` calls them."""


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """All that `account` ever earned. Raises Reject unless each asset stands there once, in order."""

    account: Address
    amounts: Amounts

    def __post_init__(self) -> None:
        address(self.account)
        for asset, cumulative in self.amounts:
            address(asset)
            if not 0 <= cumulative <= UINT256_MAX:
                raise Reject("a cumulative amount is an unsigned 256-bit integer")
        if any(one >= other for (one, _), (other, _) in pairwise(self.amounts)):
            raise Reject("the assets of a leaf are not in ascending order")

    def amount(self, asset: bytes) -> int:
        """All that the account ever earned of one asset."""
        return dict[bytes, int](self.amounts).get(asset, 0)


def hash_leaf(leaf: Leaf) -> bytes:
    """Return keccak(keccak(abi.encode(account, keccak(assets), keccak(cumulative amounts))))."""
    assets = hash_words(asset for asset, _ in leaf.amounts)
    amounts = hash_words(amount for _, amount in leaf.amounts)
    return keccak256(hash_words((leaf.account, assets, amounts)))


def _hash_pair(a: bytes, b: bytes) -> bytes:
    return keccak256(a + b if a < b else b + a)


@dataclass(frozen=True, slots=True)
class SettlementTree:
    """The tree over `leaves`, which are sorted by account. Make it by `build_tree`."""

    leaves: tuple[Leaf, ...]
    nodes: list[bytes]  # node i has the children 2i+1 and 2i+2
    positions: list[int]  # of each leaf in `nodes`

    @property
    def root(self) -> bytes:
        """Return the 32 bytes that are posted."""
        return self.nodes[0]

    def index_of(self, account: bytes) -> int | None:
        """Return the index of the leaf that pays `account`, or None."""
        index = bisect_left(self.leaves, account, key=lambda leaf: leaf.account)
        if index == len(self.leaves) or self.leaves[index].account != account:
            return None
        return index

    def proof(self, index: int) -> list[bytes]:
        """Return the sibling hashes from `leaves[index]` up to the root."""
        node, siblings = self.positions[index], []
        while node:
            siblings.append(self.nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return siblings


def build_tree(leaves: Iterable[Leaf]) -> SettlementTree:
    """Return the tree over `leaves`, given in any order; O(n log n), about 1 s for 10^5 leaves.

    Raise ValueError for two of one account: the contract would pay the larger amounts and forget the smaller.
    Without leaves the root is NOTHING_EARNED.
    """
    ordered = tuple(sorted(leaves))
    for before, leaf in pairwise(ordered):
        if before.account == leaf.account:
            raise ValueError(f"two leaves pay the account 0x{leaf.account.hex()}")
    if not ordered:
        return SettlementTree((), [NOTHING_EARNED], [])

    hashes = [hash_leaf(leaf) for leaf in ordered]
    by_hash = sorted(range(len(hashes)), key=hashes.__getitem__)
    last = 2 * len(hashes) - 2
    nodes = [b""] * (last + 1)
    positions = [0] * len(hashes)
    for rank, index in enumerate(by_hash):
        nodes[last - rank] = hashes[index]
        positions[index] = last - rank
    for parent in range(len(hashes) - 2, -1, -1):
        nodes[parent] = _hash_pair(nodes[2 * parent + 1], nodes[2 * parent + 2])
    return SettlementTree(ordered, nodes, positions)


def verify_proof(root: bytes, leaf: Leaf, proof: Sequence[bytes]) -> bool:
    """Return whether `proof` leads from `leaf` to `root`, as the contract would."""
    if len(proof) > PROOF_HASHES_MAX or any(len(hash_) != HASH_BYTES for hash_ in proof):
        return False
    node = hash_leaf(leaf)
    for sibling in proof:
        node = _hash_pair(node, sibling)
    return node == root


def sum_totals(leaves: Iterable[Leaf]) -> Amounts:
    """Return what a root over `leaves` promises of each asset: the totals to post with it."""
    totals: dict[Address, int] = {}
    for leaf in leaves:
        for asset, amount in leaf.amounts:
            totals[asset] = totals.get(asset, 0) + amount
    return tuple(sorted(totals.items()))
