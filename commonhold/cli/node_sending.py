"""How a command talks to the coordinator: by itself, or through the daemon when one is running."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from commonground.receipts import UnknownKey
from commonhold.cli.node_home import is_running
from commonhold.cli.output import note, progress, say
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.outbox import flush, refused_words
from node.rows import OutboxRow, OutboxState
from node.store import Store
from node.trust import require_trust
from node.unproved import Unproved
from protocol.errors import Unreachable

if TYPE_CHECKING:
    from commonground.client import CoordinatorClient

# A daemon looks into the outbox every second, and an append takes up to a minute.
DAEMON_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.2

_KEPT: Final = (
    "nothing is lost: the work is kept, and sent when the coordinator takes it, by"
    " `commonhold node start` or `commonhold node send`"
)


async def catch_up(
    home: NodeDirectory, config: NodeConfig, follower: Follower, tolerant: bool = True
) -> None:
    """Brings the replay up to date, unless a daemon does so.

    `tolerant`: without an answer, what is known already will do if there is anything. Raises
    Unreachable.
    """
    if is_running(home) and follower.size:
        return
    from commonground.client import CoordinatorClient  # with gRPC: not where a daemon does it

    try:
        async with CoordinatorClient(config.link) as client:
            await follower.catch_up(client)
    except Unreachable as error:
        if not tolerant or not follower.size:
            raise
        say(f"{error}; going on with what is known here")


def read_trusted(home: NodeDirectory, config: NodeConfig, store: Store) -> Follower:
    """The log as it is now, for a command that signs something because of it.

    Raises Misbehaviour while there is evidence of a lie that the owner has not acknowledged, and
    Unreachable if nothing is known of the log.
    """
    require_trust(store)
    follower = Follower(store, config.link)
    follower.replay()
    asyncio.run(catch_up(home, config, follower))
    return follower


async def deliver(
    home: NodeDirectory,
    config: NodeConfig,
    store: Store,
    follower: Follower | None = None,
    quiet: bool = False,
    *,
    reports: str = "",
) -> None:
    """Sends what is queued, or waits for the daemon to do it. Raises Unreachable: all is kept.

    What the network does not take is said, but for records of the kind that the command itself `reports` on.
    `follower` knows the log's key, if the caller has read the log; it is read here if that turns out to
    be necessary.
    """
    from commonground.client import CoordinatorClient
    from commonground.status import Busy

    known = follower or Follower(store, config.link)

    def tell_refused(row: OutboxRow) -> None:
        if row.outgoing.kind != reports:
            note(refused_words(row))

    store.requeue_postponed()
    try:
        if is_running(home):
            await _wait_for_daemon(store)
            return
        with progress(quiet) as bar:
            queued = store.outbox_counts().get(OutboxState.QUEUED, 0)
            task = bar.add_task("sending", total=queued)
            send = partial(
                flush,
                store=store,
                on_sent=lambda row: bar.advance(task),
                follower=known,
                on_refused=tell_refused,
            )
            async with CoordinatorClient(config.link, lambda: known.verifier) as client:
                try:
                    await send(client)
                except UnknownKey:
                    known.replay()
                    await known.catch_up(client)
                    await send(client)
                await _prove(store, known, client)
    except UnknownKey:
        raise
    except Busy as error:
        raise Busy(str(error), error.seconds, _KEPT) from error
    except Unreachable as error:
        raise Unreachable(str(error), _KEPT) from error


async def _prove(store: Store, known: Follower, client: CoordinatorClient) -> None:
    """Looks whether what the coordinator calls superfluous is that by our own replay."""
    if not store.unproved():
        return
    known.replay()
    await known.catch_up(client)
    await Unproved(store, known, client).settle()
    if left := len(store.unproved()):
        say(
            f"{left} not sent: the coordinator says that they are not needed, and the log does not show why;"
            " a running node asks again"
        )


async def _wait_for_daemon(store: Store) -> None:
    """Until the outbox is empty, or the daemon could not deliver either: now, not earlier."""
    store.hurry()
    for _ in range(int(DAEMON_SECONDS / POLL_SECONDS)):
        row = store.next_queued()
        if row is None:
            return
        if row.attempts:
            raise Unreachable(row.last_error)
        await asyncio.sleep(POLL_SECONDS)
    raise Unreachable("the running node has not sent it yet")
