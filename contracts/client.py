"""One EVM chain behind one door: connect, read, send, deploy, and errors that say what to do next.

The operator (`coordinator.chain`) and the contributor (`node.wallet`) both talk to the contracts
through this class, and neither sees web3's own errors. Importing it loads web3 (about a second), which
encodes and decodes; how endpoints behave is in `contracts.endpoint`, transactions in `contracts.sending`,
blocks and logs in `contracts.history`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from eth_utils.address import to_canonical_address, to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, Web3Exception
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from contracts import fees, load
from contracts.account import ChainAccount, Receipt
from contracts.answers import as_bytes, as_number
from contracts.endpoint import Clock, Endpoint, no_such_contract
from contracts.history import History, RawLog, Topic
from contracts.journal import Order
from contracts.reverts import ContractRefused, decode_revert, explained
from contracts.sending import Sender
from contracts.spending import Spending
from protocol.errors import ConfigError, LocalError, StateError
from protocol.money.settlement import Address

__all__ = ["ChainClient", "ContractRefused", "Cost", "SentTx", "decode_revert"]

# Enough for web3 to encode a transaction without asking anybody; we fill them in when we send.
_PLACEHOLDERS: Final = {
    **{"chainId": 1, "nonce": 0, "gas": 1, "value": 0},
    **{"maxFeePerGas": 1, "maxPriorityFeePerGas": 1},
}


@dataclass(frozen=True, slots=True)
class SentTx:
    """A transaction that was mined and succeeded."""

    tx_hash: bytes
    block: int
    gas: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a transaction would take now: units of gas, wei for each, and wei beside."""

    gas: int
    fee: int
    wei: int

    @property
    def total(self) -> int:
        """Return all of it in wei."""
        return self.gas * self.fee + self.wei


class _Provider(JSONBaseProvider):
    """Lets web3 ask through our endpoint, whose errors are ours already."""

    # EIP-3668 would let a contract make us fetch any address.
    global_ccip_read_enabled = False

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        plain = json.loads(self.encode_rpc_request(method, params))["params"]
        return {"jsonrpc": "2.0", "id": 1, "result": self._endpoint.call(method, *plain)}


class ChainClient:
    """A connection to one EVM chain, with an account that pays for transactions.

    Every method raises Unreachable when the chain does not answer, ConfigError when what answers is no
    chain or not this one, ContractRefused when a contract reverts, and LocalError when the endpoint
    refuses. What sending raises beside: `contracts.sending.Sender.send`.
    """

    def __init__(
        self,
        rpc_url: str,
        private_key: bytes,
        spending: Spending | None = None,
        clock: Clock | None = None,
    ) -> None:
        try:
            account = Account.from_key(private_key)
        except ValueError:  # from None: the message of the cause may quote the key
            raise ConfigError(
                "the wallet's key is not a secp256k1 private key",
                "name the key of a funded account, 32 bytes",
            ) from None
        self._spending = spending or Spending()
        self._endpoint = Endpoint(rpc_url, clock)
        self._history = History(self._endpoint)
        self._sender = Sender(self._endpoint, self._history, account, self._spending)
        self._chain_id: int | None = None
        self._address = Address(to_canonical_address(account.address))
        # Without web3's own middleware: it asks for the chain's id before each call.
        self._web3 = Web3(_Provider(self._endpoint), middleware=[])

    @property
    def address(self) -> Address:
        """Return the account that signs and pays."""
        return self._address

    @property
    def journal(self) -> Path | None:
        """Return the folder in which what is under way is remembered."""
        return self._spending.journal

    @property
    def endpoint(self) -> str:
        """Return the endpoint's address without its secrets, for messages."""
        return self._endpoint.shown

    # -- what the chain says ----------------------------------------------------------------------

    def chain_id(self) -> int:
        """Return the id of the chain that answers: the same as long as we ask, else ConfigError.

        We sign for this id. An endpoint that named another one later could use what we sign elsewhere.
        """
        found = as_number(self._endpoint, self._endpoint.call("eth_chainId"))
        if self._chain_id not in (None, found):
            raise ConfigError(
                f"{self.endpoint} was on chain {self._chain_id}, and is on chain {found} now",
                "check the RPC address",
            )
        self._chain_id = found
        return found

    def require_chain(self, chain_id: int) -> None:
        """Raise ConfigError unless the endpoint is on this chain."""
        found = self.chain_id()
        if found != chain_id:
            raise ConfigError(
                f"the network settles on chain {chain_id}, and {self.endpoint} is on chain {found}",
                f"name an endpoint of chain {chain_id} as rpc_url",
            )

    def head(self) -> int:
        """Return the number of the latest block; StateError when the chain has fewer than it had."""
        return self._history.latest().number

    def tip(self) -> bytes:
        """Return the hash of the latest block: while it is the same, so is all that contracts say."""
        return self._history.tip().hash

    def block_at(self, number: int) -> tuple[bytes, int]:
        """Return a block's hash and its timestamp in seconds. Another hash than before: a reorganisation.

        Raises StateError when the chain has no such block: it is not there yet, or was taken away.
        """
        block = self._history.block(number)
        if block is None:
            raise StateError(
                f"the chain at {self.endpoint} has no block {number:,}",
                "wait until the endpoint has caught up; if it stays so, was the chain started anew?",
            )
        return block.hash, block.timestamp

    def final_block(self, depth: int) -> int:
        """Return the last final block: by the chain's own word, else `depth` below the head.

        Below zero: none is final yet.
        """
        return self._history.final(depth)

    def raw_logs(
        self, addresses: Sequence[bytes], topics: Sequence[Topic] | None, first: int, last: int
    ) -> Iterator[RawLog]:
        """Yield logs as contracts wrote them: see `contracts.history.History.logs`."""
        return self._history.logs(addresses, topics, first, last)

    def balance(self, account: Address) -> int:
        """Return the wei of `account`."""
        return ChainAccount(self._endpoint, account).balance()

    def code(self, account: Address, block: int | None = None) -> bytes:
        """Return the bytecode at an address, empty where there is none; now, or as of a block."""
        at = "latest" if block is None else hex(block)
        found = self._endpoint.call("eth_getCode", to_checksum_address(account), at)
        return as_bytes(self._endpoint, found)

    def nonce(self) -> int:
        """Return the number of the account's next transaction, when all earlier ones are mined.

        What an earlier run left under way is brought to its end first.
        """
        return self._sender.next_nonce(self.chain_id())

    # -- contracts --------------------------------------------------------------------------------

    def contract(self, name: str, address: Address) -> Contract:
        """Return the contract of the artifact `name` at `address`. Asks nobody."""
        return self._web3.eth.contract(address=to_checksum_address(address), abi=load(name).abi)

    def read(self, function: Any, caller: Address | None = None) -> Any:
        """Return what a bound contract function returns to `caller`, or to nobody; nothing is sent."""
        with _translated(), explained():
            return function.call({} if caller is None else {"from": to_checksum_address(caller)})

    def deploy(self, name: str, *arguments: Any) -> tuple[Address, SentTx]:
        """Deploy the artifact `name`; return where it is."""
        receipt = self._send(Order(b"", self.creation(name, *arguments), 0))
        return Address(receipt.contract), _sent(receipt)

    def creation(self, name: str, *arguments: Any) -> bytes:
        """Return the bytes that `deploy` sends. Asks nobody."""
        artifact = load(name)
        factory = self._web3.eth.contract(abi=artifact.abi, bytecode=HexBytes(artifact.bytecode))
        with _translated():
            return bytes(HexBytes(factory.constructor(*arguments).data_in_transaction))

    def send(self, function: Any, wei: int = 0) -> SentTx:
        """Send a call of a bound contract function with `wei`, and wait until it is mined."""
        return _sent(self._send(_order(function, wei)))

    def transfer(self, to: Address, wei: int) -> SentTx:
        """Send ether."""
        return _sent(self._send(Order(to, b"", wei)))

    def require_gas(self, gas: int) -> None:
        """Raise Unfunded unless the account can pay for so much gas now, FeeTooHigh above the ceiling."""
        offer = fees.quote(self._endpoint, self._history, self._spending.fee_wei_max)
        self._sender.account.afford(gas * offer.fee, self.chain_id())

    def cost(self, function: Any, wei: int = 0) -> Cost:
        """Return what `send` would take now. Raises ContractRefused, and FeeTooHigh above the ceiling."""
        gas = self._sender.account.estimate(_order(function, wei))
        offer = fees.quote(self._endpoint, self._history, self._spending.fee_wei_max)
        return Cost(gas, offer.now, wei)

    def _send(self, order: Order) -> Receipt:
        return self._sender.send(order, self.chain_id())


def _order(function: Any, wei: int) -> Order:
    with _translated():
        data = function.build_transaction(_PLACEHOLDERS)["data"]
    return Order(to_canonical_address(function.address), bytes(HexBytes(data)), wei)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn web3's errors into ours."""
    try:
        yield
    except BadFunctionCallOutput as error:
        raise no_such_contract() from error
    except Web3Exception as error:
        raise LocalError(f"the contract cannot be called so: {error}") from error


def _sent(receipt: Receipt) -> SentTx:
    return SentTx(receipt.tx_hash, receipt.block, receipt.gas_used)
