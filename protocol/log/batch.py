"""Batches: thousands of leaves behind one root, published beside the log.

A log entry has at most 65,535 bytes, so a record about many items carries only
`Batch(root, count)`: the RFC 6962 root over the leaves. The leaves travel and rest in a bundle,
where each of them can be erased on its own: its hash takes its place and the root stands.

    bundle = leaf*          leaf = 0x00 | length as big-endian uint32 | content
                                 | 0x01 | leaf hash, 32 bytes            (erased)

`count` belongs to the commitment. Without it the hash of an inner node could pass for an
erased leaf, and a batch of thousands for a batch of two.

An erased leaf says nothing only if its content cannot be guessed: leaves need a random salt.
Whoever accepts a *new* batch must refuse erased leaves (`require_whole`), or an author could
commit to what nobody has ever seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protocol.errors import Reject
from protocol.log.merkle import HASH_BYTES, MerkleTree, hash_leaf, root_of_hashes

# One batch is checked in one go, on an event loop: these bound it to about a tenth of a second.
COUNT_MAX = 65_536
BUNDLE_BYTES_MAX = 16 * 1024 * 1024

_CONTENT = 0
_ERASED = 1
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an erased leaf: its RFC 6962 leaf hash, 32 bytes."""

    leaf_hash: bytes

    def __post_init__(self) -> None:
        if len(self.leaf_hash) != HASH_BYTES:
            raise Reject(f"a leaf hash has {HASH_BYTES} bytes, not {len(self.leaf_hash)}")


Leaf: TypeAlias = bytes | Erased


@dataclass(frozen=True, slots=True)
class Batch:
    """The commitment to `count` leaves that a log entry carries."""

    root: bytes
    count: int

    def __post_init__(self) -> None:
        if len(self.root) != HASH_BYTES:
            raise Reject(f"a batch root has {HASH_BYTES} bytes, not {len(self.root)}")
        if not 0 <= self.count <= COUNT_MAX:
            raise Reject(f"a batch holds at most {COUNT_MAX} leaves, not {self.count}")


def leaf_hashes(leaves: Sequence[Leaf]) -> list[bytes]:
    """Return the leaf hash of every leaf, present or erased."""
    return [leaf.leaf_hash if isinstance(leaf, Erased) else hash_leaf(leaf) for leaf in leaves]


def batch_root(leaves: Sequence[Leaf]) -> bytes:
    """Return the root over `leaves`; erasing some of them does not change it."""
    return root_of_hashes(leaf_hashes(leaves))


def batch_of(leaves: Sequence[Leaf]) -> Batch:
    """Return the commitment to `leaves`."""
    return Batch(batch_root(leaves), len(leaves))


def leaf_proof(leaves: Sequence[Leaf], index: int) -> list[bytes]:
    """Return the proof that `merkle.verify_inclusion` checks for one leaf of the batch."""
    return MerkleTree(leaf_hashes(leaves)).inclusion_proof(index)


def encode_bundle(leaves: Sequence[Leaf]) -> bytes:
    """Encode leaves for transport and storage."""
    parts: list[bytes] = []
    for leaf in leaves:
        if isinstance(leaf, Erased):
            parts += (bytes((_ERASED,)), leaf.leaf_hash)
        else:
            parts += (bytes((_CONTENT,)), len(leaf).to_bytes(_LENGTH_BYTES, "big"), leaf)
    return b"".join(parts)


def decode_bundle(bundle: bytes) -> list[Leaf]:
    """Decode what `encode_bundle` wrote; accepts no other bytes.

    Raises:
        Reject: the bundle is malformed or exceeds a limit.
    """
    if len(bundle) > BUNDLE_BYTES_MAX:
        raise Reject(f"a bundle has at most {BUNDLE_BYTES_MAX} bytes, not {len(bundle)}")
    leaves: list[Leaf] = []
    for leaf in _read_leaves(bundle):
        if len(leaves) == COUNT_MAX:
            raise Reject(f"a bundle holds at most {COUNT_MAX} leaves")
        leaves.append(leaf)
    return leaves


def split_bundle(bundle: bytes, leaves: int) -> Iterator[bytes]:
    """Cut a bundle into bundles of `leaves` leaves, the last of fewer; an empty one gives itself.

    Raises:
        Reject: the bundle is malformed.
    """
    begin = 0
    for number, (_, _, stop) in enumerate(_spans(bundle), 1):
        if number % leaves == 0 and stop < len(bundle):
            yield bundle[begin:stop]
            begin = stop
    yield bundle[begin:]


def _read_leaves(bundle: bytes) -> Iterator[Leaf]:
    for kind, start, stop in _spans(bundle):
        yield bundle[start:stop] if kind == _CONTENT else Erased(bundle[start:stop])


def _spans(bundle: bytes) -> Iterator[tuple[int, int, int]]:
    """The kind of each leaf, and where its content or its hash begins and ends."""
    at = 0
    while at < len(bundle):
        if bundle[at] == _CONTENT:
            start = at + 1 + _LENGTH_BYTES
            stop = start + int.from_bytes(bundle[at + 1 : start], "big")
        elif bundle[at] == _ERASED:
            start = at + 1
            stop = start + HASH_BYTES
        else:
            raise Reject(f"a bundle holds an unknown kind of leaf, {bundle[at]}")
        if stop > len(bundle):
            raise Reject("the bundle ends inside a leaf")
        yield bundle[at], start, stop
        at = stop


def check_batch(root: bytes, count: int, bundle: bytes) -> list[Leaf]:
    """Return the leaves of `bundle` if they are those that (`root`, `count`) commits to.

    Raises:
        Reject: the commitment or bundle is malformed, or they do not belong together.
    """
    batch = Batch(root, count)
    leaves = decode_bundle(bundle)
    if len(leaves) != batch.count:
        raise Reject(f"the bundle holds {len(leaves)} leaves, its batch {batch.count}")
    if batch_root(leaves) != batch.root:
        raise Reject("the bundle's leaves do not lead to the batch's root")
    return leaves


def require_whole(leaves: Sequence[Leaf]) -> list[bytes]:
    """Return the leaves of a batch in which nothing may be erased yet: a new one."""
    whole = [leaf for leaf in leaves if not isinstance(leaf, Erased)]
    if len(whole) != len(leaves):
        raise Reject(f"{len(leaves) - len(whole)} leaves of a new batch are erased")
    return whole


def erase(leaves: Sequence[Leaf], hashes: Collection[bytes]) -> list[Leaf]:
    """Return `leaves` with those that have these hashes reduced to them; doing it twice changes nothing."""
    return [
        Erased(leaf_hash) if leaf_hash in hashes else leaf
        for leaf, leaf_hash in zip(leaves, leaf_hashes(leaves), strict=True)
    ]
