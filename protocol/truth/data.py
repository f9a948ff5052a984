"""Tables that truth inference reads: answers, gold, and answers after rings share one vote.

Everything downstream may assume what is checked here: indices in range, at most one answer from a
reviewer on an item, and one canonical order. The order matters: floating-point sums depend on it,
so two peers that hold the same answers in a different order must first agree on an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocol.errors import StateError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NO_RING = -1

# A confusion matrix per reviewer is the largest thing held, about six copies of it at once:
# 2^25 cells are 268 MB each. Above that, a campaign is inferred window by window.
MAX_CONFUSION_CELLS = 1 << 25
# Keys such as item * n_reviewers + reviewer must fit an int64 with room to spare.
MAX_DIMENSION = 1 << 30
MIN_LABELS = 2
# numpy reduces short rows one call a row; column by column is several times faster. Below eight terms
# it also adds in that order, so that sums are the same to the last bit.
FEW_COLUMNS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Who answered what: answer a says that `item[a]` has `label[a]`, by `reviewer[a]`.

    item, reviewer, label: (n_answers,) integers in [0, n_items), [0, n_reviewers), [0, n_labels).
    Stored read-only, sorted by item and then reviewer. Raises StateError if a length or an index
    is out of range or a reviewer answered an item twice.
    """

    item: IntArray
    reviewer: IntArray
    label: IntArray
    n_items: int
    n_reviewers: int
    n_labels: int

    def __post_init__(self) -> None:
        if self.n_labels < MIN_LABELS:
            raise StateError("a question needs at least two labels")
        if not (0 <= self.n_items <= MAX_DIMENSION and 0 <= self.n_reviewers <= MAX_DIMENSION):
            raise StateError("more items or reviewers than one inference can index")
        if self.n_reviewers * self.n_labels**2 > MAX_CONFUSION_CELLS:
            raise StateError(
                "too many reviewers and labels for one inference", "infer a shorter epoch window"
            )
        item = _indices("item", self.item, self.n_items)
        reviewer = _indices("reviewer", self.reviewer, self.n_reviewers)
        label = _indices("label", self.label, self.n_labels)
        if not len(item) == len(reviewer) == len(label):
            raise StateError("item, reviewer and label differ in length")
        if not ordered(item, reviewer):
            order = np.lexsort((reviewer, item))
            item, reviewer, label = item[order], reviewer[order], label[order]
            if not ordered(item, reviewer):
                raise StateError("a reviewer answered an item twice")
        _freeze(self, item=item, reviewer=reviewer, label=label)

    def __len__(self) -> int:
        return len(self.item)

    def label_counts(self) -> FloatArray:
        """(n_reviewers, n_labels): how often each reviewer gave each label."""
        return group_sum(
            self.reviewer * self.n_labels + self.label, self.n_reviewers * self.n_labels
        ).reshape(self.n_reviewers, self.n_labels)


@dataclass(frozen=True, slots=True, eq=False)
class Gold:
    """Items whose true label is known and was hidden from reviewers.

    item, label: (n_gold,) integers, distinct items, stored read-only and sorted by item.
    Raises StateError on negative or repeated items; `check` compares with the answers' ranges.
    """

    item: IntArray
    label: IntArray

    def __post_init__(self) -> None:
        item = _indices("gold item", self.item, MAX_DIMENSION)
        label = _indices("gold label", self.label, MAX_DIMENSION)
        if len(item) != len(label):
            raise StateError("gold items and labels differ in length")
        order = np.argsort(item, kind="stable")
        item, label = item[order], label[order]
        if np.any(item[1:] == item[:-1]):
            raise StateError("a gold item is listed twice")
        _freeze(self, item=item, label=label)

    def __len__(self) -> int:
        return len(self.item)

    def check(self, answers: Answers) -> None:
        """Raise StateError unless every gold item and label exists in `answers`."""
        _indices("gold item", self.item, answers.n_items)
        _indices("gold label", self.label, answers.n_labels)

    def truth(self, n_items: int) -> IntArray:
        """(n_items,): the known label, or -1."""
        known = np.full(n_items, -1, dtype=np.int64)
        known[self.item] = self.label
        return known


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Answers as the model counts them: each goes to a row, with a weight.

    A reviewer on their own is a row with weight 1. The members of a ring share a row, and on each
    item one vote divided equally between those of them who answered it.
    row, weight: (n_answers,), parallel to Answers. row_of: (n_reviewers,).
    """

    row: IntArray
    weight: FloatArray
    row_of: IntArray
    n_rows: int


def merge_rings(answers: Answers, ring: IntArray) -> Votes:
    """Give the members of each ring (ids 0.., NO_RING for nobody's) one shared row."""
    n_rings = int(ring.max(initial=NO_RING)) + 1
    row_of = np.where(ring == NO_RING, np.arange(answers.n_reviewers), answers.n_reviewers + ring)
    weight = np.ones(len(answers))
    shared = np.flatnonzero(ring[answers.reviewer] != NO_RING)
    if len(shared):
        key = answers.item[shared] * n_rings + ring[answers.reviewer[shared]]
        _, inverse, members = np.unique(key, return_inverse=True, return_counts=True)
        weight[shared] = 1.0 / members[inverse]
    return Votes(row_of[answers.reviewer], weight, row_of, answers.n_reviewers + n_rings)


def group_sum(group: IntArray, n_groups: int, weight: FloatArray | None = None) -> FloatArray:
    """Sum of `weight` (or the count) per group: (n_groups,) float64, in a fixed order."""
    return np.bincount(group, weights=weight, minlength=n_groups).astype(np.float64)


def row_max(table: FloatArray) -> FloatArray:
    """Largest value of each row, as a column: (n_rows, 1)."""
    if not 0 < table.shape[1] < FEW_COLUMNS:
        largest: FloatArray = table.max(axis=1, keepdims=True, initial=-np.inf)
        return largest
    result: FloatArray = table[:, :1].copy()
    for column in table.T[1:]:
        np.maximum(result, column[:, None], out=result)
    return result


def row_sum(table: FloatArray) -> FloatArray:
    """Sum of each row, as a column: (n_rows, 1)."""
    if not 0 < table.shape[1] < FEW_COLUMNS:
        total: FloatArray = table.sum(axis=1, keepdims=True)
        return total
    result: FloatArray = table[:, :1].copy()
    for column in table.T[1:]:
        result += column[:, None]
    return result


def ordered(item: IntArray, reviewer: IntArray) -> bool:
    """Whether answers are sorted by item and then reviewer, each pair once."""
    later = reviewer[1:] > reviewer[:-1]
    return bool(np.all((item[1:] > item[:-1]) | ((item[1:] == item[:-1]) & later)))


def _indices(name: str, values: ArrayLike, limit: int) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise StateError(f"{name} must be a flat array of integers")
    if array.size and (array.min() < 0 or array.max() >= limit):
        raise StateError(f"{name} has an index outside 0..{limit - 1}")
    return array.astype(np.int64)


def _freeze(target: Any, **arrays: IntArray) -> None:
    for name, array in arrays.items():
        array.setflags(write=False)
        object.__setattr__(target, name, array)


NO_GOLD = Gold(np.zeros(0, np.int64), np.zeros(0, np.int64))
