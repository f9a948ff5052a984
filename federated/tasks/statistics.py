"""A question as a task: its model is the answer, and one round of it is the asking.

The gradient of an example is what it adds to the answer, turned round; so one step of descent from zeros, as
long as all examples that are expected, makes the model the mean of what they add. Sums, noise, accounting,
the log and pay are those of training, and nothing of them is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federated.data import Column, Table
from federated.model import Array, Shapes, Weights
from federated.questions import Question, parse
from federated.recipe import Recipe
from federated.statistics import bound, columns, encode, size, total
from federated.tasks.task import Inputs, Places, Scores, Targets, Task
from protocol.errors import ConfigError

ANSWER = "answer"


@dataclass(frozen=True)
class Statistics(Task):
    """One question over columns; see federated/questions.py."""

    kind: ClassVar[str] = ""
    asks: ClassVar[bool] = True

    question: str

    @property
    def asked(self) -> Question:
        """What the text means. Raises ConfigError where it means nothing."""
        return parse(self.question)

    @property
    def words(self) -> str:
        """What it asks, for the people who decide about it."""
        return self.asked.words

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those that the question names."""
        return columns(self.asked)

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, k, 2): what each example adds to the answer."""
        return encode(self.asked, table)

    def targets(self, table: Table) -> Targets:
        """(n,): nothing is learnt."""
        return np.zeros(len(table), np.int64)

    @property
    def shapes(self) -> Shapes:
        """The answer is one array."""
        return {ANSWER: (size(self.asked),)}

    def clipped_sum(
        self,
        weights: Weights,
        inputs: Inputs,
        targets: Targets,
        clip: float,
        *,
        places: Places = None,
    ) -> NDArray[np.float64]:
        """Whatever the model: no example adds more than the question's bound. Raises ConfigError for a bound
        below that, since shortened parts would be another answer."""
        if clip < bound(self.asked):
            raise ConfigError(
                f"an example adds up to {bound(self.asked):g} to this answer, and the job allows {clip:g}",
                "do not join it; its operator has to ask again, by `commonhold federated ask`",
            )
        found = -total(self.asked, inputs)
        return found if places is None else found[places]

    def require_private(self, inputs: Inputs, targets: Targets) -> None:
        """Each example is encoded by itself, and a sum mixes none."""

    def scores(self, weights: Weights, inputs: Inputs) -> Scores:
        """An answer scores nothing."""
        return np.zeros((len(inputs), 1), np.float32)

    def graph(self, weights: Weights, fed: Inputs) -> Any:
        """Raises ConfigError: an answer is read, and not run."""
        raise ConfigError("an answer is no model", "read its answer.json")

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """One round of everybody, one step."""
        return Recipe(
            rounds=1, sampling=1.0, clip=bound(self.asked), learning_rate=1.0, momentum=0.0
        )


def noisy_sum(weights: Weights, expected_examples: int) -> NDArray[np.float64]:
    """(size,): the sum that the one step made this answer of."""
    return weights.arrays[ANSWER].astype(np.float64) * expected_examples
