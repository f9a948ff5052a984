"""The methods of the Ethereum JSON-RPC API that the development chain knows, as plain functions.

`methods` returns them by name. Each takes JSON values and returns JSON values; quantities are
"0x"-prefixed without leading zeros, data is "0x"-prefixed pairs of digits (execution-apis). What
a client got wrong is raised as InvalidParams, or as one of the errors of `contracts.evm`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockAPI, BlockHeaderAPI, LogAPI
from eth.exceptions import TransactionNotFound
from eth_utils.address import to_canonical_address, to_checksum_address

from contracts.evm import Call, Evm, Mined, UnknownBlock
from protocol.money.eip712 import keccak256

#: What wallets are told to tip. Blocks are never full, so anything would do.
TIP_WEI: Final = 10**9
FEE_HISTORY_BLOCKS_MAX: Final = 1_024  # the API's own limit
TOPICS_MAX: Final = 4  # a log has no more

_TAGS: Final = ("latest", "pending", "safe", "finalized", "earliest")


class InvalidParams(Exception):
    """A parameter has the wrong type, length or range."""


# -- JSON to Python -------------------------------------------------------------------------------


def _data(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise InvalidParams("data is a string that starts with 0x")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError as error:
        raise InvalidParams("data has an odd length or a digit that is not hexadecimal") from error
    if length is not None and len(raw) != length:
        raise InvalidParams(f"expected {length} bytes, not {len(raw)}")
    return raw


def _quantity(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidParams("a quantity is a hexadecimal string")
    try:
        number = value if isinstance(value, int) else int(value, 16)
    except ValueError as error:
        raise InvalidParams("a quantity is a hexadecimal string") from error
    if not 0 <= number < 2**256:
        raise InvalidParams("a quantity has 256 bits")
    return number


def _block_id(value: Any) -> str | int | bytes:
    if isinstance(value, dict):  # EIP-1898
        if "blockHash" in value:
            return _data(value["blockHash"], 32)
        value = value.get("blockNumber")
    return value if value in _TAGS else _quantity(value)


def _call(fields: Any) -> Call:
    if not isinstance(fields, dict):
        raise InvalidParams("a call is an object")
    data = fields.get("input", fields.get("data")) or "0x"
    gas = fields.get("gas")
    return Call(
        sender=_data(fields["from"], 20) if fields.get("from") else bytes(20),
        to=_data(fields["to"], 20) if fields.get("to") else b"",
        data=_data(data),
        value=_quantity(fields.get("value") or 0),
        gas=None if gas is None else _quantity(gas),
    )


# -- Python to JSON -------------------------------------------------------------------------------


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _address(raw: bytes) -> str | None:
    return to_checksum_address(raw) if raw else None


def _bloom(bloom: int) -> str:
    return _hex(bloom.to_bytes(256, "big"))


def _base_fee(header: BlockHeaderAPI) -> int:
    return header.base_fee_per_gas or 0  # every block of this chain has one, as of EIP-1559


def _effective_price(mined: Mined) -> int:
    """Return what a unit of gas cost (EIP-1559). Older transactions bid price and tip alike."""
    base_fee = _base_fee(mined.block.header)
    transaction = mined.transaction
    tip = transaction.max_priority_fee_per_gas
    return int(min(transaction.max_fee_per_gas, tip + base_fee))


def _place(mined: Mined) -> dict[str, Any]:
    return {
        "blockHash": _hex(mined.block.hash),
        "blockNumber": hex(mined.block.number),
        "transactionHash": _hex(mined.transaction.hash),
        "transactionIndex": hex(mined.index),
    }


def _type(mined: Mined) -> int:
    return getattr(mined.transaction, "type_id", None) or 0


def _transaction(mined: Mined) -> dict[str, Any]:
    transaction = mined.transaction
    place = _place(mined)
    fields = {
        **place,
        "hash": place.pop("transactionHash"),
        "from": _address(transaction.sender),
        "to": _address(transaction.to),
        "input": _hex(transaction.data),
        "value": hex(transaction.value),
        "gas": hex(transaction.gas),
        "gasPrice": hex(_effective_price(mined)),
        "nonce": hex(transaction.nonce),
        "type": hex(_type(mined)),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
        "v": hex(transaction.y_parity),
    }
    del fields["transactionHash"]
    if _type(mined):
        fields |= {
            "chainId": hex(transaction.chain_id or 0),
            "accessList": [],
            "yParity": fields["v"],
        }
        fields["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        fields["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    return fields


def _log(mined: Mined, log: LogAPI, index: int) -> dict[str, Any]:
    return {
        **_place(mined),
        "address": _address(log.address),
        "topics": [_hex(topic.to_bytes(32, "big")) for topic in log.topics],
        "data": _hex(log.data),
        "logIndex": hex(index),
        "removed": False,
    }


def _logs(mined: Mined) -> list[dict[str, Any]]:
    first = mined.first_log_index
    return [_log(mined, log, first + index) for index, log in enumerate(mined.receipt.logs)]


def _receipt(mined: Mined) -> dict[str, Any]:
    transaction, created = mined.transaction, None
    if not transaction.to:  # Yellow Paper, section 7: where a creation puts the contract
        created = keccak256(rlp.encode([transaction.sender, transaction.nonce]))[12:]
    return {
        **_place(mined),
        "from": _address(transaction.sender),
        "to": _address(transaction.to),
        "contractAddress": _address(created) if created else None,
        "cumulativeGasUsed": hex(mined.receipt.gas_used),
        "effectiveGasPrice": hex(_effective_price(mined)),
        "gasUsed": hex(mined.gas_used),
        "logs": _logs(mined),
        "logsBloom": _bloom(mined.receipt.bloom),
        "status": hex(int.from_bytes(mined.receipt.state_root, "big")),  # since EIP-658
        "type": hex(_type(mined)),
    }


def _block(evm: Evm, block: BlockAPI, full: bool) -> dict[str, Any]:
    header = block.header
    hashes = [_hex(transaction.hash) for transaction in block.transactions]
    return {
        "number": hex(header.block_number),
        "hash": _hex(header.hash),
        "parentHash": _hex(header.parent_hash),
        "nonce": _hex(header.nonce),
        "mixHash": _hex(header.mix_hash),
        "sha3Uncles": _hex(header.uncles_hash),
        "logsBloom": _bloom(header.bloom),
        "transactionsRoot": _hex(header.transaction_root),
        "stateRoot": _hex(header.state_root),
        "receiptsRoot": _hex(header.receipt_root),
        "miner": _address(header.coinbase),
        "difficulty": hex(header.difficulty),
        "extraData": _hex(header.extra_data),
        "size": hex(len(rlp.encode(block))),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(_base_fee(header)),
        "uncles": [],
        "transactions": [_transaction(mined) for mined in evm.mined_in(block)] if full else hashes,
    }


# -- methods --------------------------------------------------------------------------------------


def _get_block(evm: Evm, block: Any, full: bool = False) -> dict[str, Any] | None:
    try:
        return _block(evm, evm.block(block), bool(full))
    except UnknownBlock:
        return None


def _find(evm: Evm, show: Callable[[Mined], dict[str, Any]], hash_: Any) -> dict[str, Any] | None:
    try:
        return show(evm.mined(_data(hash_, 32)))
    except TransactionNotFound:
        return None


def _one_or_many(value: Any) -> list[Any] | None:
    """A filter field is absent (anything), one value, or a list of which one must match."""
    return None if value is None else value if isinstance(value, list) else [value]


def _get_logs(evm: Evm, filter_: Any) -> list[dict[str, Any]]:
    if not isinstance(filter_, dict):
        raise InvalidParams("a filter is an object")
    if "blockHash" in filter_:
        first = last = int(evm.header(_data(filter_["blockHash"], 32)).block_number)
    else:
        head = evm.header().block_number
        bounds = (filter_.get("fromBlock", "latest"), filter_.get("toBlock", "latest"))
        ids = [_block_id(bound) for bound in bounds]
        first, last = (id_ if isinstance(id_, int) else evm.header(id_).block_number for id_ in ids)
        last = min(last, head)
    addresses = _one_or_many(filter_.get("address"))
    wanted_addresses = addresses and {to_canonical_address(_data(a, 20)) for a in addresses}
    topics = filter_.get("topics") or []
    if not isinstance(topics, list) or len(topics) > TOPICS_MAX:
        raise InvalidParams(f"topics is a list of at most {TOPICS_MAX}")
    alternatives = [_one_or_many(topic) for topic in topics]
    wanted_topics = [
        many and {int.from_bytes(_data(one, 32), "big") for one in many} for many in alternatives
    ]

    def matches(log: LogAPI) -> bool:
        if wanted_addresses and log.address not in wanted_addresses:
            return False
        if len(log.topics) < len(wanted_topics):
            return False
        pairs = zip(wanted_topics, log.topics, strict=False)
        return all(not wanted or topic in wanted for wanted, topic in pairs)

    return [
        _log(mined, log, mined.first_log_index + index)
        for mined in evm.mined_between(first, last)
        for index, log in enumerate(mined.receipt.logs)
        if matches(log)
    ]


def _fee_history(evm: Evm, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:
    last = evm.header(_block_id(newest))
    first = max(0, last.block_number + 1 - min(_quantity(count), FEE_HISTORY_BLOCKS_MAX))
    headers = [evm.header(number) for number in range(first, last.block_number + 1)]
    fees = [hex(_base_fee(header)) for header in headers]
    history: dict[str, Any] = {
        "oldestBlock": hex(first),
        "baseFeePerGas": [*fees, fees[-1]],  # the last is that of the next block, which we keep
        "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
    }
    if percentiles:
        history["reward"] = [[hex(TIP_WEI)] * len(percentiles) for _ in headers]
    return history


def _mine(evm: Evm, count: Any = "0x1") -> str:
    evm.mine(_quantity(count))
    return "0x0"


def methods(evm: Evm, accounts: list[bytes]) -> dict[str, Callable[..., Any]]:
    """Return the API over `evm` by method name."""
    return {
        "web3_clientVersion": lambda: "commonhold-devchain/py-evm",
        "net_version": lambda: str(evm.chain_id),
        "eth_chainId": lambda: hex(evm.chain_id),
        "eth_syncing": lambda: False,
        "eth_accounts": lambda: [_address(account) for account in accounts],
        "eth_blockNumber": lambda: hex(evm.header().block_number),
        "eth_gasPrice": lambda: hex(_base_fee(evm.header()) + TIP_WEI),
        "eth_maxPriorityFeePerGas": lambda: hex(TIP_WEI),
        "eth_feeHistory": lambda *params: _fee_history(evm, *params),
        "eth_getBalance": lambda a, b="latest": hex(evm.balance(_data(a, 20), _block_id(b))),
        "eth_getTransactionCount": lambda a, b="latest": hex(evm.nonce(_data(a, 20), _block_id(b))),
        "eth_getCode": lambda a, b="latest": _hex(evm.code(_data(a, 20), _block_id(b))),
        "eth_getStorageAt": lambda a, slot, b="latest": _hex(
            evm.storage(_data(a, 20), _quantity(slot), _block_id(b)).to_bytes(32, "big")
        ),
        "eth_call": lambda c, b="latest", *_: _hex(evm.call(_call(c), _block_id(b))),
        "eth_estimateGas": lambda c, b="latest", *_: hex(evm.estimate_gas(_call(c), _block_id(b))),
        "eth_sendRawTransaction": lambda raw: _hex(evm.send_raw(_data(raw))),
        "eth_getTransactionByHash": lambda hash_: _find(evm, _transaction, hash_),
        "eth_getTransactionReceipt": lambda hash_: _find(evm, _receipt, hash_),
        "eth_getLogs": lambda filter_: _get_logs(evm, filter_),
        "eth_getBlockByNumber": lambda b, full=False: _get_block(evm, _block_id(b), full),
        "eth_getBlockByHash": lambda h, full=False: _get_block(evm, _data(h, 32), full),
        "evm_increaseTime": lambda seconds: evm.increase_time(_quantity(seconds)),
        "evm_mine": lambda *_: _mine(evm),
        "anvil_mine": lambda *params: _mine(evm, *params[:1]),
        "evm_snapshot": lambda: hex(evm.snapshot()),
        "evm_revert": lambda snapshot: evm.revert(_quantity(snapshot)),
    }
