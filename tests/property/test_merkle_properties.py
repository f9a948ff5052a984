"""Rules that hold for every tree: growth never changes the past, proofs bind what they say."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Misbehaviour, Reject
from protocol.log.batch import Erased, Leaf, batch_of, check_batch, encode_bundle, erase, leaf_proof
from protocol.log.merkle import (
    HASH_BYTES,
    MerkleTree,
    hash_leaf,
    root_of_hashes,
    verify_consistency,
    verify_inclusion,
)
from protocol.log.tiles import (
    TILE_WIDTH,
    EntryTile,
    Tile,
    decode_entries,
    encode_entries,
    entry_tiles_of,
    parse_path,
    tile_data,
    tiles_of,
)

TREE_SIZE_MAX = 600  # a few tiles wide, so that partial and full ones both occur
TREE = MerkleTree(hash_leaf(index.to_bytes(2, "big")) for index in range(TREE_SIZE_MAX))
HASHES = [TREE.nodes(0, index, index + 1) for index in range(TREE_SIZE_MAX)]

sizes = st.integers(0, TREE_SIZE_MAX)
hashes = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
leaves = st.lists(st.binary(max_size=40), min_size=1, max_size=40)


@given(sizes)
def test_a_root_of_the_past_does_not_depend_on_the_present(size: int) -> None:
    assert TREE.root(size) == MerkleTree(HASHES[:size]).root() == root_of_hashes(HASHES[:size])


@given(st.data())
def test_inclusion_binds_leaf_and_place(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, TREE_SIZE_MAX))
    index = data.draw(st.integers(0, size - 1))
    proof, root = TREE.inclusion_proof(index, size), TREE.root(size)
    verify_inclusion(HASHES[index], index, size, proof, root)
    other = data.draw(st.integers(0, size).filter(lambda at: at != index))
    with pytest.raises((Reject, Misbehaviour)):
        verify_inclusion(HASHES[index], other, size, proof, root)


@given(sizes, sizes)
def test_consistency_binds_both_histories(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = TREE.consistency_proof(old, new)
    verify_consistency(old, new, proof, TREE.root(old), TREE.root(new))
    if old:
        forked = MerkleTree([hash_leaf(b"fork"), *HASHES[1:new]])
        with pytest.raises(Misbehaviour):
            verify_consistency(old, new, proof, TREE.root(old), forked.root())


@given(st.integers(-2, 2**64), st.integers(-2, 2**64), st.lists(hashes, max_size=70), hashes)
def test_verifiers_raise_nothing_but_our_errors(
    one: int, other: int, proof: list[bytes], root: bytes
) -> None:
    with suppress(Reject, Misbehaviour):
        verify_inclusion(root, one, other, proof, root)
    with suppress(Reject, Misbehaviour):
        verify_consistency(one, other, proof, root, root)


@given(st.integers(0, 2**40), st.integers(0, 300))
def test_tiles_and_their_paths(size: int, growth: int) -> None:
    new: list[Tile | EntryTile] = [
        *tiles_of(size + growth, since=size),
        *entry_tiles_of(size + growth, since=size),
    ]
    assert len({tile.path for tile in new}) == len(new)
    assert all(parse_path(tile.path) == tile for tile in new)


@given(sizes, sizes)
def test_a_published_log_is_the_sum_of_its_growth(one: int, other: int) -> None:
    since, size = sorted((one, other))
    whole, before = set(tiles_of(size)), set(tiles_of(since))
    growth = set(tiles_of(size, since))
    assert whole - before <= growth <= whole
    assert all(tile.width == TILE_WIDTH or tile not in before - whole for tile in growth)


@given(st.integers(1, TREE_SIZE_MAX))
def test_level_0_tiles_rebuild_the_tree(size: int) -> None:
    data = b"".join(tile_data(TREE, tile) for tile in tiles_of(size) if tile.level == 0)
    rebuilt = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    assert MerkleTree(rebuilt).root() == TREE.root(size)


@given(st.text(alphabet="tile/nrsx.p0123456789", max_size=30))
def test_a_parsed_path_is_the_only_spelling(path: str) -> None:
    try:
        tile = parse_path(path)
    except Reject:
        return
    assert tile.path == path


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=TILE_WIDTH))
def test_entry_bundles_round_trip(entries: list[bytes]) -> None:
    assert decode_entries(encode_entries(entries), len(entries)) == entries


@given(leaves, st.data())
def test_erasing_keeps_the_commitment_and_every_proof(
    whole: list[bytes], data: st.DataObject
) -> None:
    batch = batch_of(whole)
    rest: list[Leaf] = list(whole)
    for index in data.draw(st.sets(st.integers(0, len(whole) - 1))):
        rest = erase(rest, {hash_leaf(whole[index])})
        assert rest[index] == Erased(hash_leaf(whole[index]))
    assert check_batch(batch.root, batch.count, encode_bundle(rest)) == rest
    at = data.draw(st.integers(0, len(whole) - 1))
    verify_inclusion(hash_leaf(whole[at]), at, batch.count, leaf_proof(rest, at), batch.root)


@given(leaves, st.binary(max_size=200), st.integers(1, 50))
def test_a_bundle_belongs_to_one_batch(whole: list[bytes], other: bytes, count: int) -> None:
    batch = batch_of(whole)
    try:
        found = check_batch(batch.root, count, other)
    except Reject:
        return
    assert (count, encode_bundle(found)) == (batch.count, other)
