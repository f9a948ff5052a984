"""Tossing the coin: shares of witnesses, and the number that enough of them determine.

The coin of a place is hash-to-point(place) taken as many times as the witnesses' common secret says (Cachin,
Kursawe and Shoup, PODC 2000). It is unique: whichever `threshold` of the shares come, and in whatever order,
the number is the same. So there is nothing to choose for whoever sends last, leaves out or delays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from protocol.coin.group import ORDER, Point, add, check_point, hash_to_point, multiply
from protocol.coin.proof import Statement, check_proof, prove


@dataclass(frozen=True, slots=True)
class Share:
    """A witness's part of the coin of one place."""

    point: Point
    proof: bytes


def make_share(place: bytes, public: Point, secret: int) -> Share:
    """The share of a witness whose share of the secret is `secret`. `place`: 32 bytes that nobody knows
    before everything is fixed that the coin decides about."""
    base = hash_to_point("coin", place)
    point = multiply(secret, base)
    return Share(point, prove(Statement(place, public, base, point), secret))


def check_share(share: Share, place: bytes, public: Point) -> None:
    """Raises Reject unless it is the one share that this witness can have."""
    point = check_point(share.point, "the share of the coin")
    check_proof(Statement(place, public, hash_to_point("coin", place), point), share.proof)


def combine(place: bytes, shares: Mapping[int, Point]) -> bytes:
    """The coin, 32 bytes, from checked shares by the witness's place (from 1), as many as the threshold: by
    Lagrange's interpolation at zero."""
    first, *others = (multiply(_weight(at, shares), point) for at, point in shares.items())
    total = reduce(add, others, first)
    return hashlib.sha256(b"commonhold/v1/coin-value\0" + place + total).digest()


def _weight(at: int, places: Mapping[int, Point]) -> int:
    above = below = 1
    for other in places:
        if other != at:
            above = above * other % ORDER
            below = below * (other - at) % ORDER
    return above * pow(below, -1, ORDER) % ORDER
