"""Asks the nodes of many authors for what they have: several at once, each in its turn, none too fast."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import Final, Generic, Protocol, TypeVar

from commonground.directory import Directory
from commonground.p2p.limits import REQUESTS_BURST, REQUESTS_PER_SECOND
from commonground.rates import Buckets
from protocol.identity import Identity

# A node takes more than REQUESTS_PER_SECOND for an attack and bans whoever makes them. We stay well below,
# since a node's visits for checkpoints count, too.
ASK_PER_SECOND: Final = REQUESTS_PER_SECOND * 3 / 4
ASK_BURST: Final = REQUESTS_BURST * 2 / 3
# One attempt; what is large on a slow line is resumed within it, not across attempts.
ATTEMPT_SECONDS: Final = 600.0


class Wanted(Protocol):
    """Something that an author's node has."""

    @property
    def author(self) -> Identity:
        """Whose it is."""


W = TypeVar("W", bound=Wanted)


class Asking(Generic[W]):
    """Passes over what is missing. It paces them all, so keep it from one to the next."""

    def __init__(self, directory: Directory, *, at_once: int, failures_max: int) -> None:
        """A node is left alone for the rest of a pass after `failures_max` failures in a row."""
        self._directory = directory
        self._at_once, self._failures_max = at_once, failures_max
        self._pace = Buckets[Identity](ASK_PER_SECOND, ASK_BURST, time.monotonic)

    async def run_pass(
        self,
        wanted: Sequence[W],
        attempt: Callable[[W, Sequence[str]], Awaitable[bool]],
        skipped: Callable[[W, bool], None] = lambda each, announced: None,
    ) -> None:
        """Tries each once. Raises Unreachable (the directory), and what an attempt raises.

        `attempt` gets one and its node's addresses, and says whether that node was of use. `skipped` gets
        one that nobody was asked for, and whether its node is announced at all.
        """
        found = await self._directory.find(each.author for each in wanted)
        failures = Counter[Identity]()
        queue = iter(interleave(wanted))

        async def work() -> None:
            for each in queue:
                announced = found.get(each.author)
                if announced is None or failures[each.author] >= self._failures_max:
                    skipped(each, announced is not None)
                    continue
                await asyncio.sleep(self._pace[each.author].borrow(1))
                if not await attempt(each, announced.addresses):
                    failures[each.author] += 1
                    self._directory.forget(each.author)
                elif failures[each.author] < self._failures_max:  # beyond, it stays left alone
                    failures[each.author] = 0

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(work())
        except ExceptionGroup as failed:  # our disk, and the same for all of them
            raise failed.exceptions[0] from failed


def interleave(wanted: Sequence[W]) -> list[W]:
    """One of each author in turn, so that pacing or a slow node holds up nobody else."""
    by_author: dict[Identity, list[W]] = {}
    for each in wanted:
        by_author.setdefault(each.author, []).append(each)
    turns = zip_longest(*by_author.values())
    return [each for turn in turns for each in turn if each is not None]
