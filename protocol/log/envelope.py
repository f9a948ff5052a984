"""Signed envelopes: the unit of the log.

The signature covers `"commonhold/v1/<kind>\\0" || payload`, so that a signature made for one kind of
record never serves for another, nor for libp2p's own uses of the same key. What is verified is the
bytes as received; nothing is ever re-serialised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import Reject
from protocol.identity import Identity
from protocol.limits import ENTRY_BYTES_MAX, KEY_BYTES, KIND_CHARS_MAX, SIGNATURE_BYTES
from protos.gen.records_pb2 import Envelope as EnvelopeMessage

Signer = Callable[[bytes], bytes]
"""Gives the 64-byte Ed25519 signature of a message."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. `raw` is what travels, is hashed and is logged."""

    kind: str
    author: Identity
    payload: bytes
    signature: bytes
    raw: bytes


def signing_input(kind: str, payload: bytes) -> bytes:
    """The bytes that an author signs."""
    return f"commonhold/v1/{kind}".encode() + b"\0" + payload


def seal(kind: str, payload: bytes, author: bytes, sign: Signer) -> bytes:
    """A serialised envelope, signed by `author`."""
    return EnvelopeMessage(
        kind=kind, author=author, payload=payload, signature=sign(signing_input(kind, payload))
    ).SerializeToString()


def parse_envelope(raw: bytes) -> Envelope:
    """Parses and bounds an envelope; the signature is still unchecked. Raises Reject."""
    if len(raw) > ENTRY_BYTES_MAX:
        raise Reject(f"the envelope has {len(raw)} bytes; a log entry holds {ENTRY_BYTES_MAX}")
    try:
        message = EnvelopeMessage.FromString(raw)
    except DecodeError as error:
        raise Reject("the envelope is not a protobuf Envelope") from error
    if not 0 < len(message.kind) <= KIND_CHARS_MAX or not message.kind.isascii():
        raise Reject("the envelope names no kind of record")
    if len(message.author) != KEY_BYTES or len(message.signature) != SIGNATURE_BYTES:
        raise Reject("the envelope's author or signature has the wrong length")
    return Envelope(message.kind, Identity(message.author), message.payload, message.signature, raw)


def verify_signature(envelope: Envelope) -> None:
    """Raises Reject unless `author` signed exactly this kind and payload (RFC 8032)."""
    message = signing_input(envelope.kind, envelope.payload)
    try:
        VerifyKey(envelope.author).verify(message, envelope.signature)
    except (BadSignatureError, ValueError) as error:
        raise Reject(f"the signature of this {envelope.kind} does not match its author") from error
