"""Invitations: what an inviter signs and hands over, and what somebody who joins makes of it.

    ticket = inviter's key, 32 bytes || secret, 32 || epoch, 8 || signature, 64; base64url in a network link

The inviter makes a key for one invitation alone, signs its public half, and gives the secret half away.
Whoever has it signs for the person that joins: nobody who reads the log can join with what stands there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nacl.signing import SigningKey

from protocol.errors import ConfigError
from protocol.identity import KeyId, PersonId
from protocol.limits import EPOCH_BYTES, KEY_BYTES, SIGNATURE_BYTES
from protos.gen import records_pb2 as pb

INVITATION_DOMAIN: Final = b"commonhold/v1/invitation\0"
ACCEPTANCE_DOMAIN: Final = b"commonhold/v1/acceptance\0"

_TICKET_BYTES: Final = 2 * KEY_BYTES + EPOCH_BYTES + SIGNATURE_BYTES


def invitation_message(network: bytes, key: bytes, epoch: int) -> bytes:
    """What an inviter signs."""
    return INVITATION_DOMAIN + network + key + epoch.to_bytes(EPOCH_BYTES, "big")


def acceptance_message(network: bytes, person: PersonId) -> bytes:
    """What the invitation's own key signs: whoever copies it from a record cannot join with it."""
    return ACCEPTANCE_DOMAIN + network + person


@dataclass(frozen=True, slots=True)
class Ticket:
    """An invitation as it is handed over. `secret`: the seed of its key, 32 bytes; keep it like cash."""

    inviter: KeyId
    secret: bytes = field(repr=False)
    epoch: int
    signature: bytes

    def accepted_by(self, network: bytes, person: PersonId) -> pb.Invitation:
        """The same, as it goes into the record of somebody who joins."""
        key = SigningKey(self.secret)
        return pb.Invitation(
            inviter=self.inviter,
            key=bytes(key.verify_key),
            epoch=self.epoch,
            signature=self.signature,
            acceptance=key.sign(acceptance_message(network, person)).signature,
        )

    def __str__(self) -> str:
        epoch = self.epoch.to_bytes(EPOCH_BYTES, "big")
        raw = self.inviter + self.secret + epoch + self.signature
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def make_ticket(
    network: bytes, inviter: KeyId, sign: Callable[[bytes], bytes], secret: bytes, epoch: int
) -> Ticket:
    """An invitation, good until the end of `epoch`. `sign` is the inviter's key; `secret`, 32 random bytes,
    must never have been used."""
    key = bytes(SigningKey(secret).verify_key)
    return Ticket(inviter, secret, epoch, sign(invitation_message(network, key, epoch)))


def parse_ticket(text: str) -> Ticket:
    """The ticket behind its printed form; raises ConfigError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _TICKET_BYTES:
        raise ConfigError(
            "the invitation in the network link is malformed", "copy the whole link, in quotes"
        )
    inviter, rest = raw[:KEY_BYTES], raw[KEY_BYTES:]
    secret, rest = rest[:KEY_BYTES], rest[KEY_BYTES:]
    epoch, signature = rest[:EPOCH_BYTES], rest[EPOCH_BYTES:]
    return Ticket(KeyId(inviter), secret, int.from_bytes(epoch, "big"), signature)
