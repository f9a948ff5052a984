"""Who is who: an Ed25519 public key, and the libp2p peer id that is its printed name.

PeerId = base58btc(00 24 08 01 12 20 || public key): an identity multihash of a protobuf
PublicKey{type: Ed25519} (libp2p peer-ids spec), so name and key are the same thing.
"""

from __future__ import annotations

from typing import Final, NewType

import base58

from protocol.errors import Reject
from protocol.limits import KEY_BYTES

Identity = NewType("Identity", bytes)
"""A 32-byte Ed25519 public key."""

_PREFIX: Final = bytes.fromhex("002408011220")


def peer_id_of(identity: bytes) -> str:
    """The name `12D3Koo…` of an identity."""
    return base58.b58encode(_PREFIX + identity).decode()


def identity_of(peer_id: str) -> Identity:
    """The identity behind a peer id; raises Reject when it is not an Ed25519 one."""
    try:
        raw = base58.b58decode(peer_id)
    except ValueError as error:
        raise Reject(f"{peer_id!r} is not base58, so not a peer id") from error
    if len(raw) != len(_PREFIX) + KEY_BYTES or not raw.startswith(_PREFIX):
        raise Reject(f"{peer_id!r} is not the peer id of an Ed25519 key (12D3Koo…)")
    return Identity(raw[len(_PREFIX) :])


def short(identity: bytes) -> str:
    """A name for people's eyes: the last eight characters, where peer ids differ."""
    return "…" + peer_id_of(identity)[-8:]
