"""What a log answers to a head of its own: an honest answer holds, every other convicts it or is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import Misbehaviour, Reject
from protocol.log.assurance import check_assurance, extension_of
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint


def tree_of(*entries: str) -> MerkleTree:
    return MerkleTree(hash_leaf(entry.encode()) for entry in entries)


def head(tree: MerkleTree, size: int | None = None) -> Checkpoint:
    size = tree.size if size is None else size
    return Checkpoint("log", size, tree.root(size))


def answer(held: Checkpoint, tree: MerkleTree, proof: list[bytes]) -> Checkpoint:
    return replace(head(tree), extensions=(extension_of(held, proof),))


LOG = tree_of(*"abcdefg")


@pytest.mark.parametrize("size", range(8))
def test_a_log_that_grew_can_always_answer(size: int) -> None:
    held, proof = head(LOG, size), LOG.consistency_proof(size)
    check_assurance(held, answer(held, LOG, proof), proof)


@pytest.mark.parametrize(
    "other", [tree_of(*"abc"), tree_of(*"abXde"), tree_of(*"abXdefg"), tree_of(*"abXdefgh")]
)
def test_a_log_that_went_back_convicts_itself(other: MerkleTree) -> None:
    held = head(LOG, 5)
    proof = other.consistency_proof(5) if other.size >= 5 else []
    with pytest.raises(Misbehaviour):
        check_assurance(held, answer(held, other, proof), proof)


def test_a_proof_that_it_signed_and_that_is_none_convicts_it_too() -> None:
    held = head(LOG, 5)
    for proof in ([], [bytes(32)], LOG.consistency_proof(4)):
        with pytest.raises(Misbehaviour):
            check_assurance(held, answer(held, LOG, proof), proof)


def test_the_answer_to_something_else_proves_nothing() -> None:
    held, proof = head(LOG, 5), LOG.consistency_proof(5)
    right = answer(held, LOG, proof)
    for present in (
        head(LOG),
        answer(head(LOG, 4), LOG, proof),
        answer(held, LOG, [*proof, bytes(32)]),
        replace(right, extensions=(*right.extensions, "more")),
    ):
        with pytest.raises(Reject):
            check_assurance(held, present, proof)
    with pytest.raises(Reject):
        check_assurance(held, right, [*proof, bytes(32)])
