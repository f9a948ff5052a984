"""What an epoch pays: cumulative leaves, their Merkle tree, and the digest that witnesses sign.

A leaf says everything that an account ever earned of an asset, so that one claim settles any
number of epochs and an unclaimed epoch costs nobody anything. The tree is OpenZeppelin's
StandardMerkleTree over `["address", "address", "uint256"]`: leaves are hashed twice (a node can
therefore never pass for a leaf), sorted by hash, and laid out as a complete binary tree in an
array whose first element is the root. contracts/src/Settlement.sol checks exactly this.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NewType

from protocol.errors import Reject
from protocol.limits import ADDRESS_BYTES, HASH_BYTES
from protocol.money.eip712 import (
    UINT256_MAX,
    domain_separator,
    hash_words,
    keccak256,
    typed_digest,
)

#: 20 bytes: an account or a token contract of the chain.
Address = NewType("Address", bytes)

#: The asset that is not a contract: ether, in wei.
ETHER: Final = Address(bytes(ADDRESS_BYTES))

#: Deepest proof worth reading: 2**40 leaves is more accounts than there are people.
PROOF_HASHES_MAX: Final = 40

_LEFT_PAD: Final = bytes(12)  # an address in a 32-byte ABI word
_PUBLICATION: Final = keccak256(
    b"Publication(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)"
)


def address(raw: bytes) -> Address:
    """Return `raw` as an address; raise Reject unless it has 20 bytes."""
    if len(raw) != ADDRESS_BYTES:
        raise Reject(f"an address has {ADDRESS_BYTES} bytes, not {len(raw)}")
    return Address(raw)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a network settles. Everything else is read from the settlement contract."""

    chain_id: int
    settlement: Address
    share_token: Address


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """All that `account` ever earned of `asset` (zeros: ether), in the asset's smallest unit."""

    account: Address
    asset: Address
    cumulative: int

    def __post_init__(self) -> None:
        address(self.account)
        address(self.asset)
        if not 0 <= self.cumulative <= UINT256_MAX:
            raise Reject("a cumulative amount is an unsigned 256-bit integer")


def hash_leaf(leaf: Leaf) -> bytes:
    """Return keccak(keccak(abi.encode(account, asset, cumulative)))."""
    encoded = b"".join(
        (_LEFT_PAD, leaf.account, _LEFT_PAD, leaf.asset, leaf.cumulative.to_bytes(32, "big"))
    )
    return keccak256(keccak256(encoded))


def _hash_pair(a: bytes, b: bytes) -> bytes:
    return keccak256(a + b if a < b else b + a)


@dataclass(frozen=True, slots=True)
class SettlementTree:
    """The tree over `leaves`, which are sorted by account, then asset. Make it by `build_tree`."""

    leaves: tuple[Leaf, ...]
    nodes: list[bytes]  # node i has the children 2i+1 and 2i+2
    positions: list[int]  # of each leaf in `nodes`

    @property
    def root(self) -> bytes:
        """Return the 32 bytes that are published."""
        return self.nodes[0]

    def index_of(self, account: bytes, asset: bytes) -> int | None:
        """Return the index of the leaf that pays `asset` to `account`, or None."""
        key = (account, asset)
        index = bisect_left(self.leaves, key, key=lambda leaf: (leaf.account, leaf.asset))
        if index == len(self.leaves):
            return None
        found = self.leaves[index]
        return index if (found.account, found.asset) == key else None

    def proof(self, index: int) -> list[bytes]:
        """Return the sibling hashes from `leaves[index]` up to the root."""
        node, siblings = self.positions[index], []
        while node:
            siblings.append(self.nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return siblings


def build_tree(leaves: Iterable[Leaf]) -> SettlementTree:
    """Return the tree over `leaves`, given in any order; O(n log n), about 1 s for 10^5 leaves.

    Raise ValueError when there are none, or two for the same account and asset: the contract
    would pay the larger and forget the smaller.
    """
    ordered = tuple(sorted(leaves))
    if not ordered:
        raise ValueError("a settlement without leaves has no root")
    for before, leaf in pairwise(ordered):
        if (before.account, before.asset) == (leaf.account, leaf.asset):
            raise ValueError(f"two leaves pay the account 0x{leaf.account.hex()} the same asset")

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


def sum_totals(leaves: Iterable[Leaf]) -> dict[Address, int]:
    """Return what a root over `leaves` promises of each asset: the totals to publish with it."""
    totals: dict[Address, int] = {}
    for leaf in leaves:
        totals[leaf.asset] = totals.get(leaf.asset, 0) + leaf.cumulative
    return totals


def publication_digest(
    chain_id: int, contract: Address, epoch: int, root: bytes, totals: Mapping[Address, int]
) -> bytes:
    """Return the EIP-712 digest that a witness signs and the contract checks.

    Bound to one settlement contract on one chain. Assets are in ascending order, as the contract
    demands, so that a publication has one encoding.
    """
    assets = sorted(totals)
    struct = (
        _PUBLICATION,
        epoch,
        root,
        hash_words(assets),
        hash_words(totals[asset] for asset in assets),
    )
    return typed_digest(domain_separator(chain_id, contract), hash_words(struct))
