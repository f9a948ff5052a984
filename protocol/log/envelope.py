"""Signed envelopes: the unit of the log.

The signature covers `"commonhold/v1/<kind>\\0" || payload`, so that a signature made for one kind of
record never serves for another, nor for libp2p's own uses of the same key. What is verified is the
bytes as received; nothing is ever re-serialised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import Reject
from protocol.identity import KeyId
from protocol.limits import ENTRY_BYTES_MAX, KEY_BYTES, KIND_CHARS_MAX, SIGNATURE_BYTES
from protocol.log.strict import strict_parse
from protos.gen.records_pb2 import Envelope as EnvelopeMessage

Signer = Callable[[bytes], bytes]
"""Gives the 64-byte Ed25519 signature of a message."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. `raw` is what travels, is hashed and is logged."""

    kind: str
    key: KeyId
    payload: bytes
    signature: bytes
    raw: bytes


def signing_input(kind: str, payload: bytes) -> bytes:
    """The bytes that a key signs."""
    return f"commonhold/v1/{kind}".encode() + b"\0" + payload


def seal(kind: str, payload: bytes, key: bytes, sign: Signer) -> bytes:
    """A serialised envelope, signed with `key`."""
    return EnvelopeMessage(
        kind=kind, key=key, payload=payload, signature=sign(signing_input(kind, payload))
    ).SerializeToString(deterministic=True)


def parse_envelope(raw: bytes) -> Envelope:
    """Parses and bounds an envelope; the signature is still unchecked. Raises Reject."""
    if len(raw) > ENTRY_BYTES_MAX:
        raise Reject(f"the envelope has {len(raw)} bytes; a log entry holds {ENTRY_BYTES_MAX}")
    message = strict_parse(EnvelopeMessage, raw, "the envelope")
    if not 0 < len(message.kind) <= KIND_CHARS_MAX or not message.kind.isascii():
        raise Reject("the envelope names no kind of record")
    if len(message.key) != KEY_BYTES or len(message.signature) != SIGNATURE_BYTES:
        raise Reject("the envelope's key or signature has the wrong length")
    return Envelope(message.kind, KeyId(message.key), message.payload, message.signature, raw)


def verify_signature(envelope: Envelope) -> None:
    """Raises Reject unless `key` signed exactly this kind and payload (RFC 8032)."""
    message = signing_input(envelope.kind, envelope.payload)
    try:
        VerifyKey(envelope.key).verify(message, envelope.signature)
    except (BadSignatureError, ValueError) as error:
        raise Reject(f"the signature of this {envelope.kind} does not match its key") from error
