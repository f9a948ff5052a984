"""What in the log is ours: kept up to date as entries are folded, so that no page walks all items.

A request then costs what it shows. The index is a cache of the fold, made again by every replay; if we
crash, nothing of it is missed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Reversible
from enum import Enum
from itertools import islice
from typing import Final

from node.follower import Follower
from node.statement import StatementLine, lines_of
from node.store import Store
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import GivenAnswer, Item, ItemId
from protocol.state import State
from protocol.transition import Applied


class Standing(Enum):
    """Where an item is, in as many states as its owner asks about. Values are what pages call them."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    COPY = "copy"
    TAKEN_DOWN = "taken-down"
    WITHDRAWN = "withdrawn"


_STANDINGS: Final[dict[ItemStatus, Standing]] = {
    ItemStatus.ACCEPTED: Standing.ACCEPTED,
    ItemStatus.REJECTED: Standing.REJECTED,
    ItemStatus.UNDECIDED: Standing.UNDECIDED,
    ItemStatus.DUPLICATE: Standing.COPY,
    ItemStatus.TAKEN_DOWN: Standing.TAKEN_DOWN,
    ItemStatus.WITHDRAWN: Standing.WITHDRAWN,
}
# By reviewers, now.
_REVIEWED: Final = (ItemStatus.DRAWN, ItemStatus.COMMITTED, ItemStatus.REVEALED)

Answers = Counter[GivenAnswer]
"""How many reviewers gave each answer, or refused for which reason."""


def standing_of(item: Item) -> Standing:
    """The state that its owner is told."""
    return _STANDINGS.get(item.status, Standing.WAITING)


class OwnRecords:
    """The items, answers and reward lines of one person. Lives on the follower's thread."""

    def __init__(self, follower: Follower, store: Store, me: PersonId) -> None:
        """Takes in what the follower has folded, and is told of the rest; made before a replay, it
        knows of every verdict where the log has it and what the answers were."""
        self._follower, self._store, self._me = follower, store, me
        self._items: dict[Standing, dict[ItemId, None]] = {each: {} for each in Standing}
        self._all: list[ItemId] = []
        self._entry: dict[ItemId, int] = {}
        self._answers: dict[ItemId, dict[PersonId, GivenAnswer]] = {}
        self._closes: list[int] = []  # entries whose lines are not read yet
        self._lines: list[StatementLine] = []
        self._reading = threading.Lock()
        found = ((item_id, item) for item_id, item in self._state.items.scan() if item.author == me)
        for item_id, item in sorted(found, key=lambda pair: pair[1].place):
            self._add(item_id, item)
        follower.subscribe(self._on_entry)

    @property
    def _state(self) -> State:
        return self._follower.state

    # ---- what pages ask ----

    def counts(self) -> dict[Standing, int]:
        """How many of our items are in each state."""
        return {standing: len(items) for standing, items in self._items.items()}

    def items(self, standing: Standing | None, start: int, count: int) -> list[ItemId]:
        """At most `count` of our items, newest first, after the first `start`; of one state, or all."""
        chosen: Reversible[ItemId] = self._all if standing is None else self._items[standing]
        return list(islice(reversed(chosen), start, start + count))

    def entry_of(self, item_id: ItemId) -> int | None:
        """The log entry that last moved the item; None if that was before we looked."""
        return self._entry.get(item_id)

    def answers_to(self, item_id: ItemId) -> Answers:
        """What reviewers said of the item, in all its rounds that we saw end."""
        return Answers(self._answers.get(item_id, {}).values())

    def lines(self) -> list[StatementLine]:
        """All our reward lines, oldest first. Reads closes that are new from disk: not for the loop."""
        with self._reading:
            while self._closes:
                entry = self._store.entry(self._closes[0])
                if entry is not None:
                    self._lines.extend(lines_of([entry], self._me))
                del self._closes[0]  # last: if reading fails, the next caller tries again
            return list(self._lines)

    # ---- what the log says ----

    def _on_entry(self, applied: Applied) -> None:
        index, changes = applied.record.index, applied.changes
        for item_id, (before, after) in changes.items.items():
            if after.author != self._me:
                continue
            if before is None:
                self._add(item_id, after)
            else:
                self._move(item_id, before, after, index)
        if any(line.person == self._me for line in changes.lines):
            self._closes.append(index)

    def _add(self, item_id: ItemId, item: Item) -> None:
        self._all.append(item_id)
        self._items[standing_of(item)][item_id] = None
        if item.status is ItemStatus.SUBMITTED:
            self._entry[item_id] = item.submitted_at

    def _move(self, item_id: ItemId, before: Item, after: Item, index: int) -> None:
        if after.status is ItemStatus.WITHDRAWN:
            self._answers.pop(item_id, None)
        elif before.status in _REVIEWED and after.status not in _REVIEWED:
            self._count_answers(item_id, after)
        old, new = standing_of(before), standing_of(after)
        if new is not old:
            del self._items[old][item_id]
            self._items[new][item_id] = None
            self._entry[item_id] = index

    def _count_answers(self, item_id: ItemId, item: Item) -> None:
        """At a verdict the state still has every answer to the item; a close forgets them."""
        known = self._answers.setdefault(item_id, {})
        for person in item.answered_by:
            given = self._state.answers.get((item.campaign_id, item_id, person))
            if given is not None:
                known[person] = given
