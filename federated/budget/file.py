"""The file of a budget: tables, transactions, and what is said when it cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from commonground.escaping import in_shell
from commonground.files import FILE_MODE
from protocol.errors import ConfigError, StoreError

# Another process holds the file as long as one accounting takes, at most some seconds.
BUSY_SECONDS: Final = 30.0

_VERSION: Final = 3  # of the tables
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS families (   -- of data that shares a limit
    id INTEGER PRIMARY KEY,
    epsilon_micro INTEGER NOT NULL,     -- the limit towards everybody
    alone_micro INTEGER NOT NULL,       -- and towards whoever sees an update alone
    delta REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS data (
    commitment BLOB PRIMARY KEY,
    family INTEGER REFERENCES families, -- null: only the log knows it, and it counts against all
    examples INTEGER NOT NULL           -- how many
);
CREATE TABLE IF NOT EXISTS examples (   -- by what only the same content has
    example BLOB NOT NULL,
    commitment BLOB NOT NULL REFERENCES data,
    is_repeated INTEGER NOT NULL,       -- within its own data
    PRIMARY KEY (example, commitment)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS likeness (   -- by what small changes leave
    key INTEGER NOT NULL,
    kind TEXT NOT NULL,
    commitment BLOB NOT NULL REFERENCES data,
    signature BLOB NOT NULL,
    PRIMARY KEY (key, kind, commitment)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sketches (   -- of tables: their rows by some of their columns
    id INTEGER PRIMARY KEY,
    commitment BLOB NOT NULL REFERENCES data,
    count INTEGER NOT NULL,             -- of its keys
    last INTEGER NOT NULL               -- no key is above it
);
CREATE TABLE IF NOT EXISTS rows (
    key INTEGER NOT NULL,
    sketch INTEGER NOT NULL REFERENCES sketches,
    PRIMARY KEY (key, sketch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    commitment BLOB NOT NULL REFERENCES data,
    job_id TEXT NOT NULL,
    rounds INTEGER NOT NULL,            -- of the whole job, those that are charged included
    sampling REAL NOT NULL,
    noise REAL NOT NULL,
    alone REAL NOT NULL,
    delta REAL NOT NULL,                -- that the job states its epsilon at
    epsilon_micro INTEGER NOT NULL,     -- what all that is reserved brings the data to
    alone_micro INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (commitment, job_id)
);
CREATE TABLE IF NOT EXISTS charges (
    commitment BLOB NOT NULL REFERENCES data,
    job_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    sampling REAL NOT NULL,
    noise REAL NOT NULL,
    alone REAL NOT NULL,
    delta REAL NOT NULL,
    epsilon_micro INTEGER NOT NULL,     -- spent by the data at this delta, the charge included
    has_left INTEGER NOT NULL,          -- whether anything of it may have left this machine
    from_log INTEGER NOT NULL,          -- whether this file had lost it
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (commitment, job_id, round)
);
CREATE TABLE IF NOT EXISTS salts (
    digest BLOB PRIMARY KEY,
    salt BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS decisions (  -- of the owner, never deleted
    time_ms INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    what TEXT NOT NULL,
    reason TEXT NOT NULL
);
"""
_REBUILD: Final = (
    "restore it from a backup; or move it away: a new one is filled from the log, with every round that you"
    " signed. Files beside it of the same name and -wal or -shm belong to the old one: move them away, too"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Which file is at a path. One that was deleted or replaced can still be written, and nobody will find
    what it says."""

    path: Path
    file: tuple[int, int]  # device and inode

    @classmethod
    def of(cls, path: Path) -> Place:
        """Of a private file, which is made where there is none; before it is opened, so that one that is
        opened in its stead is noticed. Raises OSError and ConfigError."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
        found = path.stat()
        if found.st_mode & 0o077:
            raise ConfigError(f"others may access {path}", f"run: chmod 600 {in_shell(path)}")
        return cls(path, (found.st_dev, found.st_ino))

    def require_same(self) -> None:
        """Raises StoreError where the path leads to another file by now, or to none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self.file:
            raise StoreError(  # without its folder: in a round the coordinator is told why there is no update
                f"{self.path.name} was deleted, moved or replaced while this process used it",
                "nothing was written; end the command, put the file back or a copy of it, and run it again",
            )


class BudgetFile:
    """The open file. `close` it, or use `with`. Threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        """Opens budget.db, or makes it, 0600. Raises StoreError and ConfigError."""
        self._lock = threading.Lock()  # guards the one connection
        with store_errors(path):
            self._place = Place.of(path)
            self._connection = sqlite3.connect(
                path, BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(path)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, path: Path) -> None:
        # Beyond FULL: with a rollback journal, FULL may lose the last commit when power fails.
        self._run("PRAGMA synchronous = EXTRA")
        self._run("PRAGMA foreign_keys = ON")
        self._run("BEGIN IMMEDIATE")  # who cannot write finds out now, not in the first round
        try:
            tables = self._run("SELECT count(*) FROM sqlite_schema")[0][0]
            if tables and self._run("PRAGMA user_version") != [(_VERSION,)]:
                raise ConfigError(f"{path} was made by another version of commonhold", _REBUILD)
            for statement in _SCHEMA.split(";\n"):
                self._run(statement)
            self._run(f"PRAGMA user_version = {_VERSION}")
            self._run("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        write_ahead(self._connection)
        carry_over(self._connection)  # what was left by whoever was killed

    def close(self) -> None:
        """Gives the file back; doing it twice is harmless."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, arguments).fetchall()

    @contextmanager
    def _transaction(self, *, keep: bool = True, in_log: bool = False) -> Iterator[None]:
        """All or nothing, and nobody else in between; durable when the block ends, or without `keep`
        undone. What is not soon to be `in_log` as well is carried into budget.db itself: a copy of that
        alone then lacks nothing but rounds, which are taken from the log."""
        with self._lock, store_errors("budget.db"):
            self._run("BEGIN IMMEDIATE")
            try:
                self._place.require_same()
                yield
                self._run("COMMIT" if keep else "ROLLBACK")
            except BaseException:
                self._roll_back()
                raise
            if keep and not in_log:
                carry_over(self._connection)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself rolls back on a full disk
            self._run("ROLLBACK")


def write_ahead(connection: sqlite3.Connection) -> None:
    """Has a file write ahead: a commit is then one sync of the disk, where a rollback journal takes five.

    Either is durable when a commit returns. So where another process has the file just now, it may stay as
    it is, and the next start tries again.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


def carry_over(connection: sqlite3.Connection) -> None:
    """Carries what was written ahead into the file, durably, as far as nobody reads from it just now."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def store_errors(path: Path | str) -> Iterator[None]:
    """Turns what the disk and SQLite say into what a person can do about it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        raise StoreError(*_words(path, code, str(error))) from error
    except OSError as error:
        code = "SQLITE_FULL" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        said = error.strerror or str(error)
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            code = "SQLITE_READONLY"
        raise StoreError(*_words(path, code, said)) from error


def _words(path: Path | str, code: str, said: str) -> tuple[str, str]:
    """What happened, and what to do."""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            f"another process keeps {path} locked",
            "end it, or wait until it is done, and run the command again; nothing was spent",
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return (
            f"{path} cannot be written: {said}",
            "a round that cannot be charged is not trained: check the folder, its owner and the disk",
        )
    if code.startswith("SQLITE_FULL"):
        return f"the disk of {path} is full", "make room and run the command again"
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{path} is damaged: {said}", _REBUILD
    return f"{path}: {said}", "nothing was spent; check the disk and the file's permissions"
