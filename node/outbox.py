"""Brings what is queued to the log, in the order in which it was queued.

A record counts as sent when a receipt proves that the log has it. A coordinator may also say that it is not
needed: late, or repeated. That is nobody's signature, so it is believed only once our own replay says so
(node/unproved.py).

Sending is idempotent: the same envelope gets the same receipt. So a kill between the coordinator's
answer and our note of it costs one more call, and the daemon and a command may both be sending.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from commonground.addresses import now_ms
from commonground.backoff import PATIENT
from commonground.receipts import Lie
from node.follower import Follower
from node.rows import OutboxRow, OutboxState
from node.store import Store
from node.trust import require_trust
from protocol.errors import Ignore, NotYet, Reject, Unreachable
from protocol.transition import Applied

if TYPE_CHECKING:  # with gRPC, for which whoever only reads what is here need not wait
    from commonground.client import CoordinatorClient

log = logging.getLogger(__name__)

# How often a daemon looks for records that another process queued, or hurried.
LOOK_SECONDS: Final = 1.0
# No wait is longer: a coordinator may ask for an hour, and half of it is added by chance at most.
WAIT_MS_MAX: Final = 5_400_000


@dataclass(frozen=True, slots=True)
class Flushed:
    """What one flush did. `refused` are the records with the coordinator's reasons: those that it will
    never take, and those that are too much for this epoch."""

    sent: int
    refused: tuple[OutboxRow, ...]
    unproved: int = 0  # that the coordinator calls superfluous


async def flush(
    client: CoordinatorClient,
    store: Store,
    clock: Callable[[], int] = now_ms,
    on_sent: Callable[[OutboxRow], None] = lambda row: None,
    follower: Follower | None = None,
    *,
    on_refused: Callable[[OutboxRow], None] = lambda row: None,
) -> Flushed:
    """Sends everything that is queued. `on_refused` is told of each of `Flushed.refused`. `follower` is the
    replay that receipts are held against, if there is one.

    Raises Unreachable (the rest stays queued, with the time of the next attempt) and Lie (the rest
    stays queued, and nothing is sent until the owner acknowledges the alarm).
    """
    sent, unproved, refused = 0, 0, []
    while (row := store.next_queued()) is not None:
        require_trust(store)
        try:
            await _send(client, store, row, follower)
            sent += 1
            on_sent(row)
        except Ignore as superfluous:
            log.info("a %s is called superfluous: %s", row.outgoing.kind, superfluous)
            now = clock()
            store.mark_unproved(row.outgoing.digest, str(superfluous), now, now, store.log_size())
            unproved += 1
        except NotYet as error:
            store.mark_postponed(row.outgoing.digest, str(error))
            refused.append(store.outbox_row(row.outgoing.digest) or row)
            on_refused(refused[-1])
        except Reject as error:
            store.mark_refused(row.outgoing.digest, str(error))
            refused.append(store.outbox_row(row.outgoing.digest) or row)
            on_refused(refused[-1])
        except Unreachable as error:
            wait_ms = int(1000 * PATIENT.delay(row.attempts, error))
            store.mark_attempt(row.outgoing.digest, str(error), clock() + wait_ms)
            raise
        except Lie as lie:
            store.raise_alarm(lie.kind, str(lie), lie.evidence, clock())
            raise
    return Flushed(sent, tuple(refused), unproved)


async def _send(
    client: CoordinatorClient, store: Store, row: OutboxRow, follower: Follower | None
) -> None:
    out = row.outgoing
    receipt = await client.append(out.envelope, out.leaves, out.openings)
    if follower is not None:
        follower.hold(receipt)
    store.mark_sent(out.digest, receipt.index, receipt.raw)


async def send_again(client: CoordinatorClient, store: Store) -> int:
    """Sends what is logged and still sealed once more, with the openings, for a coordinator that restored its
    ledger without them; gives the number of submissions. Raises Unreachable, Reject and Lie."""
    rows = store.still_sealed()
    for row in rows:
        require_trust(store)
        out = row.outgoing
        await client.append(out.envelope, out.leaves, out.openings)
    return len(rows)


def send_postponed(store: Store, applied: Applied) -> None:
    """For a follower's listener: with an epoch begin new budgets and quotas, and what the chain says may be
    that our bond is there."""
    if applied.changes.closed is not None or applied.kind == "chain":
        store.requeue_postponed()


async def keep_flushing(
    client: CoordinatorClient,
    store: Store,
    clock: Callable[[], int] = now_ms,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    follower: Follower | None = None,
) -> None:
    """Flushes for ever, as soon as something is queued and due. Raises Misbehaviour."""
    while True:
        row = store.next_queued()
        # Further ahead than any wait, the clock was set back meanwhile, and the attempt is due.
        if row is None or 0 < row.next_attempt_ms - clock() <= WAIT_MS_MAX:
            await sleep(LOOK_SECONDS)  # and not longer: a command may hurry it
            continue
        try:
            await flush(client, store, clock, follower=follower, on_refused=_log_refused)
        except Unreachable as error:
            log.info("%s", error)


def _log_refused(row: OutboxRow) -> None:
    level = logging.INFO if row.state is OutboxState.POSTPONED else logging.WARNING
    log.log(level, "%s", refused_words(row))


def refused_words(row: OutboxRow) -> str:
    """What became of a record that the network did not take, for its owner."""
    how = "is for later" if row.state is OutboxState.POSTPONED else "was refused"
    return f"a {row.outgoing.kind} {how}: {row.last_error}"
