"""The operator's side of the chain: deploy, take in money, publish roots, relay claims.

Synchronous, for the settlement's command line process. Nothing here decides what anybody earns;
that is `protocol`, and the contract accepts only what a quorum of witnesses recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.address import to_canonical_address, to_checksum_address

from contracts.client import ChainClient, SentTx
from protocol.errors import ConfigError, StateError
from protocol.money.payout import verify_quorum
from protocol.money.settlement import ETHER, Address, Deployment, Leaf, publication_digest

#: A memo is one word on chain: a reference, or the hash of a longer text.
MEMO_BYTES_MAX: Final = 32

PublishedTx = SentTx


@dataclass(frozen=True, slots=True)
class Published:
    """What is in force on chain; epoch 0 and a root of zeros before the first publication."""

    epoch: int
    root: bytes


@dataclass(frozen=True, slots=True)
class RevenueEvent:
    """Money that came in, in the asset's smallest unit."""

    asset: Address
    sender: Address
    amount: int
    memo: bytes
    block: int
    tx_hash: bytes


class OperatorChain:
    """The operator's account on one chain. Errors are those of `contracts.client.ChainClient`."""

    def __init__(
        self, rpc_url: str, private_key: bytes, deployment: Deployment | None = None
    ) -> None:
        self._client = ChainClient(rpc_url, private_key)
        self._deployment = deployment

    @property
    def address(self) -> Address:
        """Return the operator's account."""
        return self._client.address

    def deploy(self, witnesses: Sequence[bytes], quorum: int) -> Deployment:
        """Deploy the settlement, which deploys its share token and its revenue intake."""
        chain_id = self._client.chain_id()
        settlement, _ = self._client.deploy(
            "Settlement", [to_checksum_address(witness) for witness in witnesses], quorum
        )
        contract = self._client.contract("Settlement", settlement)
        share_token = to_canonical_address(self._client.read(contract.functions.shareToken()))
        self._deployment = Deployment(chain_id, settlement, Address(share_token))
        return self._deployment

    def deploy_test_stable(self) -> Address:
        """Deploy a worthless stablecoin for demos; the operator owns all of it."""
        return self._client.deploy("TestStable")[0]

    def set_witnesses(self, witnesses: Sequence[bytes], quorum: int) -> bytes:
        """Replace the witnesses and the quorum; return the transaction's hash."""
        listed = [to_checksum_address(witness) for witness in witnesses]
        return self._client.send(self._settlement().setWitnesses(listed, quorum)).tx_hash

    def witnesses(self) -> tuple[list[Address], int]:
        """Return the addresses whose signatures count, and how many must sign."""
        functions = self._settlement()
        listed = self._client.read(functions.witnesses())
        quorum: int = self._client.read(functions.quorum())
        return [Address(to_canonical_address(witness)) for witness in listed], quorum

    def deposit(self, asset: Address, amount: int, memo: bytes = b"") -> bytes:
        """Pay revenue into the network from the operator's account; return the hash.

        A token is approved first, for this amount alone: a crash in between leaves an unused
        approval, which the next deposit replaces.
        """
        if len(memo) > MEMO_BYTES_MAX:
            raise ConfigError(f"a memo has at most {MEMO_BYTES_MAX} bytes", "use its hash")
        intake = self._intake()
        if asset != ETHER:
            token = self._client.contract("TestStable", asset)  # any ERC-20 has these functions
            self._client.send(token.functions.approve(intake.address, amount))
        deposit = intake.functions.deposit(
            to_checksum_address(asset), amount, memo.ljust(MEMO_BYTES_MAX, b"\x00")
        )
        return self._client.send(deposit, wei=amount if asset == ETHER else 0).tx_hash

    def publish(
        self,
        epoch: int,
        root: bytes,
        totals: Mapping[Address, int],
        signatures: Sequence[bytes],
    ) -> PublishedTx:
        """Put a root in force. Raises Reject if the signatures are not a quorum of the witnesses.

        Repeating a publication that is in force already returns the transaction that did it, so
        that an operator who crashed before noting it down can simply start again.
        """
        deployment = self._deployed()
        if self.published() == Published(epoch, root):
            return self._find_publication(epoch)
        digest = publication_digest(deployment.chain_id, deployment.settlement, epoch, root, totals)
        ordered = verify_quorum(digest, signatures, *self.witnesses())
        assets = sorted(totals)
        function = self._settlement().publish(
            epoch,
            root,
            [to_checksum_address(asset) for asset in assets],
            [totals[asset] for asset in assets],
            ordered,
        )
        return self._client.send(function)

    def published(self) -> Published:
        """Return the epoch and the root in force on chain."""
        functions = self._settlement()
        epoch = self._client.read(functions.epoch())
        return Published(epoch, self._client.read(functions.root()))

    def published_total(self, asset: Address) -> int:
        """Return all that was ever promised of `asset`."""
        function = self._settlement().published(to_checksum_address(asset))
        return int(self._client.read(function))

    def deposits(self, from_block: int = 0) -> list[RevenueEvent]:
        """Return all revenue that came in from `from_block` on, oldest first."""
        return [
            RevenueEvent(
                asset=Address(to_canonical_address(log["args"]["asset"])),
                sender=Address(to_canonical_address(log["args"]["from"])),
                amount=log["args"]["amount"],
                memo=log["args"]["memo"],
                block=log["blockNumber"],
                tx_hash=bytes(log["transactionHash"]),
            )
            for log in self._client.logs(self._intake().events.RevenueReceived(), from_block)
        ]

    def claim_for(self, leaf: Leaf, proof: Sequence[bytes], root: bytes) -> SentTx:
        """Claim for an account that has no ether to pay with; the money goes to the account."""
        function = self._settlement().claim(
            to_checksum_address(leaf.account),
            to_checksum_address(leaf.asset),
            leaf.cumulative,
            root,
            list(proof),
        )
        return self._client.send(function)

    def claimed(self, asset: Address) -> int:
        """Return what the operator's account has claimed of `asset` so far."""
        account, token = to_checksum_address(self.address), to_checksum_address(asset)
        paid: int = self._client.read(self._settlement().claimed(account, token))
        return paid

    def fund(self, addresses: Sequence[bytes], wei: int) -> None:
        """Send `wei` to each address, so that it can pay for its claims."""
        for address in addresses:
            self._client.transfer(Address(address), wei)

    def _find_publication(self, epoch: int) -> PublishedTx:
        event = self._client.contract("Settlement", self._deployed().settlement).events.Published()
        log = next(self._client.logs(event, from_block=0, epoch=epoch))
        return self._client.mined(bytes(log["transactionHash"]))

    def _deployed(self) -> Deployment:
        if self._deployment is None:
            raise StateError(
                "no settlement contract is known",
                "`commonhold coordinator settle` deploys it, once an epoch is closed",
            )
        if self._client.chain_id() != self._deployment.chain_id:
            raise ConfigError(
                f"the settlement is on chain {self._deployment.chain_id}, not on this one",
                "name an endpoint of that chain as rpc_url in coordinator.toml",
            )
        return self._deployment

    def _settlement(self) -> Any:
        return self._client.contract("Settlement", self._deployed().settlement).functions

    def intake(self) -> Address:
        """Return the contract that revenue is paid into."""
        return Address(to_canonical_address(self._client.read(self._settlement().intake())))

    def _intake(self) -> Any:
        return self._client.contract("RevenueIntake", self.intake())
