"""What witnesses signed, as the contracts take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from protocol.money.payload import Payload, quorum_of
from protocol.money.payout import verify_quorum
from protocol.money.settlement import Address


@dataclass(frozen=True, slots=True)
class Signed:
    """The word of a quorum of the witnesses of set `nonce` over a digest."""

    digest: bytes
    nonce: int
    witnesses: tuple[Address, ...]
    signatures: Sequence[bytes]
    deadline_s: int

    def attestation(self) -> tuple[Any, ...]:
        """As the contracts take it. Raises Reject unless it is a quorum's."""
        quorum = quorum_of(len(self.witnesses))
        ordered = verify_quorum(self.digest, self.signatures, self.witnesses, quorum)
        listed = [to_checksum_address(witness) for witness in self.witnesses]
        return (self.nonce, listed, b"".join(ordered), self.deadline_s)


def payload_words(payload: Payload) -> tuple[Any, ...]:
    """A payload as the contract takes it."""
    assets = [to_checksum_address(asset) for asset, _ in payload.totals]
    return (payload.epoch, payload.root, assets, [total for _, total in payload.totals])
