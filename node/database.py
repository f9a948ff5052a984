"""The file under node.db: one connection, whole durable transactions, and nothing left of what was deleted.

Deleted rows are overwritten (secure_delete). Older pages rest in SQLite's write-ahead log until
`empty_wal` carries it into the file.

If we crash, SQLite forgets the open transaction and keeps all earlier ones.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from commonground.files import FILE_MODE
from commonground.without import without
from node import schema
from protocol.errors import StoreError

# Where pandas is installed, sqlite-utils loads it for types of columns that nothing here has: a third of what
# a command takes to start.
with without("pandas"):
    from sqlite_utils import Database

# How long one process waits for another's transaction, which takes milliseconds.
BUSY_TIMEOUT_MS: Final = 10_000
# The same for whoever empties the write-ahead log, which can be tried again.
EMPTY_WAL_MS: Final = 1_000


class DatabaseFile:
    """The open database. `close` it, or use `with`."""

    def __init__(self, path: Path) -> None:
        """Opens (and creates, 0600) the database, and brings its schema up to date."""
        self._lock = threading.RLock()  # guards the one connection
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            schema.migrate(connection)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open {path}: {error}") from error
        self._db = Database(connection)

    def close(self) -> None:
        """Gives the file back; doing it twice is harmless."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes in the block are stored together, durably, or none is. Blocks may nest."""
        with self._lock, _store_errors():
            if self._db.conn.in_transaction:
                yield
                return
            self._db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.conn.execute("COMMIT")
            except BaseException:
                if self._db.conn.in_transaction:  # SQLite itself rolls back on a full disk
                    self._db.conn.execute("ROLLBACK")
                raise

    def empty_wal(self) -> bool:
        """Leaves nothing in the write-ahead log, durably; False while another process reads from it."""
        with self._lock, _store_errors():
            self._db.conn.execute(f"PRAGMA busy_timeout = {EMPTY_WAL_MS}")
            [(busy, _, _)] = self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._db.conn.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        return int(busy) == 0

    def meta(self, key: str) -> bytes | None:
        """A single value by name."""
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return bytes(row["value"]) if row else None

    def set_meta(self, key: str, value: bytes) -> None:
        """Sets a single value."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def _rows(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        with self._lock, _store_errors():
            found = self._db.conn.execute(sql, arguments)
            names = [name for name, *_ in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    def _row(self, sql: str, *arguments: object) -> dict[str, Any] | None:
        rows = self._rows(sql, *arguments)
        return rows[0] if rows else None

    def _write(self, sql: str, *arguments: object) -> int:
        """Runs one statement in a transaction; gives the number of rows it changed."""
        with self.transaction():
            return self._db.conn.execute(sql, arguments).rowcount

    def _write_many(self, sql: str, arguments: Iterable[tuple[object, ...]]) -> int:
        """The same for many arguments."""
        with self.transaction():
            return self._db.conn.executemany(sql, arguments).rowcount

    def _insert(self, table: str, rows: Iterable[dict[str, Any]], or_ignore: bool) -> None:
        with self.transaction():
            self._db.table(table).insert_all(rows, ignore=or_ignore)


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the node's database failed: {error}") from error
