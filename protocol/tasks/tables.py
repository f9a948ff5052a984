"""From canonical answers to the numbers that inference reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocol.tasks.kind import Ballots, Known
from protocol.truth.binary import Marks
from protocol.truth.data import Answers, Gold, IntArray


def labelled(ballots: Ballots, known: Known, n_labels: int) -> tuple[Answers, Gold]:
    """Where an answer is one number, in one byte or, big-endian, several."""
    answers = Answers(
        ballots.item,
        ballots.reviewer,
        _numbers(ballots.answer),
        ballots.n_items,
        ballots.n_reviewers,
        n_labels,
    )
    return answers, Gold(known.item, _numbers(known.answer))


def marked(ballots: Ballots, known: Known) -> Marks:
    """Where an answer is a byte for each of several questions, 0 or 1."""
    return Marks(
        item=ballots.item,
        reviewer=ballots.reviewer,
        mark=ballots.answer.astype(np.int64),
        n_items=ballots.n_items,
        n_reviewers=ballots.n_reviewers,
        gold_item=known.item,
        gold_mark=known.answer.astype(np.int64),
    )


def _numbers(answer: NDArray[np.uint8]) -> IntArray:
    number = np.zeros(len(answer), dtype=np.int64)
    for column in answer.T:
        number = number * 256 + column
    return number
