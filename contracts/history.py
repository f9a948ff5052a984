"""What a chain remembers: its blocks, which of them are final, and the logs of contracts.

Hosted endpoints answer for a few thousand blocks or logs at once and say so in words of their own. So a
refusal narrows the window, and what is granted widens it again; nobody has to configure it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.answers import Reader
from contracts.endpoint import GET_LOGS, Endpoint, Overdue, RpcRefused, TooMuch
from protocol.errors import LocalError, StateError

#: Blocks that the first eth_getLogs asks for.
LOG_BLOCKS_MAX: Final = 5_000
#: So many answers in a row widen the window: of nine requests, one at most is refused.
_GRANTED_BEFORE_WIDER: Final = 8
#: Time-outs in a row that are taken for a window too wide; after that the endpoint is.
_OVERDUE_MAX: Final = 6
#: A lookup of logs matches four topics at most, since a log has no more.
TOPICS_MAX: Final = 4
#: A word, or several of which one has to be there; none at all: any.
Topic = bytes | Sequence[bytes]

#: Behind one address there are several machines, some of them seconds behind the others.
LAG_S: Final = 15.0
_LAG_POLL_S: Final = 0.5

# "query returned more than 10000 results", "block range is too wide", "up to a 2K block range",
# "Log response size exceeded", "query timeout exceeded": what all of them are about.
_TOO_WIDE: Final = re.compile(
    r"range|limit|result|size|exceed|too (many|large|big|wide|long)|max|time.?out|timed out|\bblocks\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as we use it. Fees in wei for a unit of gas; None before EIP-1559."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    base_fee: int | None


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as the contract wrote it, and where it is: nothing decoded, nothing left out."""

    address: bytes  # 20 bytes
    topics: tuple[bytes, ...]  # 32 bytes each
    data: bytes
    block: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int  # within its block


class Window:
    """How many blocks to ask for at once."""

    def __init__(self) -> None:
        self.blocks = LOG_BLOCKS_MAX
        self._granted = 0

    def refused(self, asked: int) -> bool:
        """Narrow it to half of what was asked for; return False when that was a single block."""
        self._granted = 0
        self.blocks = max(asked // 2, 1)
        return asked > 1

    def granted(self) -> None:
        """Widen it after some answers."""
        self._granted += 1
        if self._granted % _GRANTED_BEFORE_WIDER == 0:
            self.blocks = min(2 * self.blocks, LOG_BLOCKS_MAX)


class History:
    """Blocks and logs of one chain. Errors are those of `Endpoint.call`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._window = Window()
        self._highest = 0

    def block(self, which: int | str) -> Block | None:
        """Return a block by number or tag ("latest"), None where there is none (yet).

        The header is read whatever it carries beside: those of proof-of-authority chains have
        signatures in extraData.
        """
        found = self._endpoint.call(
            "eth_getBlockByNumber", which if isinstance(which, str) else hex(which), False
        )
        if found is None:
            return None
        read = Reader(self._endpoint, found)
        base_fee = read.number("baseFeePerGas") if read.has("baseFeePerGas") else None
        block = Block(
            number=read.number("number"),
            hash=read.data("hash", 32),
            parent_hash=read.data("parentHash", 32),
            timestamp=read.number("timestamp"),
            base_fee=base_fee,
        )
        if which not in (block.number, "latest", "finalized"):
            raise self._endpoint.malformed("it answers with another block than was asked for")
        return block

    def tip(self) -> Block:
        """Return the latest block that the endpoint has, be it lower than before."""
        block = self.block("latest")
        if block is None:
            raise self._endpoint.malformed("it has no latest block")
        return block

    def latest(self) -> Block:
        """Return the latest block. One that is lower than before is waited out: endpoints lag.

        Raises StateError when it stays lower: the chain was started anew, or is another one.
        """
        since = self._endpoint.clock.now()
        pause = _LAG_POLL_S
        while True:
            block = self.tip()
            if block.number >= self._highest:
                self._highest = block.number
                return block
            if self._endpoint.clock.now() - since >= LAG_S:
                raise forgotten(
                    self._endpoint, f"has {block.number:,} blocks, and had {self._highest:,}"
                )
            self._endpoint.clock.sleep(pause)
            pause *= 2

    def final(self, depth: int) -> int:
        """Return the last block that is final: by the chain's own word, else `depth` below the latest.

        A chain that keeps no such word answers with an error, or with nothing. Below zero: none is yet.
        """
        try:
            block = self.block("finalized")
        except RpcRefused:
            block = None  # the tag is unknown there, or nothing is final yet
        if block is not None:
            return block.number
        return self.latest().number - depth

    def logs(
        self,
        addresses: Sequence[bytes],
        topics: Sequence[Topic] | None,
        first: int,
        last: int,
    ) -> Iterator[RawLog]:
        """Yield the logs of blocks `first`..`last`, both included, in the chain's order.

        `addresses`: of these contracts; empty: of any. `topics`: for each place the one that is wanted
        there, or several of which one is; empty: anything. Ask for blocks that are final: a lagging
        endpoint leaves out, without a word, what it has not seen yet.

        Raises LocalError when the endpoint refuses even one block.
        """
        if topics and len(topics) > TOPICS_MAX:
            raise ValueError(f"a log has {TOPICS_MAX} topics at most")
        wanted: dict[str, Any] = {}
        if addresses:
            wanted["address"] = ["0x" + each.hex() for each in addresses]
        if topics:
            wanted["topics"] = [_wanted(each) for each in topics]
        overdue = 0
        while first <= last:
            upper = min(first + self._window.blocks - 1, last)
            asked = wanted | {"fromBlock": hex(first), "toBlock": hex(upper)}
            try:
                found = self._endpoint.call(GET_LOGS, asked)
            except (RpcRefused, TooMuch) as refused:
                overdue += isinstance(refused, Overdue)
                if overdue > _OVERDUE_MAX or not self._narrowed(refused, first, upper):
                    raise
                continue
            yield from self._parsed(found, first, upper, addresses)
            overdue = 0
            self._window.granted()
            first = upper + 1

    def _narrowed(self, refused: RpcRefused | TooMuch, first: int, last: int) -> bool:
        """Narrow the window if that is what the refusal is about."""
        if isinstance(refused, RpcRefused) and not _TOO_WIDE.search(refused.said):
            return False
        if self._window.refused(last - first + 1):
            return True
        raise LocalError(
            f"{self._endpoint.shown} gives no logs, not even of block {first} alone: {refused}",
            "use an endpoint that allows eth_getLogs",
        ) from refused

    def _parsed(
        self, found: Any, first: int, last: int, addresses: Sequence[bytes]
    ) -> list[RawLog]:
        if not isinstance(found, list):
            raise self._endpoint.malformed("logs are a list")
        logs = [self._log(each) for each in found if not _is_removed(each)]
        for log in logs:
            if not first <= log.block <= last or (addresses and log.address not in addresses):
                raise self._endpoint.malformed("it answers with other logs than were asked for")
        return sorted(logs, key=lambda log: (log.block, log.log_index))

    def _log(self, found: Any) -> RawLog:
        read = Reader(self._endpoint, found)
        return RawLog(
            address=read.data("address", 20),
            topics=read.many("topics", 32),
            data=read.data("data"),
            block=read.number("blockNumber"),
            block_hash=read.data("blockHash", 32),
            tx_hash=read.data("transactionHash", 32),
            log_index=read.number("logIndex"),
        )


def _wanted(topic: Topic) -> str | list[str] | None:
    """Return what is to stand in one place, as JSON has it."""
    if isinstance(topic, bytes):
        return "0x" + topic.hex()
    return ["0x" + each.hex() for each in topic] or None


def _is_removed(found: Any) -> bool:
    """Return whether a reorganisation took the log away."""
    return isinstance(found, dict) and found.get("removed") is True


def forgotten(endpoint: Endpoint, what: str) -> StateError:
    """Return the error for a chain that knows less than it did."""
    return StateError(
        f"the chain at {endpoint.shown} {what}: it was started anew, or is another one",
        "if it is a development chain that was restarted, found the network anew on it; else name an "
        "endpoint of the chain as it was",
    )
