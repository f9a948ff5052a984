"""What a node hands to the peer-to-peer layer and gets back. No trio, no libp2p.

Callbacks run on the asyncio loop. Peer keys are 32-byte Ed25519 keys, taken from the authenticated
connection and never from a message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from commonground.p2p import limits
from protocol.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Grant:
    """This peer may read this item now."""


@dataclass(frozen=True, slots=True)
class Denial:
    """This peer may not read this item. The reason stays in our log; the peer learns nothing."""

    reason: str


Authorise = Callable[[bytes, bytes], Awaitable[Grant | Denial]]
"""(peer key, item id) -> Grant or Denial."""

Admit = Callable[[bytes], bool]
"""Peer key -> may it connect at all? Runs in the trio thread: a look-up in a snapshot, no more."""

ValidateCheckpoint = Callable[[bytes, bytes], Awaitable[bool]]
"""(author key, data) -> is it worth passing on?"""


@dataclass(frozen=True, slots=True)
class OpenBlob:
    """An item's 32-byte salt, its length in bytes, and a seekable file that the layer closes."""

    salt: bytes
    length: int
    file: BinaryIO


class BlobSource(Protocol):
    """Where granted content comes from."""

    async def open(self, item_id: bytes) -> OpenBlob | None:
        """Open an item's content; None when it is not (or no longer) here."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Content that matched its commitment and is durable at `path`."""

    salt: bytes
    length: int
    path: Path


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A gossiped checkpoint: who signed the message, and bytes that passed the caller's rule."""

    author: bytes
    data: bytes


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
                raise ConfigError(f"the peer policy's {name} must be positive")
