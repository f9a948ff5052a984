"""Standing by: the promise to review every round of a campaign, until one stands down.

A person may run several machines, and is one reviewer. The machine that stood by reviews what is drawn; the
others keep out while it stands. Whoever is drawn and stays silent stands by no longer: then another may.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from google.protobuf.message import Message

from node.follower import Follower
from node.keys import NodeKeys
from node.rows import Outgoing
from node.store import Store
from protocol.rows import Campaign
from protocol.rules.contesting import may_have_rounds
from protocol.state import State
from protos.gen import records_pb2 as pb

log = logging.getLogger(__name__)

Wants = Callable[[Campaign], bool]
"""Whether the owner offers to review in a campaign."""


class Standing:
    """Stands by for those campaigns that the owner wants, each by itself."""

    def __init__(
        self,
        keys: NodeKeys,
        store: Store,
        follower: Follower,
        *,
        wants: Wants,
        queued: Callable[[], None],
    ) -> None:
        """`wants`: in which campaigns to offer reviews; `queued` wakes whoever empties the outbox."""
        self._keys, self._me, self._key = keys, keys.person, keys.key
        self._store, self._follower = store, follower
        self._wants, self._queued = wants, queued

    @property
    def _state(self) -> State:
        return self._follower.state

    def queue(self, kind: str, record: Message, leaves: tuple[bytes, ...] = ()) -> bool:
        """To the outbox, durably; the same record is queued once, and False is for the second time."""
        if not self._store.enqueue(Outgoing(kind, self._keys.seal(kind, record), leaves)):
            return False
        log.info("queued %s", kind)
        self._queued()
        return True

    def is_ours(self, campaign_id: str) -> bool:
        """Whether this machine reviews the present round, and not another one of the same person."""
        return self._state.candidates.get((campaign_id, self._me)) == self._key

    def stand(self, campaign: Campaign) -> None:
        """Stands by for the campaign, or down."""
        standing = self._state.standbys.get((campaign.id, self._me))
        wanted = may_have_rounds(self._state, campaign) and self._wants(campaign)
        if (standing is None and wanted) or (standing == self._key and not wanted):
            record = pb.Standby(
                network=self._state.network,
                campaign_id=campaign.id,
                stands=wanted,
                serial=self._state.words.get((campaign.id, self._me), 0),
            )
            self.queue("standby", record)
