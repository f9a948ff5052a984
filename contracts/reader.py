"""Reads a chain and signs nothing: for whoever only compares. Needs neither web3 nor a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.answers import as_bytes, as_number
from contracts.endpoint import Endpoint, no_such_contract
from contracts.history import Block, History, RawLog, Topic
from protocol.errors import ConfigError, StateError
from protocol.money.eip712 import WORD_BYTES, keccak256


class ChainReader:
    """One endpoint. Raises what `contracts.endpoint.Endpoint.call` raises."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._history = endpoint, History(endpoint)

    @property
    def shown(self) -> str:
        """Return the endpoint's address without its secrets."""
        return self._endpoint.shown

    def require_chain(self, chain_id: int) -> None:
        """Raise ConfigError unless the endpoint is on this chain."""
        found = as_number(self._endpoint, self._endpoint.call("eth_chainId"))
        if found != chain_id:
            raise ConfigError(
                f"the network settles on chain {chain_id}, and {self.shown} is on chain {found}",
                f"name an endpoint of chain {chain_id}",
            )

    def head(self) -> int:
        """Return the number of the latest block."""
        return self._history.latest().number

    def block(self, number: int) -> Block:
        """Return a block; raise StateError where the endpoint has none of that number."""
        found = self._history.block(number)
        if found is None:
            raise StateError(
                f"the chain at {self.shown} has no block {number:,}",
                "wait until the endpoint has caught up; if it stays so, was the chain started anew?",
            )
        return found

    def raw_logs(
        self, addresses: Sequence[bytes], topics: Sequence[Topic] | None, first: int, last: int
    ) -> Iterator[RawLog]:
        """Yield logs as contracts wrote them: see `contracts.history.History.logs`."""
        return self._history.logs(addresses, topics, first, last)

    def code(self, address: bytes) -> bytes:
        """Return the code at an address; nothing where no contract is."""
        found = self._endpoint.call("eth_getCode", f"0x{address.hex()}", "latest")
        return as_bytes(self._endpoint, found)

    def word(self, address: bytes, function: str, block: int | None = None) -> int:
        """Return the first word that a view of a contract without arguments gives, now or in a block."""
        call = {
            "to": f"0x{address.hex()}",
            "data": f"0x{keccak256(f'{function}()'.encode())[:4].hex()}",
        }
        at = "latest" if block is None else hex(block)
        found = as_bytes(self._endpoint, self._endpoint.call("eth_call", call, at))
        if not found:
            raise no_such_contract()
        if len(found) < WORD_BYTES:
            raise self._endpoint.malformed(f"{function}() gives a word")
        return int.from_bytes(found[:WORD_BYTES], "big")
