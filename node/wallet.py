"""The contributor's payout key: sign bindings and what witnesses sign, and act on the chain.

Signing needs eth_keys alone. Only what asks a chain (node/chain.py) loads web3, so that a node that merely
signs starts without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.spending import Spending
from protocol.errors import ConfigError, StateError
from protocol.money.payout import address_of
from protocol.money.settlement import Address, Deployment

if TYPE_CHECKING:
    from node.chain import NodeChain


@dataclass(frozen=True, slots=True)
class ClaimTx:
    """A claim that was mined. `paid`: by asset, in its smallest unit; `failed`: assets that could not be
    paid now.
    """

    tx_hash: bytes
    gas: int
    paid: tuple[tuple[Address, int], ...]
    failed: tuple[Address, ...] = ()


class NothingLeft(StateError):
    """All that a claim would pay was claimed before, whoever sent that."""

    def __init__(self) -> None:
        super().__init__(
            "nothing to claim", "everything earned up to this epoch was claimed already"
        )


@dataclass(frozen=True, slots=True)
class Posting:
    """A root that waits: the hash of its payload, and whether it may still be challenged, until `due_s`."""

    epoch: int
    payload: bytes
    is_open: bool
    due_s: int


class Wallet:
    """One secp256k1 key, with the terms for gas. It is never shown: not by repr, and not in an error."""

    __slots__ = ("_address", "_key", "_spending")

    def __init__(self, key: bytes, spending: Spending | None = None) -> None:
        # Here, as they take a tenth of a second, and few commands have a wallet.
        from eth_keys.datatypes import PrivateKey
        from eth_utils.exceptions import ValidationError

        self._spending = spending
        try:
            self._key = PrivateKey(key)
            self._address = address_of(self._key.public_key.to_bytes())
        except (ValidationError, ValueError):  # from None: the cause may quote the key
            raise ConfigError(
                "a wallet's key is a secp256k1 private key of 32 bytes",
                "restore keys.json from your copy",
            ) from None

    def __repr__(self) -> str:
        return f"Wallet(0x{self.address.hex()})"

    @property
    def address(self) -> Address:
        """Return the account that is paid."""
        return self._address

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the 65-byte signature over what a witness recomputed. Recompute it before calling this."""
        signature = self._key.sign_msg_hash(digest).to_bytes()  # RFC 6979, with the lower s
        return signature[:64] + bytes([signature[64] + 27])

    def chain(self, rpc_url: str, deployment: Deployment) -> NodeChain:
        """Return the network's contracts, with this account. Raises Unreachable, and ConfigError for
        another chain.
        """
        from node.chain import NodeChain

        return NodeChain(rpc_url, self._key.to_bytes(), deployment, self._spending)
