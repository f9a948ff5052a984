"""Erases in this home what was withdrawn or taken down: our own content and salts.

    the follower folds the record       Store.erase: leaves, tasks, and a mark on our own items
                                        or on parts of them
    finish_erasure                      files, then the rows that name them, then the older pages that
                                        the database's write-ahead log still holds

Each step leaves what the next one needs to know, and may be repeated: if we crash anywhere, the next
replay and the next call do the rest. Content that we fetched to review it is gone long before, since
no item goes while it is reviewed; see ReviewDuties.
"""

from __future__ import annotations

import asyncio
import logging

from node.blobs import BlobStore
from node.follower import Follower
from node.store import Store

log = logging.getLogger(__name__)


def finish_erasure(store: Store, blobs: BlobStore) -> bool:
    """Deletes what is left of items that are gone; False, to be called again, while others read
    the database."""
    if not store.has_residue():
        return True
    # Parts first: with its item a part's row goes, and with that the name of its file.
    parts, items = store.withdrawn_parts(), store.withdrawn_items()
    for part in (*(part for _, part in parts), *(part for item in items for part in item.parts)):
        blobs.delete(part.commitment)
    store.forget_parts([(item_id, part.name) for item_id, part in parts])
    store.forget_items([item.item_id for item in items])
    if items or parts:
        log.info(
            "erased %d items of ours that were withdrawn or taken down, %d parts",
            len(items),
            len(parts),
        )
    return store.clear_residue()


async def keep_erasing(store: Store, blobs: BlobStore, follower: Follower) -> None:
    """Finishes what every advance of the log asks for, for ever. Raises what ends the following."""
    while True:
        size = follower.size
        await asyncio.to_thread(finish_erasure, store, blobs)
        await follower.wait_beyond(size)
