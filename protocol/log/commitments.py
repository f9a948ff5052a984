"""Salted commitments: say now, show later; and names of places. All are domain-separated SHA-256.

A commitment hides its value only as long as its salt is 32 unguessable bytes; delete value and salt,
and what the log keeps says nothing.
"""

from __future__ import annotations

import hashlib

from protocol.errors import Reject
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


def round_place(network: bytes, campaign_id: str, round_: int, seal: bytes, nonce: int) -> bytes:
    """What the coin of a round is tossed for: fixed by its seal, whose digest has the root of all it says,
    and by the set of witnesses, of this nonce. Ids hold no zero byte."""
    numbers = round_.to_bytes(4, "big") + nonce.to_bytes(4, "big")
    return _digest("round", network, campaign_id.encode() + b"\0", numbers, seal)


def deal_place(network: bytes, proposal: bytes, dealer: bytes) -> bytes:
    """What a witness's deal is for: the digest of the record that proposed the set names it and its keys."""
    return _digest("deal", network, proposal, dealer)


def _checked(salt: bytes) -> bytes:
    if len(salt) != SALT_BYTES:
        raise Reject(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return salt
