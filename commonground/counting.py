"""How numbers of things are said."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """1 item, 2 items."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
