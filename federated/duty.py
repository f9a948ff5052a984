"""duty.db: what a partner's machine must not forget while it serves on committees.

    key     of each job: the private key that others' seeds are sealed to
    root    of each job: what our own boxes are sealed with, so that we can show a member's box to be right
    set     of each round: the one whose sum we open

Rule 1: a set is written down before anything of its sum leaves the machine. Another set of the same round
        is refused for ever: the difference of two sums would show an update.
Rule 2: when a job is over its keys are forgotten, so that what was sealed to them stays sealed.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from federated.budget.file import Place, carry_over, write_ahead
from protocol.errors import StateError, StoreError
from protocol.limits import KEY_BYTES

# Another process of the same node holds the file for one small write.
BUSY_SECONDS: Final = 30.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (
    job_id TEXT NOT NULL,
    round INTEGER NOT NULL,  -- 0: of the whole job
    fact TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (job_id, round, fact)
) WITHOUT ROWID;
"""
_KEY: Final = "key"
_ROOT: Final = "root"
_SET: Final = "set"


class Duty:
    """The open file. `close` it, or use `with`. Threads and processes may share it."""

    def __init__(
        self, connection: sqlite3.Connection, place: Place, randomness: Callable[[int], bytes]
    ) -> None:
        self._connection, self._place, self._randomness = connection, place, randomness
        self._lock = threading.Lock()  # guards the one connection

    @classmethod
    def open(cls, path: Path, randomness: Callable[[int], bytes] = os.urandom) -> Duty:
        """Opens duty.db, or makes it, 0600. Raises StoreError and ConfigError."""
        with _store_errors(path):
            place = Place.of(path)
            connection = sqlite3.connect(
                path, BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # Beyond FULL: with a rollback journal, FULL may lose the last commit when power fails.
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA secure_delete = ON")
            connection.executescript(_SCHEMA)
            write_ahead(connection)
        return cls(connection, place, randomness)

    def close(self) -> None:
        """Gives the file back; doing it twice is harmless."""
        self._connection.close()

    def __enter__(self) -> Duty:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def key(self, job_id: str) -> bytes:
        """The private key of a job: made once."""
        return self._once(job_id, 0, _KEY, self._randomness(KEY_BYTES))

    def ephemerals(
        self, job_id: str, round_: int, commitments: Sequence[bytes], members: int
    ) -> list[bytes]:
        """The keys that seal our boxes in a round, one for each member: the same whenever they are asked for.

        Another round, and other seeds, whose `commitments` differ, have other keys: one serves one box. Who
        is shown one learns nothing of the rest.
        """
        root = self._once(job_id, 0, _ROOT, self._randomness(KEY_BYTES))
        place = round_.to_bytes(4, "big")
        said = hashlib.sha256(root + place + b"".join(commitments)).digest()
        return [
            hashlib.sha256(said + member.to_bytes(4, "big")).digest() for member in range(members)
        ]

    def bind(self, job_id: str, round_: int, digest: bytes) -> None:
        """From here on this is the set of the round. Raises StateError when there is another."""
        if self._once(job_id, round_, _SET, digest) != digest:
            raise StateError(
                f"this machine opens another set of round {round_}, and never two",
                "the log has shown it two sets of one round: keep its files, and tell the other partners",
            )

    def forget(self, job_id: str) -> None:
        """The job is over: nobody opens what was sealed in it any more."""
        with self._lock, _store_errors("duty.db"):
            self._connection.execute(
                "DELETE FROM facts WHERE job_id = ? AND fact != ?", (job_id, _SET)
            )
            # What was written ahead still has them. Whoever closes the file last empties that as well.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _once(self, job_id: str, round_: int, fact: str, value: bytes) -> bytes:
        """What is known for good, durably: the value given, unless there was one."""
        place = (job_id, round_, fact)
        with self._lock, _store_errors("duty.db"):
            self._place.require_same()
            new = self._connection.execute(
                "INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", (*place, value)
            )
            if new.rowcount and not round_:
                carry_over(self._connection)  # a copy of the file alone has the job's keys
            row = self._connection.execute(
                "SELECT value FROM facts WHERE job_id = ? AND round = ? AND fact = ?", place
            ).fetchone()
        return bytes(row[0])


@contextmanager
def _store_errors(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {error}", "check the disk and the file's permissions") from error
