"""node.db: what a node must not forget. A plain SQLite file that its owner can open with any tool.

Rule 1: a secret (salt, nonce) is durable before anything that depends on it is sent.
        Every write is a transaction with synchronous=FULL; the outbox lives in the same file, so that
        a record and the secrets that open it are stored together or not at all.
Rule 2: the daemon and the command line use the file at once, and threads share one Store. Writers
        queue at BEGIN IMMEDIATE; a read that decides a write happens inside `transaction`.
Rule 3: of what its author withdrew nothing stays: not in a row, not in a page, not in a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from node.contenttables import ContentTables
from node.logtables import LogTables
from node.rows import (
    ITEM_GONE,
    ITEM_QUEUED,
    ITEM_REFUSED,
    AlarmRow,
    ClaimRow,
    ItemRow,
    OutboxRow,
    OutboxState,
    Outgoing,
    PartRow,
    Withdrawn,
    alarm_row,
    outbox_row,
)
from protocol.errors import StoreError
from protocol.log.batch import decode_bundle, encode_bundle, erase
from protos.gen import api_pb2 as api

# Evidence of one lie is some notes and an entry; alarms beyond these add nothing to the first.
ALARMS_MAX: Final = 100
_PAGE: Final = 1_000  # rows read at once; far fewer than SQLite's variables in one statement
# Set while files or the write-ahead log may still hold something of a withdrawn item.
_RESIDUE: Final = "erasure_residue"


class Store(ContentTables, LogTables):
    """The tables of the open database."""

    # ---- outbox ----

    def enqueue(self, outgoing: Outgoing) -> bool:
        """Queues a record behind all others; False when this very envelope was queued before."""
        openings = api.AppendRequest(openings=outgoing.openings).SerializeToString()
        changed = self._write(
            "INSERT INTO outbox (digest, kind, envelope, bundle, openings) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *(outgoing.digest, outgoing.kind, outgoing.envelope),
            *(encode_bundle(outgoing.leaves), openings),
        )
        return changed == 1

    def requeue(self, digest: bytes) -> None:
        """Sends a refused record once more: what it asks for may be allowed by now."""
        self._write(
            "UPDATE outbox SET state = 'queued', attempts = 0, next_attempt_ms = 0, last_error = ''"
            " WHERE digest = ? AND state IN ('refused', 'postponed')",
            digest,
        )

    def forget_refused(self, kind: str, but: bytes) -> None:
        """Drops refused records of a kind for which another one, `but`, stands."""
        self._write(
            "DELETE FROM outbox WHERE kind = ? AND state = 'refused' AND digest <> ?", *(kind, but)
        )

    def mark_postponed(self, digest: bytes, reason: str) -> None:
        """The rules may take the record in another epoch; nothing behind it waits for it."""
        self._write(
            "UPDATE outbox SET state = 'postponed', last_error = ? WHERE digest = ?",
            *(reason, digest),
        )

    def mark_unproved(
        self, digest: bytes, reason: str, now_ms: int, again_ms: int, log_size: int
    ) -> None:
        """The coordinator calls the record superfluous; the first time, and the log's size then, are kept."""
        self._write(
            "UPDATE outbox SET state = 'unproved', last_error = ?, next_attempt_ms = ?,"
            " unproved_at = CASE unproved_ms WHEN 0 THEN ? ELSE unproved_at END,"
            " unproved_ms = CASE unproved_ms WHEN 0 THEN ? ELSE unproved_ms END WHERE digest = ?",
            *(reason, again_ms, log_size, now_ms, digest),
        )

    def unproved(self) -> list[OutboxRow]:
        """The records that the coordinator calls superfluous, oldest first."""
        rows = self._rows("SELECT * FROM outbox WHERE state = 'unproved' ORDER BY position")
        return [outbox_row(row) for row in rows]

    def hurry(self) -> None:
        """What is queued is due now, whatever came of earlier attempts: somebody waits for it."""
        self._write("UPDATE outbox SET attempts = 0, next_attempt_ms = 0 WHERE state = 'queued'")

    def requeue_postponed(self) -> None:
        """Sends what was too much for an epoch once more."""
        self._write("UPDATE outbox SET state = 'queued' WHERE state = 'postponed'")

    def last_outgoing(self, kind: str) -> OutboxRow | None:
        """The record of a kind that was queued last."""
        sql = "SELECT * FROM outbox WHERE kind = ? ORDER BY position DESC LIMIT 1"
        row = self._row(sql, kind)
        return outbox_row(row) if row else None

    def enqueue_submission(self, outgoing: Outgoing, items: Sequence[ItemRow]) -> None:
        """Queues a submission together with the secrets of its items."""
        rows = [asdict(item) for item in items]
        parts = [
            {"item_id": row["item_id"], "position": at, **part}
            for row in rows
            for at, part in enumerate(row.pop("parts"))
        ]
        with self.transaction():
            self.enqueue(outgoing)
            self._insert("items", rows, or_ignore=False)
            self._insert("parts", parts, or_ignore=False)

    def next_queued(self) -> OutboxRow | None:
        """The record to send next: the order in which they were queued is kept."""
        row = self._row("SELECT * FROM outbox WHERE state = 'queued' ORDER BY position LIMIT 1")
        return outbox_row(row) if row else None

    def outbox_row(self, digest: bytes) -> OutboxRow | None:
        """One record by the SHA-256 of its envelope."""
        row = self._row("SELECT * FROM outbox WHERE digest = ?", digest)
        return outbox_row(row) if row else None

    def refused(self, limit: int = 100) -> list[OutboxRow]:
        """The records that the network refused, for good or for this epoch, newest first."""
        sql = (
            "SELECT * FROM outbox WHERE state IN ('refused', 'postponed')"
            " ORDER BY position DESC LIMIT ?"
        )
        return [outbox_row(row) for row in self._rows(sql, limit)]

    def still_sealed(self) -> list[OutboxRow]:
        """Submissions in the log whose proposals are sealed, as far as we know, with the openings."""
        sql = (
            "SELECT * FROM outbox WHERE kind = 'submission' AND state = 'sent' AND openings <> x''"
            " AND EXISTS (SELECT 1 FROM items WHERE submission = digest AND status NOT IN"
            " ('accepted', 'rejected', 'withdrawn')) ORDER BY position"
        )
        return [outbox_row(row) for row in self._rows(sql)]

    def outbox_counts(self) -> dict[OutboxState, int]:
        """How many records are in each state."""
        rows = self._rows("SELECT state, count(*) AS n FROM outbox GROUP BY state")
        return {OutboxState(row["state"]): row["n"] for row in rows}

    def mark_sent(
        self, digest: bytes, receipt_index: int | None = None, receipt: bytes = b""
    ) -> None:
        """The log has the record (at `receipt_index`, when it gave a receipt: an api.Receipt)."""
        with self.transaction():
            self._write(
                "UPDATE outbox SET state = 'sent', receipt_index = ?, receipt = ?, last_error = ''"
                " WHERE digest = ?",
                *(receipt_index, receipt, digest),
            )
            self._set_submission_status(digest, "submitted")

    def mark_refused(self, digest: bytes, reason: str) -> None:
        """The record breaks a rule; its items may be submitted again."""
        with self.transaction():
            self._write(
                "UPDATE outbox SET state = 'refused', last_error = ? WHERE digest = ?",
                *(reason, digest),
            )
            self._set_submission_status(digest, ITEM_REFUSED)

    def mark_attempt(self, digest: bytes, error: str, next_attempt_ms: int) -> None:
        """The record could not be delivered; it is due again at `next_attempt_ms`."""
        self._write(
            "UPDATE outbox SET attempts = attempts + 1, last_error = ?, next_attempt_ms = ?"
            " WHERE digest = ?",
            *(error, next_attempt_ms, digest),
        )

    def broken_receipts(self, start: int, stop: int) -> list[OutboxRow]:
        """Records whose receipt names a place, start..stop-1, where the log has something else."""
        sql = (
            "SELECT outbox.* FROM outbox JOIN entries ON idx = receipt_index"
            " WHERE idx >= ? AND idx < ? AND entries.envelope <> outbox.envelope"
        )
        return [outbox_row(row) for row in self._rows(sql, start, stop)]

    def _set_submission_status(self, digest: bytes, status: str) -> None:
        # Only from `queued`: the log may already have told more.
        sql = "UPDATE items SET status = ? WHERE submission = ? AND status = ?"
        self._write(sql, status, digest, ITEM_QUEUED)

    # ---- items ----

    def item(self, item_id: bytes) -> ItemRow | None:
        """One of our items."""
        rows = self._rows("SELECT * FROM items WHERE item_id = ?", item_id)
        return self._with_parts(rows)[0] if rows else None

    def items(self) -> Iterator[ItemRow]:
        """All our items, in pages, in the order in which they were made."""
        last = -1
        sql = "SELECT rowid AS place, * FROM items WHERE rowid > ? ORDER BY rowid LIMIT ?"
        while rows := self._rows(sql, last, _PAGE):
            last = max(row.pop("place") for row in rows)
            yield from self._with_parts(rows)

    def _with_parts(self, rows: Sequence[dict[str, Any]]) -> list[ItemRow]:
        parts: dict[bytes, list[PartRow]] = {row["item_id"]: [] for row in rows}
        for at in range(0, len(rows), _PAGE):
            ids = [row["item_id"] for row in rows[at : at + _PAGE]]
            marks = ", ".join("?" * len(ids))
            sql = f"SELECT * FROM parts WHERE item_id IN ({marks}) ORDER BY position"  # noqa: S608
            for part in self._rows(sql, *ids):
                item_id, _ = part.pop("item_id"), part.pop("position")
                if not part.pop("withdrawn"):
                    parts[item_id].append(PartRow(**part))
        return [ItemRow(**row, parts=tuple(parts[row["item_id"]])) for row in rows]

    def item_counts(self) -> dict[str, int]:
        """How many of our items have each status."""
        rows = self._rows("SELECT status, count(*) AS n FROM items GROUP BY status ORDER BY status")
        return {row["status"]: row["n"] for row in rows}

    def set_item_statuses(self, statuses: Mapping[bytes, str]) -> None:
        """Records what the log says of our items, by item id; unknown ids are left out."""
        self._write_many(
            "UPDATE items SET status = ? WHERE item_id = ? AND status <> ?",
            [(status, item_id, status) for item_id, status in statuses.items()],
        )

    # ---- erasure ----

    def erase(self, withdrawn: Withdrawn) -> None:
        """Forgets what was withdrawn; all or nothing.

        Leaves become their hashes, and tasks go. A row of our own items, or of a part of one, is marked,
        and stays until its content is deleted, whose file it names; see node/erasure.py. Repeating it is
        harmless.
        """
        with self.transaction():
            changed = sum(self._erase_leaves(*each) for each in withdrawn.leaves.items())
            tasks = {row["item_id"] for row in self._rows("SELECT DISTINCT item_id FROM tasks")}
            changed += self._write_many(
                "DELETE FROM tasks WHERE item_id = ?",
                [(each,) for each in tasks & withdrawn.items],
            )
            changed += self._write_many(
                "UPDATE items SET status = ? WHERE item_id = ?",
                [(ITEM_GONE, item_id) for item_id in withdrawn.items],
            )
            changed += self._write_many(
                "UPDATE parts SET withdrawn = 1 WHERE item_id = ? AND name = ?",
                list(withdrawn.parts),
            )
            if changed:
                self.set_meta(_RESIDUE, b"1")

    def _erase_leaves(self, index: int, hashes: Collection[bytes]) -> int:
        """Gives the number of entries that it changed: one, or none when it was done before."""
        row = self.entry(index)
        if row is None:
            raise StoreError(f"entry {index} is not stored, and should be")
        rest = encode_bundle(erase(decode_bundle(row.bundle), hashes))
        if rest == row.bundle:
            return 0
        return self._write("UPDATE entries SET bundle = ? WHERE idx = ?", rest, index)

    def has_residue(self) -> bool:
        """Whether `erase` left something to `clear_residue`."""
        return self.meta(_RESIDUE) is not None

    def withdrawn_items(self) -> list[ItemRow]:
        """Our own items whose content may still be here."""
        return self._with_parts(self._rows("SELECT * FROM items WHERE status = ?", ITEM_GONE))

    def withdrawn_parts(self) -> list[tuple[bytes, PartRow]]:
        """Parts of our items that were withdrawn alone and may still be here, with the items' ids."""
        found = self._rows("SELECT * FROM parts WHERE withdrawn")
        kept = [each.name for each in fields(PartRow)]
        return [(row["item_id"], PartRow(**{name: row[name] for name in kept})) for row in found]

    def forget_items(self, item_ids: Sequence[bytes]) -> None:
        """Deletes rows and salts, and what the outbox keeps of their submissions: the log has it."""
        with self.transaction():
            self._forget_sent(item_ids)
            self._write_many(
                "DELETE FROM items WHERE item_id = ?", [(item_id,) for item_id in item_ids]
            )

    def forget_parts(self, parts: Collection[tuple[bytes, str]]) -> None:
        """The same of parts alone. The hash over all of an item's content goes, too: it would tell whoever
        guesses the part that it was that."""
        with self.transaction():
            self._forget_sent([item_id for item_id, _ in parts])
            self._write_many(
                "UPDATE items SET content_sha256 = item_id WHERE item_id = ?",
                [(item_id,) for item_id, _ in parts],
            )
            self._write_many("DELETE FROM parts WHERE item_id = ? AND name = ?", list(parts))

    def _forget_sent(self, item_ids: Iterable[bytes]) -> None:
        self._write_many(
            "UPDATE outbox SET bundle = x'', openings = x''"
            " WHERE digest = (SELECT submission FROM items WHERE item_id = ?)",
            [(item_id,) for item_id in item_ids],
        )

    def clear_residue(self) -> bool:
        """Leaves nothing of what was deleted on disk; False, to be repeated, while others read."""
        if not self.empty_wal():
            return False
        self._write("DELETE FROM meta WHERE key = ?", _RESIDUE)
        return True

    # ---- claims, alarms, the rest ----

    def save_claim(self, claim: ClaimRow) -> None:
        """Adds a claim, or its new status."""
        row = asdict(claim) | {"cumulative": str(claim.cumulative)}
        with self.transaction():
            self._db.table("claims").insert(row, replace=True)

    def claims(self) -> list[ClaimRow]:
        """All claims, oldest first."""
        rows = self._rows("SELECT * FROM claims ORDER BY rowid")
        return [ClaimRow(**row | {"cumulative": int(row["cumulative"])}) for row in rows]

    def raise_alarm(
        self, kind: str, message: str, evidence: Sequence[bytes], raised_ms: int
    ) -> None:
        """Keeps evidence of a lie; the same one is kept once, and `ALARMS_MAX` in all."""
        with self.transaction():
            bundle = encode_bundle(evidence)
            sql = "SELECT count(*) AS n, coalesce(sum(evidence = ?), 0) AS same FROM alarms"
            [known] = self._rows(sql, bundle)
            if known["n"] < ALARMS_MAX and not known["same"]:
                self._write(
                    "INSERT INTO alarms (kind, message, evidence, raised_ms) VALUES (?, ?, ?, ?)",
                    *(kind, message, bundle, raised_ms),
                )

    def alarms(self, open_only: bool = True) -> list[AlarmRow]:
        """Alarms, oldest first; by default those that the owner has not acknowledged."""
        sql = "SELECT * FROM alarms WHERE acknowledged <= ? ORDER BY id"
        return [alarm_row(row) for row in self._rows(sql, 0 if open_only else 1)]

    def acknowledge_alarms(self) -> int:
        """The owner has seen them and wants to go on; gives their number."""
        return self._write("UPDATE alarms SET acknowledged = 1 WHERE acknowledged = 0")
