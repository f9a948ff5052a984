"""The coordinator's part of a round once it has the updates' sum: one step of gradient descent.

The sum is exact, and everything is computed in double precision, element by element, so that the same
updates give the same model, bit for bit, on every platform. How long one partner's update was nobody sees:
that it is bounded follows from the partner's own code alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federated.model import Weights
from federated.privacy import epsilon_micro
from federated.spec import TrainingSpec
from protocol.errors import StateError


class Aggregator:
    """One job's optimiser: stochastic gradient descent with momentum (Polyak, 1964)."""

    def __init__(
        self, spec: TrainingSpec, weights: Weights, velocity: NDArray[np.float64] | None = None
    ) -> None:
        """Starts at rest, or with the velocity that the last round left behind."""
        self.spec, self._weights = spec, weights
        self._velocity = np.zeros(weights.vector.size) if velocity is None else velocity

    @property
    def velocity(self) -> NDArray[np.float64]:
        """What the next step depends on, beside the weights; (parameters,)."""
        return self._velocity

    def step(self, total: NDArray[np.float64], updates: int) -> Weights:
        """The next round's model, from the sum of so many updates.

        Raises StateError for fewer than the quorum, or when the model would leave the range of its floats.
        Then nothing has changed.
        """
        spec = self.spec
        if updates < spec.quorum:
            raise StateError(f"a round needs {spec.quorum} updates, not {updates}")
        velocity = spec.momentum * self._velocity + total / (spec.sampling * spec.expected_examples)
        stepped = self._weights.vector - spec.learning_rate * velocity
        if not np.abs(stepped).max() <= np.finfo(np.float32).max:
            raise StateError("an update threw the model out of the range of its floats")
        self._velocity = velocity
        self._weights = self._weights.replaced(stepped.astype(np.float32))
        return self._weights

    def epsilon_micro(self, rounds_done: int) -> int:
        """What so many rounds of the job cost, at its delta."""
        spec = self.spec
        return epsilon_micro(spec.noise_multiplier, spec.sampling, rounds_done, spec.delta)
