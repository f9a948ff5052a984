"""Verdicts on pairs: which of two answers is better, by the judgements of that pair alone.

The model is that of labels (model.py) with the labels a, b and, if allowed, a tie. Which answer is
called a is an accident, so a reviewer is described by how often they are right, wrong or undecided,
not separately for a and b, and so are the pairs: swap the names everywhere and the verdicts swap. That
is also half as many numbers to learn. A reviewer who mostly says the opposite is read backwards. Sources
do not enter: an answer is not better because its author's others were (ranking.py is for that).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.truth.data import Answers, FloatArray, Gold
from protocol.truth.inference import Inference, infer_with
from protocol.truth.model import Model, row_prior

TIE: Final = 2
TIE_CREDIT: Final = 0.5  # a tie for a preference, or the reverse, is half right


def infer_preferences(answers: Answers, gold: Gold) -> Inference:
    """Posterior of a, b and a tie for every pair; `answers.label` is 0, 1 or, with three labels, 2."""
    return infer_with(MirroredModel, answers, gold)


def agreement(n_labels: int) -> FloatArray:
    """(n_labels, n_labels): the credit of a preference."""
    credit = np.eye(n_labels)
    credit[TIE:, :TIE] = credit[:TIE, TIE:] = TIE_CREDIT
    return credit


class MirroredModel(Model):
    """Counts as in Model, of every answer and of its mirror image."""

    def count(self, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_labels = self.answers.n_labels
        mirror = _mirror(n_labels)
        counts = (self._by_row @ (posterior + self.extra)).reshape(-1, n_labels, n_labels)
        common = posterior.sum(axis=0) + self.prior.label
        common = (common + common[mirror]) / 2
        given = (self._given + self._given[:, mirror]) / 2
        both = counts + counts[:, mirror][:, :, mirror]
        centre = row_prior(both / 2, given, common / common.sum(), self.prior)
        both[:, :, TIE:] /= 2  # a tie is its own image, and counts once
        return both + centre, common

    def without(self, counts: FloatArray, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        mirror = _mirror(self.answers.n_labels)
        own = self.own(posterior)
        total = own.copy()
        total[:, :TIE] += own[:, mirror][:, :TIE]
        # Of a tie, a strict answer put half into its own cell and half into its mirror's.
        own[:, TIE:] /= np.where(self.answers.label < TIE, 2.0, 1.0)[:, None]
        row_total = counts.sum(axis=1).take(self.votes.row, axis=0)
        return self.given_by(counts) - own, row_total - total


def _mirror(n_labels: int) -> NDArray[np.int64]:
    """Which label each becomes if a and b swap names."""
    return np.array([1, 0, TIE][:n_labels], dtype=np.int64)
