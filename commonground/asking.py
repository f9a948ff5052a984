"""Asks the machines of many authors for what they have: several at once, each in its turn, none too fast.

A person has several machines, each with its own key, and nobody knows which of them has an item: those that
are announced are asked one after the other, until one is of use.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from commonground.p2p.limits import REQUESTS_BURST, REQUESTS_PER_SECOND
from commonground.rates import Buckets
from protocol.identity import KeyId

if TYPE_CHECKING:  # with grpc, for which whoever only reads what was fetched need not wait
    from commonground.addresses import Announcement
    from commonground.directory import Directory

# A node takes more than REQUESTS_PER_SECOND for an attack and bans whoever makes them. We stay well below,
# since a node's visits for checkpoints count, too.
ASK_PER_SECOND: Final = REQUESTS_PER_SECOND * 3 / 4
ASK_BURST: Final = REQUESTS_BURST * 2 / 3
# One attempt; what is large on a slow line is resumed within it, not across attempts.
ATTEMPT_SECONDS: Final = 600.0


class Wanted(Protocol):
    """Something that one of an author's machines has."""

    @property
    def keys(self) -> tuple[KeyId, ...]:
        """The author's machines, likelier ones first."""


W = TypeVar("W", bound=Wanted)


class Asking(Generic[W]):
    """Passes over what is missing. It paces them all, so keep it from one to the next.

    `at_once` is for all passes together, which may run side by side: what more is asked at once only waits
    longer, until authors' machines take it for an attack.
    """

    def __init__(self, directory: Directory, *, at_once: int, failures_max: int) -> None:
        """A machine is left alone for the rest of a pass after `failures_max` failures in a row."""
        self._directory = directory
        self._turns = asyncio.Semaphore(at_once)
        self._at_once, self._failures_max = at_once, failures_max
        self._pace = Buckets[KeyId](ASK_PER_SECOND, ASK_BURST, time.monotonic)

    async def pace(self, key: KeyId) -> None:
        """Waits until one more question to this machine is no flood; an attempt does before each."""
        await asyncio.sleep(self._pace[key].borrow(1))

    async def run_pass(
        self,
        wanted: Sequence[W],
        attempt: Callable[[W, Announcement], Awaitable[bool]],
        skipped: Callable[[W, bool], None] = lambda each, announced: None,
    ) -> None:
        """Tries each once. Raises Unreachable (the directory), and what an attempt raises.

        `attempt` gets one and a machine of its author's, and says whether that machine was of use; if not,
        the next one is asked. `skipped` gets one that nobody was asked for, and whether any of its
        author's machines is announced at all.
        """
        found = await self._directory.find(key for each in wanted for key in each.keys)
        failures = Counter[KeyId]()
        queue = Queue(wanted, self._at_once)

        async def ask(each: W) -> None:
            asked = False
            for key in each.keys:
                if key not in found or failures[key] >= self._failures_max:
                    continue
                asked = True
                if await attempt(each, found[key]):
                    if failures[key] < self._failures_max:  # beyond, it stays left alone
                        failures[key] = 0
                    return
                failures[key] += 1
                self._directory.forget(key)
            if not asked:
                skipped(each, any(key in found for key in each.keys))

        async def work() -> None:
            while len(queue):
                async with self._turns:
                    if (each := queue.take()) is not None:
                        with queue.under_way(each):
                            await ask(each)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(work())
        except ExceptionGroup as failed:  # our disk, and the same for all of them
            raise failed.exceptions[0] from failed


class Queue(Generic[W]):
    """What is left of a pass: authors take turns, and one who has something under way lets others by.

    So pacing or a slow machine holds up nobody else, and only an author alone has all turns.
    """

    def __init__(self, wanted: Sequence[W], at_once: int) -> None:
        by_author: dict[tuple[KeyId, ...], deque[W]] = {}
        for each in wanted:
            by_author.setdefault(each.keys, deque()).append(each)
        self._authors = deque(by_author.items())
        self._at_once, self._under_way = at_once, Counter[tuple[KeyId, ...]]()

    def __len__(self) -> int:
        return len(self._authors)  # of whom something is left

    def take(self) -> W | None:
        """The next one of the author with the fewest under way; None when nothing is left."""
        if not self._authors:
            return None
        # Of as many authors as there are turns one at least has none, whoever asks.
        looked = range(min(len(self._authors), self._at_once))
        chosen = min(looked, key=lambda place: self._under_way[self._authors[place][0]])
        self._authors.rotate(-chosen)
        keys, left = self._authors.popleft()
        each = left.popleft()
        if left:
            self._authors.append((keys, left))
        return each

    @contextmanager
    def under_way(self, each: W) -> Iterator[None]:
        """Counts one as under way for the `with` block."""
        self._under_way[each.keys] += 1
        try:
            yield
        finally:
            self._under_way[each.keys] -= 1
