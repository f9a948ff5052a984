"""Sealed boxes: only the holder of an X25519 key opens one, and its sender can show what it sealed.

    box = sender's key of this one box (32 bytes) || ChaCha20-Poly1305(plain)

The cipher's key comes from both keys and from a context that says what the box is for (HKDF-SHA256), and
serves once, so that its nonce is zero. Who sealed a box is said elsewhere: by the record that names its hash.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.errors import Reject
from protocol.limits import KEY_BYTES

TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = KEY_BYTES + TAG_BYTES
_NONCE: Final = bytes(12)
_DOMAIN: Final = b"commonhold/v1/sealed\0"


def public_of(private: bytes) -> bytes:
    """The public half of a private key; both have 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal(ephemeral: bytes, receiver: bytes, plain: bytes, context: bytes) -> bytes:
    """A box for the holder of the key `receiver`. `ephemeral` is a private key that serves no other box."""
    mine = public_of(ephemeral)
    return mine + _cipher(ephemeral, receiver, mine, receiver, context).encrypt(_NONCE, plain, None)


def unseal(private: bytes, box: bytes, context: bytes) -> bytes:
    """What is in a box that was sealed to our key. Raises Reject when it is none of ours for this context."""
    return _decrypt(private, box[:KEY_BYTES], public_of(private), box, context)


def reveal(ephemeral: bytes, receiver: bytes, box: bytes, context: bytes) -> bytes:
    """What its sender sealed in a box, by the key that made it. Raises Reject when that made another."""
    if public_of(ephemeral) != box[:KEY_BYTES]:
        raise Reject("the key did not seal this box")
    return _decrypt(ephemeral, receiver, receiver, box, context)


def _decrypt(private: bytes, other: bytes, receiver: bytes, box: bytes, context: bytes) -> bytes:
    if len(box) < OVERHEAD_BYTES:
        raise Reject(f"a sealed box has {OVERHEAD_BYTES} bytes or more, not {len(box)}")
    try:
        cipher = _cipher(private, other, box[:KEY_BYTES], receiver, context)
        return cipher.decrypt(_NONCE, box[KEY_BYTES:], None)
    except InvalidTag:
        raise Reject(
            "the box was sealed to another key, for something else, or was altered"
        ) from None


def _cipher(
    private: bytes, other: bytes, sender: bytes, receiver: bytes, context: bytes
) -> ChaCha20Poly1305:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(other)
        )
    except ValueError:  # a point of low order: what was sealed with it anybody could read
        raise Reject("one of the keys of a sealed box is no key") from None
    info = _DOMAIN + sender + receiver + context
    return ChaCha20Poly1305(HKDF(hashes.SHA256(), KEY_BYTES, None, info).derive(shared))
