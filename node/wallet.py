"""The contributor's payout key: sign bindings and publications, claim what was earned.

Signing needs eth_keys alone. Only the methods that ask a chain load web3, so that a node that
merely signs starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from protocol.errors import ConfigError, Reject, StateError
from protocol.money.payout import binding_digest
from protocol.money.settlement import (
    ETHER,
    Address,
    Deployment,
    Leaf,
    publication_digest,
    verify_proof,
)

if TYPE_CHECKING:
    from contracts.client import ChainClient


@dataclass(frozen=True, slots=True)
class ClaimTx:
    """A claim that was mined; `paid` is in the asset's smallest unit."""

    tx_hash: bytes
    gas: int
    paid: int


class Wallet:
    """One secp256k1 key. It is never shown: not by repr, and not in an error."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: bytes) -> None:
        try:
            self._key = PrivateKey(key)
            self._address = Address(self._key.public_key.to_canonical_address())
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

    def sign_binding(self, network: bytes, contributor: bytes) -> bytes:
        """Return the 65-byte signature by which this address is bound to a person (`contributor`)."""
        return self._sign(binding_digest(network, contributor))

    def sign_publication(
        self,
        deployment: Deployment,
        epoch: int,
        root: bytes,
        totals: Mapping[Address, int],
    ) -> bytes:
        """Return a witness's 65-byte signature. Recompute the root before calling this."""
        return self._sign(
            publication_digest(deployment.chain_id, deployment.settlement, epoch, root, totals)
        )

    def claim(
        self,
        rpc_url: str,
        deployment: Deployment,
        leaf: Leaf,
        proof: Sequence[bytes],
        root: bytes,
    ) -> ClaimTx:
        """Claim what `leaf` pays and was not claimed; this wallet pays the gas.

        Raises StateError when there is nothing to claim or the root is no longer in force, Reject
        for a proof that does not lead to the root, Unreachable when the chain does not answer.
        """
        if not verify_proof(root, leaf, proof):
            raise Reject("the proof does not lead to the settlement's root")
        from contracts.client import ContractRefused

        client = self._connect(rpc_url, deployment)
        settlement = client.contract("Settlement", deployment.settlement).functions
        before = _claimed(client, settlement, leaf.account, leaf.asset)
        function = settlement.claim(
            to_checksum_address(leaf.account),
            to_checksum_address(leaf.asset),
            leaf.cumulative,
            root,
            list(proof),
        )
        try:
            sent = client.send(function)
        except ContractRefused as refused:
            if refused.error == "NothingToClaim":
                raise StateError(
                    "nothing to claim", "everything earned up to this epoch was claimed already"
                ) from refused
            if refused.error == "StaleRoot":
                raise StateError(
                    "this epoch's root was replaced", "fetch the latest statement and claim again"
                ) from refused
            raise
        return ClaimTx(sent.tx_hash, sent.gas, leaf.cumulative - before)

    def claimed(self, rpc_url: str, deployment: Deployment, asset: Address) -> int:
        """Return all that this address ever claimed of `asset`."""
        client = self._connect(rpc_url, deployment)
        settlement = client.contract("Settlement", deployment.settlement).functions
        return _claimed(client, settlement, self.address, asset)

    def balance(self, rpc_url: str, deployment: Deployment, asset: Address) -> int:
        """Return what this address holds of `asset`, however it came by it."""
        client = self._connect(rpc_url, deployment)
        if asset == ETHER:
            return client.balance(self.address)
        token = client.contract("ShareToken", asset).functions
        return int(client.read(token.balanceOf(to_checksum_address(self.address))))

    def _connect(self, rpc_url: str, deployment: Deployment) -> ChainClient:
        from contracts.client import ChainClient

        client = ChainClient(rpc_url, self._key.to_bytes())
        if client.chain_id() != deployment.chain_id:
            raise ConfigError(
                f"the network settles on chain {deployment.chain_id}, not on this one",
                "check the RPC address",
            )
        return client

    def _sign(self, digest: bytes) -> bytes:
        signature = self._key.sign_msg_hash(digest).to_bytes()  # RFC 6979, with the lower s
        return signature[:64] + bytes([signature[64] + 27])


def _claimed(client: ChainClient, settlement: Any, account: Address, asset: Address) -> int:
    function = settlement.claimed(to_checksum_address(account), to_checksum_address(asset))
    return int(client.read(function))
