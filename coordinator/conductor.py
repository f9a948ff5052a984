"""The conductor: leads an epoch from its seal to its close, one logged record at a time.

`next_step` is the whole of its judgement: a pure function of the state, so that after a crash it takes
up exactly where the log ends. Only the wish to end an epoch comes from outside, and `close_epoch`
answers when its first record is on disk; from then on the phase itself says that a close is wanted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum, auto
from typing import Any, Final

from coordinator.book import Book, Draft
from coordinator.config import Deadlines
from coordinator.ledger import Ledger
from coordinator.sealed import gold_of, labels_of
from protocol.errors import Ignore, Reject
from protocol.lifecycle import EpochPhase
from protocol.log.batch import batch_root
from protocol.money.lines import compute_lines
from protocol.review.verdicts import compute_verdicts
from protocol.rules.review import compute_draw, encode_draw
from protocol.rules.sealing import compute_seal, encode_seal
from protocol.state import State
from protos.gen import records_pb2 as pb

_log = logging.getLogger(__name__)

# A step that the rules refuse would be refused again at once; new records may change that.
_RETRY_SECONDS: Final = 5.0


class Step(Enum):
    """What the operator does next."""

    WAIT = auto()
    SEAL = auto()
    DRAW = auto()
    END_COMMITS = auto()
    DECIDE = auto()
    CLOSE = auto()


def next_step(state: State, *, close_wanted: bool, deadline_passed: bool) -> Step:
    """The record that may and should be logged now.

    `close_wanted` matters only while submissions are open, `deadline_passed` only in phases that wait
    for reviewers.
    """
    round_ = state.epoch.round
    match state.epoch.phase:
        case EpochPhase.SUBMITTING:
            if not close_wanted:
                return Step.WAIT
            return Step.SEAL if state.pending else Step.CLOSE
        case EpochPhase.BEACON:
            missing = any(
                member.standby and who not in round_.beacons
                for who, member in state.members.items()
            )
            return Step.WAIT if missing and not deadline_passed else Step.DRAW
        case EpochPhase.COMMITTING:
            missing = len(round_.commits) < len(round_.tasks)
            return Step.WAIT if missing and not deadline_passed else Step.END_COMMITS
        case EpochPhase.REVEALING:
            missing = len(round_.revealed) < len(round_.commits)
            return Step.WAIT if missing and not deadline_passed else Step.DECIDE
        case EpochPhase.CLOSING:
            return Step.CLOSE


def draft(step: Step, state: State, ledger: Ledger, time_ms: int) -> Draft | None:
    """The record of a step; None for WAIT."""
    here: dict[str, Any] = {"network": state.network, "epoch": state.epoch.number}
    in_round = {**here, "round": state.epoch.round.number}
    match step:
        case Step.WAIT:
            return None
        case Step.SEAL:
            leaves = encode_seal(compute_seal(state))
            return Draft("phase", _phase(pb.PHASE_BEACON, in_round, time_ms, leaves), leaves)
        case Step.END_COMMITS:
            return Draft("phase", _phase(pb.PHASE_REVEALING, in_round, time_ms, []))
        case Step.DRAW:
            seed, assignments = compute_draw(state)
            leaves = encode_draw(assignments)
            body = pb.Draw(**in_round, seed=seed, assignments=batch(leaves))
            return Draft("draw", body, leaves)
        case Step.DECIDE:
            # Gold is opened by the epoch's first verdict; from then on the state knows it.
            gold = gold_of(ledger, state) if state.epoch.round.number == 1 else {}
            verdicts = compute_verdicts(state, labels_of(ledger, state), gold)
            leaves = [verdict.SerializeToString() for verdict in verdicts]
            return Draft("verdict", pb.Verdict(**in_round, verdicts=batch(leaves)), leaves)
        case Step.CLOSE:
            leaves = [line.SerializeToString(deterministic=True) for line in compute_lines(state)]
            return Draft("close", pb.Close(**here, lines=batch(leaves)), leaves)


def _phase(
    to: pb.PhaseName, in_round: dict[str, Any], time_ms: int, leaves: list[bytes]
) -> pb.Phase:
    return pb.Phase(**in_round, to=to, time_ms=time_ms, duplicates=batch(leaves))


def batch(leaves: list[bytes]) -> pb.Batch:
    """What a record says of its leaves."""
    return pb.Batch(root=batch_root(leaves), count=len(leaves))


class Conductor:
    """Logs the next step whenever there is one. `run` it as a task."""

    def __init__(self, book: Book, deadlines: Deadlines) -> None:
        self._book = book
        self._seconds = {
            EpochPhase.BEACON: deadlines.beacon_seconds,
            EpochPhase.COMMITTING: deadlines.commits_seconds,
            EpochPhase.REVEALING: deadlines.reveals_seconds,
        }
        self._place: tuple[int, int, EpochPhase] | None = None  # epoch, round, phase
        # Monotonic. A restart waits anew: reviewers could not reach us either meanwhile.
        self._since = 0.0

    async def close_epoch(self, epoch: int) -> None:
        """Takes the first step towards the end of `epoch`; returns once it is durable.

        Raises:
            Ignore: the epoch is over, or on its way.
            Reject: the epoch has not begun.
        """
        await self._book.append_own(lambda state: self._closing(state, epoch))

    def _closing(self, state: State, epoch: int) -> Draft | None:
        present = state.epoch.number
        if epoch > present:
            raise Reject(f"epoch {epoch} has not begun; this is epoch {present}")
        if epoch < present or state.epoch.phase is not EpochPhase.SUBMITTING:
            raise Ignore(f"the close of epoch {epoch} was asked for already")
        step = next_step(state, close_wanted=True, deadline_passed=False)
        return draft(step, state, self._book.ledger, _now_ms())

    async def run(self) -> None:
        """Never returns; cancel it. What it was logging when cancelled is still logged whole."""
        while True:
            seen = self._book.head.size
            # Looking is cheap and happens after every commit; `append_own` halts all appends.
            async with self._book.reading() as state:
                step = self._step(state)
            if step is Step.WAIT:
                await self._until_something_changes(seen)
                continue
            try:
                await self._book.append_own(self._draft)
            except (Ignore, Reject):
                # Our own rules refuse our own record: a defect, which must not take the API down.
                _log.exception("the next step of the epoch was refused; trying again later")
                await asyncio.sleep(_RETRY_SECONDS)

    def _draft(self, state: State) -> Draft | None:
        return draft(self._step(state), state, self._book.ledger, _now_ms())

    def _step(self, state: State) -> Step:
        place = (state.epoch.number, state.epoch.round.number, state.epoch.phase)
        if place != self._place:
            self._place, self._since = place, time.monotonic()
        return next_step(state, close_wanted=False, deadline_passed=self._seconds_left() == 0)

    def _seconds_left(self) -> float | None:
        """Until the phase's deadline; None where there is none."""
        seconds = self._seconds.get(self._place[2]) if self._place else None
        return None if seconds is None else max(0.0, self._since + seconds - time.monotonic())

    async def _until_something_changes(self, seen: int) -> None:
        try:
            async with asyncio.timeout(self._seconds_left()):
                await self._book.wait_beyond(seen)
        except TimeoutError:
            _log.info("the deadline of the %s phase has passed", self._phase_name())

    def _phase_name(self) -> str:
        return self._place[2].name.lower() if self._place else "first"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
