"""Verdict inference: from answers and hidden gold to the probability of every label of every item.

`infer` is a pure function without randomness. Its floating-point result is quantised with
`quantise_ppm` into the entry that records it; an auditor who recomputes it accepts differences up
to TOLERANCE_PPM and everything after that exactly. docs/truth.md explains model and limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.errors import StateError
from protocol.limits import TOLERANCE_PPM
from protocol.truth.belief import believe
from protocol.truth.data import (
    NO_GOLD,
    NO_RING,
    Answers,
    FloatArray,
    Gold,
    IntArray,
    Votes,
    merge_rings,
)
from protocol.truth.model import Model, Prior
from protocol.truth.rings import co_answers, find_rings

__all__ = [
    "NO_GOLD",
    "NO_RING",
    "TOLERANCE_PPM",
    "Answers",
    "Gold",
    "Inference",
    "Prior",
    "gold_needed",
    "infer",
    "infer_with",
    "quantise_ppm",
]

Build = Callable[[Answers, Votes, Gold, Prior], Model]

PPM = 1_000_000

MAX_RING_ROUNDS = 4  # merging one ring can uncover the next; bounded in case two alternate

# Measured with 108 items and 40 % answering in concert: 10 gold items find the ring in one of seven
# cases, 20 in all of them. Twice that leaves room for harder items.
MIN_GOLD = 40
GOLD_PER_REVIEWER = 5  # gold answers needed to weigh one reviewer


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """What the answers say.

    posterior (n_items, n_labels): probability of each label; certainty on gold items.
    confusion (n_reviewers, true label, label given): expected matrix; rows sum to one. Members of
        a ring share the ring's.
    class_prior (n_labels,): how common each label is; (n_criteria, 2) where there are criteria.
    ring (n_reviewers,): id of the ring that a reviewer's vote was merged into, or NO_RING.
    iterations: sweeps of the last fit.
    evidence (n_answers, n_labels): log-likelihood that each answer adds, in the order of Answers.
    log_prior (n_labels,), or (n_items, n_labels) if items differ in kind: off gold, posterior is
        softmax(log_prior + evidence summed by item).
    """

    posterior: FloatArray
    confusion: FloatArray
    class_prior: FloatArray
    ring: IntArray
    iterations: int
    evidence: FloatArray
    log_prior: FloatArray


def infer(answers: Answers, gold: Gold = NO_GOLD, *, prior: Prior | None = None) -> Inference:
    """Posterior of every item, with rings of colluding reviewers reduced to one vote each.

    Without gold this is a smooth unsupervised model: no ring is ever declared and coordination is
    not withstood; see `gold_needed`. Raises StateError if gold lies outside the answers' ranges.
    """
    return infer_with(Model, answers, gold, prior=prior)


def infer_with(
    build: Build, answers: Answers, gold: Gold, *, prior: Prior | None = None
) -> Inference:
    """`infer` under any model of reviewers: how kinds of tasks differ."""
    gold.check(answers)
    prior = prior or Prior()
    ring = np.full(answers.n_reviewers, NO_RING, dtype=np.int64)
    model = build(answers, merge_rings(answers, ring), gold, prior)
    fitted = model.fit()
    if len(gold):
        pairs = co_answers(answers)
        for _ in range(MAX_RING_ROUNDS):
            found = find_rings(answers, gold, fitted.posterior, pairs)
            if np.array_equal(found, ring):
                break
            ring = found
            model = build(answers, merge_rings(answers, ring), gold, prior)
            fitted = model.fit()
    belief = believe(model, fitted)
    counts = fitted.counts[model.votes.row_of]
    return Inference(
        posterior=belief.posterior,
        confusion=(counts / counts.sum(axis=1, keepdims=True)).transpose(0, 2, 1),
        class_prior=fitted.common / fitted.common.sum(axis=-1, keepdims=True),
        ring=ring,
        iterations=fitted.iterations,
        evidence=belief.evidence,
        log_prior=belief.log_prior,
    )


def quantise_ppm(posterior: FloatArray) -> NDArray[np.int64]:
    """Probabilities in whole millionths, rounded to nearest, as a log entry records them."""
    if not np.all((posterior >= 0.0) & (posterior <= 1.0)):
        raise StateError("a probability lies outside 0..1")
    return np.rint(posterior * PPM).astype(np.int64)


def gold_needed(n_items: int, n_reviewers: int, answers_per_item: float) -> int:
    """How many of `n_items` should be gold for rings to be found and every reviewer weighed.

    A count, not a share: MIN_GOLD in all, and on average GOLD_PER_REVIEWER for each reviewer.
    Never more than n_items; with fewer, inference still works but promises less.
    """
    if n_items < 0 or n_reviewers < 0 or answers_per_item <= 0:
        raise StateError("item and reviewer counts must not be negative, answers must be positive")
    for_reviewers = int(np.ceil(GOLD_PER_REVIEWER * n_reviewers / answers_per_item))
    return min(n_items, max(MIN_GOLD, for_reviewers))
