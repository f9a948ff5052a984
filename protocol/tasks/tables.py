"""From canonical answers to the numbers that inference reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocol.tasks.kind import Ballots, Known
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


def _numbers(answer: NDArray[np.uint8]) -> IntArray:
    number = np.zeros(len(answer), dtype=np.int64)
    for column in answer.T:
        number = number * 256 + column
    return number
