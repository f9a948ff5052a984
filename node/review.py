"""The reviewer's duties: stand by, open the beacon, answer, commit, reveal.

Each duty follows from the log and the store alone, and is looked for again after every advance of
the log. What a record will have to open later is stored before the record is queued, and the same
duty makes the same record, so that being killed anywhere repeats a step and never forks one: a
second commit with other nonces would be a reveal that fails.

The author's proposed label is sealed until the verdict: there is nothing here that could show it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final

from google.protobuf.message import Message

from commonground.addresses import now_ms
from node.answering import Answering, RoundKey, remove_contents
from node.examine import Wanted
from node.follower import Follower
from node.keys import NodeKeys
from node.rows import BeaconRow, Outgoing, TaskRow, TaskStatus
from node.store import Store
from protocol.identity import Identity
from protocol.lifecycle import EpochPhase
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.log.batch import batch_root
from protocol.state import State
from protos.gen import records_pb2 as pb

log = logging.getLogger(__name__)

_BEGAN: Final = "review_began"
_STANDBY_ROUND: Final = 0  # rounds count from 1: the beacon of a stand-by belongs before the first


# ---- what follows from the state: pure ----


def round_key(state: State) -> RoundKey:
    """The draw that the network is in."""
    return RoundKey(state.epoch.number, state.epoch.round.number)


def make_tasks(state: State, me: Identity) -> list[TaskRow]:
    """One task for each item drawn for `me`, in the order that the commit must have."""
    key = round_key(state)
    return [
        TaskRow(
            key.epoch,
            key.round,
            position,
            item_id,
            state.items[item_id].author,
            state.items[item_id].campaign_id,
        )
        for position, item_id in enumerate(state.epoch.round.tasks.get(me, ()))
    ]


def answer_leaf(me: Identity, task: TaskRow, nonce: bytes) -> bytes:
    """The leaf that commits to, and later opens, the answer of a task."""
    return pb.Answer(
        item_id=task.item_id,
        reviewer=me,
        nonce=nonce,
        label=task.label or 0,
        abstention=task.abstention,  # type: ignore[arg-type]  # an integer of the enum
    ).SerializeToString(deterministic=True)


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
        stand_by: bool,
        queued: Callable[[], None],
    ) -> None:
        """`stand_by`: offer to review; `queued` wakes whoever empties the outbox."""
        self._keys, self._me = keys, keys.identity
        self._store, self._follower = store, follower
        self._answering, self._stands_by, self._queued = answering, stand_by, queued

    @property
    def _state(self) -> State:
        return self._follower.state

    async def run(self) -> None:
        """Acts on every advance of the log, for ever."""
        while True:
            size = self._follower.size
            await self.step()
            if self._follower.size == size:
                await self._follower.wait_beyond(size)

    async def step(self) -> None:
        """What the present state asks for; doing it twice is harmless."""
        if self._me not in self._state.members or self._state.unexplained:
            return  # not ours yet; or another process is ahead, and erased what we have not read of
        match self._state.epoch.phase:
            case EpochPhase.SUBMITTING:
                self._stand_by()
            case EpochPhase.BEACON:
                self._open_beacon()
            case EpochPhase.COMMITTING:
                await self._review()
            case EpochPhase.REVEALING:
                self._reveal()
        self._forget_contents()

    def _queue(self, kind: str, record: Message, leaves: tuple[bytes, ...] = ()) -> None:
        """To the outbox, durably; the same record is queued once."""
        if self._store.enqueue(Outgoing(kind, self._keys.seal(kind, record), leaves)):
            log.info("queued %s epoch=%d", kind, self._state.epoch.number)
            self._queued()

    # -- standing by

    def _stand_by(self) -> None:
        state = self._state
        standing = state.members[self._me].standby
        if not self._stands_by or (standing and self._store.beacon(standing)):
            return  # a commitment whose value we lost (an old backup) is replaced
        beacon = self._next_beacon(_STANDBY_ROUND)
        self._queue("standby", pb.Standby(network=state.network, commitment=beacon.commitment))

    def _open_beacon(self) -> None:
        state, key = self._state, round_key(self._state)
        standing = state.members[self._me].standby
        if not standing or self._me in state.epoch.round.beacons:
            return
        beacon = self._store.beacon(standing)
        if beacon is None:
            log.error("the beacon value that we committed to is not in the store; sitting out")
            return
        follows = self._next_beacon(key.round).commitment if self._stands_by else b""
        self._queue(
            "beacon",
            pb.Beacon(
                network=state.network,
                epoch=key.epoch,
                round=key.round,
                value=beacon.value,
                next_commitment=follows,
            ),
        )

    def _next_beacon(self, round_: int) -> BeaconRow:
        """The value that this round commits to: the one stored earlier, or a fresh one, stored now."""
        epoch = self._state.epoch.number
        with self._store.transaction():
            beacon = self._store.beacon_made_in(epoch, round_)
            if beacon is None:
                value = secrets.token_bytes(SALT_BYTES)
                commitment = commitments.beacon_commitment(self._state.network, self._me, value)
                beacon = BeaconRow(commitment, value, epoch, round_)
                self._store.save_beacon(beacon)
        return beacon

    # -- answering

    async def _review(self) -> None:
        """Answers and commits, for as long as commits are taken."""
        tasks = make_tasks(self._state, self._me)
        if tasks and self._me not in self._state.epoch.round.commits:
            self._store.add_tasks(tasks)
            began = self._began(round_key(self._state))
            await self._during_phase(self._answer_and_commit(round_key(self._state), began))

    def _began(self, key: RoundKey) -> int:
        """When this node first saw the draw; kept, so that a restart does not begin again."""
        name = f"{key.epoch}.{key.round}"
        with self._store.transaction():
            known = (self._store.meta(_BEGAN) or b"").decode().split()
            if len(known) == 2 and known[0] == name:
                return int(known[1])
            began = now_ms()
            self._store.set_meta(_BEGAN, f"{name} {began}".encode())
        return began

    async def _during_phase(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` until it is done or the log says that the phase has ended."""
        key, phase = round_key(self._state), self._state.epoch.phase
        task = asyncio.create_task(work)
        try:
            while not task.done() and self._is_in(key, phase):
                advance = asyncio.create_task(self._follower.wait_beyond(self._follower.size))
                try:
                    await asyncio.wait({task, advance}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    advance.cancel()
                if advance.done():
                    advance.result()  # raises what ended the following
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()  # raises what the work raised

    def _is_in(self, key: RoundKey, phase: EpochPhase) -> bool:
        return (round_key(self._state), self._state.epoch.phase) == (key, phase)

    async def _answer_and_commit(self, key: RoundKey, began: int) -> None:
        wanted = [
            Wanted(task, self._state.items[task.item_id].record(), self._labels(task))
            for task in self._store.tasks(key.epoch, key.round)
        ]
        await self._answering.run(key, wanted, began)
        self._commit(key)

    def _labels(self, task: TaskRow) -> tuple[str, ...]:
        return tuple(self._state.campaigns[task.campaign_id].labels)

    # -- commit and reveal

    def _commit(self, key: RoundKey) -> None:
        """Fixes answers and nonces and queues the commit, together or not at all."""
        with self._store.transaction():
            for task in self._store.tasks(key.epoch, key.round, TaskStatus.ANSWERED):
                self._store.set_committed(task, secrets.token_bytes(SALT_BYTES))
            leaves = self._leaves(key)
            batch = pb.Batch(root=batch_root(leaves), count=len(leaves))
            self._queue("commit", self._record(pb.Commit, key, batch))

    def _reveal(self) -> None:
        """Opens exactly what was committed to."""
        key, round_ = round_key(self._state), self._state.epoch.round
        committed = round_.commits.get(self._me)
        if self._me in round_.revealed:
            return
        leaves = self._leaves(key)
        if committed is None:
            self._fail(key, "the round went on without our commit")
            return
        if batch_root(leaves) != committed.root:
            self._fail(key, "the store does not hold the answers that we committed to")
            return
        with self._store.transaction():
            for task in self._store.tasks(key.epoch, key.round, TaskStatus.COMMITTED):
                self._store.set_revealed(task)
            batch = pb.Batch(root=committed.root, count=committed.count)
            self._queue("reveal", self._record(pb.Reveal, key, batch), leaves)

    def _leaves(self, key: RoundKey) -> tuple[bytes, ...]:
        """In the order of the tasks, as the rules demand."""
        fixed = (TaskStatus.COMMITTED, TaskStatus.REVEALED)
        tasks = self._store.tasks(key.epoch, key.round)
        return tuple(answer_leaf(self._me, t, t.nonce) for t in tasks if t.status in fixed)

    def _record(
        self, kind: type[pb.Commit] | type[pb.Reveal], key: RoundKey, answers: pb.Batch
    ) -> Message:
        network = self._state.network
        return kind(network=network, epoch=key.epoch, round=key.round, answers=answers)

    def _fail(self, key: RoundKey, reason: str) -> None:
        for task in self._store.tasks(key.epoch, key.round):
            if task.status is not TaskStatus.FAILED and self._store.set_failed(task, reason):
                log.error("task %s is lost: %s", task.item_id.hex()[:16], reason)

    def _forget_contents(self) -> None:
        """Others' content is kept while it is being reviewed, and not a step longer."""
        state = self._state
        busy = (
            state.epoch.phase is EpochPhase.COMMITTING and self._me not in state.epoch.round.commits
        )
        keep = state.epoch.round.tasks.get(self._me, ()) if busy else ()
        if removed := remove_contents(self._answering.folder, keep):
            log.info("removed %d fetched files", removed)
