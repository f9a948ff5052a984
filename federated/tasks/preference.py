"""Which of two answers people prefer: a reward for an answer, learnt from pairs (Bradley & Terry, 1952).

The chance that a is preferred to b is the logistic function of reward(a) - reward(b). With a linear reward
that is logistic regression, without a bias, on the difference of the answers' features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from federated.data import LABEL, Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.task import Inputs, LinearTask, Scores, Targets
from federated.tasks.text import FOR_FEW, SWING, check, hashed

A, B = "answer_a", "answer_b"
_BETTER: Final = ("b", "a")  # what the label says, by the target


@dataclass(frozen=True)
class Preference(LinearTask):
    """A reward model, from the pairs of a `prefer` campaign."""

    kind: ClassVar[str] = "prefer"
    outputs: ClassVar[int] = 1
    bias: ClassVar[bool] = False
    swing: ClassVar[float] = SWING

    dims: int = 4_096
    grams: int = 4
    chars: int = 4_000

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        check(self.dims, self.grams, self.chars)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Two answers, and which is better: a or b."""
        return Column(A, Kind.TEXT), Column(B, Kind.TEXT), Column(LABEL, Kind.LABEL)

    @property
    def features(self) -> int:
        """As of a text."""
        return self.dims

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, dims): the features of a less those of b."""
        options = self.dims, self.grams, self.chars
        return np.asarray(hashed(list(table[A]), *options) - hashed(list(table[B]), *options))

    def targets(self, table: Table) -> Targets:
        """(n,): 1 where a is better. A tie teaches no order: leave such lines out."""
        return table.classes(LABEL, _BETTER)

    def metric(self, scores: Scores, targets: Targets) -> float:
        """The part of the pairs that is put in the order that people gave."""
        return float(((scores[:, 0] > 0) == (targets == 1)).mean())

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """As for few texts: the features are theirs."""
        return FOR_FEW
