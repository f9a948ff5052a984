"""C2SP tlog-tiles: which static files a log consists of, what they are called and hold.

    tile/<L>/<N>[.p/<W>]         hashes of complete subtrees of 256**L leaves, 32 bytes each
    tile/entries/<N>[.p/<W>]     entries, each behind its length as a big-endian uint16

Pure arithmetic: nothing here touches a disk or a socket. A full tile is 256 wide and never
changes; a partial one (`.p/<W>`) belongs to the tree sizes that end inside it.
Source: https://c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.errors import Reject
from protocol.log.merkle import SIZE_MAX, MerkleTree

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
LEVEL_MAX = 63  # the specification's bound
ENTRY_BYTES_MAX = 65_535  # entry bundles carry uint16 lengths
CHECKPOINT_PATH = "checkpoint"

_LENGTH_BYTES = 2
# Seven groups of three digits hold 2**63 - 1, the largest size that we accept at all.
_INDEX = r"((?:x[0-9]{3}/){0,6}[0-9]{3})"
_WIDTH = r"(?:\.p/([1-9][0-9]{0,2}))?"
_TILE = re.compile(rf"tile/(0|[1-9][0-9]?)/{_INDEX}{_WIDTH}", re.ASCII)
_ENTRIES = re.compile(rf"tile/entries/{_INDEX}{_WIDTH}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` hashes of level `level` * 8 of the tree, from hash number `index` * 256 on."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= LEVEL_MAX:
            raise Reject(f"a tile level is 0..{LEVEL_MAX}, not {self.level}")
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path below the log's prefix, without a leading slash."""
        return f"tile/{self.level}/{_encode_place(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class EntryTile:
    """The `width` entries from number `index` * 256 on."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path below the log's prefix, without a leading slash."""
        return f"tile/entries/{_encode_place(self.index, self.width)}"

    @property
    def start(self) -> int:
        """Return the index of the first entry."""
        return self.index * TILE_WIDTH

    @property
    def stop(self) -> int:
        """Return the index after the last entry."""
        return self.start + self.width


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= SIZE_MAX // TILE_WIDTH:
        raise Reject(f"tile index {index} is outside every possible log")
    if not 1 <= width <= TILE_WIDTH:
        raise Reject(f"a tile is 1..{TILE_WIDTH} wide, not {width}")


def _encode_place(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    partial = f".p/{width}" if width < TILE_WIDTH else ""
    return "/".join(reversed(groups)) + partial


def parse_path(path: str) -> Tile | EntryTile:
    """Parse the path of a tile or entry bundle, the only spelling of it.

    Raises:
        Reject: it is no such path, or not the one that `path` would give back.
    """
    tile: Tile | EntryTile
    if match := _TILE.fullmatch(path):
        level, index, width = match.groups()
        tile = Tile(int(level), _decode_index(index), int(width or TILE_WIDTH))
    elif match := _ENTRIES.fullmatch(path):
        index, width = match.groups()
        tile = EntryTile(_decode_index(index), int(width or TILE_WIDTH))
    else:
        raise Reject("not the path of a tile or entry bundle")
    if tile.path != path:
        raise Reject(f"not the canonical path, which is {tile.path}")
    return tile


def _decode_index(text: str) -> int:
    return int(text.replace("x", "").replace("/", ""))


def is_in(tile: Tile | EntryTile, size: int) -> bool:
    """Tell whether a log of `size` entries determines every byte of `tile`."""
    level = tile.level if isinstance(tile, Tile) else 0
    return tile.index * TILE_WIDTH + tile.width <= size >> (TILE_HEIGHT * level)


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of a log of `size` leaves, those first that others are built on.

    With `since`, leave out what a log of that size already had: exactly the files that a
    publisher writes when its log grows from `since` to `size`.
    """
    for level in range(LEVEL_MAX + 1):
        shift = TILE_HEIGHT * level
        if not size >> shift:
            return
        for index, width in _places(size >> shift, since >> shift):
            yield Tile(level, index, width)


def entry_tiles_of(size: int, since: int = 0) -> Iterator[EntryTile]:
    """Yield the entry bundles of a log of `size` entries that one of `since` did not have."""
    for index, width in _places(size, since):
        yield EntryTile(index, width)


def _places(count: int, since: int) -> Iterator[tuple[int, int]]:
    """Yield (index, width) of the tiles over `count` items that change after `since` items."""
    if count == since:
        return
    for index in range(since // TILE_WIDTH, count // TILE_WIDTH):
        yield index, TILE_WIDTH
    if partial := count % TILE_WIDTH:
        yield count // TILE_WIDTH, partial


def tile_data(tree: MerkleTree, tile: Tile) -> bytes:
    """Return the content of `tile`: `width` hashes of 32 bytes, joined."""
    start = tile.index * TILE_WIDTH
    return tree.nodes(TILE_HEIGHT * tile.level, start, start + tile.width)


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Encode 1..256 entries of at most 65,535 bytes as an entry bundle."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise Reject(f"an entry bundle holds 1..{TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise Reject(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_entries(data: bytes, width: int) -> list[bytes]:
    """Decode an entry bundle of exactly `width` entries, leaving nothing over."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data) or len(entries) != width:
        raise Reject(f"the entry bundle does not hold exactly {width} whole entries")
    return entries
