"""Where a member's machine listens: a signed, short-lived statement, kept by the coordinator, never logged.

The coordinator only carries it. A reader checks the signature, the network and the time, so that a
coordinator can hide a peer but cannot send anybody to an impostor; and even then the Noise
handshake of libp2p would refuse a host that lacks the peer's key.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import Reject
from protocol.identity import KeyId, peer_id_of
from protocol.log.envelope import Signer, parse_envelope, seal, verify_signature
from protocol.log.strict import canonical, strict_parse
from protos.gen import api_pb2

KIND: Final = "addresses"
# A host has a handful of interfaces; a reader dials them one after the other.
ADDRESSES_MAX: Final = 8
# /dns4 with a 253-character name, /tcp and a port.
ADDRESS_CHARS_MAX: Final = 300
# Long enough that a lost announcement does not matter, short enough that a laptop which moved is
# not dialled at its old place for an hour.
LIFETIME_MS: Final = 10 * 60 * 1000
# A clock that is wrong by more than this is a reason to look, not to dial.
CLOCK_SKEW_MS: Final = 2 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Announcement:
    """A checked statement of where the machine with `key` listens (multiaddrs without the /p2p part)."""

    key: KeyId
    addresses: tuple[str, ...]
    expires_ms: int

    @property
    def peer_id(self) -> str:
        """The libp2p name of the key."""
        return peer_id_of(self.key)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def seal_announcement(
    network: bytes, key: KeyId, addresses: Sequence[str], expires_ms: int, sign: Signer
) -> bytes:
    """The envelope that says where the machine with `key` listens until `expires_ms` (Unix time)."""
    payload = api_pb2.Addresses(
        network=network, multiaddrs=list(addresses)[:ADDRESSES_MAX], expires_ms=expires_ms
    )
    return seal(KIND, canonical(payload), key, sign)


def open_announcement(raw: bytes, network: bytes, now_ms: int) -> Announcement:
    """Check an announcement as received. Raises Reject unless its key signed it for now."""
    envelope = parse_envelope(raw)
    if envelope.kind != KIND:
        raise Reject(f"an announcement is of kind {KIND!r}, not {envelope.kind!r}")
    body = strict_parse(api_pb2.Addresses, envelope.payload, "the announcement")
    if body.network != network:
        raise Reject("the announcement is for another network")
    if not now_ms < body.expires_ms <= now_ms + LIFETIME_MS + CLOCK_SKEW_MS:
        raise Reject("the announcement has expired, or claims to last for ever")
    if len(body.multiaddrs) > ADDRESSES_MAX:
        raise Reject(f"a peer announces at most {ADDRESSES_MAX} addresses")
    if any(not 0 < len(address) <= ADDRESS_CHARS_MAX for address in body.multiaddrs):
        raise Reject("an announced address is empty or too long")
    verify_signature(envelope)
    return Announcement(envelope.key, tuple(body.multiaddrs), body.expires_ms)
