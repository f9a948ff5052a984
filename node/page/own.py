"""What in the log is ours: kept up to date as entries are folded, so that no page walks all items.

A request then costs what it shows. The index is a cache of the fold, made again by every replay; if we
crash, nothing of it is missed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import Final

from node.follower import Follower
from node.statement import StatementLine, lines_of
from node.store import Store
from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.log.envelope import parse_envelope
from protocol.state import ItemId, ItemState, State
from protos.gen import records_pb2 as pb


class Standing(Enum):
    """Where an item is, in as many states as its owner asks about. Values are what pages call them."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    COPY = "copy"
    WITHDRAWN = "withdrawn"


_STANDINGS: Final[dict[ItemStatus, Standing]] = {
    ItemStatus.ACCEPTED: Standing.ACCEPTED,
    ItemStatus.REJECTED: Standing.REJECTED,
    ItemStatus.UNDECIDED: Standing.UNDECIDED,
    ItemStatus.DUPLICATE: Standing.COPY,
    ItemStatus.WITHDRAWN: Standing.WITHDRAWN,
}
# From these an item may still move without its author.
_OPEN: Final = (Standing.WAITING, Standing.UNDECIDED)
_MOVES_ITEMS: Final = frozenset({"phase", "draw", "verdict"})

Answers = Counter[int | None]
"""How many reviewers gave each label; None counts those who could not say."""


def standing_of(item: ItemState) -> Standing:
    """The state that its owner is told."""
    return _STANDINGS.get(item.status, Standing.WAITING)


class OwnRecords:
    """The items, answers and reward lines of one identity. Lives on the follower's thread."""

    def __init__(self, follower: Follower, store: Store, me: Identity) -> None:
        """Takes in what the follower has folded, and is told of the rest; made before a replay, it
        knows of every verdict where the log has it and what the answers were."""
        self._follower, self._store, self._me = follower, store, me
        self._items: dict[Standing, dict[ItemId, None]] = {each: {} for each in Standing}
        self._all: list[ItemId] = []
        self._entry: dict[ItemId, int] = {}
        self._answers: dict[ItemId, Answers] = {}
        self._closes: list[int] = []  # entries whose lines are not read yet
        self._lines: list[StatementLine] = []
        self._reading = threading.Lock()
        for item_id, item in self._state.items.items():
            if item.author == me:
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
        chosen = self._all if standing is None else self._items[standing]
        return list(islice(reversed(chosen), start, start + count))

    def entry_of(self, item_id: ItemId) -> int | None:
        """The log entry that last moved the item; None if that was before we looked."""
        return self._entry.get(item_id)

    def answers_to(self, item_id: ItemId) -> Answers:
        """What reviewers said of the item in the epoch of its last verdict."""
        return self._answers.get(item_id, Answers())

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

    def _on_entry(self, index: int, kind: str) -> None:
        if kind == "submission":
            for item_id, item in self._submitted_at(index):
                self._add(item_id, item)
        elif kind in _MOVES_ITEMS:
            if kind == "verdict":
                self._count_answers()
            self._move([i for each in _OPEN for i in self._items[each]], index)
        elif kind == "withdraw":
            self._move(self._withdrawn_by(index), index)
        elif kind == "close":
            self._closes.append(index)

    def _submitted_at(self, index: int) -> Iterator[tuple[ItemId, ItemState]]:
        """The items of a submission of ours: it has one author, and they are the last in the state."""
        fresh = []
        for item_id, item in reversed(self._state.items.items()):
            if item.submitted_at != index or item.author != self._me:
                break
            fresh.append((item_id, item))
        return reversed(fresh)

    def _withdrawn_by(self, index: int) -> list[ItemId]:
        entry = self._store.entry(index)
        if entry is None:
            return []
        envelope = parse_envelope(entry.envelope)
        if envelope.author != self._me:
            return []
        return list(pb.Withdraw.FromString(envelope.payload).item_ids)

    def _add(self, item_id: ItemId, item: ItemState) -> None:
        self._all.append(item_id)
        self._items[standing_of(item)][item_id] = None
        if item.status is ItemStatus.SUBMITTED:
            self._entry[item_id] = item.submitted_at

    def _move(self, moved: list[ItemId], index: int) -> None:
        for item_id in moved:
            now = standing_of(self._state.items[item_id])
            before = next(each for each, items in self._items.items() if item_id in items)
            if now is not before:
                del self._items[before][item_id]
                self._items[now][item_id] = None
                self._entry[item_id] = index

    def _count_answers(self) -> None:
        """While the epoch lasts, the state has every answer of it; a close forgets them."""
        counted: dict[ItemId, Answers] = {}
        for answer in self._state.epoch.answers:
            if self._state.items[answer.item_id].author == self._me:
                counted.setdefault(answer.item_id, Answers())[answer.label] += 1
        self._answers.update(counted)
