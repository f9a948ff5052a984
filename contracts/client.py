"""web3.py behind one door: connect, read, send, deploy, and errors that say what to do next.

The operator (`coordinator.chain`) and the contributor (`node.wallet`) both talk to the contracts
through this class, and neither sees web3's own errors. Importing it loads web3 (about a second).

Sending is safe to repeat: a transaction is signed once, so however often its bytes are sent again
after a lost answer, the chain mines it at most once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from json import JSONDecodeError
from typing import Any, Final

import requests
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_utils.abi import abi_to_signature, get_abi_input_types
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    ContractCustomError,
    ContractLogicError,
    TimeExhausted,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from contracts import NAMES, load
from protocol.errors import ConfigError, LocalError, StateError, Unreachable
from protocol.money.eip712 import keccak256
from protocol.money.settlement import Address

REQUEST_TIMEOUT_S: Final = 10.0
#: Attempts at each request, with pauses of 0.2 and 0.4 s: enough for a restart of a local node.
REQUEST_ATTEMPTS: Final = 3
_BACKOFF_S: Final = 0.2
#: Ten blocks of mainnet. Whatever takes longer needs a person to look at its fee.
RECEIPT_TIMEOUT_S: Final = 120.0
_RECEIPT_POLL_S: Final = 0.1
# Added to every estimate; what is not used is not paid. A node estimates as if in its latest block,
# so that a checkpoint which will need a slot of its own (22,100 gas) seems to overwrite the last.
_GAS_MARGIN: Final = 30_000
#: Blocks that one eth_getLogs asks for; hosted nodes refuse much more.
LOG_BLOCKS_MAX: Final = 5_000

_NETWORK_ERRORS: Final = (requests.ConnectionError, requests.HTTPError, requests.Timeout)


class ContractRefused(StateError):
    """A contract reverted; `error` is the name of its custom error, empty if it gave none."""

    def __init__(self, message: str, error: str = "", advice: str = "") -> None:
        super().__init__(message, advice)
        self.error = error


@dataclass(frozen=True, slots=True)
class SentTx:
    """A transaction that was mined and succeeded."""

    tx_hash: bytes
    block: int
    gas: int


@cache
def _errors_by_selector() -> dict[bytes, dict[str, Any]]:
    """Return the ABI of every custom error of our contracts and their libraries."""
    abis = (entry for name in NAMES for entry in load(name).abi if entry["type"] == "error")
    return {keccak256(abi_to_signature(abi).encode())[:4]: abi for abi in abis}  # type: ignore[arg-type]


def decode_revert(data: bytes) -> tuple[str, str]:
    """Return the custom error's name in `data` and a sentence with its arguments."""
    abi = _errors_by_selector().get(data[:4])
    if abi is None:
        return "", "the contract reverted without a reason that we know"
    try:
        values = decode(get_abi_input_types(abi), data[4:])  # type: ignore[arg-type]
    except DecodingError:
        return abi["name"], f"the contract refused: {abi['name']}"
    shown = (f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in values)
    names = (given["name"] for given in abi["inputs"])
    arguments = ", ".join(f"{name}={value}" for name, value in zip(names, shown, strict=True))
    return abi["name"], f"the contract refused: {abi['name']}({arguments})"


class ChainClient:
    """A connection to one EVM chain, with an account that pays for transactions.

    Every method raises Unreachable when the chain does not answer, ContractRefused when a contract
    reverts, and LocalError when the chain refuses the transaction itself (no funds, wrong nonce).
    """

    def __init__(self, rpc_url: str, private_key: bytes) -> None:
        try:
            self._account = Account.from_key(private_key)
        except ValueError:  # from None: the message of the cause may quote the key
            raise ConfigError(
                "the wallet's key is not a secp256k1 private key",
                "name the key of a funded account, 32 bytes",
            ) from None
        self._rpc_url = rpc_url
        retry = ExceptionRetryConfiguration(
            errors=_NETWORK_ERRORS, retries=REQUEST_ATTEMPTS, backoff_factor=_BACKOFF_S
        )
        self._web3 = Web3(
            HTTPProvider(
                rpc_url,
                request_kwargs={"timeout": REQUEST_TIMEOUT_S},
                exception_retry_configuration=retry,
            )
        )

    @property
    def address(self) -> Address:
        """Return the account that signs and pays."""
        return Address(bytes.fromhex(self._account.address[2:]))

    def chain_id(self) -> int:
        """Return the id of the chain that answers."""
        with self._translated():
            return self._web3.eth.chain_id

    def head(self) -> int:
        """Return the number of the latest block."""
        with self._translated():
            return self._web3.eth.block_number

    def nonce(self) -> int:
        """Return the number of the account's next transaction, those in flight included."""
        with self._translated():
            return self._web3.eth.get_transaction_count(self._account.address, "pending")

    def block_at(self, number: int) -> tuple[bytes, int]:
        """Return the hash and the timestamp, in seconds, of a block."""
        with self._translated():
            block = self._web3.eth.get_block(number)
            return bytes(block["hash"]), block["timestamp"]

    def balance(self, account: Address) -> int:
        """Return the wei of `account`."""
        with self._translated():
            return self._web3.eth.get_balance(to_checksum_address(account))

    def contract(self, name: str, address: Address) -> Contract:
        """Return the contract of the artifact `name` at `address`. Asks nobody."""
        return self._web3.eth.contract(address=to_checksum_address(address), abi=load(name).abi)

    def read(self, function: Any) -> Any:
        """Return what a bound contract function returns, without sending anything."""
        with self._translated():
            return function.call()

    def deploy(self, name: str, *arguments: Any) -> tuple[Address, SentTx]:
        """Deploy the artifact `name`; return where it is."""
        artifact = load(name)
        factory = self._web3.eth.contract(abi=artifact.abi, bytecode=HexBytes(artifact.bytecode))
        with self._translated():
            receipt = self._send(factory.constructor(*arguments).build_transaction(self._fields()))
        address = Address(bytes.fromhex(receipt["contractAddress"][2:]))
        return address, _sent(receipt)

    def send(self, function: Any, wei: int = 0) -> SentTx:
        """Send a call of a bound contract function with `wei`, and wait until it is mined."""
        with self._translated():
            transaction = function.build_transaction(self._fields() | {"value": wei})
            return _sent(self._send(transaction))

    def transfer(self, to: Address, wei: int) -> SentTx:
        """Send ether."""
        with self._translated():
            transaction = self._fields() | {"to": to_checksum_address(to), "value": wei}
            fees = {
                "gas": self._web3.eth.estimate_gas(transaction),
                "maxFeePerGas": 2 * self._web3.eth.gas_price,
                "maxPriorityFeePerGas": self._web3.eth.max_priority_fee,
            }
            return _sent(self._send(transaction | fees))

    def mined(self, tx_hash: bytes) -> SentTx:
        """Return a transaction that was mined before."""
        with self._translated():
            return _sent(self._web3.eth.get_transaction_receipt(HexBytes(tx_hash)))

    def logs(self, event: Any, from_block: int, **filters: Any) -> Iterator[Any]:
        """Yield the decoded logs of `event` from `from_block` to the head, in order."""
        head = self.head()
        for first in range(from_block, head + 1, LOG_BLOCKS_MAX):
            last = min(first + LOG_BLOCKS_MAX - 1, head)
            with self._translated():
                found = event.get_logs(
                    from_block=first, to_block=last, argument_filters=filters or None
                )
            yield from found

    def raw_logs(self, addresses: Sequence[bytes], topics: Any, first: int, last: int) -> list[Any]:
        """Return the logs of some contracts in the blocks `first`..`last`, as they are there, in order."""
        found: list[Any] = []
        for start in range(first, last + 1, LOG_BLOCKS_MAX):
            wanted: Any = {
                "address": [to_checksum_address(each) for each in addresses],
                "topics": [_hexadecimal(each) for each in topics or ()],
                "fromBlock": start,
                "toBlock": min(start + LOG_BLOCKS_MAX - 1, last),
            }
            with self._translated():
                found += self._web3.eth.get_logs(wanted)
        return found

    def _fields(self) -> Any:
        sender = self._account.address
        nonce = self._web3.eth.get_transaction_count(sender, "pending")
        return {"from": sender, "nonce": nonce, "chainId": self._web3.eth.chain_id}

    def _send(self, transaction: Any) -> Any:
        """Sign, send, wait. A crash after sending loses the receipt, not the transaction."""
        transaction["gas"] += _GAS_MARGIN
        signed = self._account.sign_transaction(transaction)
        try:
            self._web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError:
            # A repeated sending after a lost answer is refused: is the first one there?
            if not self._is_known(signed.hash):
                raise
        receipt = self._web3.eth.wait_for_transaction_receipt(
            signed.hash, timeout=RECEIPT_TIMEOUT_S, poll_latency=_RECEIPT_POLL_S
        )
        if receipt["status"] != 1:
            # The estimate had succeeded, so somebody was faster. Ask once more for the reason.
            again: Any = {key: transaction[key] for key in ("from", "to", "data", "value")}
            self._web3.eth.call(again)
            raise ContractRefused(f"transaction 0x{signed.hash.hex()} was mined and reverted")
        return receipt

    def _is_known(self, tx_hash: HexBytes) -> bool:
        try:
            self._web3.eth.get_transaction(tx_hash)
        except TransactionNotFound:
            return False
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of web3 and of the network into ours."""
        try:
            yield
        except _NETWORK_ERRORS as error:
            raise Unreachable(
                f"the chain at {self._rpc_url} does not answer ({type(error).__name__})",
                "check the RPC address; `commonhold chain dev` starts a chain on this machine",
            ) from error
        except TimeExhausted as error:
            raise Unreachable(
                f"sent, but not mined within {RECEIPT_TIMEOUT_S:.0f} s",
                "it may still be mined: look at the chain before sending again",
            ) from error
        except ContractCustomError as error:
            name, message = decode_revert(bytes(HexBytes(str(error.data))))
            raise ContractRefused(message, name) from error
        except ContractLogicError as error:
            raise ContractRefused(f"the contract refused: {error.message}") from error
        except BadFunctionCallOutput as error:
            raise ConfigError(
                "there is no such contract at that address", "check the chain and the address"
            ) from error
        except (BadResponseFormat, JSONDecodeError, requests.RequestException) as error:
            raise ConfigError(
                f"{self._rpc_url} does not speak Ethereum's JSON-RPC", "check the RPC address"
            ) from error
        except Web3Exception as error:
            raise LocalError(f"the chain refused: {error}") from error


def _hexadecimal(topic: Any) -> Any:
    """A topic, or several of which one has to stand there."""
    return (
        f"0x{topic.hex()}" if isinstance(topic, bytes) else [_hexadecimal(each) for each in topic]
    )


def _sent(receipt: Any) -> SentTx:
    return SentTx(bytes(receipt["transactionHash"]), receipt["blockNumber"], receipt["gasUsed"])
