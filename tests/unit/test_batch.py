"""Batches: a bundle is accepted for its own commitment and no other."""

from __future__ import annotations

import hashlib

import pytest

from protocol.errors import Reject
from protocol.log.batch import (
    BUNDLE_BYTES_MAX,
    COUNT_MAX,
    Batch,
    Erased,
    Leaf,
    batch_of,
    batch_root,
    check_batch,
    decode_bundle,
    encode_bundle,
    erase,
    leaf_proof,
    require_whole,
    split_bundle,
)
from protocol.log.merkle import hash_leaf, hash_node, root_of, verify_inclusion

LEAVES = [b"salt+one", b"salt+two", b"salt+three", b"", b"salt+five"]


def test_a_batch_commits_to_its_leaves() -> None:
    batch = batch_of(LEAVES)
    assert batch == Batch(root_of(LEAVES), 5)
    assert check_batch(batch.root, batch.count, encode_bundle(LEAVES)) == LEAVES


def test_the_encoding_is_fixed() -> None:
    erased = Erased(hash_leaf(b"x"))
    assert encode_bundle([b"ab", erased]) == b"\0\0\0\0\2ab" + b"\1" + hash_leaf(b"x")


def test_other_leaves_are_rejected() -> None:
    batch = batch_of(LEAVES)
    for leaves in (
        [b"salt+ONE", *LEAVES[1:]],
        LEAVES[::-1],
        LEAVES[:-1],
        [*LEAVES, b""],
    ):
        with pytest.raises(Reject):
            check_batch(batch.root, batch.count, encode_bundle(leaves))


def test_an_empty_batch_is_a_batch() -> None:
    """The root over nothing is the hash of nothing (RFC 6962): a close without lines has it."""
    batch = batch_of([])
    assert (batch.root, batch.count) == (hashlib.sha256().digest(), 0)
    assert check_batch(batch.root, 0, b"") == []
    with pytest.raises(Reject, match="do not lead to"):
        check_batch(bytes(32), 0, b"")
    with pytest.raises(Reject, match="holds 1 leaves, its batch 0"):
        check_batch(batch.root, 0, encode_bundle([b""]))


def test_an_inner_node_does_not_pass_for_an_erased_leaf() -> None:
    batch = batch_of(LEAVES[:4])
    halves = [Erased(hash_node(hash_leaf(LEAVES[at]), hash_leaf(LEAVES[at + 1]))) for at in (0, 2)]
    assert batch_root(halves) == batch.root  # only the count tells them apart
    with pytest.raises(Reject, match="holds 2 leaves, its batch 4"):
        check_batch(batch.root, batch.count, encode_bundle(halves))


def test_erasing_a_leaf_leaves_only_its_hash() -> None:
    batch, rest = batch_of(LEAVES), erase(LEAVES, {hash_leaf(LEAVES[2])})
    assert b"three" not in encode_bundle(rest)
    assert check_batch(batch.root, 5, encode_bundle(rest)) == rest
    assert erase(rest, {hash_leaf(LEAVES[2])}) == rest
    for at, leaf in enumerate(LEAVES):
        verify_inclusion(hash_leaf(leaf), at, 5, leaf_proof(rest, at), batch.root)


def test_a_new_batch_must_be_whole() -> None:
    assert require_whole(LEAVES) == LEAVES
    with pytest.raises(Reject, match="1 leaves of a new batch are erased"):
        require_whole(erase(LEAVES, {hash_leaf(LEAVES[0])}))


@pytest.mark.parametrize(
    "bundle",
    [
        b"\2",
        b"\0",
        b"\0\0\0\0",
        b"\0\0\0\0\3ab",
        b"\0\xff\xff\xff\xff",
        b"\1" + bytes(31),
    ],
)
def test_a_malformed_bundle_is_rejected(bundle: bytes) -> None:
    with pytest.raises(Reject):
        decode_bundle(bundle)


def test_limits() -> None:
    leaf = encode_bundle([b""])
    assert len(decode_bundle(leaf * COUNT_MAX)) == COUNT_MAX
    with pytest.raises(Reject, match="at most 65536 leaves"):
        decode_bundle(leaf * (COUNT_MAX + 1))
    largest = encode_bundle([bytes(BUNDLE_BYTES_MAX - len(leaf))])
    assert len(decode_bundle(largest)) == 1
    with pytest.raises(Reject, match="at most 16777216 bytes"):
        decode_bundle(largest + b"\0")


@pytest.mark.parametrize(("root", "count"), [(b"short", 1), (bytes(32), 0), (bytes(32), -1)])
def test_a_malformed_commitment_is_rejected(root: bytes, count: int) -> None:
    with pytest.raises(Reject):
        check_batch(root, count, b"")


def test_an_erased_leaf_is_32_bytes() -> None:
    with pytest.raises(Reject):
        Erased(b"short")


def test_a_bundle_is_cut_between_its_leaves_and_its_parts_are_it_again() -> None:
    leaves: list[Leaf] = [*LEAVES[:2], Erased(hash_leaf(LEAVES[2])), *LEAVES[3:]]
    bundle = encode_bundle(leaves)
    for size, counts in ((1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (9, [5])):
        parts = list(split_bundle(bundle, size))
        assert [len(decode_bundle(part)) for part in parts] == counts
        assert b"".join(parts) == bundle
    assert list(split_bundle(b"", 3)) == [b""]
    with pytest.raises(Reject):
        list(split_bundle(bundle[:-1], 2))
