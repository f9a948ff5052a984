"""Salted commitments: say now, show later. All are domain-separated SHA-256.

A commitment hides its value only as long as its salt is 32 unguessable bytes; delete value and salt,
and what the log keeps says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.limits import SALT_BYTES

CONTENT_DOMAIN = b"commonhold/v1/content\0"


def _digest(domain: str, *parts: bytes) -> bytes:
    return hashlib.sha256(f"commonhold/v1/{domain}".encode() + b"\0" + b"".join(parts)).digest()


def network_id(log_key: bytes) -> bytes:
    """The name of a network: derived from its log's public key, so that nobody can claim another's."""
    return _digest("network", log_key)


def content_commitment(salt: bytes, content: bytes) -> bytes:
    """Commits to an item's content (streaming code feeds the same bytes to SHA-256 in pieces)."""
    return _digest("content", _checked(salt), content)


def proposal_commitment(salt: bytes, answer: bytes) -> bytes:
    """Commits to the answer that a contributor proposes; opened by the verdict."""
    return _digest("proposal", _checked(salt), answer)


def gold_commitment(item_id: bytes, salt: bytes, answer: bytes) -> bytes:
    """Commits to the known answer of an item; opened by the verdict of the round that it is in."""
    return _digest("gold", item_id, _checked(salt), answer)


def beacon_commitment(network: bytes, person: bytes, value: bytes) -> bytes:
    """Commits to a reviewer's part of the next seed."""
    return _digest("beacon", network, person, _checked(value))


def draw_seed(
    network: bytes, campaign_id: str, round_: int, values: Mapping[PersonId, bytes]
) -> bytes:
    """The seed of a draw: every opened beacon value, in the order of persons. Ids hold no zero byte."""
    parts = [person + values[person] for person in sorted(values)]
    place = campaign_id.encode() + b"\0" + round_.to_bytes(4, "big")
    return _digest("seed", network, place, *parts)


def _checked(salt: bytes) -> bytes:
    if len(salt) != SALT_BYTES:
        raise Reject(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return salt
