"""Split views: does what another node was shown fit what this node was shown? Pure comparison.

Two nodes of an honest log hold checkpoints of one history, so that the smaller is a prefix of the
larger (RFC 6962, section 3: consistency). When it is not, the log's own signature stands under two
histories; the two notes and one consistency proof convince anybody, whoever reports them.

An alarm is an envelope of kind "alarm" whose payload is a bundle (protocol/log/batch.py) of
`theirs, ours, root, proof...`: our root at the size of their checkpoint, and the proof that our
checkpoint extends it. It is gossiped, never logged: the log is the accused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from protocol.errors import Misbehaviour, Reject
from protocol.log.batch import Erased, decode_bundle, encode_bundle
from protocol.log.envelope import Envelope, Signer, parse_envelope, seal, verify_signature
from protocol.log.merkle import EMPTY_ROOT, MerkleTree, verify_consistency
from protocol.log.note import Checkpoint, Verifier, open_checkpoint

KIND: Final = "alarm"
# The kind of the alarm that a node then raises; its evidence are the parts of a SplitView.
SPLIT_VIEW: Final = "split-view"
# A proof in the largest log that SIZE_MAX allows: its length is at most twice the tree's height.
PROOF_HASHES_MAX: Final = 128


class Finding(Enum):
    """What a checkpoint of somebody else says when held against our own log."""

    AGREES = auto()  # a prefix of ours, or the same
    AHEAD = auto()  # larger than ours: to be compared when we get there
    SPLIT = auto()  # another history


@dataclass(frozen=True, slots=True)
class SplitView:
    """Proof that one log signed two histories."""

    theirs: bytes  # signed note over another history
    ours: bytes  # signed note of our history, at least as large
    root: bytes  # our root at the size of theirs, 32 bytes
    proof: tuple[bytes, ...]  # that `ours` extends it

    @property
    def parts(self) -> tuple[bytes, ...]:
        """As evidence is kept."""
        return (self.theirs, self.ours, self.root, *self.proof)

    @classmethod
    def of_parts(cls, parts: Sequence[bytes]) -> SplitView:
        """The other way round. Raises Reject for what has not their form."""
        if not 3 <= len(parts) <= 3 + PROOF_HASHES_MAX:
            raise Reject("an alarm holds two checkpoints, a root and a proof")
        theirs, ours, root, *proof = parts
        return cls(theirs, ours, root, tuple(proof))


def compare(tree: MerkleTree, size: int, other: Checkpoint) -> Finding:
    """Hold a checkpoint that the log signed against our replay: the first `size` leaves of `tree`."""
    if other.size > size:
        return Finding.AHEAD
    own = tree.root(other.size) if other.size else EMPTY_ROOT
    return Finding.AGREES if own == other.root else Finding.SPLIT


def prove_split(tree: MerkleTree, size: int, ours: bytes, theirs: bytes, at: int) -> SplitView:
    """The proof of a SPLIT `at` the size of `theirs`; `ours` is the signed note at our `size`."""
    root = tree.root(at) if at else EMPTY_ROOT
    return SplitView(theirs, ours, root, tuple(tree.consistency_proof(at, size)))


def verify_split(split: SplitView, verifier: Verifier) -> None:
    """Raises Reject unless the two notes are signed by the log and contradict each other."""
    theirs = open_checkpoint(split.theirs, verifier)
    ours = open_checkpoint(split.ours, verifier)
    if theirs.root == split.root:
        raise Reject("the two checkpoints agree")
    try:
        verify_consistency(theirs.size, ours.size, split.proof, split.root, ours.root)
    except Misbehaviour as error:
        raise Reject(f"the alarm proves nothing: {error}") from error


def seal_alarm(split: SplitView, key: bytes, sign: Signer) -> bytes:
    """The envelope that tells others."""
    return seal(KIND, encode_bundle(split.parts), key, sign)


def open_alarm(raw: bytes, verifier: Verifier) -> tuple[Envelope, SplitView]:
    """Check an alarm as received. Raises Reject unless it is signed and proves a split view."""
    envelope, split = parse_alarm(raw)
    verify_split(split, verifier)
    verify_signature(envelope)
    return envelope, split


def parse_alarm(raw: bytes) -> tuple[Envelope, SplitView]:
    """What an alarm claims, unchecked. Raises Reject for what has not its form."""
    envelope = parse_envelope(raw)
    if envelope.kind != KIND:
        raise Reject(f"not an alarm but {envelope.kind!r}")
    leaves = [leaf for leaf in decode_bundle(envelope.payload) if not isinstance(leaf, Erased)]
    return envelope, SplitView.of_parts(leaves)
