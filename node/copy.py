"""The node's log as the public files of C2SP tlog-tiles: every node can give the whole of it to anybody.

The same paths as at a coordinator's HTTP port: `checkpoint`, `verifier`, `tile/...`, `batch/<root hex>`.
Auditors read a copy, coordinators restore from it, and any web server can publish it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from commonground.files import PUBLIC_MODE, part_of, replace_file, sync_directory
from node.rows import CheckpointRow, LogRow
from protocol.errors import ConfigError, Misbehaviour, Reject, StateError
from protocol.log import tiles
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier
from protocol.transition import shown_batch

_DIRECTORY_MODE: Final = 0o755
_PAGE_ROWS: Final = 64


class Tables(Protocol):
    """A store of a node, as far as it holds the log."""

    def checkpoint(self) -> CheckpointRow | None:
        """The last one."""

    def entry(self, index: int) -> LogRow | None:
        """One entry."""

    def entries(self, start: int, limit: int) -> Sequence[LogRow]:
        """At most `limit` entries from `start` on."""


class StoredLog:
    """What a store holds, up to its last checkpoint, file by file. Another process may store more
    meanwhile."""

    def __init__(self, store: Tables, verifier: Verifier) -> None:
        """`verifier` is any key of the log. Raises StateError while there is nothing yet."""
        last = store.checkpoint()
        if last is None:
            raise StateError(
                "this node has read nothing of the log yet", "run `commonhold node start` first"
            )
        self._store, self._verifier = store, verifier
        self._note, self.size = last.note, last.size
        self._tree = MerkleTree()
        self._batches: dict[str, int] = {}  # path -> index of the entry that it rests beside
        for index, envelope in self._envelopes(0, last.size):
            self._tree.append(hash_leaf(envelope))
            if path := _batch_path(envelope):
                self._batches.setdefault(path, index)

    def paths(self) -> Iterator[str]:
        """All files, the checkpoint last: who finds that finds the rest."""
        yield "verifier"
        yield from self._batches
        yield from (tile.path for tile in tiles.entry_tiles_of(self.size))
        yield from (tile.path for tile in tiles.tiles_of(self.size))
        yield tiles.CHECKPOINT_PATH

    def read(self, path: str) -> bytes:
        """One file. Raises Misbehaviour for one that is not there, as for any other source of a log."""
        if path == tiles.CHECKPOINT_PATH:
            return self._note
        if path == "verifier":
            return f"{self._verifier}\n".encode()
        if path in self._batches:
            row = self._store.entry(self._batches[path])
            return b"" if row is None else row.bundle
        try:
            tile = tiles.parse_path(path)
        except Reject:
            raise Misbehaviour(f"the node's copy of the log lacks {path}") from None
        if not tiles.is_in(tile, self.size):
            raise Misbehaviour(f"the node's copy of the log lacks {path}")
        if isinstance(tile, tiles.EntryTile):
            return tiles.encode_entries([raw for _, raw in self._envelopes(tile.start, tile.stop)])
        return tiles.tile_data(self._tree, tile)

    def _envelopes(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        while start < stop:
            rows = self._store.entries(start, min(_PAGE_ROWS, stop - start))
            if not rows:
                return
            yield from ((row.index, row.envelope) for row in rows)
            start = rows[-1].index + 1


def write_copy(log: StoredLog, folder: Path) -> None:
    """Writes all files into a new folder, which appears whole. Raises ConfigError when there is one."""
    if folder.exists():
        raise ConfigError(f"{folder} is there already", "name a new folder")
    part = part_of(folder)
    try:
        part.mkdir(_DIRECTORY_MODE, parents=True)
        for path in log.paths():
            (part / path).parent.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
            replace_file(part / path, log.read(path), PUBLIC_MODE)
        part.rename(folder)
        sync_directory(folder.parent)
    except OSError as error:
        raise ConfigError(
            f"cannot write {folder}: {error.strerror}", "name a folder in one that is yours"
        ) from error


def _batch_path(envelope: bytes) -> str:
    """Where the leaves beside an entry are published; empty for one that has none."""
    try:
        batch = shown_batch(parse_envelope(envelope))
    except Reject:
        return ""  # no record that the rules know: whoever reads the copy is told so by the fold
    return f"batch/{batch.root.hex()}" if batch is not None and batch.count else ""
