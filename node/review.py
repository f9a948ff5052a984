"""The reviewer's duties: stand by, answer, commit, reveal; in every campaign by itself.

Each duty follows from the log and the store alone, and is looked for again after every advance of
the log. What a record will have to open later is stored before the record is queued, and the same
duty makes the same record, so that being killed anywhere repeats a step and never forks one: a
second commit with other nonces would be a reveal that fails.

Campaigns do not wait for each other: whatever takes time, answering, is a task of its own for each round.

The author's proposed answer is sealed until the verdict, and who made a part is for nobody's eyes: there
is nothing here that could show them.

For whoever shows tasks: `open_tasks` gives each as `Wanted`. Of a likely copy `Wanted.original` is the
earlier item that it resembles (its id and the parts by which copies are told); `Case.original` has those
parts as files, in this reviewer's order, or none where they were not served. An answer to it takes a
relation, `Store.set_answer(…, relation=…)`: copy, derivative, independent or unsure, and RELATION_UNSEEN
where there is nothing to compare with (`Case.original` is empty); an answer to any other item, and a refusal,
takes none.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from commonground.addresses import now_ms
from commonground.directory import keys_of_person
from node.answering import Answering, Deadlines, RoundKey, remove_contents
from node.examine import Wanted
from node.follower import Follower
from node.keys import NodeKeys
from node.original import Original
from node.rows import TaskRow, TaskStatus
from node.standing import Standing, Wants
from node.store import Store
from protocol.identity import PersonId
from protocol.lifecycle import RoundPhase
from protocol.limits import ANSWER_SECONDS_MAX, SALT_BYTES
from protocol.log.batch import batch_root
from protocol.log.strict import encode_leaf
from protocol.review.sampling import is_flipped
from protocol.rows import Campaign, Item, ItemId, Round
from protocol.state import State
from protos.gen import records_pb2 as pb

log = logging.getLogger(__name__)

# Rounds that are answered at once; those that end first go first. Each holds some transfers.
ROUNDS_MAX: Final = 64
# The draw's time is the operator's. If it is further back than this, or than a tenth of the window, we
# came late; less is taken for clocks that differ.
LATE_MS: Final = 5_000
LATE_PART: Final = 1 / 10
# What may still be answered, or answered differently.
OPEN: Final = (TaskStatus.TODO, TaskStatus.FETCHED, TaskStatus.ANSWERED)
# What a round leaves behind if it ended without us.
_UNFINISHED: Final = (*OPEN, TaskStatus.COMMITTED)
# Whose tasks the store holds; programs that show them have no keys to tell.
REVIEWER: Final = "reviewer"
_BEGAN: Final = "review_began."


# ---- what follows from the state: pure ----


def make_tasks(state: State, me: PersonId, campaign_id: str) -> list[TaskRow]:
    """One task for each item drawn for `me` in a campaign, in the order that the commit must have."""
    number = state.round_of(campaign_id).number
    return [
        TaskRow(campaign_id, number, position, item_id, state.items[item_id].author)
        for position, item_id in enumerate(state.tasks.get((campaign_id, me), ()))
    ]


def make_wanted(state: State, me: PersonId, task: TaskRow) -> Wanted:
    """A task of the present round, with what the log says of its item."""
    item = state.items[task.item_id]
    campaign = state.campaign_under(task.campaign_id, item.revision)
    wanted = Wanted(
        task,
        campaign,
        item.described(),
        dict(state.copies[campaign.id].fingerprints_of(task.item_id)),
        keys_of_person(state, item.author),
        is_flipped(state.round_of(campaign.id).seed, task.item_id, me),
    )
    return replace(wanted, original=_original(state, item, wanted)) if item.resembles else wanted


def _original(state: State, item: Item, wanted: Wanted) -> Original:
    """What a likely copy is compared with."""
    earlier = state.items[item.resembles]
    prints = dict(state.copies[item.campaign_id].fingerprints_of(item.resembles))
    parts = earlier.description.parts if earlier.description is not None else ()
    return Original(
        item_id=item.resembles,
        author=earlier.author,
        keys=keys_of_person(state, earlier.author),
        compared=tuple(part for part in parts if part.name in prints),
        fingerprints=prints,
        copy=wanted.item_id,
        shown=wanted.shown,
    )


def open_tasks(store: Store, state: State) -> list[Wanted]:
    """What may still be answered now, in all campaigns; for whoever shows it to a person."""
    me = reviewer_of(store)
    if me is None:
        return []  # never drawn
    return [
        make_wanted(state, me, task)
        for status in OPEN
        for task in store.tasks_with(status)
        if is_answerable(state, me, RoundKey(task.campaign_id, task.round))
        # Another process may be ahead of this replay, and have erased what was withdrawn since.
        and not state.unexplained.has(task.item_id)
    ]


def reviewer_of(store: Store) -> PersonId | None:
    """Whose tasks the store holds; None before the first draw."""
    me = store.meta(REVIEWER)
    return None if me is None else PersonId(me)


def is_answerable(state: State, me: PersonId, key: RoundKey) -> bool:
    """Whether answers of a round may still be given, as far as the log says."""
    return _is_in_commits(state, key) and (key.campaign_id, me) not in state.commits


def began_ms(store: Store, key: RoundKey) -> int | None:
    """When this node's time to answer in a round began, in milliseconds since 1970; None before it has."""
    known = (store.meta(f"{_BEGAN}{key.campaign_id}") or b"").decode().split()
    return int(known[1]) if len(known) == 2 and known[0] == str(key.round) else None


def _is_in_commits(state: State, key: RoundKey) -> bool:
    round_ = state.round_of(key.campaign_id)
    return (round_.number, round_.phase) == (key.round, RoundPhase.COMMITTING)


def answer_leaf(me: PersonId, task: TaskRow) -> bytes:
    """The leaf that commits to, and later opens, the answer of a task."""
    return encode_leaf(
        pb.Answer(
            item_id=task.item_id,
            reviewer=me,
            nonce=task.nonce,
            answer=task.answer or b"",
            refusal=task.refusal,  # type: ignore[arg-type]  # an integer of the enum
            relation=task.relation,  # type: ignore[arg-type]
            program=task.program,
            seconds=task.seconds,
        )
    )


def seconds_taken(task: TaskRow) -> int:
    """What a reviewer who tells it says of the time: whole seconds, at least one."""
    return min(max(1, round(task.spent_ms / 1_000)), ANSWER_SECONDS_MAX) if task.spent_ms else 0


def draw_seen(round_: Round, campaign: Campaign, now: int) -> int:
    """When the time to answer began, for somebody who sees the draw `now`: then, unless we came late."""
    window = campaign.rounds.commit_ms
    late = now - round_.since_ms
    return round_.since_ms if max(LATE_MS, window * LATE_PART) < late < window else now


# ---- the duties ----


class ReviewDuties:
    """Does what the log asks of this reviewer; `run` it beside the follower and the outbox."""

    def __init__(
        self,
        keys: NodeKeys,
        store: Store,
        follower: Follower,
        answering: Answering,
        *,
        wants: Wants,
        queued: Callable[[], None],
        tells_seconds: bool = False,
    ) -> None:
        """`wants`: in which campaigns to offer reviews; `queued` wakes whoever empties the outbox;
        `tells_seconds`: whether answers say how long they took."""
        self._me, self._store, self._follower = keys.person, store, follower
        self._answering, self._tells_seconds = answering, tells_seconds
        self._standing = Standing(keys, store, follower, wants=wants, queued=queued)
        self._working: dict[RoundKey, asyncio.Task[None]] = {}
        self._done: set[RoundKey] = set()  # committed by this process; the log may not say so yet
        self._kept: set[RoundKey] | None = None  # whose content may be here; None before we looked

    @property
    def _state(self) -> State:
        return self._follower.state

    async def run(self) -> None:
        """Acts on every advance of the log, for ever; raises what ended the following or a task."""
        try:
            while True:
                size = self._follower.size
                await self.step()
                if self._follower.size == size:
                    await self._wait(size)
        finally:
            await self._end(list(self._working))

    async def step(self) -> None:
        """Does what the present state asks for, and begins what takes time; twice is harmless."""
        if self._me not in self._state.members or len(self._state.unexplained):
            return  # not ours yet; or another process is ahead, and erased what we have not read of
        due: dict[RoundKey, int] = {}  # with its end
        for campaign_id, campaign in self._state.campaigns.scan():
            round_ = self._state.round_of(campaign_id)
            self._standing.stand(campaign)
            match round_.phase:
                case RoundPhase.COMMITTING:
                    if self._is_due(campaign_id, round_):
                        terms = self._state.campaign_under(campaign_id, round_.revision).rounds
                        end = round_.since_ms + terms.commit_ms
                        due[RoundKey(campaign_id, round_.number)] = end
                case RoundPhase.REVEALING:
                    self._reveal(campaign_id, round_)
        await self._work_on(due)
        self._give_up_what_is_over()

    async def finish(self) -> None:
        """Waits for all answering that is under way; raises what went wrong in it."""
        while self._working:
            await asyncio.wait(self._working.values(), return_when=asyncio.FIRST_COMPLETED)
            self._collect()

    # -- answering

    def _is_due(self, campaign_id: str, round_: Round) -> bool:
        """Whether this machine has answers to give in a round."""
        key = (campaign_id, self._me)
        return (
            key in self._state.tasks
            and key not in self._state.commits
            and RoundKey(campaign_id, round_.number) not in self._done
            and self._standing.is_ours(campaign_id)
        )

    async def _work_on(self, due: dict[RoundKey, int]) -> None:
        """Answers these rounds, those that end first; ends what is not to be answered any more."""
        first = sorted(due, key=lambda key: (due[key], key.campaign_id))[:ROUNDS_MAX]
        self._collect()
        over = [key for key in self._working if key not in first]
        await self._end(over)
        for key in first:
            if key not in self._working:
                self._working[key] = asyncio.create_task(self._answer_and_commit(key))
        self._done = {key for key in self._done if _is_in_commits(self._state, key)}
        if due.keys() != self._kept:
            self._kept = set(due)
            self._forget_contents(due)

    async def _wait(self, size: int) -> None:
        """Until the log has advanced, or an answering has ended."""
        advance = asyncio.create_task(self._follower.wait_beyond(size))
        try:
            tasks = {advance, *self._working.values()}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            advance.cancel()
        if advance.done() and not advance.cancelled():
            advance.result()  # raises what ended the following
        self._collect()

    def _collect(self) -> None:
        """Takes away what has ended; raises what went wrong in it."""
        for key, task in list(self._working.items()):
            if task.done():
                del self._working[key]
                task.result()

    async def _end(self, keys: Collection[RoundKey]) -> None:
        ended = [self._working.pop(key) for key in keys]
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)
        for task in ended:
            if not task.cancelled():
                task.result()  # raises what the work raised

    async def _answer_and_commit(self, key: RoundKey) -> None:
        round_ = self._state.round_of(key.campaign_id)
        campaign = self._state.campaign_under(key.campaign_id, round_.revision)
        self._store.set_meta(REVIEWER, self._me)
        self._store.add_tasks(make_tasks(self._state, self._me, campaign.id))
        wanted = [
            make_wanted(self._state, self._me, task)
            for task in self._store.tasks(campaign.id, key.round)
        ]
        deadlines = Deadlines.of(campaign.rounds)
        await self._answering.run(key, wanted, self._began(key, campaign), deadlines)
        self._commit(key)

    def _began(self, key: RoundKey, campaign: Campaign) -> int:
        """When the time to answer began; kept, so that a restart does not begin again."""
        with self._store.transaction():
            known = began_ms(self._store, key)
            if known is not None:
                return known
            began = draw_seen(self._state.round_of(campaign.id), campaign, now_ms())
            self._store.set_meta(f"{_BEGAN}{key.campaign_id}", f"{key.round} {began}".encode())
        return began

    # -- commit and reveal

    def _commit(self, key: RoundKey) -> None:
        """Fixes answers and nonces and queues the commit, together or not at all."""
        with self._store.transaction():
            for task in self._store.tasks(key.campaign_id, key.round, TaskStatus.ANSWERED):
                seconds = seconds_taken(task) if self._tells_seconds else 0
                self._store.set_committed(task, secrets.token_bytes(SALT_BYTES), seconds)
            leaves = self._leaves(key)
            batch = pb.Batch(root=batch_root(leaves), count=len(leaves))
            network, campaign_id = self._state.network, key.campaign_id
            record = pb.Commit(
                network=network, campaign_id=campaign_id, round=key.round, answers=batch
            )
            self._standing.queue("commit", record)
        self._done.add(key)

    def _reveal(self, campaign_id: str, round_: Round) -> None:
        """Opens exactly what was committed to."""
        mine, key = (campaign_id, self._me), RoundKey(campaign_id, round_.number)
        if mine not in self._state.tasks or mine in self._state.revealed:
            return
        committed = self._state.commits.get(mine)
        leaves = self._leaves(key)
        if committed is None or not self._standing.is_ours(campaign_id):
            return
        if batch_root(leaves) != committed.root:
            self._fail(
                self._store.tasks(campaign_id, round_.number),
                "the store does not hold the answers that we committed to",
            )
            return
        with self._store.transaction():
            for task in self._store.tasks(campaign_id, round_.number, TaskStatus.COMMITTED):
                self._store.set_revealed(task)
            batch = pb.Batch(root=committed.root, count=committed.count)
            record = pb.Reveal(
                network=self._state.network, campaign_id=campaign_id, round=key.round, answers=batch
            )
            self._standing.queue("reveal", record, leaves)

    def _leaves(self, key: RoundKey) -> tuple[bytes, ...]:
        """In the order of the tasks, as the rules demand."""
        fixed = (TaskStatus.COMMITTED, TaskStatus.REVEALED)
        tasks = self._store.tasks(key.campaign_id, key.round)
        return tuple(answer_leaf(self._me, task) for task in tasks if task.status in fixed)

    # -- what is left

    def _give_up_what_is_over(self) -> None:
        """Tasks whose round went on without us are lost, and said to be."""
        for status in _UNFINISHED:
            for campaign_id, number in self._store.rounds_with(status):
                if not self._is_open(campaign_id, number, status):
                    over = self._store.tasks(campaign_id, number, status)
                    self._fail(over, "the round went on without our answers")

    def _is_open(self, campaign_id: str, number: int, status: TaskStatus) -> bool:
        """Whether unfinished tasks of a round may still be brought on."""
        round_, mine = self._state.round_of(campaign_id), (campaign_id, self._me)
        if round_.number != number:
            return round_.number < number  # we have not read so far yet
        if round_.phase is RoundPhase.REVEALING:
            return status is TaskStatus.COMMITTED and mine in self._state.commits
        return round_.phase is RoundPhase.COMMITTING

    def _fail(self, tasks: Collection[TaskRow], reason: str) -> None:
        for task in tasks:
            if task.status is not TaskStatus.FAILED and self._store.set_failed(task, reason):
                log.error("task %s is lost: %s", task.item_id.hex()[:16], reason)

    def _forget_contents(self, due: Collection[RoundKey]) -> None:
        """Others' content is kept while it is being reviewed, and not a step longer."""
        keep = [
            ItemId(item_id)
            for key in due
            for item_id in self._state.tasks.get((key.campaign_id, self._me), ())
        ]
        if removed := remove_contents(self._answering.folder, keep):
            log.info("removed %d fetched items", removed)
