"""budget.db: what a partner's data has spent of its privacy, kept by its owner and nobody else.

Rule 1: a charge is durable before anything that it paid for is computed. A round that was charged is
        never charged again; that only one update of it leaves is for client_app.py to see to.
Rule 2: the budget follows the examples, not the folder. Data that shares an image with data seen before
        belongs to the same family, and a family has one limit: leaving a picture out buys nothing.
Rule 3: a limit goes down on request and up only through `raise_limit`.

Several processes may charge at once: a charge is decided and written within one write transaction. If we
crash, SQLite rolls an open transaction back and keeps all earlier ones. Nothing heavy is imported here,
since the node's own page reads this file; the accountant is handed in.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonground.files import FILE_MODE
from federated.spec import Mechanism
from protocol.errors import ConfigError, StateError, StoreError
from protocol.limits import PPM, SALT_BYTES

Accountant = Callable[[Sequence[Mechanism], float], int]
"""Epsilon of all mechanisms together at a delta, in micro (federated.privacy)."""

# Another process holds the file as long as one accounting takes, at most some seconds.
BUSY_SECONDS: Final = 30.0
# The page shows the last of them; nobody joins so many jobs.
SPENDING_ROWS_MAX: Final = 1_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS families (
    id INTEGER PRIMARY KEY,
    epsilon_micro INTEGER NOT NULL,  -- the limit
    delta REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS data (
    commitment BLOB PRIMARY KEY,
    family INTEGER NOT NULL REFERENCES families
);
CREATE TABLE IF NOT EXISTS examples (
    example BLOB PRIMARY KEY,        -- SHA-256 of an image
    family INTEGER NOT NULL REFERENCES families
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    commitment BLOB NOT NULL REFERENCES data,
    job_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    sampling REAL NOT NULL,
    noise_multiplier REAL NOT NULL,
    epsilon_micro INTEGER NOT NULL,  -- spent by the family, this charge included
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (commitment, job_id, round)
);
CREATE TABLE IF NOT EXISTS salts (
    digest BLOB PRIMARY KEY,
    salt BLOB NOT NULL
);
"""

_PAID: Final = "SELECT epsilon_micro FROM charges WHERE commitment = ? AND job_id = ? AND round = ?"
_CHARGED: Final = (
    "SELECT 1 FROM charges JOIN data USING (commitment)"
    " WHERE family = ? AND job_id = ? AND round = ?"
)


@dataclass(frozen=True, slots=True)
class Spending:
    """What the rounds of one job cost, for people to read."""

    commitment: bytes
    job_id: str
    rounds: int
    epsilon: float  # spent by the data over all jobs, after this job's last round
    limit: float
    delta: float
    last: float  # when the last round was charged, in seconds since 1970


class Budget:
    """The open file. `close` it, or use `with`. Threads and processes may share it."""

    def __init__(
        self, connection: sqlite3.Connection, accountant: Accountant, clock: Callable[[], float]
    ) -> None:
        self._connection, self._account, self._clock = connection, accountant, clock
        self._lock = threading.Lock()  # guards the one connection

    @classmethod
    def open(
        cls, path: Path, accountant: Accountant, clock: Callable[[], float] = time.time
    ) -> Budget:
        """Opens budget.db, or makes it, 0600. Raises StoreError."""
        with _store_errors(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"others may access {path}", f"run: chmod 600 {path}")
            connection = sqlite3.connect(
                path, BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # Beyond FULL: with a rollback journal, FULL may lose the last commit when power fails.
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(_SCHEMA)
        return cls(connection, accountant, clock)

    def close(self) -> None:
        """Gives the file back; doing it twice is harmless."""
        self._connection.close()

    def __enter__(self) -> Budget:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what there is to protect ----

    def salt(self, digest: bytes) -> bytes:
        """The salt of the data with this digest: made once, so that the same data keeps its name."""
        with self._transaction():
            self._run(
                "INSERT OR IGNORE INTO salts VALUES (?, ?)", digest, secrets.token_bytes(SALT_BYTES)
            )
            return bytes(self._run("SELECT salt FROM salts WHERE digest = ?", digest)[0][0])

    def set_limit(
        self, commitment: bytes, examples: Collection[bytes], epsilon_micro: int, delta: float
    ) -> None:
        """Takes data under the budget, or lowers its limit. Families that it joins keep the least.

        Raises StateError for a limit above the present one.
        """
        _require_limit(epsilon_micro, delta)
        with self._transaction():
            families = self._families(commitment, examples)
            for family in families:
                present, present_delta = self._limit(family)
                if epsilon_micro > present or delta > present_delta:
                    raise StateError(
                        f"this data, or a part of it, is limited to epsilon {present / PPM:g} at"
                        f" delta {present_delta:g} already",
                        "keep to that limit; raising it is a decision of its own",
                    )
            family = families[0] if families else self._new_family(epsilon_micro, delta)
            self._run(
                "UPDATE families SET epsilon_micro = ?, delta = ? WHERE id = ?",
                *(epsilon_micro, delta, family),
            )
            for other in families[1:]:
                self._run("UPDATE data SET family = ? WHERE family = ?", family, other)
                self._run("UPDATE examples SET family = ? WHERE family = ?", family, other)
                self._run("DELETE FROM families WHERE id = ?", other)
            self._run("INSERT OR IGNORE INTO data VALUES (?, ?)", commitment, family)
            self._connection.executemany(
                "INSERT OR IGNORE INTO examples VALUES (?, ?)",
                ((example, family) for example in examples),
            )

    def raise_limit(self, commitment: bytes, epsilon_micro: int, delta: float) -> None:
        """Allows more than before, for this data and all that shares examples with it."""
        _require_limit(epsilon_micro, delta)
        with self._transaction():
            self._run(
                "UPDATE families SET epsilon_micro = ?, delta = ? WHERE id = ?",
                *(epsilon_micro, delta, self._family(commitment)),
            )

    # ---- what it spends ----

    def charge(
        self,
        commitment: bytes,
        job_id: str,
        round: int,
        sampling: float,
        noise_multiplier: float,
    ) -> int:
        """Pays for one round; returns what the data has spent in all, in micro, once that is durable.

        A round that this data has paid for costs nothing more. Raises StateError for one that was paid for
        with other data of the same family, and for one that the limit does not allow.
        """
        with self._transaction():
            family = self._family(commitment)
            paid = self._run(_PAID, commitment, job_id, round)
            if paid:
                return int(paid[0][0])
            if self._run(_CHARGED, family, job_id, round):
                raise StateError(
                    f"round {round} of {job_id!r} was paid for already, and is not computed again",
                    "wait for the next round",
                )
            after = self._require(family, Mechanism(noise_multiplier, sampling, 1))
            self._run(
                "INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(commitment, job_id, round, sampling, noise_multiplier),
                *(after, int(self._clock() * 1000)),
            )
            return after

    def require(self, commitment: bytes, mechanism: Mechanism) -> int:
        """What the data would have spent after a whole job. Spends nothing.

        Raises StateError when the limit does not allow it.
        """
        with self._transaction():
            return self._require(self._family(commitment), mechanism)

    def spent(self, commitment: bytes, delta: float | None = None) -> int:
        """Spent so far, in micro, at the limit's delta or another one."""
        with self._transaction():
            family = self._family(commitment)
            return self._account(self._mechanisms(family), delta or self._limit(family)[1])

    def _require(self, family: int, mechanism: Mechanism) -> int:
        limit, delta = self._limit(family)
        spent = self._mechanisms(family)
        after = self._account([*spent, mechanism], delta)
        if not after <= limit:
            left = max(0, limit - self._account(spent, delta))
            raise StateError(
                f"this would bring the data to epsilon {after / PPM:.3f}; {left / PPM:.3f} is left of"
                f" its {limit / PPM:g}",
                "nothing was spent; join a job that costs less, or raise the limit",
            )
        return after

    def _mechanisms(self, family: int) -> list[Mechanism]:
        rows = self._run(
            "SELECT noise_multiplier, sampling, count(*) FROM charges JOIN data USING (commitment)"
            " WHERE family = ? GROUP BY noise_multiplier, sampling",
            family,
        )
        return [Mechanism(*row) for row in rows]

    # ---- families ----

    def _family(self, commitment: bytes) -> int:
        rows = self._run("SELECT family FROM data WHERE commitment = ?", commitment)
        if not rows:
            raise StateError("this data has no budget", "set its limit first")
        return int(rows[0][0])

    def _families(self, commitment: bytes, examples: Collection[bytes]) -> list[int]:
        """Those that the data belongs to, or shares an example with; the oldest first."""
        found = {
            row[0] for row in self._run("SELECT family FROM data WHERE commitment = ?", commitment)
        }
        for example in examples:
            found |= {
                row[0]
                for row in self._run("SELECT family FROM examples WHERE example = ?", example)
            }
        return sorted(found)

    def _new_family(self, epsilon_micro: int, delta: float) -> int:
        rows = self._run(
            "INSERT INTO families (epsilon_micro, delta) VALUES (?, ?) RETURNING id",
            *(epsilon_micro, delta),
        )
        return int(rows[0][0])

    def _limit(self, family: int) -> tuple[int, float]:
        row = self._run("SELECT epsilon_micro, delta FROM families WHERE id = ?", family)[0]
        return int(row[0]), float(row[1])

    def _run(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, arguments).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else in between; durable when the block ends."""
        with self._lock, _store_errors("budget.db"):
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back on a full disk
                    self._run("ROLLBACK")
                raise


def read_spending(path: Path) -> list[Spending]:
    """What each job cost, the latest first; empty where nobody has ever trained. Changes nothing."""
    if not path.exists():
        return []
    # Not mode=ro: after a crash SQLite has to roll a journal back before anybody can read.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with _store_errors(path), closing(sqlite3.connect(uri, BUSY_SECONDS, uri=True)) as connection:
        connection.execute("PRAGMA query_only = ON")
        rows = connection.execute(
            "SELECT commitment, job_id, count(*), max(c.epsilon_micro), f.epsilon_micro, delta,"
            " max(time_ms) FROM charges c JOIN data USING (commitment) JOIN families f ON f.id = family"
            " GROUP BY commitment, job_id ORDER BY max(time_ms) DESC LIMIT ?",
            (SPENDING_ROWS_MAX,),
        ).fetchall()
    return [
        Spending(commitment, job_id, rounds, epsilon / PPM, limit / PPM, delta, time_ms / 1000)
        for commitment, job_id, rounds, epsilon, limit, delta, time_ms in rows
    ]


def _require_limit(epsilon_micro: int, delta: float) -> None:
    if not (epsilon_micro > 0 and 0 < delta < 1):
        raise ConfigError(
            f"a limit of epsilon {epsilon_micro / PPM:g} at delta {delta:g} means nothing",
            "let epsilon be above zero, and delta between zero and one",
        )


@contextmanager
def _store_errors(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path}: {error}", "nothing was spent; check the disk and the file's permissions"
        ) from error
