"""Dealing the coin: witnesses make a secret together that none of them ever holds.

Each witness deals: it draws a polynomial of degree `threshold - 1`, commits to its coefficients (Feldman,
FOCS 1987) and encrypts to each witness the polynomial's value at that witness's place. The sum of all deals
is the coin's polynomial (Pedersen, EUROCRYPT 1991): a witness's share is the sum of what it was dealt, its
public share follows from the commitments alone, and any `threshold` shares, no fewer, determine the coin.

Whether a value that somebody else cannot read is the right one, only its reader sees. A reader who was dealt
a wrong one complains: it shows the key of that one encryption, with a proof, and everybody sees it.

A dealer proves to know what it deals, so that nothing of it is made of another dealer's points. Without that,
a deal that cancels the others' out would leave a secret that its dealer alone knows; and one that is
encrypted from another's ephemeral point would have the witnesses' complaints show what they were dealt by
that other. So what a complaint shows is nothing that the dealer did not know.

The dealer who deals last can bias the coin's public key (Gennaro et al., EUROCRYPT 1999), and gains nothing:
the coin's values are hashes that depend on the whole secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.coin.group import (
    ORDER,
    Point,
    add,
    check_point,
    encode_scalar,
    hash_to_scalar,
    multiply,
    multiply_base,
)
from protocol.coin.proof import Statement, check_known, check_proof, prove, prove_known
from protocol.errors import Reject
from protocol.limits import HASH_BYTES, PROOF_BYTES


@dataclass(frozen=True, slots=True)
class Deal:
    """What one witness deals to all.

    commitments: to the coefficients, lowest first, as many as the threshold. ephemeral: a public point that
    the values are encrypted from. values: for each witness, 32 bytes. knowledge: proofs that the dealer knows
    the logarithms of the first commitment and of the ephemeral point, 64 bytes each.
    """

    commitments: tuple[Point, ...]
    ephemeral: Point
    values: tuple[bytes, ...]
    knowledge: bytes


def threshold_of(witnesses: int) -> int:
    """How many of so many witnesses determine the coin: more than half, so that a minority can neither
    foresee it nor, with all others present, withhold it."""
    return witnesses // 2 + 1


def make_deal(seed: bytes, place: bytes, keys: Sequence[Point]) -> Deal:
    """A deal to the witnesses' keys. `seed`: 32 secret bytes; `place`: 32 bytes that name this dealing and
    its dealer. The same two make the same deal."""
    threshold = threshold_of(len(keys))
    coefficients = [
        hash_to_scalar("coin-coefficient", seed, place, power.to_bytes(2, "big"))
        for power in range(threshold)
    ]
    secret = hash_to_scalar("coin-ephemeral", seed, place)
    ephemeral = multiply_base(secret)
    values = (
        _mask(
            _pad(place, ephemeral, key, multiply(secret, key)),
            encode_scalar(_evaluate(coefficients, at)),
        )
        for at, key in enumerate(keys, start=1)
    )
    commitments = tuple(map(multiply_base, coefficients))
    knowledge = prove_known(place, commitments[0], coefficients[0]) + prove_known(
        place, ephemeral, secret
    )
    return Deal(commitments, ephemeral, tuple(values), knowledge)


def check_deal(deal: Deal, place: bytes, witnesses: int) -> None:
    """What everybody can see of a deal; raises Reject."""
    threshold = threshold_of(witnesses)
    if len(deal.commitments) != threshold:
        raise Reject(f"a deal among {witnesses} witnesses has {threshold} commitments")
    if len(deal.values) != witnesses or any(len(each) != HASH_BYTES for each in deal.values):
        raise Reject(f"a deal has a value of {HASH_BYTES} bytes for each of {witnesses} witnesses")
    for point in (*deal.commitments, deal.ephemeral):
        check_point(point, "a point of the deal")
    check_known(place, deal.commitments[0], deal.knowledge[:PROOF_BYTES])
    check_known(place, deal.ephemeral, deal.knowledge[PROOF_BYTES:])


def open_value(deal: Deal, place: bytes, at: int, key: Point, secret: int) -> int | None:
    """What the witness at place `at` (from 1) was dealt; None if it is not the value of the polynomial that
    the deal commits to: then `make_complaint`."""
    return _open(deal, place, at, key, multiply(secret, deal.ephemeral))


@dataclass(frozen=True, slots=True)
class Complaint:
    """The key of one encryption, shown, and the proof that it is the key."""

    shared: Point
    proof: bytes


def make_complaint(deal: Deal, place: bytes, key: Point, secret: int) -> Complaint:
    """Shows one value of the deal to everybody. What a witness shows of a wrong deal is of no use to anybody:
    the deal does not count."""
    shared = multiply(secret, deal.ephemeral)
    return Complaint(shared, prove(Statement(place, key, deal.ephemeral, shared), secret))


def check_complaint(complaint: Complaint, deal: Deal, place: bytes, at: int, key: Point) -> None:
    """Raises Reject unless the deal is wrong for the witness at place `at`."""
    shared = check_point(complaint.shared, "the shown key")
    check_proof(Statement(place, key, deal.ephemeral, shared), complaint.proof)
    if _open(deal, place, at, key, shared) is not None:
        raise Reject("what this witness was dealt is right")


def public_shares(deals: Iterable[Deal], witnesses: int) -> tuple[Point, ...]:
    """The public share of each witness, from the deals that count. Raises Reject where the deals cancel each
    other out, which nobody meets by chance."""
    sums = [_sum(column) for column in zip(*(deal.commitments for deal in deals), strict=True)]
    return tuple(_evaluate_hidden(sums, at) for at in range(1, witnesses + 1))


def _open(deal: Deal, place: bytes, at: int, key: Point, shared: Point) -> int | None:
    text = _mask(_pad(place, deal.ephemeral, key, shared), deal.values[at - 1])
    value = int.from_bytes(text, "little")
    if not 0 < value < ORDER:
        return None
    try:
        expected = _evaluate_hidden(deal.commitments, at)
    except Reject:  # commitments that cancel each other out at this very place hold no value
        return None
    return value if multiply_base(value) == expected else None


def _evaluate(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for each in reversed(coefficients):
        value = (value * at + each) % ORDER
    return value


def _evaluate_hidden(commitments: Sequence[Point], at: int) -> Point:
    """The same polynomial, of points: Horner's rule."""
    value = commitments[-1]
    for each in reversed(commitments[:-1]):
        value = _add(multiply(at, value), each)
    return value


def _sum(points: Iterable[Point]) -> Point:
    first, *others = points
    for each in others:
        first = _add(first, each)
    return first


def _add(left: Point, right: Point) -> Point:
    """Raises Reject for a sum that is the neutral element: no later product could be computed."""
    return check_point(add(left, right), "a sum of the deals")


def _pad(place: bytes, ephemeral: Point, key: Point, shared: Point) -> bytes:
    stated = b"commonhold/v1/coin-pad\0" + place + ephemeral + key + shared
    return hashlib.sha256(stated).digest()


def _mask(pad: bytes, text: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(pad, text, strict=True))
