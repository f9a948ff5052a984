"""Tiles: the specification's own examples, and every other spelling refused."""

from __future__ import annotations

import pytest

from protocol.errors import Reject
from protocol.log.merkle import MerkleTree, hash_leaf, root_of_hashes
from protocol.log.tiles import (
    ENTRY_BYTES_MAX,
    EntryTile,
    Tile,
    decode_entries,
    encode_entries,
    entry_tiles_of,
    is_in,
    parse_path,
    tile_data,
    tiles_of,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the specification's example
        (Tile(1, 1000, 17), "tile/1/x001/000.p/17"),
        (Tile(63, 0, 255), "tile/63/000.p/255"),
        (EntryTile(0, 1), "tile/entries/000.p/1"),
        (EntryTile(999), "tile/entries/999"),
    ],
)
def test_paths(tile: Tile | EntryTile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x000/001",  # leading zero group
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",  # a full tile has no suffix
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",  # digits, but not ASCII
        "tile/entries/../000",
        "tile/0/" + "x999/" * 6 + "999",  # beyond 2**63 entries
        "tile/0/" + "x999/" * 40 + "999",
    ],
)
def test_other_spellings_are_rejected(path: str) -> None:
    with pytest.raises(Reject):
        parse_path(path)


def test_an_entry_tile_names_its_entries() -> None:
    assert (EntryTile(2).start, EntryTile(2).stop) == (512, 768)
    assert (EntryTile(2, 88).start, EntryTile(2, 88).stop) == (512, 600)


def test_a_tile_that_cannot_be_is_rejected() -> None:
    for level, index, width in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**60, 1), (0, 0, 257)):
        with pytest.raises(Reject):
            Tile(level, index, width)


def test_tiles_of_the_specifications_example() -> None:
    tiles = list(tiles_of(70_000))
    level_0 = [tile for tile in tiles if tile.level == 0]
    assert level_0 == [*(Tile(0, index) for index in range(273)), Tile(0, 273, 112)]
    assert tiles[274:] == [Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(entry_tiles_of(70_000))[-1] == EntryTile(273, 112)


def test_a_log_of_256_has_one_full_tile_and_a_partial_one_above() -> None:
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert list(entry_tiles_of(0)) == []


def test_growth_publishes_only_what_changed() -> None:
    assert list(tiles_of(600, since=300)) == [Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)]
    assert list(tiles_of(301, since=300)) == [Tile(0, 1, 45)]
    assert list(tiles_of(300, since=300)) == []
    assert list(entry_tiles_of(600, since=512)) == [EntryTile(2, 88)]


def test_a_log_determines_the_tiles_it_reaches() -> None:
    assert is_in(Tile(0, 1, 44), 300)
    assert not is_in(Tile(0, 1, 45), 300)
    assert is_in(Tile(1, 0, 1), 300)
    assert not is_in(Tile(1, 0, 2), 300)
    assert is_in(EntryTile(0), 256)
    assert not is_in(EntryTile(0), 255)


def test_a_tile_above_hashes_full_tiles_below() -> None:
    tree = MerkleTree(hash_leaf(bytes((index & 255,))) for index in range(600))
    below = tile_data(tree, Tile(0, 1))
    hashes = [below[at : at + 32] for at in range(0, len(below), 32)]
    assert len(below) == 8192
    assert tile_data(tree, Tile(1, 0, 2))[32:] == root_of_hashes(hashes)


def test_entry_bundles() -> None:
    assert encode_entries([b"", b"ab"]) == b"\0\0" + b"\0\2ab"
    longest = bytes(ENTRY_BYTES_MAX)
    assert decode_entries(encode_entries([longest]), 1) == [longest]


@pytest.mark.parametrize("entries", [[], [b""] * 257, [bytes(ENTRY_BYTES_MAX + 1)]])
def test_what_does_not_fit_in_a_bundle_is_rejected(entries: list[bytes]) -> None:
    with pytest.raises(Reject):
        encode_entries(entries)


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\0\2ab", 2), (b"\0\2ab", 0), (b"\0\2a", 1), (b"\0", 1), (b"\0\2abc", 1), (b"", 1)],
)
def test_a_bundle_with_more_or_less_than_its_entries_is_rejected(data: bytes, width: int) -> None:
    with pytest.raises(Reject):
        decode_entries(data, width)
