"""What somebody could find out about the examples that a model learned from: tried, not proven.

    loss          what the model is surer of was likelier among them (Yeom et al., 2018)
    likelihood    how surely models say its label that saw it, or did not: shadows, trained the same way on
                  random halves of the same data, tell what either looks like (LiRA: Carlini et al., 2022)
    weights       examples that lie in the direction of a label's weights: a linear head is a sum of examples

Members and others are to be alike in all else: as many of each, from the same source. A result is the chance
that a member ranks before another (AUC): a half is a coin. An attack that fails shows little; epsilon bounds
all attacks, and those that nobody has thought of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.data import Table
from federated.model import Weights
from federated.tasks import LinearTask, Task
from federated.tasks.task import Inputs, Scores, Targets
from protocol.errors import ConfigError

Floats = NDArray[np.float64]
Train = Callable[[Inputs, Targets, int], Weights]
"""Trains a shadow on examples, with a seed, as the model was trained."""

# Of fewer the interval is wider than what it could show.
EXAMPLES_MIN: Final = 50
SHADOWS: Final = 16
# For each label so many examples that lie nearest to its weights are looked at.
NEAREST: Final = 10
_Z_95: Final = 1.959964
_LEAST_DEVIATION: Final = 1e-3  # of what shadows say of one example
_LEAST: Final = 1e-12  # of a probability


@dataclass(frozen=True, slots=True)
class Attack:
    """How well one attack did; 95 % of such measurements lie in the interval (DeLong, 1988)."""

    name: str
    auc: float
    low: float
    high: float
    members: int
    others: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of the examples nearest to the weights, how many are members: half of them by chance."""

    looked_at: int
    members: int


def losses(scores: Scores, targets: Targets) -> Floats:
    """(n,): the cross entropy of each example's target; of a single score that of a yes."""
    scored = scores.astype(np.float64)
    if scored.shape[1] == 1:
        signed = np.where(targets == 1, scored[:, 0], -scored[:, 0])
        return np.asarray(np.logaddexp(0, -signed))
    peak = scored.max(axis=1, keepdims=True)
    total = np.log(np.exp(scored - peak).sum(axis=1)) + peak[:, 0]
    return np.asarray(total - scored[np.arange(len(targets)), targets])


def by_loss(members: Floats, others: Floats) -> Attack:
    """`members` and `others` (n,) are losses: the smaller, the likelier a member."""
    return _attack("loss", -members, -others)


def by_likelihood(
    task: Task, weights: Weights, members: Table, others: Table, train: Train
) -> Attack:
    """With shadows: each example is in about half of their training sets."""
    tables, fixed = (members, others), weights.fixed
    inputs = np.concatenate([task.inputs(each, fixed) for each in tables])
    targets = np.concatenate([task.targets(each) for each in tables])
    said = _sureness(task.scores(weights, inputs), targets)
    rng = np.random.default_rng(0)
    inside = np.zeros((SHADOWS, len(inputs)), bool)
    shadow = np.zeros((SHADOWS, len(inputs)))
    for number in range(SHADOWS):
        # In pairs of complements, so that each example is in exactly half of them.
        inside[number] = ~inside[number - 1] if number % 2 else rng.random(len(inputs)) < 0.5
        taught = train(inputs[inside[number]], targets[inside[number]], number)
        shadow[number] = _sureness(task.scores(taught, inputs), targets)
    ratio = _log_density(said, shadow, inside) - _log_density(said, shadow, ~inside)
    return _attack("likelihood", ratio[: len(members)], ratio[len(members) :])


def nearest_to_weights(
    task: Task, weights: Weights, members: Table, others: Table
) -> Nearest | None:
    """Whether the weights of a linear head point at what it learned from; None of another model."""
    if not isinstance(task, LinearTask):
        return None
    weight = weights.arrays["weight"].astype(np.float64)
    directions = (
        weight - weight.mean(axis=0) if len(weight) > 1 else np.concatenate([weight, -weight])
    )
    inputs = np.concatenate([task.inputs(each, weights.fixed) for each in (members, others)])
    rows = inputs / np.maximum(np.linalg.norm(inputs, axis=1, keepdims=True), _LEAST)
    lengths = np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), _LEAST)
    near = np.argsort(-(rows @ (directions / lengths).T), axis=0, kind="stable")[:NEAREST]
    return Nearest(near.size, int((near < len(members)).sum()))


def require_alike(members: Table, others: Table) -> None:
    """Raises ConfigError for too few, or much fewer of one than of the other."""
    few, many = sorted((len(members), len(others)))
    if few < EXAMPLES_MIN:
        raise ConfigError(
            f"{few} examples tell nothing",
            f"give {EXAMPLES_MIN} or more members, and as many others",
        )
    if many > 2 * few:
        raise ConfigError(
            f"{len(members)} members and {len(others)} others", "give about as many of both"
        )


def _sureness(scores: Scores, targets: Targets) -> Floats:
    """(n,): the log-odds of the target, which is nearly normal over shadows."""
    right = np.clip(np.exp(-losses(scores, targets)), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(right) - np.log1p(-right))


def _log_density(said: Floats, shadow: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Of each example's value under a normal distribution fitted to the chosen shadows of it."""
    count = np.maximum(chosen.sum(axis=0), 1)
    mean = np.where(chosen, shadow, 0).sum(axis=0) / count
    square = np.where(chosen, (shadow - mean) ** 2, 0).sum(axis=0) / count
    # Of few shadows one variance for all is the steadier one.
    deviation = max(math.sqrt(float(square.mean())), _LEAST_DEVIATION)
    return np.asarray(-0.5 * ((said - mean) / deviation) ** 2 - math.log(deviation))


def _attack(name: str, members: Floats, others: Floats) -> Attack:
    """The AUC of values that are larger for members, with DeLong's interval."""
    ordered_others, ordered_members = np.sort(others), np.sort(members)
    before = _share_below(
        ordered_others, members
    )  # (members,): of the others, those that rank lower
    after = 1 - _share_below(ordered_members, others)
    auc = float(before.mean())
    variance = before.var(ddof=1) / len(members) + after.var(ddof=1) / len(others)
    reach = _Z_95 * math.sqrt(float(variance))
    return Attack(
        name, auc, max(0.0, auc - reach), min(1.0, auc + reach), len(members), len(others)
    )


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Of `ordered`, the part below each value; equal ones count half."""
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(ordered)))
