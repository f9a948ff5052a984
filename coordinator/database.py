"""The databases a ledger can live in, and everything that only one of them understands.

A connection is handed out only once it is proven durable: without write-through commits an
acknowledged entry can be lost to a power cut, which no test that kills a process would notice.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from commonground.escaping import in_shell
from commonground.files import new_file, sync_directory
from commonground.installing import how_to_install
from commonground.locks import alone, is_held
from protocol.errors import ConfigError, StoreError

# How long a connection waits for another one's SQLite lock (a checkpoint of the write-ahead log).
_BUSY_MS_MAX = 10_000
# The same for whoever empties the write-ahead log: readers need it for milliseconds, and one that
# hangs must not hold up the log. The next commit tries again.
_TRUNCATE_MS_MAX = 1_000

# What every connection sets ...
_SETTINGS = {
    "sqlite": (
        f"PRAGMA busy_timeout = {_BUSY_MS_MAX}",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA fullfsync = ON",  # macOS: reach the platter, not the drive's cache
        "PRAGMA secure_delete = ON",  # an erased leaf must not survive in a free page
    ),
    "postgresql": ("SET synchronous_commit = on",),
}
# ... and what it must then find.
_EXPECTED: dict[str, dict[str, object]] = {
    "sqlite": {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2},
    "postgresql": {"SHOW synchronous_commit": "on", "SHOW fsync": "on"},
}
RESTORE = "`commonhold coordinator restore --from SOURCE` makes it anew from any node or copy"
_DRIVERS = {"postgresql": "postgresql+psycopg"}
_URLS = "write it as sqlite:////absolute/path/ledger.db or postgresql://user@host/name"
# Advisory locks are numbered per database: any number does that nobody else picks.
_ADVISORY_LOCK = 0x636F6D6D6F6E6C67


def sqlite_file(url: str) -> Path | None:
    """The file of a ledger in SQLite; None for one in another database. Raises ConfigError."""
    parsed = _parse(url)
    return _sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None


def create_store(url: str) -> None:
    """Create what must exist before the first connection: for SQLite, an empty private file.

    Raises:
        StoreError: it exists already, or the directory does not.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return
    path = _sqlite_path(parsed)
    try:
        # SQLite gives its -wal and -shm files the mode of this one.
        new_file(path).close()
        sync_directory(path.parent)  # or a power cut forgets the file's name
    except OSError as error:
        raise StoreError(f"cannot create the ledger {path}: {error.strerror}") from error


def store_exists(url: str, table: str) -> bool:
    """Whether there is anything of a ledger: for SQLite its file, elsewhere its `table`.

    Raises:
        StoreError: the database does not answer.
    """
    if (file := sqlite_file(url)) is not None:
        return file.exists()
    engine = open_engine(url)
    try:
        with translated_errors("the ledger's database does not answer"):
            return sa.inspect(engine).has_table(table)
    finally:
        engine.dispose()


def open_engine(url: str) -> sa.Engine:
    """Return an engine over an existing database whose every connection commits durably."""
    parsed = _parse(url)
    dialect = parsed.get_backend_name()
    if dialect == "sqlite":
        path = _sqlite_path(parsed)
        if not path.is_file():
            raise StoreError(f"there is no ledger at {path}", RESTORE)
        if path.stat().st_mode & 0o077:
            raise StoreError(
                f"others may access the ledger {path}", f"Run: chmod 600 {in_shell(path)}"
            )
        # mode=rw: a file that vanishes is an error, never a new and empty log.
        parsed = parsed.set(database=f"file:{path}", query={"mode": "rw", "uri": "true"})
    # Parameters hold sealed openings: they must not reach an exception, and so a log file.
    try:
        engine = sa.create_engine(parsed, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a ledger in {dialect} needs the package {error.name}",
            how_to_install(f"coordinator,{dialect}"),
        ) from error
    pool = type(engine.pool)
    logging.getLogger(f"{pool.__module__}.{pool.__name__}").addFilter(_is_fault)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        if dialect == "sqlite":
            connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = connection.cursor()
        for statement in _SETTINGS[dialect]:
            cursor.execute(statement)
        check_durable(cursor, dialect)
        cursor.close()
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if dialect == "sqlite":
            connection.exec_driver_sql("BEGIN")

    return engine


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether the pool reports a fault. Ctrl-C may strike while it takes a connection back: it logs that with
    a traceback, and raises it again for whoever says what was interrupted."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not KeyboardInterrupt


def check_durable(cursor: Any, dialect: str) -> None:
    """Raise StoreError unless the connection behind `cursor` commits through to the disk."""
    for query, expected in _EXPECTED[dialect].items():
        cursor.execute(query)
        (found,) = cursor.fetchone()
        if found != expected:
            raise StoreError(f"the database would lose commits: {query} answers {found}")


def begin_snapshot(connection: sa.Connection) -> None:
    """Make all reads of a transaction that has just begun see one moment of the database."""
    if connection.dialect.name == "postgresql":  # SQLite's transactions never do otherwise
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def truncate_wal(engine: sa.Engine) -> bool:
    """Empty SQLite's write-ahead log, which still holds what the database has erased; durable on
    return. False while somebody reads from it.

    PostgreSQL is left to its own VACUUM; see docs/adr/0009-erasure.md.
    """
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_TRUNCATE_MS_MAX}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(busy, _, _)] = cursor.fetchall()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS_MAX}")
    except sqlite3.Error as error:
        raise StoreError(f"cannot empty the write-ahead log: {error}") from error
    finally:
        connection.close()
    return int(busy) == 0


@contextmanager
def writer_lock(engine: sa.Engine, url: str) -> Iterator[None]:
    """Hold the right to write, across processes; it ends with the process at the latest.

    Raises:
        StoreError: somebody else holds it.
    """
    if engine.dialect.name == "sqlite":
        # A file of its own: closing any descriptor of the database would drop SQLite's locks.
        path = _sqlite_path(_parse(url)).resolve()  # a link to the ledger has no lock of its own
        with alone(_lock_of(path), lambda process: _in_use(f"process {process}")):
            yield
    else:
        with engine.connect() as session:
            lock = sa.select(sa.func.pg_try_advisory_lock(_ADVISORY_LOCK))
            if not session.execute(lock).scalar_one():
                raise _in_use()
            session.commit()  # the lock belongs to the session, not to the transaction
            yield
            session.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY_LOCK)))


def is_being_written(url: str) -> bool:
    """Whether a process holds that right; never so of a ledger that is no file, where looking takes it."""
    path = sqlite_file(url)
    return path is not None and is_held(_lock_of(path.resolve()))


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _in_use(process: str = "it") -> StoreError:
    return StoreError(
        "another process has the ledger open for writing: the coordinator is running already",
        f"use that one, or stop {process} first",
    )


@contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Turn a database's errors into a StoreError that begins with `what`."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"{what}: {type(error).__name__}") from error


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise ConfigError("the ledger's database URL is malformed", _URLS) from None
    if parsed.get_backend_name() not in _SETTINGS:
        raise ConfigError(
            f"a ledger lives in {' or '.join(_SETTINGS)}, not {parsed.drivername}", _URLS
        )
    # The driver of the extra `postgresql`, unless the URL names another.
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _sqlite_path(url: sa.URL) -> Path:
    # '?', '#' and '%' mean something in the file: URI that the path becomes part of.
    if not url.database or url.query or set(url.database) & set(":?#%"):
        raise ConfigError(
            "an SQLite ledger needs a plain file and no options",
            "Use sqlite:////absolute/path/ledger.db",
        )
    return Path(url.database).absolute()
