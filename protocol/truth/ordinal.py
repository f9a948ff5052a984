"""Ratings: steps with an order, reviewers who lean high or low, and who are sharp or blunt.

The model is that of labels (model.py), a confusion matrix for each reviewer, and differs in what a
matrix is believed to be before answers support it. Here it is a reviewer who sees the true step
through a bias and a spread of their own, rounded to a step, or else guesses: three numbers instead
of one, since ratings that miss mostly miss by little. What all reviewers together do beyond that (two
steps that everybody mixes up, a step that nobody uses) bends that matrix a good half of the way: all of
the way, and a rare step is lost to its neighbours where there is no gold. Without gold, nothing can say
that all reviewers lean the same way, so the scale is theirs: the pool has no bias.

A belief is over steps; `Rate.decide` takes its median, which costs least where the cost of a miss is
its distance.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocol.truth.data import Answers, FloatArray, Gold
from protocol.truth.inference import Inference, infer_with
from protocol.truth.model import MAX_RATE, Model

# Chosen on seven sets of real answers and simulated ratings; halving or doubling any of these moves the
# mean distance by about a hundredth of a step.
MOMENTS: Final = 20.0  # answers' worth by which bias and spread are pulled towards the pool's
POOL_WEIGHT: Final = 10.0  # how much more firmly the pool is pulled towards the values below
POOLED_KNOWS: Final = 0.7
POOLED_SPREAD: Final = 0.6  # steps
MIN_SPREAD: Final = 0.3  # below that, a reviewer is as good as exact
MIN_KNOWS: Final = 0.02
MOMENT_SWEEPS: Final = 3
BEND: Final = 0.6
RAREST: Final = 1e-6  # what is expected less often is not bent further
# What lies between two steps is seen so by all: their votes on it count a little less than they seem to.
CAUTION: Final = 0.8


def infer_ratings(answers: Answers, gold: Gold) -> Inference:
    """Posterior of every step of every item; `answers.label` is the step."""
    return infer_with(OrdinalModel, answers, gold)


def closeness(n_steps: int) -> FloatArray:
    """(n_steps, n_steps): the credit of a rating, 1 if exact and 0 across the whole scale."""
    step = np.arange(n_steps)
    result: FloatArray = 1.0 - np.abs(step[:, None] - step) / (n_steps - 1)
    return result


class OrdinalModel(Model):
    """Counts as in Model; the prior of a row is the reviewer above."""

    caution = CAUTION

    def count(self, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_steps = self.answers.n_labels
        counts = (self._by_row @ (posterior + self.extra)).reshape(-1, n_steps, n_steps)
        common = posterior.sum(axis=0) + self.prior.label
        counts += self.prior.row_per_label * n_steps * self._centre(counts)
        return counts, common

    def _centre(self, counts: FloatArray) -> FloatArray:
        """(n_rows, given, true): what each row is expected to look like; columns sum to one."""
        n_steps = self.answers.n_labels
        guess = self._given + self.prior.guess
        guess /= guess.sum(axis=1, keepdims=True)
        pool = self._given.sum(axis=0, keepdims=True) + self.prior.label
        pooled = Reviewers(np.full(1, POOLED_KNOWS), np.zeros(1), np.full(1, POOLED_SPREAD))
        strength = self.prior.reviewer, MOMENTS
        pooled = pooled.fit(
            counts.sum(axis=0, keepdims=True),
            pool / pool.sum(),
            (POOL_WEIGHT * strength[0], MOMENTS),
        )
        if not len(self.gold):
            pooled = Reviewers(pooled.knows, np.zeros(1), pooled.spread)
        own = pooled.fit(counts, guess, strength).matrices(guess)
        together = counts.sum(axis=0) + self.prior.label
        seen = counts.sum(axis=(1, 2))
        expected = (seen[:, None, None] * own).sum(axis=0) / max(float(seen.sum()), 1.0)
        bend = (together / together.sum(axis=0) / np.maximum(expected, RAREST)) ** BEND
        own = own * (bend if seen.any() else np.ones((n_steps, n_steps)))
        result: FloatArray = own / own.sum(axis=1, keepdims=True)
        return result


class Reviewers:
    """Some reviewers, or all of them as one: knows, bias, spread, (n,) each, the latter two in steps."""

    def __init__(self, knows: FloatArray, bias: FloatArray, spread: FloatArray) -> None:
        self.knows, self.bias, self.spread = knows, bias, spread

    def fit(
        self, counts: FloatArray, guess: FloatArray, strength: tuple[float, float]
    ) -> Reviewers:
        """Those who gave these answers, each shrunk towards self (of one).

        counts (n, given, true); guess (n, given); strength: pseudo-answers for `knows`, and for the
        other two. Expectation-maximisation over which answers were guesses; a few steps are enough,
        since the beliefs behind `counts` move on anyway.
        """
        n, n_steps = len(counts), counts.shape[1]
        off = _offsets(n_steps)
        seen = counts.sum(axis=(1, 2))
        now = Reviewers(*(np.repeat(x, n) for x in (self.knows, self.bias, self.spread)))
        for _ in range(MOMENT_SWEEPS):
            saw = now._sight(n_steps) * now.knows[:, None, None]
            saw *= counts / (saw + ((1.0 - now.knows)[:, None] * guess)[:, :, None])
            total = saw.sum(axis=(1, 2))
            knows = (total + strength[0] * self.knows) / (seen + strength[0])
            bias = ((saw * off).sum(axis=(1, 2)) + strength[1] * self.bias) / (total + strength[1])
            square = (saw * (off - bias[:, None, None]) ** 2).sum(axis=(1, 2))
            spread = (square + strength[1] * self.spread**2) / (total + strength[1])
            now = Reviewers(
                np.clip(knows, MIN_KNOWS, MAX_RATE),
                np.clip(bias, -n_steps / 2, n_steps / 2),
                np.maximum(np.sqrt(spread), MIN_SPREAD),
            )
        return now

    def matrices(self, guess: FloatArray) -> FloatArray:
        """(n, given, true): how each of them answers."""
        knows = self.knows[:, None, None]
        result: FloatArray = knows * self._sight(guess.shape[1]) + (1.0 - knows) * guess[:, :, None]
        return result

    def _sight(self, n_steps: int) -> FloatArray:
        """(n, given, true): a normal distribution around the biased truth, cut off at the ends."""
        distance = (_offsets(n_steps) - self.bias[:, None, None]) / self.spread[:, None, None]
        logits = -0.5 * distance**2
        density = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: FloatArray = density / density.sum(axis=1, keepdims=True)
        return result


def _offsets(n_steps: int) -> FloatArray:
    """(given, true): how many steps too high."""
    step = np.arange(n_steps, dtype=np.float64)
    result: FloatArray = step[:, None] - step
    return result
