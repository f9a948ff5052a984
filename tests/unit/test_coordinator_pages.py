"""Pages for followers: read once for all, under a head that covers them, gone when something is erased."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from coordinator import pages
from coordinator.book import Book
from coordinator.ledger import Head, StoredEntry
from coordinator.pages import Pages
from protos.gen import api_pb2


class Shelf:
    """A book of entries of 100 bytes; `reads` are the indices from which somebody read."""

    def __init__(self, size: int) -> None:
        self.reads: list[int] = []
        self.erasures = 0
        self.leaf = b"leaf"
        self.head = Head(0, b"")
        self.grow(size)

    def grow(self, count: int) -> None:
        size = self.head.size + count
        self.head = Head(size, b"head of %d" % size)

    async def wait_beyond(self, size: int) -> Head:
        assert self.head.size > size
        return self.head

    async def read(
        self, start: int, entries_max: int, bytes_max: int
    ) -> tuple[list[StoredEntry], Head]:
        self.reads.append(start)
        stop = min(self.head.size, start + min(entries_max, max(1, bytes_max // 100)))
        leaf, head = self.leaf, self.head
        await asyncio.sleep(0)
        return [StoredEntry(index, b"e" * 100, leaf) for index in range(start, stop)], head


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 500)


def cache(shelf: Shelf) -> Pages:
    return Pages(cast(Book, shelf))


def parsed(page: pages.Page) -> Any:
    message = api_pb2.FollowResponse.FromString(page.message)
    assert [each.index for each in message.entries] == list(
        range(page.stop - len(message.entries), page.stop)
    )
    return message


async def test_many_who_ask_for_a_page_cost_one_reading_and_one_copy() -> None:
    shelf = Shelf(20)
    kept = cache(shelf)
    found = await asyncio.gather(*(kept.at(0) for _ in range(300)))
    assert shelf.reads == [0]
    assert len({id(page.message) for page in found}) == 1
    assert (found[0].stop, len(parsed(found[0]).entries)) == (5, 5)
    assert (await kept.at(5)).stop == 10
    assert shelf.reads == [0, 5]


async def test_a_page_that_ended_at_a_limit_stays_and_comes_with_the_present_head() -> None:
    shelf = Shelf(20)
    kept = cache(shelf)
    before = await kept.at(0)
    shelf.grow(3)
    after = await kept.at(0)
    assert shelf.reads == [0]
    assert parsed(before).entries == parsed(after).entries
    assert (parsed(before).checkpoint, parsed(after).checkpoint) == (b"head of 20", b"head of 23")
    assert (await kept.at(0)).message is after.message


async def test_the_end_of_the_log_is_read_again_when_there_is_more() -> None:
    shelf = Shelf(2)
    kept = cache(shelf)
    assert (await kept.at(0)).stop == 2
    assert (await kept.at(0)).head.size == 2
    shelf.grow(1)
    last = await kept.at(0)
    assert (last.stop, last.head.size, parsed(last).checkpoint) == (3, 3, b"head of 3")
    assert shelf.reads == [0, 0]


async def test_what_was_erased_is_in_no_page_any_more() -> None:
    shelf = Shelf(20)
    kept = cache(shelf)
    await kept.at(0)
    await kept.at(5)
    shelf.leaf = b"hash"
    shelf.erasures += 1
    assert {each.bundle for each in parsed(await kept.at(0)).entries} == {b"hash"}
    assert {each.bundle for each in parsed(await kept.at(5)).entries} == {b"hash"}


async def test_a_page_that_was_read_while_something_was_erased_is_read_again() -> None:
    shelf = Shelf(20)
    kept = cache(shelf)
    reading = asyncio.create_task(kept.at(0))
    while not shelf.reads:
        await asyncio.sleep(0)
    shelf.leaf = b"hash"
    shelf.erasures += 1
    await reading
    assert {each.bundle for each in parsed(await kept.at(0)).entries} == {b"hash"}


async def test_memory_is_bounded_and_the_longest_unread_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf = Shelf(30)
    kept = cache(shelf)
    size = len((await kept.at(0)).message)
    monkeypatch.setattr(pages, "KEPT_BYTES_MAX", 2 * size + 40)
    for start in (5, 0, 10, 0):
        await kept.at(start)
    assert shelf.reads == [0, 5, 10]
    await kept.at(5)
    assert shelf.reads == [0, 5, 10, 5]


async def test_a_reading_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(20)
    kept = cache(shelf)

    async def fail(*_: int) -> Any:
        raise OSError("the disk")

    with monkeypatch.context() as patch:
        patch.setattr(shelf, "read", fail)
        for _ in range(2):
            with pytest.raises(OSError, match="the disk"):
                await kept.at(0)
    assert (await kept.at(0)).stop == 5


class Clock:
    """Stands still, but for whoever sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def test_entries_that_come_close_together_are_one_page() -> None:
    shelf, clock = Shelf(2), Clock()
    kept = Pages(cast(Book, shelf), clock, clock.sleep)
    await kept.at(0)
    shelf.grow(1)
    await kept.beyond(2, level_since=0.0)
    assert clock.slept == [pytest.approx(pages.GATHER_SECONDS)]
    await kept.at(2)
    shelf.grow(1)
    await kept.beyond(2, level_since=None)
    assert len(clock.slept) == 1, "whoever has to catch up waits for nothing"
    clock.now += pages.GATHER_SECONDS
    await kept.beyond(3, level_since=0.0)
    assert len(clock.slept) == 1, "what comes after a pause goes at once"


async def test_a_follower_gathers_for_as_long_as_it_likes() -> None:
    shelf, clock = Shelf(2), Clock()
    kept = Pages(cast(Book, shelf), clock, clock.sleep)
    await kept.at(0)
    level_since = kept.now()
    shelf.grow(1)
    clock.now += 0.1
    await kept.beyond(2, level_since=level_since, gather_seconds=0.25)
    assert clock.slept == [pytest.approx(0.15)]
    clock.now += 0.25
    await kept.beyond(2, level_since=level_since, gather_seconds=0.25)
    assert len(clock.slept) == 1, "what comes alone goes at once"
    await kept.beyond(2, level_since=None, gather_seconds=0.25)
    assert len(clock.slept) == 1, "whoever has to catch up waits for nothing"
