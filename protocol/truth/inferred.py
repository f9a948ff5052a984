"""An inference together with what it was made of, as kinds with one label an answer report it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.truth.data import Answers, FloatArray, Gold
from protocol.truth.inference import Inference, quantise_ppm
from protocol.truth.scoring import ReviewerScores, score_reviewers


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """credit (true label, label given): how right a wrong label is; None if it is not at all."""

    answers: Answers
    gold: Gold
    inference: Inference
    credit: FloatArray | None = None

    @property
    def belief_ppm(self) -> NDArray[np.int64]:
        """(n_items, n_labels): the probability of each label."""
        return quantise_ppm(self.inference.posterior)

    def scores(self) -> ReviewerScores:
        """What each reviewer's answers were worth."""
        return score_reviewers(self.answers, self.gold, self.inference, self.credit)
