"""The draw: who reviews what, from a seed that nobody chose, recomputed by everybody.

Weighted sampling without replacement with integers alone: a SHA-256 stream of the seed picks each
reviewer in proportion to draw weight, among those who may review the item and still have room. Room
is a cap on tasks for each reviewer, so that weight buys influence on an item, not unbounded work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.identity import PersonId

# No reviewer gets more than this part of an even share of the work (in tenths): 1.5 times.
_LOAD_CAP_TENTHS: Final = 15

# Stands for the item where reviewers are drawn for a whole round; no item id is so short.
_SEATS: Final = b"seats"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reviewer who stood by; `weight` > 0, in ppm."""

    person: PersonId
    weight: int


@dataclass(frozen=True, slots=True)
class Task:
    """An item that wants `reviewers` answers from anybody but `excluded`."""

    item_id: bytes
    excluded: frozenset[PersonId]
    reviewers: int


def assign(
    seed: bytes, tasks: Sequence[Task], candidates: Sequence[Candidate]
) -> dict[bytes, tuple[PersonId, ...]]:
    """Reviewers for each task, in the order drawn; fewer than wished where too few may review it.

    Candidates are taken in the order of persons, tasks as given, so that equal inputs draw equally.
    """
    urn = _Urn(candidates, _load_cap(tasks, candidates))
    return {task.item_id: _pick(seed, task, urn) for task in tasks}


def select(seed: bytes, candidates: Sequence[Candidate], seats: int) -> list[Candidate]:
    """At most `seats` of the candidates, drawn by weight, in the order of persons."""
    if len(candidates) <= seats:
        return list(candidates)
    everybody = Task(_SEATS, frozenset(), seats)
    chosen = set(_pick(seed, everybody, _Urn(candidates, 1)))
    return [candidate for candidate in candidates if candidate.person in chosen]


def _load_cap(tasks: Sequence[Task], candidates: Sequence[Candidate]) -> int:
    """Whoever may review none of the tasks, as the author of all of them, has no share of the work."""
    wanted = sum(task.reviewers for task in tasks)
    barred = frozenset.intersection(*(task.excluded for task in tasks)) if tasks else frozenset()
    able = sum(candidate.person not in barred for candidate in candidates)
    even_share = -(-wanted // max(1, able))
    return -(-even_share * _LOAD_CAP_TENTHS // 10)


class _Urn:
    """Candidates in the order of persons, each as heavy as their weight while they have room.

    A Fenwick tree ("A new data structure for cumulative frequency tables", 1994) over the weights:
    drawing, taking out and putting back cost O(log n), so that a round of thousands of items and
    reviewers is drawn in less than a second.
    """

    def __init__(self, candidates: Sequence[Candidate], room: int) -> None:
        self._order = sorted(candidates, key=lambda candidate: candidate.person)
        self._place = {candidate.person: i for i, candidate in enumerate(self._order)}
        self._room = [room] * len(self._order)
        self._tree = [0, *(candidate.weight for candidate in self._order)]
        self.total = sum(self._tree)
        for node in range(1, len(self._tree)):
            if (parent := node + (node & -node)) < len(self._tree):
                self._tree[parent] += self._tree[node]

    def take_out(self, person: PersonId) -> bool:
        """Whether somebody with room was there to be taken out."""
        place = self._place.get(person)
        if place is None or not self._room[place]:
            return False
        self._add(place, -self._order[place].weight)
        return True

    def put_back(self, person: PersonId, used: int) -> None:
        """With `used` less room than before; never to be drawn again once there is none."""
        place = self._place[person]
        self._room[place] -= used
        if self._room[place]:
            self._add(place, self._order[place].weight)

    def at(self, position: int) -> PersonId:
        """Who covers `position`, which lies below the total weight."""
        place, step = 0, 1 << (len(self._order).bit_length() - 1)
        while step:
            if place + step < len(self._tree) and self._tree[place + step] <= position:
                place += step
                position -= self._tree[place]
            step >>= 1
        return self._order[place].person

    def _add(self, place: int, weight: int) -> None:
        self.total += weight
        node = place + 1
        while node < len(self._tree):
            self._tree[node] += weight
            node += node & -node


def _pick(seed: bytes, task: Task, urn: _Urn) -> tuple[PersonId, ...]:
    barred = [person for person in task.excluded if urn.take_out(person)]
    chosen: list[PersonId] = []
    while urn.total and len(chosen) < task.reviewers:
        position = _position(seed, task.item_id, len(chosen), urn.total)
        chosen.append(urn.at(position))
        urn.take_out(chosen[-1])
    for person in barred:
        urn.put_back(person, used=0)
    for person in chosen:
        urn.put_back(person, used=1)
    return tuple(chosen)


def _position(seed: bytes, item_id: bytes, turn: int, total: int) -> int:
    """A number below `total`; 256 bits make the bias of the modulus below 2^-190."""
    digest = hashlib.sha256(
        b"commonhold/v1/draw\0" + seed + item_id + turn.to_bytes(4, "big")
    ).digest()
    return int.from_bytes(digest, "big") % total


def tasks_of(assignments: Mapping[bytes, Sequence[PersonId]]) -> dict[PersonId, tuple[bytes, ...]]:
    """The same assignments by reviewer, items in the order of the draw."""
    tasks: dict[PersonId, list[bytes]] = {}
    for item_id, reviewers in assignments.items():
        for reviewer in reviewers:
            tasks.setdefault(reviewer, []).append(item_id)
    return {reviewer: tuple(items) for reviewer, items in tasks.items()}


def is_flipped(seed: bytes, item_id: bytes, person: PersonId) -> bool:
    """Whether a reviewer sees the other of two answers first: half of them do, and nobody chose which."""
    digest = hashlib.sha256(b"commonhold/v1/flip\0" + seed + item_id + person).digest()
    return bool(digest[0] & 1)
