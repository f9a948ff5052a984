"""What reviewers' answers were worth: the weights by which an epoch's reviewer reward is divided.

Two parts, added. Agreement: the probability that the other reviewers' answers, weighed by the
model, give to a reviewer's label, above what the same labels dealt out blindly over the same items
would get (the bonus-minus-penalty form of Dasgupta & Ghosh 2013, against a leave-one-out posterior
instead of one peer). Gold: the quadratic score (Brier 1950) of the label as a point forecast on
hidden gold, 1 if right and -1 if wrong, above the same blind chance. Agreement pays on every item
but can be bought by a coalition; gold cannot, but is scarce. Always giving one label scores zero
in both, by construction, and so does answering at random, in expectation.

Where some wrong answers are less wrong than others, a label counts for its credit under each truth
instead of for being the truth. Neither property is lost: both parts are still a mean above what the
same labels get when dealt out blindly.

A ring is scored as the one reviewer it was merged into and paid once, in shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.errors import StateError
from protocol.truth.data import (
    NO_RING,
    Answers,
    BoolArray,
    FloatArray,
    Gold,
    IntArray,
    Votes,
    group_sum,
    merge_rings,
    row_sum,
)
from protocol.truth.inference import Inference
from protocol.truth.model import softmax

MICRO = 1_000_000
# A score on n answers counts n / (n + SHRINK): a lucky handful is not yet a skill.
SHRINK = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class ReviewerScores:
    """Per reviewer, (n_reviewers,) each; what a statement shows beside the reward.

    micro: weight in the reward, max(0, score) * credited answers, in millionths. Never negative.
    score: shrunk agreement plus shrunk gold score; may be negative.
    answers: answers given. credited: those answers, divided by the ring members who share each.
    agreement: mean leave-one-out probability above chance, in [-1, 1], off gold.
    gold: mean quadratic score above chance, in [-2, 2]. gold_right of gold_answered were right.
    ring_size: reviewers whose answers count as one vote; 1 for somebody on their own.
    Ring members share score, agreement and gold; the counts are their own.
    """

    micro: NDArray[np.int64]
    score: FloatArray
    answers: IntArray
    credited: FloatArray
    agreement: FloatArray
    gold: FloatArray
    gold_right: IntArray
    gold_answered: IntArray
    ring_size: IntArray


def score_reviewers(
    answers: Answers, gold: Gold, inference: Inference, credit: FloatArray | None = None
) -> ReviewerScores:
    """Score everybody; `inference` must be the result for these very answers and this gold.

    credit (true label, label given): how right a label is, from 0 to 1; without it, a label is right
    or wrong. Raises StateError if the inference's shapes say that it is of other answers.
    """
    gold.check(answers)
    if inference.evidence.shape != (len(answers), answers.n_labels):
        raise StateError("the inference is of other answers")
    votes = merge_rings(answers, inference.ring)
    truth = gold.truth(answers.n_items)[answers.item]
    on_gold = truth >= 0
    others = _leave_one_out(answers, votes, inference)
    known = np.eye(answers.n_labels)[np.maximum(truth, 0)]
    agreement, seen = _above_chance(answers, votes, others, ~on_gold, credit)
    accuracy, gold_seen = _above_chance(answers, votes, known, on_gold, credit)
    quadratic = 2.0 * accuracy
    score = _shrunk(agreement, seen) + _shrunk(quadratic, gold_seen)

    def count(mask: BoolArray) -> IntArray:
        return np.bincount(answers.reviewer[mask], minlength=answers.n_reviewers).astype(np.int64)

    credited = group_sum(answers.reviewer, answers.n_reviewers, votes.weight)
    mine = score[votes.row_of]
    return ReviewerScores(
        micro=np.rint(np.maximum(mine, 0.0) * credited * MICRO).astype(np.int64),
        score=mine,
        answers=count(np.ones(len(answers), dtype=bool)),
        credited=credited,
        agreement=agreement[votes.row_of],
        gold=quadratic[votes.row_of],
        gold_right=count(on_gold & (answers.label == truth)),
        gold_answered=count(on_gold),
        ring_size=_ring_size(inference.ring),
    )


def _leave_one_out(answers: Answers, votes: Votes, inference: Inference) -> FloatArray:
    """(n_answers, K): posterior of the item without any vote of the answer's reviewer or ring."""
    support = _sum_columns(answers.item, answers.n_items, inference.evidence)
    vote = answers.item * votes.n_rows + votes.row
    _, of_vote = np.unique(vote, return_inverse=True)
    own = _sum_columns(of_vote, int(of_vote.max(initial=-1)) + 1, inference.evidence)[of_vote]
    log_prior = inference.log_prior
    if log_prior.ndim > 1:
        log_prior = log_prior[answers.item]
    return softmax(log_prior + support[answers.item] - own)


def _expected(belief: FloatArray, credit: FloatArray) -> FloatArray:
    """(n_rows, K): the credit that each label could expect under a mean belief.

    Summed in a fixed order, which a matrix product does not promise.
    """
    result: FloatArray = belief[:, :1] * credit[0]
    for k in range(1, len(credit)):
        result += belief[:, k : k + 1] * credit[k]
    return result


def _above_chance(
    answers: Answers,
    votes: Votes,
    belief: FloatArray,
    used: BoolArray,
    credit: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Per row, over the `used` answers: mean belief in the labels given, or their credit under that
    belief, above blind chance.

    belief: (n_answers, K). Blind chance deals the row's labels out over its items at random:
    sum over labels of (share of the label given) * (mean belief in it). Also returns the number
    of votes (n_rows,).
    """
    row, weight, label = votes.row[used], votes.weight[used], answers.label[used]
    seen = group_sum(row, votes.n_rows, weight)
    n = np.maximum(seen, 1e-9)
    believed = belief[used]
    if credit is None:
        worth = believed[np.arange(len(row)), label]
    else:
        worth = row_sum(believed * credit.T[label])[:, 0]
    hit = group_sum(row, votes.n_rows, weight * worth) / n
    cell = row * answers.n_labels + label
    share = group_sum(cell, votes.n_rows * answers.n_labels, weight).reshape(votes.n_rows, -1)
    mean = _sum_columns(row, votes.n_rows, weight[:, None] * believed)
    if credit is not None:
        mean = _expected(mean, credit)
    return hit - (share * mean).sum(axis=1) / n**2, seen


def _sum_columns(group: IntArray, n_groups: int, values: FloatArray) -> FloatArray:
    columns = [group_sum(group, n_groups, column) for column in values.T]
    return np.stack(columns, axis=1)


def _shrunk(mean: FloatArray, n: FloatArray) -> FloatArray:
    result: FloatArray = mean * n / (n + SHRINK)
    return result


def _ring_size(ring: IntArray) -> IntArray:
    size = np.ones(len(ring), dtype=np.int64)
    inside = ring != NO_RING
    size[inside] = np.bincount(ring[inside])[ring[inside]]
    return size
