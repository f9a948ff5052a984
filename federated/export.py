"""What a trained model is shipped as: one graph for each way to ask it.

model    takes what people have, where the task ships its features too (pixels), or else features
head     takes the task's features: for whoever computes them anyway, and much smaller
pruned   the head, on the features that weigh most; where leaving the others out saves nothing, they are zeros
student  a small network that learned from public examples what the model says of them
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federated.compress import distilled, pruned
from federated.data import Table
from federated.model import Weights
from federated.onnx_graph import exported_graph, linear_graph, pruned_graph
from federated.tasks import LinearTask, Task
from protocol.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A graph, and the examples that it is measured with as it takes them."""

    name: str
    graph: Any  # onnx.ModelProto
    fed: NDArray[Any]  # (n, …)
    spread: NDArray[np.float32] | None = None  # of the inputs of its matrix, where that is known
    instead: Any = (
        None  # what computes the same, and is shipped where the graph would be no smaller
    )


@dataclass(frozen=True, slots=True)
class Extras:
    """What is shipped beside the model and its head."""

    prune_percent: int = 0  # of a linear head's features, those that are left out
    student: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError for what would leave nothing."""
        if not 0 <= self.prune_percent < 100:
            raise ConfigError(
                f"--prune is {self.prune_percent}",
                "give the part of the features to leave out, 0 to 99 %",
            )


def require_fits(extras: Extras, task: Task, *, has_public: bool) -> None:
    """Raises ConfigError for what this task or job cannot have shipped."""
    if extras.prune_percent and not isinstance(task, LinearTask):
        raise ConfigError("only a linear head is pruned by its features", "leave --prune out")
    if extras.student and not has_public:
        raise ConfigError(
            "a student learns from public examples, and the job has none", "open it with --snapshot"
        )


def exports(
    task: Task, weights: Weights, held_back: Table, extras: Extras, public: Table | None = None
) -> list[Exported]:
    """All graphs that are shipped, the model first. Raises ConfigError for extras that do not fit."""
    require_fits(extras, task, has_public=public is not None)
    fed = task.feed(held_back, weights.fixed)
    made = [Exported("model", task.graph(weights, fed[:1]), fed, task.spread(weights))]
    if isinstance(task, LinearTask):
        inputs = task.inputs(held_back, weights.fixed)
        if not _is_head(task):
            head = LinearTask.graph(task, weights, inputs)
            made.append(Exported("head", head, inputs))
        if extras.prune_percent:
            weight, bias = weights.arrays["weight"], weights.arrays.get("bias")
            kept = pruned(weight, extras.prune_percent)
            graph = pruned_graph(weight, bias, kept, weights.labels)
            made.append(Exported("pruned", graph, inputs, instead=_emptied(weights, kept)))
    if extras.student and public is not None:
        made.append(Exported("student", _student(task, weights, public), fed))
    return made


def _emptied(weights: Weights, kept: NDArray[np.int32]) -> Any:
    """The whole head, with zeros for all features but those."""
    weight = np.zeros_like(weights.arrays["weight"])
    weight[:, kept] = weights.arrays["weight"][:, kept]
    return linear_graph(weight, weights.arrays.get("bias"), weights.labels)


def _is_head(task: Task) -> bool:
    """Whether the shipped model is a linear head, with features computed outside of it."""
    return isinstance(task, LinearTask) and type(task).graph is LinearTask.graph


def _student(task: Task, weights: Weights, public: Table) -> Any:
    """Learns the model's scores of public examples: whatever it learns, the model had told before."""
    fed = task.feed(public, weights.fixed)
    scores = np.asarray(task.scores(weights, task.inputs(public, weights.fixed)), np.float32)
    return exported_graph(distilled(fed, scores), fed[:1], weights.labels)
