"""What this node gives to peers: its own content, to the reviewers drawn for it, or for a likely copy of it.

Content is served to reviewers while a review needs it, and to the network's operator where its author
agreed to have it published: once it is accepted, for datasets, and while it waits, for experts who make gold
of it. To nobody else. The author's own replay of the log says who that is. A peer that asks before our replay
has got there is refused and asks again.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from commonground.p2p import Denial, Grant, OpenBlob
from node.blobs import BlobStore
from node.store import Store
from protocol.identity import KeyId, PersonId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.review.copies import fingerprinted
from protocol.rows import Item, ItemId
from protocol.state import State

_FOR_OPERATOR: Final = frozenset({ItemStatus.SUBMITTED, ItemStatus.UNDECIDED, ItemStatus.ACCEPTED})


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
    if peer == state.operator_key and _is_for_operator(state, item):
        return Grant()
    if state.round_of(item.campaign_id).phase is not RoundPhase.COMMITTING:
        return Denial("no review of it is running")
    reader = state.keys.get(peer)
    assigned = state.assignments.get((item.campaign_id, item_id), ())
    if reader in assigned or _compares(state, reader, item_id, item, part):
        return Grant()
    return Denial("not assigned to whom this key signs for")


def _compares(
    state: State, reader: PersonId | None, item_id: ItemId, item: Item, part: str
) -> bool:
    """Whether somebody was drawn for a likely copy of the item: then the parts are theirs to read by which
    copies are told, and no others."""
    tasks = () if reader is None else state.tasks.get((item.campaign_id, reader), ())
    return part in fingerprinted(state.campaigns[item.campaign_id]) and any(
        state.items[task].resembles == item_id for task in tasks
    )


def _is_for_operator(state: State, item: Item) -> bool:
    """Whether the operator may have the item: published anyway if it is accepted, and not under review, when
    nobody may see it who could tell its reviewers what to say."""
    return (
        item.status in _FOR_OPERATOR
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
