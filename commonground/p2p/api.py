"""What a node hands to the peer-to-peer layer and gets back. No trio, no libp2p.

Callbacks run on the asyncio loop. A peer is its key, taken from the authenticated connection and never
from a message. Whose key it is, the log says; nothing down here asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from commonground.p2p import limits
from commonground.places import IpNetwork
from protocol.errors import ConfigError
from protocol.identity import KeyId
from protocol.rows import ItemId


@dataclass(frozen=True, slots=True)
class Grant:
    """This peer may read this part now."""


@dataclass(frozen=True, slots=True)
class Denial:
    """This peer may not read this part. The reason stays in our log; the peer learns nothing."""

    reason: str


Authorise = Callable[[ItemId, str, KeyId], Awaitable[Grant | Denial]]
"""(item id, name of one of its parts, key of the peer) -> Grant or Denial."""

Admit = Callable[[KeyId], bool]
"""Key of a peer -> may it connect at all? Runs in the trio thread: a look-up in a snapshot, no more."""

ValidateCheckpoint = Callable[[KeyId, bytes], Awaitable[bool]]
"""(author's key, data) -> is it worth passing on?

No, and whoever sent it is punished, since it judges by the same rule. Raises Ignore where an honest one may
judge otherwise, because it has read more of the log than we have: then it is dropped and nobody punished.
"""


IsNews = Callable[[KeyId, bytes], bool]
"""(author's key, data) -> may it be worth a signature check? As yet it may be anybody's.

Runs in the trio thread: a look-up in a snapshot, no more, and it remembers nothing. What is none is
dropped, not passed on, and nobody is punished.
"""


@dataclass(frozen=True, slots=True)
class OpenBlob:
    """A part's 32-byte salt, its length in bytes, and a seekable file that the layer closes."""

    salt: bytes
    length: int
    file: BinaryIO


class BlobSource(Protocol):
    """Where granted content comes from."""

    async def open(self, item_id: ItemId, part: str) -> OpenBlob | None:
        """Open the content of an item's part; None when it is not (or no longer) here."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Content that matched its commitment and is durable at `path`."""

    salt: bytes
    length: int
    path: Path


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A gossiped checkpoint: who signed the message, and bytes that passed the caller's rule."""

    author: KeyId
    data: bytes


@dataclass(frozen=True, slots=True)
class DialRule:
    """Which addresses that the internet does not reach may be dialled; by itself none."""

    near: str = ""  # the coordinator's host: addresses of a kind that it has are dialled, too
    networks: tuple[IpNetwork, ...] = ()  # and these, whatever the coordinator has


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """Limits that an operator may change; everything else is in `limits`."""

    served_bytes_per_second_per_peer: int = limits.SERVED_BYTES_PER_SECOND_PER_PEER
    requests_per_second: int = limits.REQUESTS_PER_SECOND
    requests_burst: int = limits.REQUESTS_BURST
    offences_max: int = limits.OFFENCES_MAX
    ban_seconds: float = limits.BAN_SECONDS
    request_read_seconds: float = limits.REQUEST_READ_SECONDS

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"the peer policy's {name} is not positive", "let it be above zero"
                )
