"""The settlement tree is OpenZeppelin's, and what witnesses sign is EIP-712's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.money.payload import (
    Payload,
    change_digest,
    hash_payload,
    move_digest,
    post_digest,
    quorum_of,
    uphold_digest,
)
from protocol.money.settlement import (
    CONTRACTS,
    ETHER,
    NOTHING_EARNED,
    Address,
    Deployment,
    Leaf,
    address,
    build_tree,
    sum_totals,
    verify_proof,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "settlement_trees.json"

addresses = st.binary(min_size=20, max_size=20).map(Address)
amounts = st.dictionaries(addresses, st.integers(0, 2**256 - 1), max_size=4).map(
    lambda chosen: tuple(sorted(chosen.items()))
)
leaf_lists = st.lists(
    st.builds(Leaf, addresses, amounts),
    min_size=1,
    max_size=40,
    unique_by=lambda leaf: leaf.account,
)


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def leaf(account: int = 1, *cumulative: tuple[int, int]) -> Leaf:
    """By assets, given by a byte each."""
    chosen = tuple((Address(bytes([asset]) * 20), n) for asset, n in cumulative or [(2, 3)])
    return Leaf(Address(bytes([account]) * 20), chosen)


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text()), ids=lambda v: len(v["leaves"]))
def test_trees_equal_those_of_openzeppelin(vector: dict[str, Any]) -> None:
    leaves = [
        Leaf(
            address(raw(each["account"])),
            tuple(
                (address(raw(asset)), int(amount))
                for asset, amount in zip(each["assets"], each["cumulatives"], strict=True)
            ),
        )
        for each in vector["leaves"]
    ]
    tree = build_tree(leaves)
    assert tree.root == raw(vector["root"])
    for given_leaf, proof in zip(leaves, vector["proofs"], strict=True):
        index = tree.index_of(given_leaf.account)
        assert index is not None
        assert tree.leaves[index] == given_leaf
        assert tree.proof(index) == [raw(hash_) for hash_ in proof]


@given(leaf_lists)
def test_every_leaf_is_proved_and_no_other_amount_is(leaves: list[Leaf]) -> None:
    tree = build_tree(leaves)
    for index, proved in enumerate(tree.leaves):
        proof = tree.proof(index)
        assert verify_proof(tree.root, proved, proof)
        more = tuple((asset, (amount + 1) % 2**256) for asset, amount in proved.amounts)
        if more:
            assert not verify_proof(tree.root, replace(proved, amounts=more), proof)
            assert not verify_proof(tree.root, replace(proved, amounts=proved.amounts[1:]), proof)


@given(leaf_lists, st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_the_order(leaves: list[Leaf], random: object) -> None:
    shuffled = list(leaves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert build_tree(shuffled).root == build_tree(leaves).root


def test_impossible_settlements_are_refused() -> None:
    with pytest.raises(ValueError, match="two leaves"):
        build_tree([leaf(1, (2, 3)), leaf(1, (4, 5))])
    assert build_tree([leaf(1)]).index_of(bytes(20)) is None


def test_nobody_is_paid_by_a_root_of_nothing() -> None:
    tree = build_tree([])
    assert (tree.root, tree.index_of(leaf().account)) == (NOTHING_EARNED, None)
    assert not verify_proof(tree.root, leaf(), [])


@pytest.mark.parametrize(
    ("account", "chosen", "message"),
    [
        (19, ((bytes(20), 0),), "20 bytes"),
        (20, ((bytes(21), 0),), "20 bytes"),
        (20, ((bytes(20), -1),), "unsigned 256-bit"),
        (20, ((bytes(20), 2**256),), "unsigned 256-bit"),
        (20, ((bytes(20), 1), (bytes(20), 1)), "ascending"),
        (20, ((b"\1" * 20, 1), (bytes(20), 1)), "ascending"),
    ],
)
def test_impossible_leaves_are_rejected(account: int, chosen: Any, message: str) -> None:
    with pytest.raises(Reject, match=message):
        Leaf(Address(bytes(account)), chosen)


def test_absurd_proofs_are_refused_without_hashing_them() -> None:
    tree = build_tree([leaf(1), leaf(2)])
    good = tree.proof(0)
    assert verify_proof(tree.root, tree.leaves[0], good)
    assert not verify_proof(tree.root, tree.leaves[0], [good[0][:31]])
    assert not verify_proof(tree.root, tree.leaves[0], good * 41)


def test_totals_are_summed_by_asset() -> None:
    leaves = [leaf(1, (7, 10), (8, 1)), leaf(2, (7, 5))]
    assert sum_totals(leaves) == ((Address(b"\x07" * 20), 15), (Address(b"\x08" * 20), 1))
    assert leaves[0].amount(b"\x07" * 20) == 10
    assert leaves[0].amount(ETHER) == 0


def test_a_quorum_is_more_than_two_thirds() -> None:
    assert [quorum_of(count) for count in (1, 2, 3, 4, 5, 6, 7, 32)] == [1, 2, 3, 3, 4, 5, 5, 22]


_NUMBERS = [("uint256", "attempt"), ("uint256", "witnessNonce"), ("uint256", "deadline")]


def signable(where: Deployment, contract: bytes, kinds: dict[str, Any], message: Any) -> bytes:
    """What a wallet would sign; `eth_account` is an encoder that is not ours."""
    types = {
        name: [{"type": kind, "name": field} for kind, field in fields]
        for name, fields in kinds.items()
    }
    domain = {
        "name": "Commonhold",
        "version": "1",
        "chainId": where.chain_id,
        "verifyingContract": "0x" + contract.hex(),
    }
    return bytes(_hash_eip191_message(encode_typed_data(domain, types, message)))


deployments = st.builds(
    Deployment,
    st.integers(1, 2**63),
    st.just(1),
    st.just(0),
    **dict.fromkeys(CONTRACTS, addresses),
)
numbers = st.integers(0, 2**64 - 1)


@given(
    deployments, numbers, st.binary(min_size=32, max_size=32), amounts, numbers, numbers, numbers
)
def test_digests_equal_the_wallets(  # noqa: PLR0917
    where: Deployment, epoch: int, root: bytes, totals: Any, attempt: int, nonce: int, deadline: int
) -> None:
    payload = Payload(epoch, root, totals)
    listed = {
        "epoch": epoch,
        "root": root,
        "assets": ["0x" + asset.hex() for asset, _ in totals],
        "totals": [total for _, total in totals],
    }
    rest = {"attempt": attempt, "witnessNonce": nonce, "deadline": deadline}
    post = {
        "Post": [("Payload", "payload"), *_NUMBERS],
        "Payload": [
            ("uint256", "epoch"),
            ("bytes32", "root"),
            ("address[]", "assets"),
            ("uint256[]", "totals"),
        ],
    }
    name = hash_payload(payload)
    assert post_digest(where, name, attempt, nonce, deadline) == signable(
        where, where.settlement, post, {"payload": listed} | rest
    )
    uphold = {"Uphold": [("bytes32", "payload"), *_NUMBERS]}
    assert uphold_digest(where, name, attempt, nonce, deadline) == signable(
        where, where.settlement, uphold, {"payload": name} | rest
    )
    witnesses = [asset for asset, _ in totals]
    change = {"WitnessChange": [("address[]", "witnesses"), ("uint256", "proposal"), *_NUMBERS[1:]]}
    message = {"witnesses": listed["assets"], "proposal": epoch} | rest
    del message["attempt"]
    assert change_digest(where, witnesses, epoch, nonce, deadline) == signable(
        where, where.witness_set, change, message
    )


@given(deployments, deployments, numbers, amounts, numbers, numbers)
def test_a_move_is_what_a_wallet_would_sign(  # noqa: PLR0917
    where: Deployment, to: Deployment, start: int, left: Any, nonce: int, deadline: int
) -> None:
    to = replace(to, start=start, carried=start + 1)
    kinds = {
        "Move": [
            *(("uint256", name) for name in ("chainId", "block", "finality")),
            ("address[]", "contracts"),
            *(("uint256", name) for name in ("epoch", "carried")),
            *(("address[]", "assets"), ("uint256[]", "left")),
            *_NUMBERS[1:],
        ]
    }
    message = {
        "chainId": to.chain_id,
        "block": to.block,
        "finality": to.finality,
        "contracts": ["0x" + getattr(to, name).hex() for name in CONTRACTS],
        "epoch": start,
        "carried": start + 1,
        "assets": ["0x" + asset.hex() for asset, _ in left],
        "left": [amount for _, amount in left],
        "witnessNonce": nonce,
        "deadline": deadline,
    }
    assert move_digest(where, to, left, nonce, deadline) == signable(
        where, where.settlement, kinds, message
    )
