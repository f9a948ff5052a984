"""What this node gives to peers: its own content to the reviewers drawn for it, and where it is.

Content is served to reviewers while a review needs it, and to the network's operator once it is
accepted for a dataset that its author agreed to; to nobody else. The author's own replay of the log
says who that is. A peer that asks before our replay has got there is refused and asks again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from commonground.addresses import LIFETIME_MS, now_ms, seal_announcement
from commonground.client import CoordinatorClient
from commonground.p2p import Denial, Grant, OpenBlob
from node.blobs import BlobStore
from node.follower import Follower
from node.keys import NodeKeys
from node.store import Store
from protocol.identity import KeyId, PersonId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.link import NetworkLink
from protocol.rows import Item, ItemId
from protocol.state import State

log = logging.getLogger(__name__)

# The coordinator keeps announcements in memory: after its restart we are lost for this long at most.
ANNOUNCE_SECONDS: Final = 60.0


def may_read(
    state: State, owner: PersonId, item_id: ItemId, part: str, peer: KeyId
) -> Grant | Denial:
    """Whether `owner` serves a part of an item to the machine with the key `peer` now.

    Whoever may read one part may read all that were not taken back, so that no two reviewers judge
    different things. The peer learns no reason, and not whether the item exists.
    """
    item = state.items.get(item_id)
    if item is None or item.author != owner:
        return Denial("not an item of ours")
    if part in item.taken_back:
        return Denial("the part was taken back")
    if peer == state.operator_key and _is_for_datasets(state, item):
        return Grant()
    if state.round_of(item.campaign_id).phase is not RoundPhase.COMMITTING:
        return Denial("no review of it is running")
    reader = state.keys.get(peer)
    if reader not in state.assignments.get((item.campaign_id, item_id), ()):
        return Denial("not assigned to whom this key signs for")
    return Grant()


def _is_for_datasets(state: State, item: Item) -> bool:
    """Whether the operator may put the item into datasets: asked for, accepted, and not withdrawn."""
    return (
        item.status is ItemStatus.ACCEPTED
        and item.description is not None
        and state.campaigns[item.campaign_id].is_open
        and item.description.consent.redistribute
    )


class OwnContent:
    """The blobs of this node's items, for PeerHost. Reads happen in threads."""

    def __init__(self, store: Store, blobs: BlobStore) -> None:
        self._store, self._blobs = store, blobs

    async def open(self, item_id: ItemId, part: str) -> OpenBlob | None:
        """The content of a part of one of our items; None when it was erased or never here."""
        return await asyncio.to_thread(self._open, item_id, part)

    def _open(self, item_id: ItemId, name: str) -> OpenBlob | None:
        item = self._store.item(item_id)
        part = None if item is None else item.part(name)
        file = None if part is None else self._blobs.open(part.commitment)
        if part is None or file is None:
            return None
        return OpenBlob(part.salt, os.fstat(file.fileno()).st_size, file)


def reachable(addresses: Sequence[str], own_ip: str) -> list[str]:
    """Listening multiaddrs as others can dial them: "any interface" becomes `own_ip`."""
    parts = [address.split("/") for address in addresses]
    for each in parts:
        if len(each) > 2 and each[1] == "ip4" and ipaddress.ip_address(each[2]).is_unspecified:
            each[2] = own_ip
    return ["/".join(each) for each in parts]


def own_ip_towards(host: str, port: int) -> str:
    """The IPv4 address of the interface that leads to a host; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))
        except OSError:
            return "127.0.0.1"  # no route: whoever can reach us then is on this machine
        address: str = probe.getsockname()[0]
    return address


class Announcer:
    """Keeps the coordinator's directory up to date about where this node listens."""

    def __init__(
        self,
        keys: NodeKeys,
        link: NetworkLink,
        client: CoordinatorClient,
        follower: Follower,
        listening: Callable[[], Sequence[str]],
    ) -> None:
        """`listening` gives the present multiaddrs; they change when the peer host restarts."""
        self._keys, self._link, self._client = keys, link, client
        self._follower, self._listening = follower, listening

    async def run(self) -> None:
        """Announces now and then for ever, once the log knows our key; raises Unreachable and Reject."""
        while self._keys.key not in self._follower.state.keys:
            await self._follower.wait_beyond(self._follower.size)
        while True:
            await self.announce()
            await asyncio.sleep(ANNOUNCE_SECONDS)

    async def announce(self) -> None:
        """Says once where we are."""
        own_ip = await asyncio.to_thread(own_ip_towards, self._link.host, self._link.port)
        addresses = reachable(self._listening(), own_ip)
        expires = now_ms() + LIFETIME_MS
        network, key = self._link.network, self._keys.key
        await self._client.announce(
            seal_announcement(network, key, addresses, expires, self._keys.sign)
        )
        log.debug("announced %s", ", ".join(addresses))
