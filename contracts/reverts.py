"""What a contract refused, in words: its custom errors, by the ABI of our contracts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, get_abi_input_types

from contracts import NAMES, load
from contracts.endpoint import REVERTED, RpcRefused
from protocol.errors import StateError
from protocol.money.eip712 import keccak256

# Solidity's own error, of require(…, "text").
_TEXT = "Error"
_TEXT_ABI = {"type": "error", "name": _TEXT, "inputs": [{"name": "reason", "type": "string"}]}
# What Solidity says by itself: of arithmetic, and of what is looked up and not there.
_PANIC_ABI = {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]}
# What is too early or too late says when, by the chain's clock; times that no calendar has are numbers.
_DUE = "due"
_TIME_S_MAX = 1 << 37
_ADVICE = {
    "TooEarly": "run this again then",
    "TooLate": "it was open until then, and is not any more",
}
_NOT_THERE = 0x32  # a number beyond the end of a list


class ContractRefused(StateError):
    """A contract reverted; `error` is the name of its custom error, empty if it gave none."""

    def __init__(self, message: str, error: str = "", advice: str = "") -> None:
        super().__init__(message, advice)
        self.error = error


def decode_revert(data: bytes) -> tuple[str, str]:
    """Return the custom error's name in `data` and a sentence with its arguments."""
    abi = _errors_by_selector().get(data[:4])
    if abi is None:
        return "", "the contract reverted without a reason that we know"
    name = "" if abi is _TEXT_ABI else abi["name"]
    try:
        values = decode(get_abi_input_types(abi), data[4:])  # type: ignore[arg-type]
    except DecodingError:
        return name, f"the contract refused: {abi['name']}"
    if not name:
        return "", f"the contract refused: {values[0]}"
    if abi is _PANIC_ABI and values[0] == _NOT_THERE:
        return name, "the contract refused: it names what is not there"
    names = (given["name"] for given in abi["inputs"])
    arguments = ", ".join(
        f"{key}={_shown(key, value)}" for key, value in zip(names, values, strict=True)
    )
    return name, f"the contract refused: {name}({arguments})"


def _shown(key: str, value: Any) -> str:
    if key == _DUE and value < _TIME_S_MAX:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def as_revert(refused: RpcRefused) -> ContractRefused | None:
    """Return what a contract refused; None where the endpoint did."""
    data = _revert_data(refused.data)
    if data:
        name, message = decode_revert(data)
        return ContractRefused(message, name, _ADVICE.get(name, ""))
    if refused.code == REVERTED or "revert" in refused.said.lower():
        return ContractRefused(f"the contract refused: {refused.said}")
    return None


@contextmanager
def explained() -> Iterator[None]:
    """Raise ContractRefused in place of an endpoint's error that tells of a revert."""
    try:
        yield
    except RpcRefused as refused:
        if (reverted := as_revert(refused)) is not None:
            raise reverted from refused
        raise


@cache
def _errors_by_selector() -> dict[bytes, dict[str, Any]]:
    """Return the ABI of every custom error of our contracts and their libraries."""
    abis = [entry for name in NAMES for entry in load(name).abi if entry["type"] == "error"]
    abis += [_TEXT_ABI, _PANIC_ABI]
    return {keccak256(abi_to_signature(abi).encode())[:4]: abi for abi in abis}  # type: ignore[arg-type]


def _revert_data(data: Any) -> bytes:
    """Return the bytes of a revert. Some endpoints give them a prefix, or put them a level deeper."""
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    if not isinstance(data, str):
        return b""
    try:
        return bytes.fromhex(data.removeprefix("Reverted ").removeprefix("0x"))
    except ValueError:
        return b""
