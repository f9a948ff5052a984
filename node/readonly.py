"""Reads the log out of a node.db, and nothing else: for a coordinator that restores from a node beside it.

The node may be running. Nothing is written, no schema is brought up to date, and whoever asked for it checks
what is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from node.rows import CheckpointRow, LogRow
from protocol.errors import StoreError

_BUSY_MS: Final = 10_000


class NodeDatabase:
    """The tables of the log. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when there is no such file, or when it cannot be read."""
        self._path = path
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            self._db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._db.close()

    def checkpoint(self) -> CheckpointRow | None:
        """The last one that the node checked."""
        sql = "SELECT size, note, received_ms FROM checkpoints ORDER BY size DESC LIMIT 1"
        rows = self._rows(sql)
        return CheckpointRow(*rows[0]) if rows else None

    def entry(self, index: int) -> LogRow | None:
        """One entry."""
        found = self.entries(index, 1)
        return found[0] if found and found[0].index == index else None

    def entries(self, start: int, limit: int) -> Sequence[LogRow]:
        """At most `limit` entries from `start` on."""
        sql = "SELECT idx, envelope, bundle FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?"
        return [LogRow(*row) for row in self._rows(sql, start, limit)]

    def _rows(self, sql: str, *arguments: object) -> list[Any]:
        try:
            return self._db.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"cannot read the log in {self._path}: {error}",
            "have its owner write a copy: `commonhold node copy DIR`",
        )
