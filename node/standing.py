"""Standing by: the promise to review a campaign's next round, and the value that is opened for it.

A person may run several machines, and is one reviewer. The machine whose value stands in the log opens it,
and reviews what is drawn then; the others keep out of that round.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from google.protobuf.message import Message

from node.follower import Follower
from node.keys import NodeKeys
from node.rows import BeaconRow, Outgoing
from node.store import Store
from protocol.lifecycle import RoundPhase
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.rows import Campaign, Round
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
        self._keys, self._me = keys, keys.person
        self._store, self._follower = store, follower
        self._wants, self._queued = wants, queued
        self._ours: dict[
            str, bytes
        ] = {}  # by campaign: what stands in the log, and is in our store
        self._lost: set[tuple[str, int]] = set()  # rounds whose value is lost, once it is said

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

    def is_ours(self, campaign_id: str, round_: Round) -> bool:
        """Whether this machine reviews a round, and not another one of the same person."""
        opened = self._store.meta(_opened(campaign_id))
        return not self._is_one_of_several or opened == str(round_.number).encode()

    @property
    def _is_one_of_several(self) -> bool:
        """Whether other machines sign for the same person."""
        return self._state.keys_of.count(self._me) > 1

    def stand(self, campaign: Campaign, round_: Round) -> None:
        """Stands by for the campaign's next round, or down."""
        key = (campaign.id, self._me)
        standing = self._state.standbys.get(key)
        ours = standing is not None and self._is_known(campaign.id, standing)
        if not self._wants(campaign):
            if ours:
                self._stand_by(campaign.id, round_.number + 1, b"")
            return
        if ours or (standing is not None and self._is_one_of_several):
            return  # or another machine of ours stands by
        if round_.phase is RoundPhase.SEALED and key in self._state.candidates:
            return  # the beacon says it, too
        # Also where the value behind `standing` is lost (an old backup): it is replaced.
        number = round_.number + 1
        self._stand_by(campaign.id, number, self._next(campaign.id, number).commitment)

    def _is_known(self, campaign_id: str, commitment: bytes) -> bool:
        """Whether this machine can open a commitment; asked at every step, so the answer is kept."""
        if self._ours.get(campaign_id) != commitment and self._store.beacon(commitment) is not None:
            self._ours[campaign_id] = commitment
        return self._ours.get(campaign_id) == commitment

    def _stand_by(self, campaign_id: str, number: int, commitment: bytes) -> None:
        """Queues the record; an empty commitment stands down."""
        record = pb.Standby(
            network=self._state.network,
            campaign_id=campaign_id,
            round=number,
            commitment=commitment,
            serial=self._state.words.get((campaign_id, self._me), 0),
        )
        self.queue("standby", record)

    def open_beacon(self, campaign: Campaign, round_: Round) -> None:
        """Opens the value that we stood by with, if this machine has it, and stands by for the next round."""
        commitment = self._state.candidates.get((campaign.id, self._me))
        if commitment is None:
            return
        beacon = self._store.beacon(commitment)
        if beacon is None:
            self._say_lost(campaign.id, round_.number)
            return
        follows = b""
        with self._store.transaction():
            # What was promised is done, also by an owner who has changed his mind since.
            if self._wants(campaign):
                follows = self._next(campaign.id, round_.number + 1).commitment
            self._store.set_meta(_opened(campaign.id), str(round_.number).encode())
            self.queue(
                "beacon",
                pb.Beacon(
                    network=self._state.network,
                    campaign_id=campaign.id,
                    round=round_.number,
                    value=beacon.value,
                    next_commitment=follows,
                ),
            )

    def _say_lost(self, campaign_id: str, number: int) -> None:
        if (campaign_id, number) not in self._lost and not self._is_one_of_several:
            self._lost.add((campaign_id, number))
            log.error(
                "the beacon value that we committed to for round %d of %s is not in the store;"
                " sitting out",
                *(number, campaign_id),
            )

    def _next(self, campaign_id: str, number: int) -> BeaconRow:
        """The value that we commit to for a round: the one stored earlier, or a fresh one, stored now."""
        with self._store.transaction():
            beacon = self._store.beacon_for(campaign_id, number)
            if beacon is None:
                value = secrets.token_bytes(SALT_BYTES)
                commitment = commitments.beacon_commitment(self._state.network, self._me, value)
                beacon = BeaconRow(commitment, value, campaign_id, number)
                self._store.save_beacon(beacon)
        return beacon


def _opened(campaign_id: str) -> str:
    """The name under which we keep the last round whose beacon this machine opened."""
    return f"review_opened.{campaign_id}"
