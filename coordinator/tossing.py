"""Beside the conductor: leads a proposed set of witnesses into force, and does the operator's own part as
one.

Like a node's, all of that follows from the log and the keys (see commonground.hand); a restart does it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from nacl.signing import SigningKey

from commonground.hand import Hand
from coordinator.book import Book
from coordinator.ledger import FatalStoreError
from coordinator.prepare import Draft
from coordinator.rounds import Wait
from protocol.coin.witnesses import Proposal
from protocol.errors import CommonholdError
from protocol.lifecycle import DealingPhase
from protocol.limits import COMPLAIN_MS, DEAL_MS
from protocol.log.envelope import seal
from protocol.log.strict import canonical
from protocol.state import State
from protos.gen import records_pb2 as pb

_log = logging.getLogger(__name__)

# What was refused, or came while the queue was full, is tried again.
RETRY_MS: Final = 5_000


def next_dealing_step(state: State, now_ms: int) -> Draft | Wait:
    """The operator's next record about the proposed set, or how long there is none."""
    proposal = state.proposal
    if proposal is None or proposal.phase is DealingPhase.PROPOSED:
        return Wait(None)
    deals = state.deals.count(proposal.nonce)
    time_ms = max(now_ms, proposal.since_ms)
    place: dict[str, Any] = {"network": state.network, "proposal": proposal.id, "time_ms": time_ms}
    if proposal.phase is DealingPhase.DEALING:
        due = _due(proposal, deals, deals, DEAL_MS, now_ms)
        return due or Draft("dealt", pb.Dealt(**place))
    due = _due(proposal, deals, len(proposal.confirmed), COMPLAIN_MS, now_ms)
    return due or Draft("coin", pb.Coin(**place))


def _due(proposal: Proposal, deals: int, done: int, window_ms: int, now_ms: int) -> Wait | None:
    """None when all have done their part, or enough have and the window is over."""
    if min(deals, done) < proposal.threshold:
        return Wait(None)
    ends_ms = proposal.since_ms + window_ms
    return Wait(ends_ms) if done < len(proposal.keys) and now_ms < ends_ms else None


class Tossing:
    """`run` it as a task beside the conductor."""

    def __init__(self, book: Book, clock_ms: Callable[[], int]) -> None:
        self._book, self._clock_ms = book, clock_ms
        self._hands: dict[bytes, Hand] = {}  # by the seed of an operator's key

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            size = self._book.head.size
            wait_ms = await self._step()
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1_000):
                    await self._book.wait_beyond(size)
            except TimeoutError:
                continue

    async def _step(self) -> int | None:
        """Logs what is due; gives when to look again if nothing is logged meanwhile."""
        done = [await self._logged(raw) for raw in await self._due()]
        step = await self._lead()
        if not (all(done) and step):
            return RETRY_MS
        return max(0, step.until_ms - self._clock_ms()) if step.until_ms is not None else None

    async def _due(self) -> list[bytes]:
        """What our keys owe as witnesses: all that are here, since a coin may be older than the present
        one."""
        found = []
        async with self._book.reading() as state:
            for key in self._book.keys.operator_keys:
                hand = self._hands.get(bytes(key)) or Hand(bytes(key))
                self._hands[bytes(key)] = hand
                sign = partial(_sign, key)
                for kind, record in hand.due(state):
                    found.append(seal(kind, canonical(record), hand.key, sign))
        return found

    async def _lead(self) -> Wait | None:
        """None: the rules have refused a step."""
        async with self._book.reading() as state:
            step = next_dealing_step(state, self._clock_ms())
        if isinstance(step, Wait):
            return step
        try:
            await self._book.append_own(self._draft)
        except FatalStoreError:
            raise
        except CommonholdError as error:
            _log.warning("a step of the witnesses was refused, to be tried again: %s", error)
            return None
        return Wait(self._clock_ms())  # what follows may be due at once

    def _draft(self, state: State) -> Draft | None:
        step = next_dealing_step(state, self._clock_ms())
        return None if isinstance(step, Wait) else step

    async def _logged(self, raw: bytes) -> bool:
        try:
            await self._book.append(raw)
        except FatalStoreError:
            raise
        except CommonholdError as error:
            _log.warning("what we owe as a witness was refused, to be tried again: %s", error)
            return False
        return True


def _sign(key: SigningKey, message: bytes) -> bytes:
    return key.sign(message).signature
