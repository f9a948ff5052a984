"""commonground/asking.py: whose turn it is, and who is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from commonground.addresses import Announcement
from commonground.asking import ASK_BURST, Asking, Queue
from protocol.errors import StoreError
from protocol.identity import KeyId

ANN, BOB, CYD = (KeyId(letter * 32) for letter in (b"a", b"b", b"c"))


@dataclass(frozen=True)
class Thing:
    author: KeyId
    number: int

    @property
    def keys(self) -> tuple[KeyId, ...]:
        return (self.author,)


@dataclass
class Book:
    """A directory that knows ann and bob."""

    forgotten: list[KeyId] = field(default_factory=list)

    async def find(self, wanted: Iterable[KeyId]) -> dict[KeyId, Announcement]:
        return {
            who: Announcement(who, (who[:1].decode(),), 0) for who in wanted if who in (ANN, BOB)
        }

    def forget(self, identity: KeyId) -> None:
        self.forgotten.append(identity)


def asking(book: Book, at_once: int = 1, failures_max: int = 2) -> Asking[Thing]:
    return Asking(book, at_once=at_once, failures_max=failures_max)  # type: ignore[arg-type]


def test_authors_take_turns() -> None:
    ann, bob = [Thing(ANN, n) for n in range(3)], [Thing(BOB, n) for n in range(2)]
    queue = Queue([*ann, *bob], at_once=1)
    assert [queue.take() for _ in range(6)] == [ann[0], bob[0], ann[1], bob[1], ann[2], None]
    assert Queue([], at_once=1).take() is None


async def test_a_slow_author_has_one_turn_while_others_wait() -> None:
    """With two turns, of which an author who never answers takes one: the other is bob's, again and again."""
    bobs_done, order = asyncio.Event(), list[Thing]()
    ann, bob = [Thing(ANN, n) for n in range(3)], [Thing(BOB, n) for n in range(5)]

    async def attempt(each: Thing, where: Announcement) -> bool:
        order.append(each)
        if each.author == ANN:
            await bobs_done.wait()
        elif each == bob[-1]:
            bobs_done.set()
        return True

    await asyncio.wait_for(asking(Book(), at_once=2).run_pass([*ann, *bob], attempt), 10)
    assert [each for each in order if each.author == BOB] == bob
    assert sorted(each.number for each in order if each.author == ANN) == [0, 1, 2]


async def test_a_node_that_fails_is_left_alone_for_the_pass() -> None:
    book, tried, skipped = Book(), list[Thing](), list[tuple[Thing, bool]]()
    things = [Thing(who, n) for who in (ANN, BOB, CYD) for n in range(4)]

    async def attempt(each: Thing, where: Announcement) -> bool:
        assert where.addresses == (each.author[:1].decode(),)
        tried.append(each)
        return each.author == BOB or each.number == 1  # ann's second succeeds

    one = asking(book)
    await one.run_pass(things, attempt, lambda each, announced: skipped.append((each, announced)))
    assert [each.number for each in tried if each.author == ANN] == [0, 1, 2, 3]
    assert [each for each, announced in skipped if not announced] == things[8:]
    assert book.forgotten == [ANN] * 3
    tried.clear()
    one = asking(book, failures_max=1)
    await one.run_pass(things, attempt, lambda each, announced: skipped.append((each, announced)))
    assert [each.number for each in tried if each.author == ANN] == [0]
    assert [each.number for each in tried if each.author == BOB] == [0, 1, 2, 3]
    assert [each for each, announced in skipped if announced] == things[1:4]


async def test_a_success_beside_the_last_failure_does_not_bring_a_node_back() -> None:
    failed, tried = asyncio.Event(), list[int]()

    async def attempt(each: Thing, _: Announcement) -> bool:
        tried.append(each.number)
        if each.number == 0:
            await failed.wait()
            return True
        failed.set()
        return False

    things = [Thing(ANN, n) for n in range(5)]
    await asking(Book(), at_once=2, failures_max=1).run_pass(things, attempt)
    assert tried == [0, 1]


async def test_all_passes_share_one_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    one, things = asking(Book()), [Thing(ANN, n) for n in range(int(ASK_BURST))]

    async def attempt(each: Thing, where: Announcement) -> bool:
        await one.pace(where.key)
        return True

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await one.run_pass(things, attempt)
    assert not any(waits)
    await one.run_pass(things, attempt)
    assert all(waits[len(things) + 1 :])


async def test_what_an_attempt_raises_is_raised_as_it_is() -> None:
    async def attempt(each: Thing, where: Announcement) -> bool:
        raise StoreError("disk full")

    with pytest.raises(StoreError, match="disk full"):
        await asking(Book(), at_once=4).run_pass([Thing(ANN, n) for n in range(9)], attempt)
