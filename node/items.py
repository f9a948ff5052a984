"""What has become of the owner's items."""

from __future__ import annotations

from collections import Counter
from typing import Final

from node.store import Store
from protocol.identity import PersonId
from protocol.lifecycle import GONE, ItemStatus
from protocol.rows import Item, ItemId
from protocol.state import State

TAKEN_DOWN_SHOWN: Final = 10  # the latest


def refresh_items(store: Store, state: State) -> None:
    """Notes what the replayed log says of our items."""
    statuses = {
        row.item_id: item.status.name.lower()
        for row in store.items()
        if (item := state.items.get(row.item_id)) is not None and item.status not in GONE
    }
    store.set_item_statuses(statuses)


def count_items(store: Store, state: State, person: PersonId) -> dict[str, int]:
    """By status: somebody's items as the log has them, from whatever machine, and what this one has yet to
    send."""
    counts = Counter(i.status.name.lower() for _, i in state.items.scan() if i.author == person)
    counts.update(row.status for row in store.items() if row.item_id not in state.items)
    return dict(sorted(counts.items()))


def taken_down(state: State, person: PersonId) -> list[tuple[ItemId, Item]]:
    """Somebody's items that the operator took down last, the latest first."""
    found = [
        (item.takedown.logged_at, item_id, item)
        for item_id, item in state.items.scan()
        if item.author == person
        and item.status is ItemStatus.TAKEN_DOWN
        and item.takedown is not None
    ]
    latest = sorted(found, key=lambda each: each[:2], reverse=True)[:TAKEN_DOWN_SHOWN]
    return [(item_id, item) for _, item_id, item in latest]
