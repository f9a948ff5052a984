"""How many items the owner may still submit: the log's rule, less what is on its way."""

from __future__ import annotations

import sys

from node.rows import ITEM_QUEUED
from node.store import Store
from protocol.identity import PersonId
from protocol.rules.admission import items_left
from protocol.state import State


def may_submit(store: Store, state: State, person: PersonId) -> int:
    """How many more items somebody may submit in this epoch."""
    left = items_left(state, person)
    if left is None:  # the operator's own node, which has no quota
        return sys.maxsize
    return max(0, left - store.item_counts().get(ITEM_QUEUED, 0))
