"""The probabilistic model behind verdicts: one confusion matrix per reviewer, anchored on gold.

This one is of labels without an order (`classify`). Other kinds override what a row of counts means:
see ordinal.py, pairs.py and binary.py.

Dawid & Skene (1979) in the variational Bayesian form of Kim & Ghahramani (2012, "IBCC") and
Simpson et al. (2013). Two things differ from the textbook. Gold answers count several times, and
fitting starts from what gold says about each reviewer: started from the majority, a coordinated
40 % of answers pulls the model into its own basin even with gold clamped. And the Dirichlet prior
of a reviewer's matrix is centred on a two-parameter reviewer who knows the label or else guesses
(MACE, Hovy et al. 2013), so a matrix with K^2 cells is believed only once answers support it.

Arrays named `counts` are (n_rows, label given, true label).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import digamma

from protocol.truth.data import Answers, FloatArray, Gold, Votes, group_sum, row_max, row_sum

# Accuracy on real crowds is the same at 100; what still moves then is a handful of even splits.
MAX_SWEEPS = 30
CONVERGED = 1e-6  # largest change of any posterior in a sweep: one unit of what is logged (ppm)
# Posteriors are rounded to this grid after each sweep, so that a tie stays an exact tie instead of
# being decided, and then amplified, by the order in which floats were added.
GRID = 2.0**40

ACCURACY_MARGIN = 0.05  # reviewers are assumed, on the whole, to beat chance by this
MAX_RATE = 0.99  # nobody is believed infallible, however few mistakes are on record


@dataclass(frozen=True, slots=True)
class Prior:
    """Strengths, in pseudo-answers.

    reviewer: pulls a reviewer's rate of knowing towards the pool of all reviewers.
    row_per_label: per label, ties a row of the matrix to the knows-or-guesses reviewer; scales
        with the number of labels because a row spreads its answers over that many cells.
    guess: per label, smooths the distribution of a reviewer's guesses.
    label: per label, smooths how common each label is.
    gold_weight: how often a gold answer counts beyond the one of any other.
    """

    reviewer: float = 4.0
    row_per_label: float = 16.0
    guess: float = 2.0
    label: float = 1.0
    gold_weight: float = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """posterior (n_items, K), gold clamped; counts (n_rows, given, true); common (K,).

    counts and common are Dirichlet parameters: what was seen, with its prior.
    """

    posterior: FloatArray
    counts: FloatArray
    common: FloatArray
    iterations: int


class Model:
    """The answers laid out for fitting; computes counts from beliefs and beliefs from counts.

    caution: what the logits are worth where there is no gold to measure it on.
    """

    caution = 1.0

    def __init__(self, answers: Answers, votes: Votes, gold: Gold, prior: Prior) -> None:
        self.answers, self.votes, self.gold, self.prior = answers, votes, gold, prior
        n_labels = answers.n_labels
        cell = votes.row * n_labels + answers.label
        shape = (votes.n_rows * n_labels, answers.n_items)
        # (n_rows * K, n_items): the weight of each row's vote for each label on each item.
        self._by_row = sp.csr_matrix((votes.weight, (cell, answers.item)), shape=shape)
        self._by_item = self._by_row.T.tocsr()
        self._given = group_sum(cell, shape[0], votes.weight).reshape(-1, n_labels)
        self.extra = np.zeros((answers.n_items, n_labels))
        self.extra[gold.item, gold.label] = prior.gold_weight

    def fit(self) -> Fit:
        """Variational Bayes from a gold-anchored start, at most MAX_SWEEPS sweeps."""
        posterior = clamp(self._start(), self.gold)
        change, sweeps = np.inf, 0
        while change >= CONVERGED and sweeps < MAX_SWEEPS:
            counts, common = self.count(posterior)
            updated = self.expect(counts, common)
            change = np.abs(updated - posterior).max(initial=0.0)
            posterior, sweeps = updated, sweeps + 1
        return Fit(posterior, counts, common, sweeps)

    def expect(self, counts: FloatArray, common: FloatArray) -> FloatArray:
        """The posterior (n_items, K) that follows from Dirichlet parameters."""
        evidence = digamma(counts) - digamma(counts.sum(axis=1, keepdims=True))
        support = self._by_item @ evidence.reshape(-1, self.answers.n_labels)
        return self.believe(support + self.by_item(digamma(common)))

    def count(self, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Dirichlet parameters (n_rows, given, true) and (K,) that follow from a posterior."""
        n_labels = self.answers.n_labels
        counts = (self._by_row @ (posterior + self.extra)).reshape(-1, n_labels, n_labels)
        common = posterior.sum(axis=0) + self.prior.label
        counts += row_prior(counts, self._given, common / common.sum(), self.prior)
        return counts, common

    def without(self, counts: FloatArray, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each answer's row counts of the label given, and of all labels, under each truth,
        without that answer: (n_answers, K) each."""
        own = self.own(posterior)
        return self.given_by(counts) - own, counts.sum(axis=1).take(self.votes.row, axis=0) - own

    def own(self, posterior: FloatArray) -> FloatArray:
        """(n_answers, K): what each answer adds to the counts of its label."""
        each = (posterior + self.extra).take(self.answers.item, axis=0)
        result: FloatArray = self.votes.weight[:, None] * each
        return result

    def given_by(self, counts: FloatArray) -> FloatArray:
        """(n_answers, K): what each answer's row counts of the label given."""
        n_labels = self.answers.n_labels
        cell = self.votes.row * n_labels + self.answers.label
        result: FloatArray = counts.reshape(-1, n_labels).take(cell, axis=0)
        return result

    def by_item(self, log_common: FloatArray) -> FloatArray:
        """What is said of a label as such, laid out for adding to the support of items."""
        return log_common

    def believe(self, logits: FloatArray) -> FloatArray:
        """Posterior (n_items, K) on the grid, with gold clamped."""
        return clamp(np.rint(softmax(logits) * GRID) / GRID, self.gold)

    def pooled_accuracy(self) -> float:
        """Share of gold answers that are right; before gold is seen, midway from chance to one."""
        return self._gold_accuracy()[1]

    def _start(self) -> FloatArray:
        """First posterior (n_items, K): votes weighed by gold alone; without gold, all alike."""
        answers = self.answers
        accuracy, _ = self._gold_accuracy()
        weight = self.votes.weight * log_odds(accuracy, answers.n_labels)[self.votes.row]
        cell = answers.item * answers.n_labels + answers.label
        support = group_sum(cell, answers.n_items * answers.n_labels, weight)
        return softmax(support.reshape(answers.n_items, answers.n_labels))

    def _gold_accuracy(self) -> tuple[FloatArray, float]:
        """Accuracy of each row on gold, shrunk to the pooled accuracy, and the latter."""
        answers, votes, strength = self.answers, self.votes, self.prior.reviewer
        truth = self.gold.truth(answers.n_items)[answers.item]
        on_gold = truth >= 0
        row, weight = votes.row[on_gold], votes.weight[on_gold]
        right = group_sum(row, votes.n_rows, weight * (answers.label[on_gold] == truth[on_gold]))
        seen = group_sum(row, votes.n_rows, weight)
        chance = 1.0 / answers.n_labels
        midway = (1.0 + chance) / 2
        pooled = float((right.sum() + strength * midway) / (seen.sum() + strength))
        pooled = min(max(pooled, chance + ACCURACY_MARGIN), MAX_RATE)
        return (right + strength * pooled) / (seen + strength), pooled


def row_prior(
    counts: FloatArray, given: FloatArray, common: FloatArray, prior: Prior
) -> FloatArray:
    """Dirichlet pseudo-counts of every row: a reviewer who knows the label, or else guesses.

    given (n_rows, K): labels given; common (K,): how common each label is. Returns
    (n_rows, given, true). The chance that a guess hits is g.common; the rate of knowing is what is
    right beyond that, shrunk towards the pool. Someone who always answers the same knows nothing.
    """
    n_labels = given.shape[1]
    total = given.sum(axis=1)
    guess = (given + prior.guess) / (total + prior.guess * n_labels)[:, None]
    chance = guess @ common
    seen = counts.sum(axis=(1, 2))
    beyond = np.einsum("wkk->w", counts) - seen * chance
    room = 1.0 - chance
    pooled = max(float(beyond.sum() / max(float((seen * room).sum()), 1.0)), ACCURACY_MARGIN)
    knows = (beyond + prior.reviewer * room * pooled) / ((seen + prior.reviewer) * room)
    knows = np.clip(knows, 0.0, MAX_RATE)
    centre = knows[:, None, None] * np.eye(n_labels) + ((1.0 - knows)[:, None] * guess)[:, :, None]
    result: FloatArray = prior.row_per_label * n_labels * centre
    return result


def clamp(posterior: FloatArray, gold: Gold) -> FloatArray:
    """Set the rows of gold items to certainty, in place."""
    posterior[gold.item] = 0.0
    posterior[gold.item, gold.label] = 1.0
    return posterior


def softmax(logits: FloatArray) -> FloatArray:
    """Rows of exp(logits), normalised to sum to one."""
    exponential = np.exp(logits - row_max(logits))
    result: FloatArray = exponential / row_sum(exponential)
    return result


def log_odds(accuracy: FloatArray, n_labels: int) -> FloatArray:
    """Evidence of one answer if errors fall evenly on the other labels."""
    bounded = np.clip(accuracy, 1.0 - MAX_RATE, MAX_RATE)
    result: FloatArray = np.log(bounded * (n_labels - 1) / (1.0 - bounded))
    return result
