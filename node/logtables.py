"""The log in node.db: entries as they were received, heads that it signed, and how far it was checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from node.database import DatabaseFile
from node.rows import Checked, CheckpointRow, LogRow
from protocol.errors import StoreError
from protocol.log.envelope import parse_envelope

_PAGE: Final = 1_000  # envelopes read at once
_HEAD: Final = "head"  # a size, and a note
_CHECKED: Final = "checked"
_SIZE_BYTES: Final = 8


class LogTables(DatabaseFile):
    """The same rows that every other node has."""

    def log_size(self) -> int:
        """How many entries are stored: 0..size-1 without a gap."""
        return int(self._rows("SELECT coalesce(max(idx) + 1, 0) AS size FROM entries")[0]["size"])

    def append_log(
        self,
        entries: Sequence[LogRow],
        checkpoint: CheckpointRow | None = None,
        checked: Checked | None = None,
    ) -> int | None:
        """Stores entries, the checkpoint that covers them when it has come, and how far others are checked.

        Another process may have stored some of them already. Gives the index of the first entry that
        it stored *differently*, and then changes nothing: the log showed the two of us two histories.
        Of two bundles the first stays: they may differ in what was erased meanwhile.
        """
        with self.transaction():
            size = self.log_size()
            if entries and entries[0].index > size:
                raise StoreError(f"entry {entries[0].index} cannot follow on {size} stored ones")
            for entry in entries:
                if entry.index < size and self._envelope(entry.index) != entry.envelope:
                    return entry.index
            self._write_many(
                "INSERT INTO entries VALUES (?, ?, ?)",
                [(e.index, e.envelope, e.bundle) for e in entries if e.index >= size],
            )
            if checkpoint is not None:
                self._write(
                    "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?)",
                    *(checkpoint.size, checkpoint.note, checkpoint.received_ms),
                )
            if checked is not None:
                self.note_checked(checked)
        return None

    def note_checked(self, checked: Checked) -> None:
        """Remembers how far entries were checked. Of two processes the last has its way: it costs little."""
        self.set_meta(_CHECKED, checked.encode())

    def checked(self) -> Checked | None:
        """How far stored entries were checked, by whom."""
        noted = self.meta(_CHECKED)
        return None if noted is None else Checked.decode(noted)

    def _envelope(self, index: int) -> bytes | None:
        row = self._row("SELECT envelope FROM entries WHERE idx = ?", index)
        return bytes(row["envelope"]) if row else None

    def entry(self, index: int) -> LogRow | None:
        """One stored entry."""
        found = self.entries(index, 1)
        return found[0] if found and found[0].index == index else None

    def entries(self, start: int, limit: int) -> list[LogRow]:
        """At most `limit` entries from `start` on."""
        rows = self._rows("SELECT * FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?", start, limit)
        return [LogRow(row["idx"], row["envelope"], row["bundle"]) for row in rows]

    def entries_of(self, kind: str) -> Iterator[LogRow]:
        """All entries of one kind; reads every envelope, but only their bundles."""
        start = 0
        sql = "SELECT idx, envelope FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?"
        while rows := self._rows(sql, start, _PAGE):
            for row in rows:
                start = row["idx"] + 1
                if parse_envelope(row["envelope"]).kind == kind:
                    yield from self.entries(row["idx"], 1)

    def checkpoint(self, size: int | None = None) -> CheckpointRow | None:
        """The checkpoint at `size` entries; by default the last."""
        if size is None:
            row = self._row("SELECT * FROM checkpoints ORDER BY size DESC LIMIT 1")
        else:
            row = self._row("SELECT * FROM checkpoints WHERE size = ?", size)
        return CheckpointRow(**row) if row else None

    def keep_head(self, size: int, note: bytes) -> None:
        """Keeps the largest head that the log signed beside the stream: in a receipt, or for others."""
        with self.transaction():
            known = self.kept_head()
            if known is None or known.size < size:
                self.set_meta(_HEAD, size.to_bytes(_SIZE_BYTES, "big") + note)

    def kept_head(self) -> CheckpointRow | None:
        """The head that `keep_head` kept, until our own replay has got there."""
        value = self.meta(_HEAD) or b""
        size, note = int.from_bytes(value[:_SIZE_BYTES], "big"), value[_SIZE_BYTES:]
        return CheckpointRow(size, note, 0) if note else None

    def forget_head(self) -> None:
        """Our replay holds what the kept head covers."""
        self._write("DELETE FROM meta WHERE key = ?", _HEAD)

    def highest_head(self) -> CheckpointRow | None:
        """The largest head that the log is known to have signed."""
        known = [each for each in (self.checkpoint(), self.kept_head()) if each is not None]
        return max(known, key=lambda each: each.size, default=None)

    def index_of(self, envelope: bytes) -> int | None:
        """Where the stored log holds this very envelope. Reads all of it."""
        row = self._row("SELECT idx FROM entries WHERE envelope = ?", envelope)
        return None if row is None else int(row["idx"])
