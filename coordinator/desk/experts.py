"""Answers of experts, who see items before their rounds so that there is gold: kept here, sealed nowhere yet.

desk/experts.db   one row for each expert and item; the last answer counts. The desk alone reads and writes

An answer becomes gold only when the operator imports it (coordinator/desk/gold.py); then its rows go, and the
coordinator keeps it sealed as any other. So a row that is here is one that still has to be decided.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commonground.files import write_new
from protocol.errors import Reject, StoreError
from protocol.rows import ItemId
from protocol.text import check_name

# Rows of all campaigns: an afternoon of some people, a hundred times over.
ANSWERS_MAX: Final = 100_000
NAME_CHARS_MAX: Final = 40
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (
    campaign TEXT NOT NULL, item BLOB NOT NULL, expert TEXT NOT NULL, answer BLOB NOT NULL,
    PRIMARY KEY (item, expert)
) STRICT, WITHOUT ROWID
"""

Said = dict[str, bytes]
"""What each expert said of an item, by name; in the kind's canonical form, empty where they cannot tell."""


def check_expert(name: str) -> str:
    """The name under which somebody answers; raises Reject unless it is one."""
    check_name(name, "your name", NAME_CHARS_MAX)
    return name


class Experts:
    """Use it from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it, for its owner alone. Raises StoreError."""
        try:
            if not path.exists():
                write_new(path, b"")
            with _told("open"):
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA secure_delete = ON")
                self._db.execute(_SCHEMA)
        except OSError as error:
            raise StoreError(f"cannot make {path}: {error.strerror}") from error

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def keep(self, campaign: str, item_id: ItemId, expert: str, answer: bytes) -> None:
        """Keeps an answer; durable on return. Raises StoreError; Reject, there are too many."""
        with _told("keep an answer in"):
            [count] = self._db.execute("SELECT count(*) FROM answers").fetchone()
            if count >= ANSWERS_MAX:
                raise Reject(
                    f"{count:,} answers of experts wait here", "keep those that agree as gold first"
                )
            row = (campaign, item_id, expert, answer)
            self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    def of(self, campaign: str) -> dict[ItemId, Said]:
        """What was said of a campaign's items."""
        found: defaultdict[ItemId, Said] = defaultdict(dict)
        with _told("read"):
            rows = self._db.execute(
                "SELECT item, expert, answer FROM answers WHERE campaign = ? ORDER BY item, expert",
                (campaign,),
            )
            for item_id, expert, answer in rows:
                found[item_id][expert] = answer
        return dict(found)

    def forget(self, item_ids: Iterable[ItemId]) -> None:
        """Deletes what was said of these items."""
        with _told("delete from"):
            self._db.executemany(
                "DELETE FROM answers WHERE item = ?", [(item_id,) for item_id in item_ids]
            )


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"cannot {what} desk/experts.db: {error}") from error
