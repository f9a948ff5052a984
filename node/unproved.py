"""Records that the coordinator calls superfluous, and nothing shows that they are.

An honest coordinator says so of what came late or was done already; then our own replay, once it has caught
up, shows the record in the log, or finds that the rules would not take it any more. Until then the
coordinator is asked again: for what is in the log it gives a receipt. If our replay would take the record all
the time, the log goes on, and no receipt comes, a record of ours is kept out of the log, and that is an
alarm.

The refusal is not signed, so this alarm is our word: it shows what we wanted to log and that the rules would
take it, not what we were told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from commonground.addresses import now_ms
from commonground.receipts import Lie
from node.follower import Follower
from node.rows import OutboxRow
from node.store import Store
from protocol.errors import Ignore, NotYet, Outdated, Reject, Unreachable
from protocol.log.envelope import parse_envelope
from protocol.state import State
from protocol.transition import open_record, rules_for, validate

if TYPE_CHECKING:  # with gRPC, for which whoever only reads what is here need not wait
    from commonground.client import CoordinatorClient

log = logging.getLogger(__name__)

# The kind of the alarm.
IGNORED: Final = "ignored"
# A coordinator that said so by mistake, or before its own commit, has long come to it.
PATIENCE_MS: Final = 60_000
ASK_MS: Final = 5_000
LOOK_SECONDS: Final = 1.0


def why_superfluous(state: State, row: OutboxRow) -> Ignore | Reject | None:
    """What the rules say against logging a record next; None when they would take it."""
    try:
        envelope = parse_envelope(row.outgoing.envelope)
        record = open_record(envelope, row.outgoing.leaves, state.size, rules_for(state))
        validate(state, envelope.kind, record)
    except (Ignore, Reject) as error:
        return error
    return None


class Unproved:
    """Settles what is unproved, against one replay."""

    def __init__(
        self,
        store: Store,
        follower: Follower,
        client: CoordinatorClient,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store, self._follower, self._client = store, follower, client
        self._clock = clock
        self._looked: dict[bytes, int] = {}  # how much of the log we had when we last looked

    async def run(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Settles for ever. Raises Lie when a record is kept out of the log."""
        while True:
            await self.settle()
            await sleep(LOOK_SECONDS)

    async def settle(self) -> None:
        """Looks at each once, and asks about those that are due. Raises Lie."""
        for row in self._store.unproved():
            if not self._settled_here(row) and row.next_attempt_ms <= self._clock():
                await self._ask(row)

    def _settled_here(self, row: OutboxRow) -> bool:
        """By what our own replay says; it says the same until it has grown."""
        digest, size = row.outgoing.digest, self._follower.size
        if self._looked.get(digest) == size and not self._is_over(row):
            return False
        self._looked[digest] = size
        if self._store.index_of(row.outgoing.envelope) is not None:
            self._store.mark_sent(digest)
            return True
        try:
            error = why_superfluous(self._follower.state, row)
        except Outdated:
            return True  # the replay stops there, too, and says so
        match error:
            case None:
                return False
            case Ignore():
                self._store.mark_sent(digest)
            case NotYet():
                self._store.mark_postponed(digest, str(error))
            case Reject() if self._is_over(row):  # before, what it builds on may still come
                self._store.mark_refused(digest, str(error))
            case Reject():
                return False
        return True

    def _is_over(self, row: OutboxRow) -> bool:
        return self._clock() - row.unproved_ms >= PATIENCE_MS

    async def _ask(self, row: OutboxRow) -> None:
        out = row.outgoing
        try:
            receipt = await self._client.append(out.envelope, out.leaves, out.openings)
        except Ignore as error:
            self._postpone(row, str(error))
            self._accuse(row)
        except NotYet as error:
            self._store.mark_postponed(out.digest, str(error))
        except Reject as error:
            self._store.mark_refused(out.digest, str(error))
        except Unreachable as error:
            self._postpone(row, str(error))
        except Lie as lie:
            self._store.raise_alarm(lie.kind, str(lie), lie.evidence, self._clock())
            raise
        else:
            self._follower.hold(receipt)
            self._store.mark_sent(out.digest, receipt.index, receipt.raw)

    def _postpone(self, row: OutboxRow, reason: str) -> None:
        now, size = self._clock(), self._follower.size
        self._store.mark_unproved(row.outgoing.digest, reason, now, now + ASK_MS, size)

    def _accuse(self, row: OutboxRow) -> None:
        """Raises Lie once it has lasted, the log has gone on, and the rules would still take the record."""
        covering = self._follower.checkpoint
        moved = self._follower.size - row.unproved_at
        if covering is None or moved <= 0 or not self._is_over(row):
            return
        if why_superfluous(self._follower.state, row) is not None:
            return
        lie = Lie(
            IGNORED,
            f"the coordinator says that our {row.outgoing.kind} is not needed; the log has gone on without it"
            f" by {moved:,} entries, and the rules would take it",
            (row.outgoing.envelope, covering.note),
        )
        self._store.raise_alarm(lie.kind, str(lie), lie.evidence, self._clock())
        raise lie
