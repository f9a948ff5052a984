"""What the best-informed attacker makes of a model: who knows all of its examples but one, and a list that
has the missing one.

He trains the model again without noise, finds how far each candidate moves it, and says the one that leads
nearest to the released one (Balle, Cherubin and Hayes, Reconstructing Training Data with Informed
Adversaries, IEEE S&P 2022). Whoever guesses is right once in as many times as there are candidates. Under
(epsilon, delta) no attacker's chance is larger than e^epsilon times that, plus delta: without the example
each candidate is as likely to be said as the list makes it, and with it hardly likelier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.attacks import Train
from federated.data import Table
from federated.model import Weights
from federated.tasks import LinearTask, Task

# A model for each of both: some minutes for ten thousand examples.
CANDIDATES: Final = 50
TRIALS: Final = 25
# Of the examples that a job expected: an attacker who knows fewer trains another model.
KNOWN_PPM_MIN: Final = 900_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """How often the missing example was named."""

    candidates: int
    trials: int
    right: int

    def most(self, epsilon: float, delta: float) -> float:
        """How large any attacker's chance may be in a trial under this privacy; 1: it says nothing."""
        return min(1.0, math.exp(min(epsilon, math.log(self.candidates))) / self.candidates + delta)


def reconstruct(
    task: Task, weights: Weights, members: Table, others: Table, train: Train
) -> Reconstruction | None:
    """Each trial misses another member, and offers it among `others`; `train` makes no noise, and divides by
    the same number whether an example is missing or not. None of another model than a linear head, which
    would take hours."""
    if not isinstance(task, LinearTask):
        return None
    fixed = weights.fixed
    known, known_targets = task.inputs(members, fixed), task.targets(members)
    extra, extra_targets = task.inputs(others, fixed), task.targets(others)
    chance = np.random.default_rng(0)
    trials, decoys = min(TRIALS, len(members)), min(CANDIDATES - 1, len(others))
    missing = chance.choice(len(members), trials, replace=False)
    offered = chance.choice(len(others), decoys, replace=False)
    whole = _vector(train(known, known_targets, 0))
    moved = []  # how far each of them moves the model, beside all members
    for at in offered:
        more = np.concatenate([known, extra[at][None]]), np.append(known_targets, extra_targets[at])
        moved.append(_vector(train(*more, 0)) - whole)
    right = 0
    for at in missing:
        without = _vector(train(np.delete(known, at, axis=0), np.delete(known_targets, at), 0))
        seen, own = weights.vector - without, whole - without
        right += _distance(seen, own) < min(_distance(seen, each) for each in moved)
    return Reconstruction(decoys + 1, trials, right)


def _vector(weights: Weights) -> Floats:
    return weights.vector.astype(np.float64)


def _distance(one: Floats, other: Floats) -> float:
    return float(np.square(one - other).sum())
