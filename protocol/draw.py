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

from protocol.identity import Identity

# No reviewer gets more than this part of an even share of the work (in tenths): 1.5 times.
_LOAD_CAP_TENTHS: Final = 15


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reviewer who stood by; `weight` > 0, in ppm."""

    identity: Identity
    weight: int


@dataclass(frozen=True, slots=True)
class Task:
    """An item that wants `reviewers` answers from anybody but `excluded`."""

    item_id: bytes
    excluded: frozenset[Identity]
    reviewers: int


def assign(
    seed: bytes, tasks: Sequence[Task], candidates: Sequence[Candidate]
) -> dict[bytes, tuple[Identity, ...]]:
    """Reviewers for each task, in the order drawn; fewer than wished where too few may review it.

    Candidates are taken in the order of their keys, tasks as given, so that equal inputs draw equally.
    """
    order = sorted(candidates, key=lambda candidate: candidate.identity)
    room = _room(tasks, order)
    return {task.item_id: _pick(seed, task, order, room) for task in tasks}


def _room(tasks: Sequence[Task], order: Sequence[Candidate]) -> dict[Identity, int]:
    wanted = sum(task.reviewers for task in tasks)
    even_share = -(-wanted // max(1, len(order)))
    cap = -(-even_share * _LOAD_CAP_TENTHS // 10)
    return {candidate.identity: cap for candidate in order}


def _pick(
    seed: bytes, task: Task, order: Sequence[Candidate], room: dict[Identity, int]
) -> tuple[Identity, ...]:
    pool = [
        candidate
        for candidate in order
        if candidate.identity not in task.excluded and room[candidate.identity] > 0
    ]
    chosen: list[Identity] = []
    while pool and len(chosen) < task.reviewers:
        position = _position(seed, task.item_id, len(chosen), sum(c.weight for c in pool))
        index = _find(pool, position)
        winner = pool.pop(index).identity
        room[winner] -= 1
        chosen.append(winner)
    return tuple(chosen)


def _position(seed: bytes, item_id: bytes, turn: int, total: int) -> int:
    """A number below `total`; 256 bits make the bias of the modulus below 2^-190."""
    digest = hashlib.sha256(
        b"commonhold/v1/draw\0" + seed + item_id + turn.to_bytes(4, "big")
    ).digest()
    return int.from_bytes(digest, "big") % total


def _find(pool: Sequence[Candidate], position: int) -> int:
    for index, candidate in enumerate(pool):
        if position < candidate.weight:
            return index
        position -= candidate.weight
    raise AssertionError("a position lies below the total weight")


def tasks_of(assignments: Mapping[bytes, Sequence[Identity]]) -> dict[Identity, tuple[bytes, ...]]:
    """The same assignments by reviewer, items in the order of the draw."""
    tasks: dict[Identity, list[bytes]] = {}
    for item_id, reviewers in assignments.items():
        for reviewer in reviewers:
            tasks.setdefault(reviewer, []).append(item_id)
    return {reviewer: tuple(items) for reviewer, items in tasks.items()}
