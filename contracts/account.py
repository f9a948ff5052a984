"""What a chain says of one account and of what it orders: how many transactions count, what it can pay,
what gas an order takes, which receipt there is, and why a contract reverted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from contracts import DEVELOPMENT_CHAIN_IDS
from contracts.answers import Reader, as_number
from contracts.endpoint import Endpoint, RpcRefused
from contracts.journal import Order
from contracts.pool import is_about_gas
from contracts.reverts import ContractRefused, explained
from contracts.spending import Unfunded, ether
from protocol.errors import CommonholdError, StateError

log = logging.getLogger(__name__)


class OutOfGas(StateError):
    """A transaction used all the gas that it was given, or would need more than there is."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was mined; `contract` is what it created, empty if nothing."""

    tx_hash: bytes
    block: int
    gas_used: int
    succeeded: bool
    contract: bytes


class ChainAccount:
    """An account by its address. Errors beside those named are those of `Endpoint.call`."""

    def __init__(self, endpoint: Endpoint, address: bytes) -> None:
        self._endpoint = endpoint
        self.address = to_checksum_address(address)

    def count(self, tag: str) -> int:
        """Return how many transactions it has sent; 0 where "pending" is not known."""
        try:
            found = self._endpoint.call("eth_getTransactionCount", self.address, tag)
        except RpcRefused:
            if tag == "latest":
                raise
            return 0
        return as_number(self._endpoint, found)

    def balance(self) -> int:
        """Return its wei."""
        found = self._endpoint.call("eth_getBalance", self.address, "latest")
        return as_number(self._endpoint, found)

    def afford(self, need: int, chain_id: int) -> None:
        """Raise Unfunded, which says how much is missing and how to send it, unless there is enough."""
        held = self.balance()
        if held < need:
            why = f"holds {ether(held)}, and this takes up to {ether(need)}"
            raise self.unfunded(why, need - held, chain_id)

    def unfunded(self, why: str, missing: int, chain_id: int) -> Unfunded:
        """Return the error for an account that cannot pay, with the way to fund it."""
        if chain_id in DEVELOPMENT_CHAIN_IDS:
            advice = f"run `commonhold chain fund {self.address} --rpc-url {self._endpoint.shown}`"
        else:
            amount = f"at least {ether(missing)}" if missing else "ether"
            advice = f"send {amount} to {self.address} on chain {chain_id}"
        return Unfunded(
            f"account {self.address} on chain {chain_id} {why}",
            f"{advice}; then run the same command again",
            missing,
        )

    def estimate(self, order: Order) -> int:
        """Return the gas that an order takes now, without margin. Raises ContractRefused, OutOfGas."""
        try:
            with explained():
                found = self._endpoint.call("eth_estimateGas", self._fields(order))
        except RpcRefused as refused:
            if is_about_gas(refused.said):
                raise OutOfGas(
                    f"this takes more gas than a transaction may have: {refused.said}",
                    "do less at once",
                ) from refused
            raise
        return as_number(self._endpoint, found)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return the receipt of a transaction that is mined."""
        try:
            found = self._endpoint.call("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        except RpcRefused as refused:
            log.debug("no receipt yet: %s", refused.said)  # "transaction indexing is in progress"
            return None
        if found is None:
            return None
        read = Reader(self._endpoint, found)
        if not read.has("blockNumber"):
            return None  # some endpoints make a receipt for what waits
        return Receipt(
            tx_hash=read.data("transactionHash", 32),
            block=read.number("blockNumber"),
            gas_used=read.number("gasUsed"),
            succeeded=read.number("status") == 1,
            contract=read.data("contractAddress", 20) if read.has("contractAddress") else b"",
        )

    def why_reverted(self, order: Order, receipt: Receipt, gas: int) -> StateError:
        """Return the error for an order that was mined, with `gas` as its limit, and failed."""
        mined = f"transaction 0x{receipt.tx_hash.hex()} was mined"
        if receipt.gas_used >= gas:
            return OutOfGas(
                f"{mined} and ran out of gas: it used all of {gas:,}",
                "run it again: the estimate is then made of the chain as it is now",
            )
        # The estimate had succeeded, so somebody was faster. Ask once more for the reason.
        try:
            with explained():
                self._endpoint.call("eth_call", self._fields(order), hex(receipt.block))
        except ContractRefused as refused:
            return ContractRefused(f"{refused} ({mined})", refused.error, refused.advice)
        except CommonholdError as error:
            log.debug("no reason to be had: %s", error)
        return ContractRefused(f"{mined} and reverted", advice="look it up, and run it again")

    def _fields(self, order: Order) -> dict[str, Any]:
        fields = {"from": self.address, "data": "0x" + order.data.hex(), "value": hex(order.wei)}
        return fields | ({"to": to_checksum_address(order.to)} if order.to else {})
