"""What noise that is correlated over rounds could gain at most, for each task that takes every example in
every round.

    python -m benchmarks.correlated_noise

`variance` is that of the noise in the last model, beside the least that any factorisation reaches at the same
epsilon (docs/adr/0059-independent-noise.md); `epsilon` is what the same accuracy would then cost.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import show
from federated.privacy import epsilon_micro, noise_multiplier_for
from federated.recipe import Recipe
from federated.tasks.registry import made
from protocol.limits import PPM

EPSILON: Final = 3.0
DELTA: Final = 1e-5
EXAMPLES: Final = 20_000
TASKS: Final[dict[str, tuple[str, dict[str, Any], tuple[str, ...]]]] = {
    "pictures": ("images", {"dims": 0}, tuple("0123456789")),
    "texts of two labels": ("text", {}, ("ham", "spam")),
    "texts of many labels": ("text", {}, tuple(f"label {n}" for n in range(18))),
    "table": ("table", {"numbers": ["age:0:100"]}, ("no", "yes")),
    "table, two layers": ("mlp", {"numbers": ["age:0:100"]}, ("no", "yes")),
}


def run() -> dict[str, dict[str, float]]:
    """The bound for each task."""
    found = {}
    for name, (task, options, labels) in TASKS.items():
        recipe = made(task, options, labels).recipe(EXAMPLES, EPSILON)
        assert recipe.sampling == 1, "the bound is of rounds that every example is in"
        found[name] = bound(recipe)
    return found


def bound(recipe: Recipe) -> dict[str, float]:
    """With a, the weights of T rounds' noise in the last model: T times the sum of squares over the square
    of the sum."""
    weights = weights_of(recipe)
    ratio = float(recipe.rounds * np.sum(weights**2) / np.sum(weights) ** 2)
    noise = noise_multiplier_for(EPSILON, DELTA, recipe.sampling, recipe.rounds)
    less = epsilon_micro(noise * math.sqrt(ratio), recipe.sampling, recipe.rounds, DELTA)
    return {"rounds": recipe.rounds, "variance": ratio, "epsilon": less / PPM}


def weights_of(recipe: Recipe) -> NDArray[Any]:
    """(rounds,): by how much a round's noise moves the last model, with momentum, up to the learning rate."""
    left = recipe.rounds - np.arange(recipe.rounds)
    return np.asarray((1 - recipe.momentum**left) / (1 - recipe.momentum))


if __name__ == "__main__":
    show(run())
