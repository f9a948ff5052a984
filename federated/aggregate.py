"""The coordinator's part of a round: add the updates up, and take one step of gradient descent.

Everything is computed in double precision, element by element and in the order of the partners' keys, so
that the same updates give the same model, bit for bit, on every platform.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from federated.model import Vector, Weights
from federated.privacy import epsilon_micro
from federated.spec import TrainingSpec
from protocol.errors import Reject, StateError


class Aggregator:
    """One job's optimiser: stochastic gradient descent with momentum (Polyak, 1964)."""

    def __init__(
        self, spec: TrainingSpec, weights: Weights, velocity: NDArray[np.float64] | None = None
    ) -> None:
        """Starts at rest, or with the velocity that the last round left behind."""
        self._spec, self._weights = spec, weights
        self._velocity = np.zeros(weights.vector.size) if velocity is None else velocity

    @property
    def velocity(self) -> NDArray[np.float64]:
        """What the next step depends on, beside the weights; (parameters,)."""
        return self._velocity

    def check(self, vector: NDArray[np.generic]) -> None:
        """Raises Reject for anything but finite single floats, as many as the head has."""
        if vector.dtype != np.float32:
            raise Reject(f"an update holds 32-bit floats, not {vector.dtype}")
        if vector.shape != self._velocity.shape:
            raise Reject(f"an update has {self._velocity.size} values, not {vector.shape}")
        if not np.isfinite(vector).all():
            raise Reject("the update holds values that are not finite")
        if np.linalg.norm(vector.astype(np.float64)) > self._longest():
            raise Reject("the update is longer than all examples together could make it")

    def _longest(self) -> float:
        """L2 norm that clipped gradients, all in one direction, and their noise stay below.

        The norm of d normals is sqrt(d) and hardly more: ten above it is beyond any chance.
        """
        spec = self._spec
        noise = spec.noise_deviation_each * (math.sqrt(self._velocity.size) + 10)
        return spec.clip * spec.expected_examples + noise

    def step(self, vectors: Mapping[bytes, Vector]) -> Weights:
        """The next round's model, from the updates by their partners' keys.

        Raises Reject for an update that `check` refuses, StateError for fewer than the quorum, or when the
        model would leave the range of its floats. Then nothing has changed.
        """
        spec = self._spec
        if len(vectors) < spec.quorum:
            raise StateError(f"a round needs {spec.quorum} updates, not {len(vectors)}")
        total = np.zeros_like(self._velocity)
        for _, vector in sorted(vectors.items()):
            self.check(vector)
            total += vector
        velocity = spec.momentum * self._velocity + total / (spec.sampling * spec.expected_examples)
        stepped = self._weights.vector - spec.learning_rate * velocity
        if not np.abs(stepped).max() <= np.finfo(np.float32).max:
            raise StateError("an update threw the model out of the range of its floats")
        self._velocity = velocity
        self._weights = self._weights.replaced(stepped.astype(np.float32))
        return self._weights

    def epsilon_micro(self, rounds_done: int) -> int:
        """What so many rounds of the job cost, at its delta."""
        spec = self._spec
        return epsilon_micro(spec.noise_multiplier, spec.sampling, rounds_done, spec.delta)
