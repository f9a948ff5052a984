"""What has become of the owner's items."""

from __future__ import annotations

from collections import Counter

from node.store import Store
from protocol.identity import PersonId
from protocol.lifecycle import GONE
from protocol.state import State


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
