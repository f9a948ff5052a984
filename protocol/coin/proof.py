"""Proof that two points have the same logarithm, each to its own base, without showing it.

Chaum and Pedersen (CRYPTO 1992), made non-interactive by hashing everything that is stated (Fiat and Shamir).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.coin.group import (
    ORDER,
    Point,
    encode_scalar,
    hash_to_scalar,
    multiply,
    multiply_base,
    subtract,
)
from protocol.errors import Reject
from protocol.limits import HASH_BYTES, PROOF_BYTES

_BASE: Final = multiply_base(1)


@dataclass(frozen=True, slots=True)
class Statement:
    """`public` is to the group's base point what `image` is to `base`. `place` says what it is about, so that
    a proof shows nothing elsewhere: 32 bytes."""

    place: bytes
    public: Point
    base: Point
    image: Point

    def challenge(self, first: Point, second: Point) -> int:
        """What the prover could not choose."""
        stated = (self.place, self.public, self.base, self.image)
        return hash_to_scalar("coin-proof", *stated, first, second)


def prove(statement: Statement, secret: int) -> bytes:
    """64 bytes. The nonce follows from secret and statement: no two statements ever share one."""
    stated = (statement.place, statement.public, statement.base, statement.image)
    nonce = hash_to_scalar("coin-nonce", encode_scalar(secret), *stated)
    challenge = statement.challenge(multiply_base(nonce), multiply(nonce, statement.base))
    return encode_scalar(challenge) + encode_scalar(nonce + challenge * secret)


def check_proof(statement: Statement, proof: bytes) -> None:
    """Raises Reject unless whoever made the proof knows the logarithm. The points were checked before."""
    if len(proof) != PROOF_BYTES:
        raise Reject(f"a proof of the coin has {PROOF_BYTES} bytes")
    challenge = int.from_bytes(proof[:HASH_BYTES], "little")
    answer = int.from_bytes(proof[HASH_BYTES:], "little")
    # One encoding for one proof; a zero proves nothing and would end in the neutral element.
    if not (0 < challenge < ORDER and 0 < answer < ORDER):
        raise Reject("a proof of the coin is not canonical")
    first = subtract(multiply_base(answer), multiply(challenge, statement.public))
    second = subtract(multiply(answer, statement.base), multiply(challenge, statement.image))
    if statement.challenge(first, second) != challenge:
        raise Reject("a proof of the coin does not hold")


def prove_known(place: bytes, public: Point, secret: int) -> bytes:
    """That whoever makes the 64 bytes knows the logarithm of `public`: nothing is made of somebody else's
    points."""
    return prove(_known(place, public), secret)


def check_known(place: bytes, public: Point, proof: bytes) -> None:
    """Raises Reject unless its maker knows the logarithm."""
    check_proof(_known(place, public), proof)


def _known(place: bytes, public: Point) -> Statement:
    return Statement(place, public, _BASE, public)
