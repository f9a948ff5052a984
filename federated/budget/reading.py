"""What is shown of a budget, without its accountant: the figures that were written with each step."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from federated.budget.file import BUSY_SECONDS, store_errors
from protocol.limits import PPM

# The page shows the last of them; nobody joins so many jobs.
SPENDING_ROWS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Spending:
    """What the rounds of one job cost, for people to read."""

    commitment: bytes
    job_id: str
    rounds: int
    epsilon: float  # spent by the data over all jobs, after this job's last round, at `delta`
    limit: float  # infinite for data that is not known
    delta: float
    last: float  # when the last round was charged, in seconds since 1970
    is_reserved: bool  # whether more rounds of it are set aside


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that the owner decided."""

    time: float  # seconds since 1970
    commitment: bytes
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """One set of data that a budget knows, or that only the log knows."""

    commitment: bytes
    family: int  # 0: only the log knows it
    examples: int


def read_spending(path: Path) -> list[Spending]:
    """What each job cost, the latest first; empty where nobody has ever trained. Changes nothing."""
    rows = _read(
        path,
        "SELECT commitment, job_id, count(*), max(c.epsilon_micro), f.epsilon_micro, max(c.delta),"
        " max(time_ms), EXISTS (SELECT 1 FROM reservations r WHERE r.job_id = c.job_id)"
        " FROM charges c JOIN data USING (commitment) LEFT JOIN families f ON f.id = family"
        " GROUP BY commitment, job_id ORDER BY max(time_ms) DESC LIMIT ?",
        SPENDING_ROWS_MAX,
    )
    return [
        Spending(
            commitment, job_id, rounds, epsilon / PPM,
            float("inf") if limit is None else limit / PPM, delta, time_ms / 1000, bool(reserved),
        )
        for commitment, job_id, rounds, epsilon, limit, delta, time_ms, reserved in rows
    ]  # fmt: skip


def read_data(path: Path) -> list[DataSet]:
    """All data, family by family."""
    sql = "SELECT commitment, coalesce(family, 0), examples FROM data ORDER BY 2, rowid LIMIT ?"
    return [DataSet(*row) for row in _read(path, sql, SPENDING_ROWS_MAX)]


def read_reserved(path: Path) -> list[str]:
    """Jobs that something is set aside for."""
    sql = "SELECT DISTINCT job_id FROM reservations ORDER BY job_id LIMIT ?"
    return [row[0] for row in _read(path, sql, SPENDING_ROWS_MAX)]


def read_decisions(path: Path) -> list[Decision]:
    """What the owner decided, the latest first."""
    sql = "SELECT * FROM decisions ORDER BY time_ms DESC LIMIT ?"
    rows = _read(path, sql, SPENDING_ROWS_MAX)
    return [Decision(row[0] / 1000, *row[1:]) for row in rows]


def _read(path: Path, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    # Not mode=ro: after a crash SQLite has to roll a journal back before anybody can read.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with store_errors(path), closing(sqlite3.connect(uri, BUSY_SECONDS, uri=True)) as connection:
        connection.execute("PRAGMA query_only = ON")
        return connection.execute(sql, arguments).fetchall()
