"""Pages of long tables, chosen by `?page=`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from protocol.errors import Reject

ROWS: Final = 50
# A statement line is read from another place of the ledger each.
LINES: Final = 20
_PAGE_DIGITS_MAX: Final = 9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of `total`; `number` counts from 1."""

    number: int
    total: int
    rows: Sequence[T]
    per_page: int = ROWS

    @property
    def first(self) -> int:
        """The place of the first row, from 1."""
        return (self.number - 1) * self.per_page + 1

    @property
    def last(self) -> int:
        """The place of the last row."""
        return self.first + len(self.rows) - 1

    @property
    def pages(self) -> int:
        """How many there are; at least one."""
        return max(1, -(-self.total // self.per_page))


def parse_page(text: str | None) -> int:
    """The number a reader asks for; raises Reject unless it is one."""
    if text is None:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) <= _PAGE_DIGITS_MAX and int(text)):
        raise Reject("a page is a number from 1 on")
    return int(text)


def span(number: int, total: int, per_page: int = ROWS) -> tuple[int, int]:
    """(rows to skip, rows to take); raises Reject beyond the last page."""
    skip = (number - 1) * per_page
    if skip >= max(1, total):
        raise Reject("there are not so many pages")
    return skip, min(per_page, total - skip)


def page_of(rows: Sequence[T], number: int) -> Page[T]:
    """One page of rows that are all at hand; raises Reject beyond the last."""
    skip, take = span(number, len(rows))
    return Page(number, len(rows), rows[skip : skip + take])
