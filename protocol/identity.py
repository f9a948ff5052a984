"""Who is who: persons, and the keys that sign for them.

A person is the hash of a root key, which its owner keeps apart and which signs nothing but delegations. A key
is what a machine holds: it signs records, and it is the machine's libp2p host key. Identity, reputation and
money belong to persons; keys come and go.

    PersonId = SHA-256("commonhold/v1/person\\0" || root key)
    PeerId   = base58btc(00 24 08 01 12 20 || key): an identity multihash of a protobuf
               PublicKey{type: Ed25519} (libp2p peer-ids spec), so name and key are the same thing
"""

from __future__ import annotations

import hashlib
from typing import Final, NewType

import base58

from protocol.errors import Reject
from protocol.limits import HASH_BYTES, KEY_BYTES

PersonId = NewType("PersonId", bytes)
"""32 bytes, the hash of a root key."""

KeyId = NewType("KeyId", bytes)
"""A 32-byte Ed25519 public key that signs records."""

NOBODY: Final = PersonId(b"")  # before the genesis, and where a record has no author

_PEER_PREFIX: Final = bytes.fromhex("002408011220")
# So that nobody takes a person's name for a peer id.
_PERSON_PREFIX: Final = "ch1"


def person_of_root(root_key: bytes) -> PersonId:
    """The person to whom a root key (Ed25519 public key, 32 bytes) belongs."""
    return PersonId(hashlib.sha256(b"commonhold/v1/person\0" + root_key).digest())


def name_of(person: bytes) -> str:
    """A person's printed name: base58 with a checksum, so that a typing error names nobody."""
    return _PERSON_PREFIX + base58.b58encode_check(person).decode()


def person_of(name: str) -> PersonId:
    """The person behind a printed name; raises Reject when it is not one."""
    advice = "copy it whole; `commonhold node status` prints one's own"
    if not name.startswith(_PERSON_PREFIX):
        raise Reject(f"{name!r} is not a person's name ({_PERSON_PREFIX}…)", advice)
    try:
        raw = base58.b58decode_check(name.removeprefix(_PERSON_PREFIX))
    except ValueError as error:
        raise Reject(f"{name!r} is not a person's name: a letter is wrong", advice) from error
    if len(raw) != HASH_BYTES:
        raise Reject(f"{name!r} is not a person's name ({_PERSON_PREFIX}…)", advice)
    return PersonId(raw)


def short(person: bytes) -> str:
    """A name for people's eyes: the last eight characters of the printed name."""
    return "…" + name_of(person)[-8:]


def peer_id_of(key: bytes) -> str:
    """The name `12D3Koo…` that a key has in the peer-to-peer network."""
    return base58.b58encode(_PEER_PREFIX + key).decode()


def key_of(peer_id: str) -> KeyId:
    """The key behind a peer id; raises Reject when it is not an Ed25519 one."""
    try:
        raw = base58.b58decode(peer_id)
    except ValueError as error:
        raise Reject(f"{peer_id!r} is not base58, so not a peer id") from error
    if len(raw) != len(_PEER_PREFIX) + KEY_BYTES or not raw.startswith(_PEER_PREFIX):
        raise Reject(f"{peer_id!r} is not the peer id of an Ed25519 key (12D3Koo…)")
    return KeyId(raw[len(_PEER_PREFIX) :])


def short_key(key: bytes) -> str:
    """A key for people's eyes: the last eight characters, where peer ids differ."""
    return "…" + peer_id_of(key)[-8:]
