"""The tables of node.db, as a list of migrations. A migration, once released, never changes.

Each is applied in one transaction together with its number (SQLite's user_version is a page of the
database like any other), so that a kill leaves the old schema or the new one and never a mixture.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from protocol.errors import StoreError

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT;

    -- The log, as checked: the same rows that every other node has.
    CREATE TABLE entries (
        idx INTEGER PRIMARY KEY,
        envelope BLOB NOT NULL,
        bundle BLOB NOT NULL
    ) STRICT;
    CREATE TABLE checkpoints (
        size INTEGER PRIMARY KEY,
        note BLOB NOT NULL,
        received_ms INTEGER NOT NULL
    ) STRICT;

    -- Records of ours on their way; `openings` is a serialised AppendRequest without the rest.
    CREATE TABLE outbox (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        envelope BLOB NOT NULL,
        bundle BLOB NOT NULL,
        openings BLOB NOT NULL,
        state TEXT NOT NULL DEFAULT 'queued' CHECK (
            state IN ('queued', 'postponed', 'unproved', 'sent', 'refused')
        ),
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_ms INTEGER NOT NULL DEFAULT 0,
        last_error TEXT NOT NULL DEFAULT '',
        receipt_index INTEGER,
        receipt BLOB NOT NULL DEFAULT x'',
        -- Since when, and since which size of the log, the coordinator calls it superfluous.
        unproved_ms INTEGER NOT NULL DEFAULT 0,
        unproved_at INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX outbox_state ON outbox (state, position);
    CREATE INDEX outbox_receipt ON outbox (receipt_index);

    CREATE TABLE items (
        item_id BLOB PRIMARY KEY,
        submission BLOB NOT NULL REFERENCES outbox (digest),
        name TEXT NOT NULL,
        campaign_id TEXT NOT NULL,
        content_sha256 BLOB NOT NULL,
        proposal BLOB,
        proposal_salt BLOB NOT NULL,
        status TEXT NOT NULL
    ) STRICT;
    -- What was refused may be submitted again, everything else only once.
    CREATE UNIQUE INDEX items_content ON items (campaign_id, content_sha256)
        WHERE status <> 'refused';
    CREATE INDEX items_submission ON items (submission);
    CREATE TABLE parts (
        item_id BLOB NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        commitment BLOB NOT NULL,
        salt BLOB NOT NULL,
        size INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        path TEXT NOT NULL,
        withdrawn INTEGER NOT NULL DEFAULT 0, -- until its content is deleted, whose file it names
        PRIMARY KEY (item_id, name)
    ) STRICT;

    CREATE TABLE tasks (
        campaign_id TEXT NOT NULL,
        round INTEGER NOT NULL,
        position INTEGER NOT NULL,
        item_id BLOB NOT NULL,
        author BLOB NOT NULL,
        status TEXT NOT NULL CHECK (
            status IN ('todo', 'fetched', 'answered', 'committed', 'revealed', 'failed')
        ),
        content_path TEXT NOT NULL,
        answer BLOB,
        refusal INTEGER NOT NULL,
        relation INTEGER NOT NULL, -- of a likely copy
        program TEXT NOT NULL, -- that gave the answer; empty: its owner
        nonce BLOB NOT NULL,
        failure TEXT NOT NULL,
        -- What its reviewer has said so far and not sealed; each change has the next version.
        draft BLOB,
        draft_refusal INTEGER NOT NULL,
        draft_relation INTEGER NOT NULL,
        draft_version INTEGER NOT NULL,
        draft_mark BLOB NOT NULL, -- of the change that made it, so that its repetition is known
        spent_ms INTEGER NOT NULL,
        seconds INTEGER NOT NULL, -- what of that was committed to, whatever the setting says by the reveal
        PRIMARY KEY (campaign_id, round, position)
    ) STRICT;
    CREATE INDEX tasks_item ON tasks (item_id);
    CREATE INDEX tasks_status ON tasks (status);

    -- `cumulative` is text: an asset's amounts exceed 64 bits.
    CREATE TABLE claims (
        account BLOB NOT NULL, -- that was paid
        asset BLOB NOT NULL,
        cumulative TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        tx_hash BLOB NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('sent', 'confirmed', 'failed')),
        moves INTEGER NOT NULL,
        PRIMARY KEY (account, asset, cumulative, tx_hash, moves)
    ) STRICT;

    CREATE TABLE alarms (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        message TEXT NOT NULL,
        evidence BLOB NOT NULL,
        raised_ms INTEGER NOT NULL,
        acknowledged INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    """,
    # The sweep of contents that nothing names asks for a range of them; a discard asks for one.
    """
    CREATE INDEX parts_commitment ON parts (commitment);
    """,
)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Brings the database up to date. Two processes may do this at once: one waits for the other.

    Raises StoreError when a newer version of the program has been here.
    """
    for number, script in enumerate(migrations, start=1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(migrations):
                raise StoreError(
                    f"the database has schema {version}; this program knows {len(migrations)}",
                    "upgrade commonhold, or use the version that wrote it",
                )
            if version < number:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back on a full disk
                connection.execute("ROLLBACK")
            raise


def _statements(script: str) -> list[str]:
    """Splits a script; `executescript` would commit the transaction before it begins."""
    found, part = [], ""
    for piece in script.split(";")[:-1]:
        part += piece + ";"
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found
