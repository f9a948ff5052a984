"""How many items the owner may still submit: the log's rule, less what is on its way."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from node.rows import ITEM_QUEUED
from node.store import Store
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.rules.admission import items_left, require_bond_kept
from protocol.state import State

Item = TypeVar("Item")


def may_submit(store: Store, state: State, person: PersonId) -> int:
    """How many more items somebody may submit in this epoch."""
    left = items_left(state, person)
    if left is None:  # the operator's own node, which has no quota
        return sys.maxsize
    return max(0, left - store.item_counts().get(ITEM_QUEUED, 0))


def within_quota(
    store: Store, state: State, person: PersonId, items: Sequence[Item]
) -> Sequence[Item]:
    """The first of them, as many as may be submitted now. Raises StateError when that is none."""
    require_bond_kept(state, person)
    left = may_submit(store, state, person)
    if items and not left:
        raise StateError(
            f"you may submit no more items in epoch {state.epoch}",
            "what waits for review counts: run the command again when some of it is decided and the next"
            " epoch has begun",
        )
    return items[:left]
