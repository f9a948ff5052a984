"""The conductor: leads every campaign from round to round, and closes epochs when they are due.

`next_step` is the whole of its judgement on rounds: a pure function of the state, one campaign and what the
clock says, so that after a crash it takes up exactly where the log ends, and no campaign waits for another.
One loop looks at the campaigns that a record was about, and at those whose time has come; all others cost
nothing.

What it remembers is how long items have waited and what the rules refused. A restart forgets it, and costs
one more look at everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from coordinator.book import Book
from coordinator.ledger import FatalStoreError
from coordinator.prepare import Draft
from coordinator.rounds import Clock, Futile, Step, Wait, futile_round, next_step
from coordinator.steps import draft, draft_close
from coordinator.views import round_view
from protocol.errors import CommonholdError, Reject
from protocol.state import State

_log = logging.getLogger(__name__)

# A step that the rules refuse would be refused again at once; new records may change that.
RETRY_MS: Final = 5_000
# Campaigns of one pass; the state stands still while they are looked at, some microseconds each.
LOOKS_MAX: Final = 256
# Time that the machine slept, or a clock that was set, is noticed at the latest after this.
_SLEEP_MS_MAX: Final = 60_000


@dataclass(slots=True)
class _Seen:
    """What the conductor remembers of a campaign."""

    round: int = 0
    waiting_since_ms: int | None = None
    futile: Futile | None = None  # the rounds since somebody was drawn
    refused_until_ms: int = 0

    def note_draw(self, made: Draft, futile: Futile) -> None:
        """Whoever or whatever came after the seal is not in `futile`, and is reason for another round."""
        if made.leaves:
            self.futile = None
        else:
            self.futile = futile if self.futile is None else futile.after(self.futile)


class _Timers:
    """When to look at what again, if no record comes first. All steps take logarithmic time."""

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # with entries that were replaced since

    def put(self, campaign_id: str, at_ms: int | None) -> None:
        """None: only a record can change anything."""
        if at_ms is None:
            self._at_ms.pop(campaign_id, None)
        elif self._at_ms.get(campaign_id) != at_ms:
            self._at_ms[campaign_id] = at_ms
            heappush(self._heap, (at_ms, campaign_id))

    def next_ms(self) -> int | None:
        """The first time of all."""
        while self._heap and self._at_ms.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ms: int) -> list[str]:
        """The campaigns whose time has come, the earliest first."""
        due = []
        while (first_ms := self.next_ms()) is not None and first_ms <= now_ms:
            _, campaign_id = heappop(self._heap)
            del self._at_ms[campaign_id]
            due.append(campaign_id)
        return due


class Conductor:
    """Logs the next step whenever there is one. `run` it as a task.

    `clock_ms` gives the time of day, which goes into the records. `close_every_ms` is the time between two
    closes, None where the operator asks for each.
    """

    def __init__(
        self,
        book: Book,
        clock_ms: Callable[[], int],
        close_every_ms: int | None = None,
        count_step: Callable[[str, str], None] = lambda _step, _outcome: None,
    ) -> None:
        self._book = book
        self._clock_ms = clock_ms
        self._close_every_ms = close_every_ms
        self._count_step = count_step
        self._started_ms = clock_ms()
        self._seen: dict[str, _Seen] = {}
        self._timers = _Timers()
        self._todo: dict[str, None] = {}  # campaigns to look at, in turn
        self._deciding: dict[str, asyncio.Task[None]] = {}  # by campaign
        self._close_refused_until_ms = 0

    # ---- what the operator asks for ----

    async def close_epoch(self, epoch: int) -> int:
        """Closes `epoch`, unless it is closed; gives the log index of its close.

        Raises:
            Reject: the epoch has not begun.
        """
        closed = await self._book.append_own(lambda state: self._closing(state, epoch))
        if closed is not None:
            return closed.index
        async with self._book.counting() as (_, tally):
            return tally.close_of(epoch).index

    def _closing(self, state: State, epoch: int) -> Draft | None:
        if epoch > state.epoch:
            raise Reject(
                f"epoch {epoch} has not begun; this is epoch {state.epoch}",
                f"close epoch {state.epoch} first",
            )
        if epoch < 1:
            raise Reject("the first epoch is 1")
        return draft_close(state, self._clock_ms()) if epoch == state.epoch else None

    # ---- the loop ----

    async def run(self) -> None:
        """Never returns; cancel it. What it was logging when cancelled is still logged whole."""
        try:
            await self._lead()
        finally:
            for task in self._deciding.values():
                task.cancel()

    async def _lead(self) -> None:
        while True:
            due = (*self._timers.take_due(self._clock_ms()), *sorted(self._book.take_touched()))
            self._todo |= dict.fromkeys(due)
            for campaign_id, step in await self._look():
                await self._take(campaign_id, step)
            await self._close_on_schedule()
            await self._rest()

    async def _look(self) -> list[tuple[str, Step]]:
        """The steps that may be taken now, of LOOKS_MAX campaigns at most; the rest waits its turn."""
        steps: list[tuple[str, Step]] = []
        async with self._book.reading() as state:
            for campaign_id in list(islice(self._todo, LOOKS_MAX)):
                del self._todo[campaign_id]
                found = self._judge(state, campaign_id)
                if isinstance(found, Wait):
                    self._timers.put(campaign_id, found.until_ms)
                else:
                    steps.append((campaign_id, found))
        return steps

    def _judge(self, state: State, campaign_id: str) -> Step | Wait:
        if campaign_id not in state.campaigns or campaign_id in self._deciding:
            return Wait(None)
        now_ms, seen = self._clock_ms(), self._watch(state, campaign_id)
        if now_ms < seen.refused_until_ms:
            return Wait(seen.refused_until_ms)
        clock = Clock(now_ms, self._started_ms, seen.waiting_since_ms or now_ms, seen.futile)
        return next_step(state, state.campaigns[campaign_id], clock)

    def _watch(self, state: State, campaign_id: str) -> _Seen:
        """Brings up to date what is remembered of a campaign."""
        seen = self._seen.setdefault(campaign_id, _Seen())
        round_ = state.round_of(campaign_id)
        if round_.number != seen.round:
            # What the seal left behind waits from now on.
            seen.round, seen.waiting_since_ms = round_.number, None
        if not state.queues.has(campaign_id):
            seen.waiting_since_ms = None
        elif seen.waiting_since_ms is None:
            seen.waiting_since_ms = self._clock_ms()
        return seen

    async def _take(self, campaign_id: str, step: Step) -> None:
        """Logs a step. Whatever goes wrong is this campaign's alone, unless it is the disk."""
        if step is Step.DECIDE:
            # Inference may take seconds: nobody else waits for it.
            self._deciding[campaign_id] = asyncio.create_task(self._decide(campaign_id))
            return
        self._todo[campaign_id] = None  # what follows may be due at once
        append = self._book.append_own(lambda state: self._draft(state, campaign_id))
        if not await self._logged(step.name.lower(), append):
            self._refuse(campaign_id)

    async def _decide(self, campaign_id: str) -> None:
        append = self._book.append_apart(
            lambda state: round_view(state, campaign_id),
            lambda view: self._draft_verdict(view, campaign_id),
        )
        try:
            if not await self._logged("decide", append):
                self._refuse(campaign_id)
        except FatalStoreError:
            _log.warning("a verdict was not logged: the ledger has failed")  # and ends the process
        finally:
            del self._deciding[campaign_id]
            self._book.touch(campaign_id)

    def _draft_verdict(self, view: State, campaign_id: str) -> Draft:
        campaign = view.campaigns[campaign_id]
        return draft(Step.DECIDE, view, campaign, self._book.ledger, self._clock_ms())

    def _refuse(self, campaign_id: str) -> None:
        self._seen[campaign_id].refused_until_ms = self._clock_ms() + RETRY_MS

    def _draft(self, state: State, campaign_id: str) -> Draft | None:
        """The record of what may be done now: the state has moved on since the look."""
        step = self._judge(state, campaign_id)
        if isinstance(step, Wait):
            return None
        campaign, now_ms = state.campaigns[campaign_id], self._clock_ms()
        made = draft(step, state, campaign, self._book.ledger, now_ms)
        if step is Step.DRAW:
            self._seen[campaign_id].note_draw(made, futile_round(state, campaign_id))
        return made

    async def _logged(self, what: str, append: Awaitable[object]) -> bool:
        try:
            await append
        except FatalStoreError:
            raise
        except CommonholdError as error:
            # Our own rules refuse our own record, or the queue is full.
            _log.warning("%s was refused, to be tried again: %s", what, error)
            self._count_step(what, "refused")
            return False
        except Exception:
            # A defect that shows in one campaign must not stop the others.
            _log.exception("%s has failed, to be tried again", what)
            self._count_step(what, "failed")
            return False
        self._count_step(what, "logged")
        return True

    # ---- the schedule ----

    async def _close_on_schedule(self) -> None:
        due_ms = await self._close_due_ms()
        if due_ms is None or self._clock_ms() < due_ms:
            return
        async with self._book.reading() as state:
            epoch = state.epoch
        append = self._book.append_own(lambda state: self._closing(state, epoch))
        if not await self._logged("close", append):
            self._close_refused_until_ms = self._clock_ms() + RETRY_MS

    async def _close_due_ms(self) -> int | None:
        if self._close_every_ms is None:
            return None
        async with self._book.counting() as (_, tally):
            last_ms = tally.epochs[-1].time_ms if tally.epochs else self._started_ms
        return max(last_ms + self._close_every_ms, self._close_refused_until_ms)

    async def _rest(self) -> None:
        """Waits for a record, or for the first time that was noted."""
        if self._todo:
            await asyncio.sleep(0)
            return
        wake_ms = _first(self._timers.next_ms(), await self._close_due_ms())
        sleep_ms = _SLEEP_MS_MAX
        if wake_ms is not None:
            sleep_ms = max(0, min(sleep_ms, wake_ms - self._clock_ms()))
        try:
            async with asyncio.timeout(sleep_ms / 1_000):
                await self._book.wait_touched()
        except TimeoutError:
            return


def _first(*times_ms: int | None) -> int | None:
    known: Iterable[int] = (each for each in times_ms if each is not None)
    return min(known, default=None)
