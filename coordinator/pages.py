"""Pages of the log as followers get them: read once, encoded once, kept once for all who follow.

A page begins where somebody asks and ends at a limit, or at the end of the log. One that ended at a limit
stays the same whatever the log becomes, until something in it is erased; then all pages are forgotten, before
the withdrawal is acknowledged to anybody.

Each page comes with a checkpoint that covers it. It is the one that was read in the same transaction, or a
later one: an older one might not explain a leaf that is erased. At the end of the log it is never a later
one, for then no follower would be level with it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from coordinator.book import Book
from coordinator.ledger import Head, StoredEntry
from protos.gen import api_pb2

# A follower holds a page while it does not read; more in one page would save little. An entry with a larger
# bundle is a page of its own.
PAGE_BYTES: Final = 256 * 1024
PAGE_ENTRIES_MAX: Final = 1_024
# The end of the log, and what those who catch up read of it at the same time.
KEPT_BYTES_MAX: Final = 32 * 1024 * 1024
# Beside appends, which read nothing.
READS_MAX: Final = 4
# From one page at the end of the log to the next; less than anybody notices, and about what a follower takes
# to store one on a machine that others use as well.
GATHER_SECONDS: Final = 0.025


@dataclass(frozen=True, slots=True)
class Page:
    """Entries from one index up to `stop`, under a head."""

    stop: int
    head: Head
    message: bytes  # a FollowResponse
    entries_bytes: int  # as much of it is entries
    erasures: int  # how often something had been erased when it was read

    @property
    def is_last(self) -> bool:
        """Whether it reached the end of the log."""
        return self.stop >= self.head.size

    def under(self, head: Head) -> Page:
        """The same entries under a later head: in a message, fields may simply follow each other."""
        message = self.message[: self.entries_bytes] + _encode_head(head)
        return Page(self.stop, head, message, self.entries_bytes, self.erasures)


class Pages:
    """The cache. It belongs to the event loop."""

    def __init__(
        self,
        book: Book,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._book, self._clock, self._sleep = book, clock, sleep
        self._end_read = -GATHER_SECONDS  # when the end of the log was read last
        self._kept: OrderedDict[int, Page] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: dict[int, asyncio.Task[Page]] = {}
        self._readers = asyncio.Semaphore(READS_MAX)

    def now(self) -> float:
        """For `level_since`."""
        return self._clock()

    async def beyond(
        self, size: int, *, level_since: float | None, gather_seconds: float = 0.0
    ) -> None:
        """Waits until the log goes beyond `size`.

        For whoever has had all of it, since then, also until a moment has passed since anybody was told of
        the end before, and until it has gathered for as long as it likes.
        """
        await self._book.wait_beyond(size)
        if level_since is None:
            return
        due = max(self._end_read + GATHER_SECONDS, level_since + gather_seconds)
        if (left := due - self._clock()) > 0:
            await self._sleep(left)

    async def at(self, start: int) -> Page:
        """The page from `start` on, which must be in the log. Raises StoreError."""
        page = self._kept.get(start)
        if page is not None and page.erasures != self._book.erasures:
            self._forget_all()
            page = None
        head = self._book.head
        if page is not None and page.head.size >= head.size:
            self._kept.move_to_end(start)
            return page
        if page is not None and not page.is_last:
            return self._keep(start, page.under(head))
        reading = self._under_way.get(start)
        if reading is None:
            reading = self._under_way[start] = asyncio.create_task(self._read(start))
            reading.add_done_callback(lambda _: self._under_way.pop(start))
        return await asyncio.shield(reading)

    async def _read(self, start: int) -> Page:
        async with self._readers:
            erasures = self._book.erasures
            entries, head = await self._book.read(start, PAGE_ENTRIES_MAX, PAGE_BYTES)
            encoded = await asyncio.to_thread(_encode_entries, entries)
        message = encoded + _encode_head(head)
        page = Page(start + len(entries), head, message, len(encoded), erasures)
        if page.is_last:
            self._end_read = self._clock()
        return self._keep(start, page)

    def _keep(self, start: int, page: Page) -> Page:
        before = self._kept.pop(start, None)
        self._kept_bytes += len(page.message) - (len(before.message) if before else 0)
        self._kept[start] = page
        while self._kept_bytes > KEPT_BYTES_MAX and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.message)
        return page

    def _forget_all(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0


def _encode_entries(entries: list[StoredEntry]) -> bytes:
    logged = (
        api_pb2.LoggedEntry(index=e.index, envelope=e.envelope, bundle=e.bundle) for e in entries
    )
    return api_pb2.FollowResponse(entries=logged).SerializeToString()


def _encode_head(head: Head) -> bytes:
    return api_pb2.FollowResponse(checkpoint=head.checkpoint).SerializeToString()
