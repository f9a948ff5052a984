"""The group that the coin is computed in: the points of prime order of edwards25519, on libsodium.

Scalars are integers modulo `ORDER`; points travel as 32 bytes (RFC 8032). Every point that comes from
somebody else goes through `check_point` once: it is canonical, of prime order and not the neutral element, so
that no share can hide in a small subgroup. libsodium refuses a product or a sum that is the neutral element;
with points of prime order and secrets of full size nobody meets one by chance, and who makes one is refused.
"""

from __future__ import annotations

import hashlib
from typing import Final, NewType

from nacl import bindings, exceptions

from protocol.errors import Reject
from protocol.limits import HASH_BYTES

Point = NewType("Point", bytes)
"""32 bytes."""

ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, section 5.1
_COFACTOR: Final = 8


def to_scalar(text: bytes) -> int:
    """A number modulo the order, from 64 bytes that are spread evenly: the bias is below 2**-250."""
    return int.from_bytes(text, "little") % ORDER


def hash_to_scalar(domain: str, *parts: bytes) -> int:
    """A number modulo the order that follows from the parts, each of a fixed length."""
    return to_scalar(_hash(domain, parts))


def hash_to_point(domain: str, *parts: bytes) -> Point:
    """A point whose logarithm nobody knows: two Elligator points added, as in RFC 9380 section 3."""
    text = _hash(domain, parts)
    first, second = (
        Point(bindings.crypto_core_ed25519_from_uniform(half))
        for half in (text[:HASH_BYTES], text[HASH_BYTES:])
    )
    return add(first, second)


def check_point(point: bytes, what: str) -> Point:
    """The point, if it is one of prime order; raises Reject."""
    if len(point) != HASH_BYTES or not bindings.crypto_core_ed25519_is_valid_point(point):
        raise Reject(f"{what} is not a point of the group")
    return Point(point)


def add(left: Point, right: Point) -> Point:
    """Their sum."""
    return Point(bindings.crypto_core_ed25519_add(left, right))


def subtract(left: Point, right: Point) -> Point:
    """Their difference."""
    return Point(bindings.crypto_core_ed25519_sub(left, right))


def multiply(scalar: int, point: Point) -> Point:
    """The point taken `scalar` times. Raises Reject for a multiple of the order."""
    try:
        return Point(bindings.crypto_scalarmult_ed25519_noclamp(encode_scalar(scalar), point))
    except exceptions.RuntimeError:
        raise Reject("a product in the group is the neutral element") from None


def multiply_base(scalar: int) -> Point:
    """The public point of a secret number. Raises Reject for a multiple of the order."""
    try:
        return Point(bindings.crypto_scalarmult_ed25519_base_noclamp(encode_scalar(scalar)))
    except exceptions.RuntimeError:
        raise Reject("a secret number of the group is zero") from None


def secret_of(seed: bytes) -> int:
    """The secret number behind an Ed25519 key (RFC 8032, section 5.1.5): its public point is the key
    itself."""
    low = bytearray(hashlib.sha512(seed).digest()[:HASH_BYTES])
    low[0] &= 256 - _COFACTOR
    low[31] = (low[31] & 127) | 64
    return int.from_bytes(low, "little") % ORDER


def encode_scalar(scalar: int) -> bytes:
    """The 32 bytes of a number modulo the order."""
    return (scalar % ORDER).to_bytes(HASH_BYTES, "little")


def _hash(domain: str, parts: tuple[bytes, ...]) -> bytes:
    return hashlib.sha512(f"commonhold/v1/{domain}".encode() + b"\0" + b"".join(parts)).digest()
