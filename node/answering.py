"""Answering the tasks of one round: get the content, examine it, wait for whoever answers, in time.

Progress is stored with each step. A restart takes up where we were: what is fetched is examined
again, what is answered stays. Each campaign's round is answered by itself; whoever runs several at once
finds no step in here that waits for another's.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.addresses import now_ms
from node.examine import (
    UNAVAILABLE,
    UNSURE,
    Content,
    Examiner,
    Fetcher,
    Opinion,
    Wanted,
    drafted,
)
from node.rows import TaskRow, TaskStatus
from node.store import Store
from protocol.errors import Unreachable
from protocol.rows import RoundTerms

log = logging.getLogger(__name__)

# Of a campaign's window for commits, content gets this part to arrive. Whoever is away for longer could
# not be told from somebody who stays away, and reviewers need the rest.
FETCH_PART: Final = 1 / 2
# Before the window ends, a commit has to be made, sent and logged: this part of it, at most so long.
COMMIT_PART: Final = 1 / 5
COMMIT_SECONDS_MAX: Final = 5 * 60.0
# How soon an answer typed in another process is noticed; one small query.
ANSWER_POLL_SECONDS: Final = 0.25
# Between two passes over what is still missing. An author whose replay lags behind ours refuses us at
# first, so the first wait is short.
RETRY_SECONDS: Final = 0.1
RETRY_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class RoundKey:
    """Which round of which campaign."""

    campaign_id: str
    round: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the parts of a round may take here, in seconds since its draw."""

    fetch_seconds: float
    answer_seconds: float

    @staticmethod
    def of(terms: RoundTerms) -> Deadlines:
        """What a campaign's window leaves: time to fetch, to answer, and to bring the commit home."""
        window = terms.commit_ms / 1000
        spare = min(window * COMMIT_PART, COMMIT_SECONDS_MAX)
        return Deadlines(window * FETCH_PART, window - spare)


def seconds_left(began_ms: int, seconds: float, now: int) -> float:
    """How much of a period remains; a clock that was set back does not lengthen it."""
    return min(seconds, max(0.0, seconds - (now - began_ms) / 1000))


def remove_contents(folder: Path, keep: Iterable[bytes] = ()) -> int:
    """Deletes fetched content but that of the items in `keep`; gives the number of items removed."""
    if not folder.is_dir():
        return 0
    names = {item_id.hex() for item_id in keep}
    removed = 0
    for path in folder.iterdir():
        if path.name not in names:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed += 1
    return removed


class Answering:
    """Brings every task of a round to an answer, if only to a refusal. One serves all campaigns."""

    def __init__(self, store: Store, fetcher: Fetcher, examiner: Examiner, folder: Path) -> None:
        """`folder` (made private here) is where the fetcher puts content."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._store, self._fetcher, self._examiner = store, fetcher, examiner

    async def run(
        self, key: RoundKey, wanted: Sequence[Wanted], began_ms: int, deadlines: Deadlines
    ) -> None:
        """Returns when all is answered, at the latest when the time is up."""
        try:
            async with asyncio.timeout(_left(began_ms, deadlines.answer_seconds)):
                await self._collect(key, wanted, began_ms, deadlines.fetch_seconds)
                # A person is at it, perhaps for days, in a process of its own.
                while self._store.has_tasks(key.campaign_id, key.round, TaskStatus.FETCHED):
                    await asyncio.sleep(ANSWER_POLL_SECONDS)
        except TimeoutError:
            log.warning("the time for answers in %s is up", key.campaign_id)
        for task in self._tasks(key, TaskStatus.TODO):
            self._answer(task, UNAVAILABLE)
        asked = {each.item_id: each for each in wanted}
        for task in self._tasks(key, TaskStatus.FETCHED):
            # Whoever was kept from sealing has said it all the same, and guessed nothing.
            self._answer(task, drafted(asked[task.item_id], task) or UNSURE)

    async def _collect(
        self, key: RoundKey, wanted: Sequence[Wanted], began_ms: int, fetch_seconds: float
    ) -> None:
        """Fetches, and examines what has arrived while other items are still on their way."""
        here: asyncio.Queue[Wanted] = asyncio.Queue()  # as long as the batch of tasks, at most
        for each in wanted:
            if each.task.status is TaskStatus.FETCHED:
                here.put_nowait(each)

        async with asyncio.TaskGroup() as group:
            examining = group.create_task(self._examine(here))
            items = {each.item_id: each for each in wanted}
            await self._fetch(items, key, _left(began_ms, fetch_seconds), here)
            await here.join()
            examining.cancel()

    async def _fetch(
        self,
        wanted: Mapping[bytes, Wanted],
        key: RoundKey,
        seconds: float,
        here: asyncio.Queue[Wanted],
    ) -> None:
        """A likely copy is here once its original is, too, or is not to come."""
        pause, unseen = RETRY_SECONDS, set[bytes]()  # copies whose originals no pass can bring

        def missing(each: Wanted) -> list[Content]:
            beside = None if each.item_id in unseen else each.original
            both: list[Content | None] = [each, beside if beside and beside.compared else None]
            return [content for content in both if content and not content.is_in(self.folder)]

        def arrived(content: Content, outcome: Path | Opinion) -> None:
            each = content if isinstance(content, Wanted) else wanted[content.copy]
            if isinstance(outcome, Opinion):
                if isinstance(content, Wanted):
                    self._answer(content.task, outcome)
                    return
                unseen.add(each.item_id)
            if not missing(each):
                self._here(each, here)

        try:
            async with asyncio.timeout(seconds):
                while tasks := self._tasks(key, TaskStatus.TODO):
                    lacking = {task.item_id: missing(wanted[task.item_id]) for task in tasks}
                    for item_id, contents in lacking.items():
                        if not contents:  # fetched before we were started again
                            self._here(wanted[item_id], here)
                    await self._pass([each for some in lacking.values() for each in some], arrived)
                    if not self._tasks(key, TaskStatus.TODO):
                        return
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, RETRY_SECONDS_MAX)
        except TimeoutError:
            self._wait_no_more(
                [wanted[task.item_id] for task in self._tasks(key, TaskStatus.TODO)], here
            )

    def _wait_no_more(self, late: Iterable[Wanted], here: asyncio.Queue[Wanted]) -> None:
        """What is here is reviewed without its original; what is not, is refused."""
        for each in late:
            if each.is_in(self.folder):
                self._here(each, here)
            else:
                log.warning("item %s was not served in time", each.item_id.hex()[:16])
                self._answer(each.task, UNAVAILABLE)

    def _here(self, each: Wanted, here: asyncio.Queue[Wanted]) -> None:
        self._store.set_fetched(each.task, each.folder_in(self.folder))
        here.put_nowait(each)

    async def _pass(
        self, missing: Sequence[Content], arrived: Callable[[Content, Path | Opinion], None]
    ) -> None:
        try:
            await self._fetcher.run_pass(missing, arrived)
        except Unreachable as error:
            log.info("cannot ask where authors are: %s", error)  # the next pass asks again

    async def _examine(self, here: asyncio.Queue[Wanted]) -> None:
        while True:
            each = await here.get()
            try:
                opinion = await self._examiner.examine(self.folder, each)
            except Exception as error:  # of ours, or a decoder's, over a stranger's bytes
                # The message stays out: it may quote content.
                log.error("content could not be examined: %s", type(error).__name__)
                opinion = UNSURE
            if opinion is not None:
                self._answer(each.task, opinion)
            here.task_done()

    def _answer(self, task: TaskRow, opinion: Opinion) -> None:
        said = (opinion.answer, opinion.refusal, opinion.program, opinion.relation)
        self._store.set_answer(task, *said)

    def _tasks(self, key: RoundKey, status: TaskStatus) -> list[TaskRow]:
        return self._store.tasks(key.campaign_id, key.round, status)


def _left(began_ms: int, seconds: float) -> float:
    return seconds_left(began_ms, seconds, now_ms())
