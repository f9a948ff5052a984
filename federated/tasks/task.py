"""What a job trains: the columns it reads, what becomes of them, and a model with a gradient by example.

A task is installed code. A job names it, with its options and the hash of its source; no code travels. Who
writes one derives from `LinearTask` here, or from `federated.tasks.network.NetworkTask` for a torch module:
docs/tasks.md has both in less than sixty lines. The fields of the class are the job's options.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from federated import linear
from federated.data import LABEL, Column, Table
from federated.model import Array, Shapes, Weights, zeros
from federated.recipe import Recipe

Inputs = NDArray[Any]  # (n, ...): what a model is trained on, example by example
Targets = NDArray[np.int64]  # (n, ...): what it should say
Scores = NDArray[np.float32]  # (n, k)
Places = NDArray[np.int64] | None  # of parameters that a round carries; None: all

TRIED: Final = 3
"""Examples that a model is tried on before it is trained."""


@dataclass(frozen=True)
class Task(ABC):
    """One kind of model with its options. Frozen: whatever it says follows from the job's record."""

    kind: ClassVar[str] = "classify"  # the kind of campaign whose labels it learns; empty: of any
    public: ClassVar[bool] = False  # whether a snapshot's examples shape the features
    asks: ClassVar[bool] = False  # whether what comes out is an answer to read, and no model to run
    # How far the metric may fall in a round that is as it should be, by the task's own recipe.
    swing: ClassVar[float] = 0.03

    labels: tuple[str, ...] = field(kw_only=True)
    device: str = field(default="cpu", kw_only=True, compare=False)  # this machine's, of no job

    @property
    def words(self) -> str:
        """What a question asks, for the people who decide about it; of a model nothing."""
        return ""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """What is read of a partner's data, and nothing else."""

    @abstractmethod
    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, ...): each example by itself, by code and by `fixed`, which is not private."""

    def targets(self, table: Table) -> Targets:
        """(n,): indices into the labels. Raises ConfigError for a label that is not among them."""
        return table.classes(LABEL, self.labels)

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Of the trained arrays."""

    @property
    def fixed_shapes(self) -> Shapes:
        """Of the arrays that `fit` makes."""
        return {}

    def suited(self, public: Table | None, examples: int) -> Task:
        """The task with options chosen, where they were left open, by the public examples that there are
        and by how many private ones are expected."""
        return self

    def fit(self, _: Table | None) -> dict[str, Array]:
        """The arrays that public examples give, or none of them; the same in every round."""
        return zeros(self.fixed_shapes)

    def initial(self) -> dict[str, Array]:
        """The trained arrays that round 1 starts from; the same for everybody."""
        return zeros(self.shapes)

    @abstractmethod
    def clipped_sum(
        self,
        weights: Weights,
        inputs: Inputs,
        targets: Targets,
        clip: float,
        *,
        places: Places = None,
    ) -> NDArray[np.float64]:
        """(parameters,), or of these places alone: the sum of the examples' gradients, each, or what is left
        of it, of an L2 norm of at most `clip`."""

    @abstractmethod
    def scores(self, weights: Weights, inputs: Inputs) -> Scores:
        """(n, k), the higher the likelier."""

    def metric(self, scores: Scores, targets: Targets) -> float:
        """How good they are, 0..1: here the part of the examples that is given its own label."""
        return float((scores.argmax(axis=1) == targets).mean())

    @abstractmethod
    def require_private(self, inputs: Inputs, targets: Targets) -> None:
        """Raises ConfigError where one example's gradient cannot be told from another's."""

    @abstractmethod
    def graph(self, weights: Weights, fed: Inputs) -> Any:
        """The whole model as an onnx.ModelProto, from what `feed` gives, as `fed` (1, ...) shows, to scores:
        what is shipped."""

    def spread(self, _: Weights) -> NDArray[np.float32] | None:
        """(columns, directions): how the inputs of the graph's matrix of so many columns vary, where the
        model itself tells."""
        return None

    def feed(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, ...): what the shipped model is given."""
        return self.inputs(table, fixed)

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """Settings that suit so many examples of all partners at this epsilon, where the operator names no
        others. Noise in their mean falls with both alike."""
        return Recipe(rounds=40, sampling=1.0, clip=1.0, learning_rate=1.0, momentum=0.9)


@dataclass(frozen=True)
class LinearTask(Task):
    """A linear head on fixed features, by the closed form: a partner needs neither torch nor Opacus."""

    outputs: ClassVar[int] = 0  # scores; 0 is one for each label
    bias: ClassVar[bool] = True

    @property
    @abstractmethod
    def features(self) -> int:
        """How many `inputs` gives for an example."""

    @property
    def shapes(self) -> Shapes:
        """A weight (k, features), and a bias (k,)."""
        outputs = self.outputs or len(self.labels)
        bias: Shapes = {"bias": (outputs,)} if self.bias else {}
        return {"weight": (outputs, self.features), **bias}

    def clipped_sum(
        self,
        weights: Weights,
        inputs: Inputs,
        targets: Targets,
        clip: float,
        *,
        places: Places = None,
    ) -> NDArray[np.float64]:
        """In closed form; see federated/linear.py."""
        weight, bias = weights.arrays["weight"], weights.arrays.get("bias")
        return linear.clipped_sum(weight, bias, inputs, targets, clip, places=places)

    def require_private(self, inputs: Inputs, targets: Targets) -> None:
        """The closed form has no batch."""

    def scores(self, weights: Weights, inputs: Inputs) -> Scores:
        """W x + b."""
        weight, bias = weights.arrays["weight"], weights.arrays.get("bias")
        return linear.scores(weight, bias, inputs).astype(np.float32)

    def graph(self, weights: Weights, _: Inputs) -> Any:
        """The head alone: features are computed by this code, wherever it runs."""
        from federated.onnx_graph import linear_graph

        return linear_graph(weights.arrays["weight"], weights.arrays.get("bias"), weights.labels)


def blank(task: Task, name: str) -> Weights:
    """Weights of this task's shapes, all zero, to decode others by. Raises ConfigError if too large."""
    shapes = {**task.shapes, **{f"fixed {each}": s for each, s in task.fixed_shapes.items()}}
    every = zeros(shapes)
    arrays = {each: every[each] for each in task.shapes}
    fixed = {each: every[f"fixed {each}"] for each in task.fixed_shapes}
    return Weights(name, task.labels, arrays, fixed)


def initial_weights(task: Task, name: str, public: Table | None = None) -> Weights:
    """What round 1 starts from. Raises ConfigError for public examples that do not fit."""
    empty = blank(task, name)
    return Weights(name, task.labels, task.initial(), task.fit(public) or empty.fixed)


def measured(task: Task, weights: Weights, table: Table) -> float:
    """The task's metric of a model on examples; not a number without any."""
    if not len(table):
        return float("nan")
    return task.metric(task.scores(weights, task.inputs(table, weights.fixed)), task.targets(table))
