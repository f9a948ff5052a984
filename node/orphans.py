"""Sweeps away content that no item names: what a submission leaves that was killed half-way.

A submission copies content first and writes the items that name it afterwards, so that in between what it
has copied looks like an orphan. Whoever submits therefore shares a lock until its items are written, and
content is swept only by who has that lock alone. The kernel gives it back however its holder ends.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from commonground.locks import shared
from node.blobs import BlobStore
from node.store import Store
from protocol.errors import StoreError

_LOCK: Final = ".putting"

log = logging.getLogger(__name__)


@contextmanager
def putting(store: Store, blobs: BlobStore) -> Iterator[None]:
    """Sweeps if nobody else is submitting; until the end of the block nobody sweeps.

    Raises StoreError when the store of contents cannot be used.
    """
    try:
        lock = shared(blobs.root / _LOCK, lambda: _sweep(store, blobs))
    except OSError as error:
        raise StoreError(f"cannot use the blob store {blobs.root}: {error.strerror}") from error
    with lock:
        yield


def sweep(store: Store, blobs: BlobStore) -> None:
    """Sweeps, unless somebody is submitting."""
    with putting(store, blobs):
        pass


def _sweep(store: Store, blobs: BlobStore) -> None:
    """One folder of the store at a time, so that memory is bounded by a 256th of it."""
    swept = 0
    for first, last, found in blobs.by_folder():
        for commitment in found - store.commitments(first, last):
            swept += blobs.delete(commitment)
    if swept:
        log.info("removed %d contents that no item names", swept)
