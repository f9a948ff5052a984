"""Sealed boxes: only the holder of an X25519 key opens one, and its sender can show what it sealed.

    box = sender's key of this one box (32 bytes) || ChaCha20-Poly1305(plain)

The cipher's key comes from both keys and from a context that says what the box is for (HKDF-SHA256), and
serves once, so that its nonce is zero. Who sealed a box is said elsewhere: by the record that names its hash.
"""

from __future__ import annotations

import hmac
from typing import Final

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from protocol.errors import Reject
from protocol.limits import KEY_BYTES

TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = KEY_BYTES + TAG_BYTES
_NONCE: Final = bytes(12)
_DOMAIN: Final = b"commonhold/v1/sealed\0"


def public_of(private: bytes) -> bytes:
    """The public half of a private key; both have 32 bytes."""
    if len(private) != KEY_BYTES:
        raise Reject(f"a private key has {KEY_BYTES} bytes, not {len(private)}")
    return crypto_scalarmult_base(private)


def seal(ephemeral: bytes, receiver: bytes, plain: bytes, context: bytes) -> bytes:
    """A box for the holder of the key `receiver`. `ephemeral` is a private key that serves no other box."""
    mine = public_of(ephemeral)
    key = _key(ephemeral, receiver, mine, receiver, context)
    return mine + crypto_aead_chacha20poly1305_ietf_encrypt(plain, None, _NONCE, key)


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
    key = _key(private, other, box[:KEY_BYTES], receiver, context)
    try:
        return crypto_aead_chacha20poly1305_ietf_decrypt(box[KEY_BYTES:], None, _NONCE, key)
    except CryptoError:
        raise Reject(
            "the box was sealed to another key, for something else, or was altered"
        ) from None


def _key(private: bytes, other: bytes, sender: bytes, receiver: bytes, context: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) without a salt, and one block long."""
    if {len(private), len(other)} != {KEY_BYTES}:  # libsodium reads so many, whatever is there
        raise Reject("one of the keys of a sealed box is no key")
    try:
        shared = crypto_scalarmult(private, other)
    except (
        CryptoError,
        TypeError,
    ):  # a point of low order: what was sealed with it anybody could read
        raise Reject("one of the keys of a sealed box is no key") from None
    secret = hmac.digest(bytes(KEY_BYTES), shared, "sha256")
    info = _DOMAIN + sender + receiver + context
    return hmac.digest(secret, info + b"\x01", "sha256")
