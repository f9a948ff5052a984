"""Merkle trees: published vectors, every small size, and each way that a proof can be wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from protocol.errors import Misbehaviour, Reject
from protocol.log.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    MerkleTree,
    consistency_proof_length,
    hash_leaf,
    hash_node,
    inclusion_proof_length,
    root_of,
    root_of_hashes,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves and nine roots of the Certificate Transparency reference tests.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
CT_CONSISTENCY_2_TO_5 = [
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
]
CT_INCLUSION_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]

EXHAUSTIVE_SIZE_MAX = 70  # past one 64-leaf subtree, with every shape below it


def make_leaf_hashes(count: int) -> list[bytes]:
    return [hash_leaf(bytes((index,))) for index in range(count)]


def root_by_definition(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hash_node(root_by_definition(hashes[:k]), root_by_definition(hashes[k:]))


def to_hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


@pytest.mark.parametrize("size", range(9))
def test_roots_match_certificate_transparency(size: int) -> None:
    tree = MerkleTree(map(hash_leaf, CT_LEAVES))
    assert tree.root(size).hex() == CT_ROOTS[size]
    assert root_of(CT_LEAVES[:size]).hex() == CT_ROOTS[size]


def test_proofs_match_certificate_transparency() -> None:
    tree = MerkleTree(map(hash_leaf, CT_LEAVES))
    assert to_hex(tree.inclusion_proof(0, 8)) == CT_INCLUSION_0_OF_8
    assert to_hex(tree.consistency_proof(6, 8)) == CT_CONSISTENCY_6_TO_8
    assert to_hex(tree.consistency_proof(2, 5)) == CT_CONSISTENCY_2_TO_5


def test_every_root_and_proof_of_every_small_size() -> None:
    hashes = make_leaf_hashes(EXHAUSTIVE_SIZE_MAX)
    tree = MerkleTree(hashes)
    roots = [root_by_definition(hashes[:size]) for size in range(EXHAUSTIVE_SIZE_MAX + 1)]
    for size, root in enumerate(roots):
        assert tree.root(size) == root_of_hashes(hashes[:size]) == root
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert len(proof) == inclusion_proof_length(index, size)
            verify_inclusion(hashes[index], index, size, proof, root)
        for old in range(size + 1):
            proof = tree.consistency_proof(old, size)
            assert len(proof) == consistency_proof_length(old, size)
            verify_consistency(old, size, proof, roots[old], root)


def test_append_returns_the_index_and_counts() -> None:
    tree = MerkleTree()
    assert tree.root() == EMPTY_ROOT
    assert [tree.append(each) for each in make_leaf_hashes(5)] == [0, 1, 2, 3, 4]
    assert tree.size == 5


def test_a_tree_refuses_what_it_does_not_hold() -> None:
    tree = MerkleTree(make_leaf_hashes(5))
    with pytest.raises(ValueError, match="32 bytes"):
        tree.append(b"short")
    for call in (
        lambda: tree.root(6),
        lambda: tree.root(-1),
        lambda: tree.inclusion_proof(5),
        lambda: tree.inclusion_proof(-1),
        lambda: tree.inclusion_proof(3, 3),
        lambda: tree.consistency_proof(6),
        lambda: tree.consistency_proof(4, 3),
        lambda: tree.nodes(0, 4, 6),
        lambda: tree.nodes(9, 0, 1),
    ):
        with pytest.raises(ValueError, match=r"outside|not in|cannot extend|not hold"):
            call()


def test_the_past_can_be_read_while_the_tree_grows() -> None:
    tree = MerkleTree(make_leaf_hashes(200))
    leaf, root = make_leaf_hashes(200)[77], tree.root()

    def grow() -> None:
        for number in range(20_000):
            tree.append(hash_leaf(number.to_bytes(4, "big")))

    with ThreadPoolExecutor(1) as writer:
        growing = writer.submit(grow)
        while not growing.done():
            verify_inclusion(leaf, 77, 200, tree.inclusion_proof(77, 200), root)
        growing.result()
    verify_consistency(200, tree.size, tree.consistency_proof(200), root, tree.root())


class TestInclusion:
    tree = MerkleTree(make_leaf_hashes(13))
    leaf, index, size, root = make_leaf_hashes(13)[6], 6, 13, tree.root()
    proof = tree.inclusion_proof(6)

    def test_a_right_proof_is_accepted(self) -> None:
        verify_inclusion(self.leaf, self.index, self.size, self.proof, self.root)

    @pytest.mark.parametrize(
        ("index", "size"), [(-1, 13), (13, 13), (0, 0), (SIZE_MAX, SIZE_MAX + 1)]
    )
    def test_an_impossible_place_is_rejected(self, index: int, size: int) -> None:
        with pytest.raises(Reject, match="cannot be in"):
            verify_inclusion(self.leaf, index, size, self.proof, self.root)

    def test_a_proof_of_another_length_is_rejected(self) -> None:
        for proof in ([], self.proof[:-1], [*self.proof, self.leaf]):
            with pytest.raises(Reject, match="hashes where"):
                verify_inclusion(self.leaf, self.index, self.size, proof, self.root)

    def test_a_hash_of_another_length_is_rejected(self) -> None:
        for leaf, proof, root in (
            (self.leaf[1:], self.proof, self.root),
            (self.leaf, [*self.proof[:-1], b""], self.root),
            (self.leaf, self.proof, self.root + b"\0"),
        ):
            with pytest.raises(Reject, match="32 bytes"):
                verify_inclusion(leaf, self.index, self.size, proof, root)

    def test_each_changed_hash_is_misbehaviour(self) -> None:
        for at in range(len(self.proof)):
            proof = [*self.proof]
            proof[at] = hash_leaf(b"other")
            with pytest.raises(Misbehaviour):
                verify_inclusion(self.leaf, self.index, self.size, proof, self.root)
        with pytest.raises(Misbehaviour):
            verify_inclusion(hash_leaf(b"other"), self.index, self.size, self.proof, self.root)

    def test_another_place_is_misbehaviour(self) -> None:
        with pytest.raises(Misbehaviour):
            verify_inclusion(self.leaf, self.index + 1, self.size, self.proof, self.root)


class TestConsistency:
    tree = MerkleTree(make_leaf_hashes(13))
    old_root, new_root, proof = tree.root(6), tree.root(13), tree.consistency_proof(6, 13)

    def test_a_right_proof_is_accepted(self) -> None:
        verify_consistency(6, 13, self.proof, self.old_root, self.new_root)

    def test_a_shrinking_log_is_rejected(self) -> None:
        with pytest.raises(Reject, match="cannot extend"):
            verify_consistency(13, 6, self.proof, self.new_root, self.old_root)

    def test_a_proof_of_another_length_is_rejected(self) -> None:
        for proof in ([], self.proof[1:], [*self.proof, self.old_root]):
            with pytest.raises(Reject, match="hashes where"):
                verify_consistency(6, 13, proof, self.old_root, self.new_root)

    def test_each_changed_hash_is_misbehaviour(self) -> None:
        for at in range(len(self.proof)):
            proof = [*self.proof]
            proof[at] = hash_leaf(b"other")
            with pytest.raises(Misbehaviour):
                verify_consistency(6, 13, proof, self.old_root, self.new_root)

    def test_another_history_is_misbehaviour(self) -> None:
        other = MerkleTree([hash_leaf(b"other"), *make_leaf_hashes(13)[1:]])
        with pytest.raises(Misbehaviour, match="old root"):
            verify_consistency(6, 13, other.consistency_proof(6, 13), self.old_root, other.root())
        with pytest.raises(Misbehaviour, match="new root"):
            verify_consistency(6, 13, self.proof, self.old_root, other.root())

    def test_the_same_size_needs_the_same_root(self) -> None:
        verify_consistency(6, 6, [], self.old_root, self.old_root)
        with pytest.raises(Misbehaviour, match="two different roots"):
            verify_consistency(6, 6, [], self.old_root, self.new_root)

    def test_every_log_extends_the_empty_one(self) -> None:
        verify_consistency(0, 13, [], EMPTY_ROOT, self.new_root)
        with pytest.raises(Misbehaviour, match="empty"):
            verify_consistency(0, 13, [], self.old_root, self.new_root)
