"""Does the chain say what our own log says? The coordinator looks, too, for its dashboard and its metrics.

It decides nothing by it: `settle` reads the chain by itself. What it needs of the log is in a few kinds of
records, which it reads from the ledger once, and follows in a state that has the chain's part alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from commonground.addresses import now_ms
from commonground.backoff import PATIENT
from contracts.endpoint import Endpoint
from contracts.logged import Logged
from contracts.reader import ChainReader
from contracts.watch import Look, Outcome, Watch
from coordinator.book import Book
from coordinator.metrics import Metrics
from coordinator.recovery import leaves_of
from protocol.log.envelope import parse_envelope
from protocol.money.onchain import Past
from protocol.money.settlement import Deployment
from protocol.rules.chain import process_chain, process_deployment, process_rewind
from protocol.rules.moving import settle_on
from protocol.rules.table import rules_of
from protocol.state import State
from protocol.transition import open_record

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
#: How soon it looks again after the log said something new of the chain.
NEWS_S: Final = 2.0
#: As a node: a long history is looked through in parts.
RANGES_PER_LOOK: Final = 64
_FOLLOWED: Final[dict[str, Callable[[State, Any], None]]] = {
    "deployment": process_deployment,
    "chain": process_chain,
    "rewind": process_rewind,
    "settlement": lambda _state, _record: None,  # `Logged` takes its payload
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the coordinator's last look at the chain saw. Times in milliseconds; 0: never."""

    look: Look | None = None
    looked_ms: int = 0
    agreed_ms: int = 0
    unchecked_since_ms: int = 0
    compared: int = 0  # block

    @property
    def word(self) -> str:
        """What came of it."""
        if self.look is None:
            return "not looked at"
        return self.look.outcome.name.lower().replace("_", " ")


class ChainWatch:
    """One coordinator's. `checked` is what it saw last."""

    def __init__(
        self, book: Book, rpc_url: str, metrics: Metrics, clock: Callable[[], int] = now_ms
    ) -> None:
        self.checked = Checked()
        self._book, self._metrics, self._clock = book, metrics, clock
        self._watch = Watch(ChainReader(Endpoint(rpc_url)))
        self._state, self._logged = State(), Logged()
        self._read_to = 0

    async def run(self) -> None:
        """Looks for ever. Nothing of the chain's ends it."""
        failures = 0
        while True:
            await self.look()
            look = self.checked.look
            failures = failures + 1 if look is not None and look.unchecked else 0
            await self._pause(PATIENT.delay(failures - 1) if failures else LOOK_S)

    async def _pause(self, seconds: float) -> None:
        """Or less, if the log says something new of the chain."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and not (await self._news())[0]:
            await asyncio.sleep(min(NEWS_S, seconds))

    async def look(self) -> None:
        """Looks once, and keeps what it saw."""
        began_ms = self._clock()
        await self._read_log()
        said = self._logged.said(self._state)
        if said is None:
            return
        part = replace(said, ranges=said.ranges[:RANGES_PER_LOOK])
        look = await asyncio.to_thread(self._watch.look, part, began_ms / 1_000)
        self._logged.forget(look.compared)
        self._keep(look)

    async def _news(self) -> tuple[list[tuple[int, str]], int, int]:
        """Entries about the chain that were not read; the log's size, and the version of its rules."""
        async with self._book.counting() as (state, tally):
            size = self._book.head.size
            found = [
                (index, kind)
                for kind in _FOLLOWED
                for index in tally.kinds.get(kind, ())
                if self._read_to <= index < size
            ]
            return sorted(found), size, state.rules

    async def _read_log(self) -> None:
        """Follows what is new in the ledger, as far as it is about the chain."""
        wanted, size, rules = await self._news()
        moves = await self._moves()
        for index, kind in wanted:
            self._move(moves, index)
            entries = await asyncio.to_thread(
                lambda at=index: list(self._book.ledger.entries(at, at + 1))  # type: ignore[misc]
            )
            for entry in entries:
                envelope = parse_envelope(entry.envelope)
                record = open_record(envelope, leaves_of(entry), index, rules_of(rules))
                _FOLLOWED[kind](self._state, record)
                self._logged.take(self._state, kind, record)
        self._move(moves, size)
        self._read_to = size

    async def _moves(self) -> list[tuple[Past, Deployment]]:
        """Where the network has moved, so far: what it left, and for what."""
        async with self._book.counting() as (state, _):
            past = [each for _, each in state.past.scan()]
            places = [*(each.deployment for each in past[1:]), state.deployment]
        return [(each, to) for each, to in zip(past, places, strict=False) if to is not None]

    def _move(self, moves: Sequence[tuple[Past, Deployment]], index: int) -> None:
        """Follows the moves that come before an entry."""
        for past, to in moves[len(self._state.past) :]:
            if past.moved_at < index:
                settle_on(self._state, to)
                self._state.past.put(len(self._state.past), past)
        self._logged.follow(self._state)

    def _keep(self, look: Look) -> None:
        now, before = self._clock(), self.checked
        agrees = look.outcome is Outcome.AGREES
        since = (before.unchecked_since_ms or now) if look.unchecked else 0
        agreed = now if agrees else before.agreed_ms
        self.checked = Checked(look, now, agreed, since, self._logged.compared)
        self._metrics.chain_compared_block.set(self._logged.compared)
        self._metrics.chain_findings.set(len(look.findings))
        self._metrics.chain_unchecked.set(bool(look.unchecked))
        self._metrics.chain_agreed_seconds.set(agreed / 1_000)
        if before.look is None or before.look.findings != look.findings:
            for found in look.findings:
                log.error("the chain and the log do not agree: %s", found)
        if look.unchecked and not (before.look and before.look.unchecked):
            log.warning("the chain cannot be compared: %s", look.unchecked)


async def idle() -> None:
    """What a coordinator without a chain looks at."""
