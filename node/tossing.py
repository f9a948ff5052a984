"""A witness's duties: deals the coin and tosses it, by itself; to be chosen is the only thing that it waits
for.

Everything follows from the log and the node's key (see commonground.hand): a restart repeats a record, and
the outbox keeps it once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from commonground.hand import Hand
from node.follower import Follower
from node.keys import NodeKeys
from node.rows import Outgoing
from node.store import Store

log = logging.getLogger(__name__)


async def keep_tossing(
    keys: NodeKeys,
    store: Store,
    follower: Follower,
    queued: Callable[[], None],
) -> None:
    """Queues what the log wants of this node as a witness, for ever; `queued` wakes whoever empties the
    outbox."""
    hand = Hand(keys.seed)
    while True:
        size = follower.size
        for kind, record in hand.due(follower.state):
            if store.enqueue(Outgoing(kind, keys.seal(kind, record))):
                log.info("queued %s", kind)
                queued()
        await follower.wait_beyond(size)
