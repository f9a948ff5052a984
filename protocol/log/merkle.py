"""RFC 6962 Merkle trees over SHA-256: hashes, roots, proofs and their verification.

Two rules hold this module together.

1. A node over a complete, aligned range of leaves never changes once it exists. The tree
   therefore stores only such nodes, and a root or proof at an old size is as cheap as a new one.
2. The shape of a tree is decided by its size alone. Verifiers derive the expected length of a
   proof from the sizes and refuse any other, so that a proof has exactly one valid encoding.

Leaf indices count from 0. Every hash is 32 bytes. Sources: RFC 6962 section 2.1 (definitions),
RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from hashlib import sha256

from protocol.errors import Misbehaviour, Reject

HASH_BYTES = 32
# Sizes are signed 64-bit integers in every database and wire format that we use.
SIZE_MAX = 2**63 - 1

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"

#: The root of the tree that has no leaves: SHA-256 of nothing.
EMPTY_ROOT = sha256(b"").digest()


def hash_leaf(entry: bytes) -> bytes:
    """Return the leaf hash of an entry of any length (RFC 6962 section 2.1)."""
    return sha256(_LEAF_PREFIX + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two subtrees, whose hashes are 32 bytes each."""
    return sha256(_NODE_PREFIX + left + right).digest()


def root_of_hashes(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over ready leaf hashes, level by level, keeping nothing.

    A node without a sibling moves up unchanged, which is the tree that RFC 6962 defines by
    splitting at the largest power of two.
    """
    nodes = list(leaf_hashes)
    if not nodes:
        return EMPTY_ROOT
    while len(nodes) > 1:
        lonely = nodes[-1:] if len(nodes) % 2 else []
        pairs = zip(nodes[0::2], nodes[1::2], strict=False)
        nodes = [sha256(_NODE_PREFIX + left + right).digest() for left, right in pairs] + lonely
    return nodes[0]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over `leaves` (contents, not hashes)."""
    return root_of_hashes([sha256(_LEAF_PREFIX + leaf).digest() for leaf in leaves])


def _split(width: int) -> int:
    """Return the largest power of two smaller than `width` (which is at least 2)."""
    return 1 << ((width - 1).bit_length() - 1)


class MerkleTree:
    """An append-only tree in memory: 64 bytes per leaf, one array per level.

    `levels[h]` holds, back to back, the hashes of all complete subtrees of 2**h leaves. Arrays
    only grow, so that one thread may append while others read any size they already knew.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        for leaf_hash in leaf_hashes:
            self.append(leaf_hash)

    @property
    def size(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf_hash: bytes) -> int:
        """Append one leaf hash and return its index. Amortised one node hash."""
        if len(leaf_hash) != HASH_BYTES:
            raise ValueError(f"a leaf hash has {HASH_BYTES} bytes, not {len(leaf_hash)}")
        index = self.size
        node, level, carry = leaf_hash, 0, index
        self._levels[0] += node
        while carry & 1:
            node = sha256(_NODE_PREFIX + self._levels[level][-2 * HASH_BYTES :]).digest()
            level, carry = level + 1, carry >> 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node
        return index

    def nodes(self, level: int, start: int, stop: int) -> bytes:
        """Return the hashes of complete subtrees `start..stop-1` of 2**level leaves, joined."""
        held = self._levels[level] if level < len(self._levels) else b""
        if not 0 <= start <= stop <= len(held) // HASH_BYTES:
            raise ValueError(f"level {level} does not hold nodes {start}..{stop - 1}")
        return bytes(held[start * HASH_BYTES : stop * HASH_BYTES])

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves (all of them by default)."""
        size = self._checked(self.size if size is None else size)
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of leaf `index` in the tree of `size`, deepest hash first."""
        size = self._checked(self.size if size is None else size)
        if not 0 <= index < size:
            raise ValueError(f"leaf {index} is not in a tree of size {size}")
        start, stop, proof = 0, size, []
        while stop - start > 1:
            middle = start + _split(stop - start)
            if index < middle:
                proof.append(self._range_root(middle, stop))
                stop = middle
            else:
                proof.append(self._range_root(start, middle))
                start = middle
        return proof[::-1]

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of `new` leaves extends the tree of `old` leaves.

        It is empty when `old` is 0 or equals `new`: there is nothing to prove with hashes.
        """
        new = self._checked(self.size if new is None else new)
        if not 0 <= old <= new:
            raise ValueError(f"a tree of size {new} cannot extend one of size {old}")
        if old in (0, new):
            return []
        start, stop, proof = 0, new, []
        while stop != old:
            middle = start + _split(stop - start)
            if old <= middle:
                proof.append(self._range_root(middle, stop))
                stop = middle
            else:
                proof.append(self._range_root(start, middle))
                start = middle
        if start:  # otherwise the verifier knows this subtree already: it is the old root
            proof.append(self._range_root(start, stop))
        return proof[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise ValueError(f"size {size} is outside 0..{self.size}")
        return size

    def _range_root(self, start: int, stop: int) -> bytes:
        """Return the root over leaves `start..stop-1`.

        `start` must be a multiple of the range's largest power of two, as it is for every
        range that splitting a tree produces; the range then consists of complete subtrees,
        largest first, which fold together from the right.
        """
        peaks: list[bytes] = []
        while stop > start:
            level = ((stop - start) & -(stop - start)).bit_length() - 1
            stop -= 1 << level
            at = (stop >> level) * HASH_BYTES
            peaks.append(bytes(self._levels[level][at : at + HASH_BYTES]))
        return reduce(lambda right, left: hash_node(left, right), peaks)


def _check_hashes(*hashes: bytes) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise Reject(f"a proof holds a hash that does not have {HASH_BYTES} bytes")


def _check_length(proof: Sequence[bytes], expected: int) -> None:
    if len(proof) != expected:
        raise Reject(f"the proof has {len(proof)} hashes where these sizes need {expected}")


def _climb(place: int, last: int, siblings: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each sibling on the way up from node `place`, and whether it stands on the left.

    `last` is the rightmost node of the same level. Where the path runs along the right edge,
    levels without a sibling are skipped. Source: RFC 9162 section 2.1.3.2.
    """
    for sibling in siblings:
        is_left = bool(place & 1) or place == last
        yield sibling, is_left
        while is_left and not place & 1 and place:
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1


def inclusion_proof_length(index: int, size: int) -> int:
    """Return how many hashes prove leaf `index` in a tree of `size` leaves.

    Below the point where the path joins the right edge every level has a sibling; above it
    only the levels where the edge turns right do.
    """
    shared = (index ^ (size - 1)).bit_length()
    return shared + (index >> shared).bit_count()


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf has place `index` in the tree of `size` leaves whose root is `root`.

    Raises:
        Reject: the proof is malformed: index, length or hash sizes cannot be right.
        Misbehaviour: it is well formed and does not lead to `root`.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise Reject(f"leaf {index} cannot be in a tree of size {size}")
    _check_hashes(leaf_hash, root, *proof)
    _check_length(proof, inclusion_proof_length(index, size))
    node = leaf_hash
    for sibling, is_left in _climb(index, size - 1, proof):
        node = hash_node(sibling, node) if is_left else hash_node(node, sibling)
    if node != root:
        raise Misbehaviour(f"the inclusion proof of leaf {index} does not lead to the root")


def consistency_proof_length(old: int, new: int) -> int:
    """Return how many hashes prove that a tree of `new` leaves extends one of `old`."""
    if old in (0, new):
        return 0
    # The proof is the audit path of the old tree's last complete subtree, preceded by that
    # subtree's own hash unless it is the whole old tree.
    level = (old & -old).bit_length() - 1
    path = inclusion_proof_length((old - 1) >> level, ((new - 1) >> level) + 1)
    return path + (old != 1 << level)


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree (`new`, `new_root`) begins with the tree (`old`, `old_root`).

    Raises:
        Reject: the proof is malformed, or `old` is larger than `new`.
        Misbehaviour: it is well formed and does not connect the two roots: if both are signed,
            somebody shows two histories.
    """
    if not 0 <= old <= new <= SIZE_MAX:
        raise Reject(f"a tree of size {new} cannot extend one of size {old}")
    _check_hashes(old_root, new_root, *proof)
    _check_length(proof, consistency_proof_length(old, new))
    if old == 0 and old_root != EMPTY_ROOT:
        raise Misbehaviour("the root given for the empty tree is not the empty root")
    if old == new and old_root != new_root:
        raise Misbehaviour(f"two different roots are claimed for size {new}")
    if old in (0, new):
        return
    whole = old & (old - 1) == 0  # then the old root itself is the first node of the path
    path = list(proof) if whole else list(proof[1:])
    old_node = new_node = old_root if whole else proof[0]
    level = (old & -old).bit_length() - 1
    for sibling, is_left in _climb((old - 1) >> level, (new - 1) >> level, path):
        if is_left:
            old_node = hash_node(sibling, old_node)
            new_node = hash_node(sibling, new_node)
        else:  # to the right of the old tree: only the new one has it
            new_node = hash_node(new_node, sibling)
    if old_node != old_root:
        raise Misbehaviour(f"the consistency proof does not lead to the old root, size {old}")
    if new_node != new_root:
        raise Misbehaviour(f"the consistency proof does not lead to the new root, size {new}")
