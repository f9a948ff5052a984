"""Tries a task on a few examples before a job is open, and before a partner joins: it is anybody's code.

Whoever wrote it hears what is wrong with it then. In a round it would end the process of each partner, after
the round has been paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np

from federated.data import Table
from federated.model import Weights
from federated.tasks.task import TRIED, Inputs, LinearTask, Task, blank
from protocol.errors import CommonholdError, ConfigError

# Of the largest number that is made of the examples: what is computed for several at once differs by less.
_ALIKE: Final = 1e-3
_CLIP: Final = 1e6  # more than any question adds
_MEND: Final = "whoever wrote the task has to mend it: docs/tasks.md says what it gives"


def try_out(task: Task, name: str, table: Table) -> None:
    """Tries it on the first of these examples, as every partner will. Raises ConfigError."""
    few = table.take(slice(TRIED))
    with _told(name):
        empty = blank(task, name)
        require_sound(task, few, task.inputs(few, empty.fixed), empty)


def require_sound(task: Task, few: Table, inputs: Inputs, empty: Weights) -> None:
    """Raises ConfigError unless the task keeps to its interface on a few examples, of which it made `inputs`,
    and tells one example's gradient from another's. `empty`: its blank weights."""
    with _told(empty.task):
        require_rows(task, empty.task, few, inputs)
        _require_alone(task, few, inputs, empty)
        targets = task.targets(few)
        task.require_private(inputs, targets)
        weights = replace(empty, arrays=task.initial())
        total = task.clipped_sum(weights, inputs, targets, _CLIP)
        if total.shape != weights.vector.shape:
            raise _wrong(
                empty.task, f"sums {total.shape} of gradients up, for {weights.vector.size} values"
            )
        if task.asks:
            return
        scores = task.scores(weights, inputs)
        if task.kind == "classify" and scores.shape != (len(few), len(task.labels)):
            raise _wrong(
                empty.task, f"gives {scores.shape[1:]} scores for {len(task.labels)} labels"
            )
        if not 0 <= (found := task.metric(scores, targets)) <= 1:  # nor is it a number at all
            raise _wrong(empty.task, f"has a metric of {found}, which is not within 0 to 1")


def require_rows(task: Task, name: str, table: Table, inputs: Inputs) -> None:
    """Raises ConfigError unless these are a row of numbers for each example."""
    if not isinstance(inputs, np.ndarray) or inputs.shape[:1] != (len(table),):
        given = getattr(inputs, "shape", type(inputs).__name__)
        raise _wrong(name, f"makes {given} of {len(table)} examples")
    if isinstance(task, LinearTask) and inputs.shape[1:] != (task.features,):
        raise _wrong(name, f"makes rows of {inputs.shape[1:]}, and says {task.features} features")
    if inputs.dtype.kind == "f":
        finite = np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1)
        if not finite.all():
            raise ConfigError(
                f"the task {name} makes numbers that are not finite of example {finite.argmin() + 1}",
                "correct the data, or leave it out; if it is right, tell whoever wrote the task",
            )


def _require_alone(task: Task, few: Table, inputs: Inputs, empty: Weights) -> None:
    """Each row has to follow from its own example, or what one of them says is in the gradients of all."""
    reach = _ALIKE * np.abs(inputs.astype(np.float64)).max(initial=1.0)
    for at in range(len(few)):
        alone = task.inputs(few.take(slice(at, at + 1)), empty.fixed)
        if (
            alone.shape[1:] != inputs.shape[1:]
            or (np.abs(alone[0].astype(np.float64) - inputs[at]) > reach).any()
        ):
            raise ConfigError(
                f"what the task {empty.task} makes of an example depends on the others",
                "compute each row of `inputs` from its own example",
            )


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError(f"the task {name} {what}", _MEND)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """An error of the task's own code becomes one that says whose it is."""
    try:
        yield
    except CommonholdError:
        raise
    except Exception as error:
        raise _wrong(name, f"fails when it is tried: {type(error).__name__}: {error}") from error
