"""A task that breaks its interface is refused before anything is paid, in words for whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from federated.data import LABEL, Column, Kind, Table
from federated.model import Array
from federated.partner import Partner
from federated.tasks.registry import made
from federated.tasks.task import Inputs, LinearTask, Scores, Targets, Task
from federated.tasks.trial import try_out
from protocol.errors import ConfigError
from tests.training_lab import spec

LABELS = ("a", "b")
TABLE = Table(
    {
        "number": np.array([1.0, 2.0, 4.0, 8.0]),
        LABEL: np.array(["a", "b", "a", "b"], object),
        "text": np.array(["one", "two", "three", "four"], object),
    }
)


@dataclass(frozen=True)
class Numbers(LinearTask):
    """Two features of a number, and what is done wrong with them."""

    spoil: Callable[[Any], Any] = field(default=lambda found: found)
    rated: float = 0.5

    @property
    def columns(self) -> tuple[Column, ...]:
        return Column("number", Kind.NUMBER), Column(LABEL, Kind.LABEL)

    @property
    def features(self) -> int:
        return 2

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        values = table["number"].astype(np.float32)
        found: Inputs = self.spoil(np.stack([values, values**2], axis=1))
        return found

    def metric(self, scores: Scores, targets: Targets) -> float:
        return self.rated


@dataclass(frozen=True)
class Silent(Numbers):
    """Gives one score for two labels."""

    outputs = 1


def failing(_: Any) -> Any:
    raise ZeroDivisionError("no beats")


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (Numbers(lambda x: x[:, :1], labels=LABELS), r"rows of \(1,\), and says 2 features"),
        (Numbers(lambda x: x[:-1], labels=LABELS), "of 3 examples"),
        (Numbers(lambda x: x.tolist(), labels=LABELS), "makes list of 3 examples"),
        (Numbers(lambda x: x / (x - 2), labels=LABELS), "not finite of example 2"),
        (Numbers(lambda x: x - x.mean(axis=0), labels=LABELS), "depends on the others"),
        (Numbers(failing, labels=LABELS), "ZeroDivisionError: no beats"),
        (Numbers(rated=float("nan"), labels=LABELS), "a metric of nan"),
        (Silent(labels=LABELS), "scores for 2 labels"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_breaks_the_interface_is_said(task: Task, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        try_out(task, "numbers", TABLE)
    assert refused.value.advice


def test_what_keeps_to_it_is_taken() -> None:
    try_out(Numbers(labels=LABELS), "numbers", TABLE)
    try_out(made("text", {"dims": 64}, LABELS), "text", TABLE)
    try_out(made("lstm", {"chars": 4}, LABELS), "lstm", TABLE)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_partner_is_told_of_each_example_that_makes_no_numbers() -> None:
    """Not of the first three alone: such an example would be left out of every round without a word."""
    task = Numbers(lambda x: x / (x - 8), labels=LABELS)
    data: Any = type("Data", (), {"table": TABLE})()
    with pytest.raises(ConfigError, match="not finite of example 4"):
        Partner(spec(), task, data, lambda _: 0)
