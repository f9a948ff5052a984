"""The settlement tree is OpenZeppelin's, and the publication digest is EIP-712's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.money.settlement import (
    ETHER,
    Address,
    Leaf,
    address,
    build_tree,
    publication_digest,
    sum_totals,
    verify_proof,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "settlement_trees.json"

addresses = st.binary(min_size=20, max_size=20).map(Address)
leaf_lists = st.lists(
    st.builds(Leaf, addresses, addresses, st.integers(0, 2**256 - 1)),
    min_size=1,
    max_size=40,
    unique_by=lambda leaf: (leaf.account, leaf.asset),
)


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def leaf(account: int = 1, asset: int = 2, cumulative: int = 3) -> Leaf:
    return Leaf(Address(bytes([account]) * 20), Address(bytes([asset]) * 20), cumulative)


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text()), ids=lambda v: len(v["leaves"]))
def test_trees_equal_those_of_openzeppelin(vector: dict[str, list[list[str]]]) -> None:
    leaves = [Leaf(address(raw(a)), address(raw(b)), int(c)) for a, b, c in vector["leaves"]]
    tree = build_tree(leaves)
    assert tree.root == raw(str(vector["root"]))
    for given_leaf, proof in zip(leaves, vector["proofs"], strict=True):
        index = tree.index_of(given_leaf.account, given_leaf.asset)
        assert index is not None
        assert tree.leaves[index] == given_leaf
        assert tree.proof(index) == [raw(hash_) for hash_ in proof]


@given(leaf_lists)
def test_every_leaf_is_proved_and_no_other_amount_is(leaves: list[Leaf]) -> None:
    tree = build_tree(leaves)
    for index, proved in enumerate(tree.leaves):
        proof = tree.proof(index)
        other = Leaf(proved.account, proved.asset, (proved.cumulative + 1) % 2**256)
        assert verify_proof(tree.root, proved, proof)
        assert not verify_proof(tree.root, other, proof)


@given(leaf_lists, st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_the_order(leaves: list[Leaf], random: object) -> None:
    shuffled = list(leaves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert build_tree(shuffled).root == build_tree(leaves).root


def test_impossible_settlements_are_refused() -> None:
    with pytest.raises(ValueError, match="without leaves"):
        build_tree([])
    with pytest.raises(ValueError, match="two leaves"):
        build_tree([leaf(cumulative=3), leaf(cumulative=4)])
    assert build_tree([leaf(asset=2), leaf(asset=3)]).index_of(bytes(20), ETHER) is None


@pytest.mark.parametrize(
    ("account", "asset", "cumulative"),
    [(19, 20, 0), (20, 21, 0), (20, 20, -1), (20, 20, 2**256)],
)
def test_impossible_leaves_are_rejected(account: int, asset: int, cumulative: int) -> None:
    with pytest.raises(Reject):
        Leaf(Address(bytes(account)), Address(bytes(asset)), cumulative)


def test_absurd_proofs_are_refused_without_hashing_them() -> None:
    tree = build_tree([leaf(1), leaf(2)])
    good = tree.proof(0)
    assert verify_proof(tree.root, tree.leaves[0], good)
    assert not verify_proof(tree.root, tree.leaves[0], [good[0][:31]])
    assert not verify_proof(tree.root, tree.leaves[0], good * 41)


def test_totals_are_summed_by_asset() -> None:
    leaves = [leaf(1, 7, 10), leaf(2, 7, 5), leaf(1, 8, 1)]
    assert sum_totals(leaves) == {Address(b"\x07" * 20): 15, Address(b"\x08" * 20): 1}


@given(
    st.integers(1, 2**63),
    addresses,
    st.integers(0, 2**256 - 1),
    st.binary(min_size=32, max_size=32),
    st.dictionaries(addresses, st.integers(0, 2**256 - 1), max_size=4),
)
def test_publication_digest_equals_the_wallets(
    chain_id: int, contract: Address, epoch: int, root: bytes, totals: dict[Address, int]
) -> None:
    """`eth_account` is an independent EIP-712 encoder; the contract's is compared on a chain."""
    assets = sorted(totals)
    message = {
        "epoch": epoch,
        "root": root,
        "assets": ["0x" + asset.hex() for asset in assets],
        "totals": [totals[asset] for asset in assets],
    }
    kinds = [("uint256", "epoch"), ("bytes32", "root"), ("address[]", "assets")]
    signable = encode_typed_data(
        {
            "name": "Commonhold",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + contract.hex(),
        },
        {"Publication": [{"type": t, "name": n} for t, n in [*kinds, ("uint256[]", "totals")]]},
        message,
    )
    digest = publication_digest(chain_id, contract, epoch, root, totals)
    assert digest == _hash_eip191_message(signable)
