"""What a record takes away: the leaves and sealed openings that nobody may need or keep after it.

A withdrawal takes the leaves of its items out of their batches, and the openings of their labels with
them. A close takes the gold of its epoch: the first verdict has opened it, or nothing ever will. Gold
of the present epoch stays until then even if its item is withdrawn, since the rules demand that
a verdict opens all gold that was committed to: without it the epoch could never be decided, and any
author could stop the network by withdrawing an item.

The openings of items whose verdict is logged are public; nothing else of a withdrawn item rests here.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from coordinator.ledger import Erasure
from coordinator.sealed import forget, gold_key, labels_key, without_items
from protocol.state import ItemId, State
from protocol.transition import AnyRecord


def erasure_of(state: State, kind: str, record: AnyRecord) -> Erasure:
    """What goes with a validated record; `state` is the one before it."""
    if kind == "withdraw":
        leaves: defaultdict[int, set[ItemId]] = defaultdict(set)
        for item_id in record.body.item_ids:
            leaves[state.items[item_id].submitted_at].add(item_id)
        gone = {index: frozenset(item_ids) for index, item_ids in leaves.items()}
        openings = {labels_key(at): partial(without_items, ids) for at, ids in gone.items()}
        return Erasure(gone, openings)
    if kind == "close":
        epoch = state.epoch
        return Erasure(sealed={gold_key(epoch.number, each): forget for each in epoch.gold_hashes})
    return Erasure()
