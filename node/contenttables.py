"""What node.db says of content: which of it is in which campaign, and which files are still needed."""

from __future__ import annotations

from node.rows import ITEM_REFUSED
from node.tasktables import TaskTables


class ContentTables(TaskTables):
    """Items and parts, asked by their content."""

    def has_content(self, campaign_id: str, content_sha256: bytes) -> bool:
        """Whether this content is, or waits to be, in the campaign."""
        sql = "SELECT 1 FROM items WHERE campaign_id = ? AND content_sha256 = ? AND status <> ?"
        return self._row(sql, campaign_id, content_sha256, ITEM_REFUSED) is not None

    def has_commitment(self, commitment: bytes) -> bool:
        """Whether a part of an item of ours names this content."""
        return self._row("SELECT 1 FROM parts WHERE commitment = ?", commitment) is not None

    def commitments(self, first: bytes, last: bytes) -> set[bytes]:
        """Those that parts of our items name, from the first to the last, both included."""
        sql = "SELECT commitment FROM parts WHERE commitment BETWEEN ? AND ?"
        return {row["commitment"] for row in self._rows(sql, first, last)}
