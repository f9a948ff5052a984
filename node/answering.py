"""Answering the tasks of one round: get the content, examine it, wait for whoever answers, in time.

Progress is stored with each step. A restart takes up where we were: what is fetched is examined
again, what is answered stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.addresses import now_ms
from node.examine import UNAVAILABLE, UNSURE, Examiner, Fetcher, Opinion, Wanted
from node.rows import TaskRow, TaskStatus
from node.store import Store
from protocol.errors import Unreachable

log = logging.getLogger(__name__)

# Content gets this long to arrive. Longer waits for people who are away would make everybody wait.
FETCH_SECONDS: Final = 30 * 60
# A person gets most of the day that a coordinator grants by default.
ANSWER_SECONDS: Final = 20 * 60 * 60
# How soon an answer typed in another process is noticed; one small query.
ANSWER_POLL_SECONDS: Final = 0.5
# Between two passes over what is still missing. An author whose replay lags a second behind ours
# refuses us at first, so the first wait is short.
RETRY_SECONDS: Final = 0.5
RETRY_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class RoundKey:
    """Which draw."""

    epoch: int
    round: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the parts of a round may take here, in seconds since we saw its draw."""

    fetch_seconds: float = FETCH_SECONDS
    answer_seconds: float = ANSWER_SECONDS


def seconds_left(began_ms: int, seconds: float, now: int) -> float:
    """How much of a period remains; a clock that was set back does not lengthen it."""
    return min(seconds, max(0.0, seconds - (now - began_ms) / 1000))


def remove_contents(folder: Path, keep: Iterable[bytes] = ()) -> int:
    """Deletes fetched content but that of the items in `keep`; gives the number of files removed."""
    if not folder.is_dir():
        return 0
    names = {item_id.hex() for item_id in keep}
    removed = 0
    for path in folder.iterdir():
        if path.name.partition(".")[0] not in names:  # partial downloads are NAME.*.part
            path.unlink(missing_ok=True)
            removed += 1
    return removed


class Answering:
    """Brings every task of a round to an answer, if only to an abstention."""

    def __init__(
        self, store: Store, fetcher: Fetcher, examiner: Examiner, folder: Path, deadlines: Deadlines
    ) -> None:
        """`folder` (made private here) is where the fetcher puts content."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._store, self._fetcher, self._examiner = store, fetcher, examiner
        self._deadlines = deadlines

    async def run(self, key: RoundKey, wanted: Sequence[Wanted], began_ms: int) -> None:
        """Returns when all is answered, at the latest when the time is up."""
        try:
            async with asyncio.timeout(self._left(began_ms, self._deadlines.answer_seconds)):
                await self._collect(key, wanted, began_ms)
                while self._tasks(key, TaskStatus.FETCHED):  # a person is at it
                    await asyncio.sleep(ANSWER_POLL_SECONDS)
        except TimeoutError:
            log.warning("the time for answers is up: abstaining from what is unanswered")
        for task in self._tasks(key, TaskStatus.TODO):
            self._answer(task, UNAVAILABLE)
        for task in self._tasks(key, TaskStatus.FETCHED):
            self._answer(task, UNSURE)

    async def _collect(self, key: RoundKey, wanted: Sequence[Wanted], began_ms: int) -> None:
        """Fetches, and examines what has arrived while other items are still on their way."""
        here: asyncio.Queue[Wanted] = asyncio.Queue()  # as long as the batch of tasks, at most
        for each in wanted:
            if each.task.status is TaskStatus.FETCHED:
                here.put_nowait(each)

        def arrived(each: Wanted, outcome: Path | Opinion) -> None:
            if isinstance(outcome, Opinion):
                self._answer(each.task, outcome)
            else:
                self._store.set_fetched(each.task, outcome)
                here.put_nowait(each)

        async with asyncio.TaskGroup() as group:
            examining = group.create_task(self._examine(here))
            await self._fetch({each.item_id: each for each in wanted}, key, began_ms, arrived)
            await here.join()
            examining.cancel()

    async def _fetch(
        self,
        wanted: Mapping[bytes, Wanted],
        key: RoundKey,
        began_ms: int,
        arrived: Callable[[Wanted, Path | Opinion], None],
    ) -> None:
        pause = RETRY_SECONDS
        try:
            async with asyncio.timeout(self._left(began_ms, self._deadlines.fetch_seconds)):
                while missing := self._tasks(key, TaskStatus.TODO):
                    await self._pass([wanted[task.item_id] for task in missing], arrived)
                    if not self._tasks(key, TaskStatus.TODO):
                        return
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, RETRY_SECONDS_MAX)
        except TimeoutError:
            for task in self._tasks(key, TaskStatus.TODO):
                log.warning("item %s was not served in time", task.item_id.hex()[:16])
                self._answer(task, UNAVAILABLE)

    async def _pass(
        self, missing: Sequence[Wanted], arrived: Callable[[Wanted, Path | Opinion], None]
    ) -> None:
        try:
            await self._fetcher.run_pass(missing, arrived)
        except Unreachable as error:
            log.info("cannot ask where authors are: %s", error)  # the next pass asks again

    async def _examine(self, here: asyncio.Queue[Wanted]) -> None:
        while True:
            each = await here.get()
            try:
                opinion = await self._examiner.examine(each.path_in(self.folder), each)
            except OSError as error:
                log.error("fetched content is unreadable: %s", error.strerror)
                opinion = UNSURE
            if opinion is not None:
                self._answer(each.task, opinion)
            here.task_done()

    def _answer(self, task: TaskRow, opinion: Opinion) -> None:
        self._store.set_answer(task, opinion.label, opinion.abstention)

    def _tasks(self, key: RoundKey, status: TaskStatus) -> list[TaskRow]:
        return self._store.tasks(key.epoch, key.round, status)

    def _left(self, began_ms: int, seconds: float) -> float:
        return seconds_left(began_ms, seconds, now_ms())
