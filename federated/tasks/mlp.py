"""Tables again, with a network of one hidden layer: where columns matter together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from federated.data import Table
from federated.recipe import Recipe
from federated.tasks.network import NetworkTask
from federated.tasks.table import Columns
from protocol.errors import ConfigError

HIDDEN_MAX: Final = 4_096


@dataclass(frozen=True)
class Mlp(Columns, NetworkTask):
    """Which of the campaign's labels a line of a table has."""

    hidden: int = 32

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        super().__post_init__()
        if not 1 <= self.hidden <= HIDDEN_MAX:
            raise ConfigError(f"hidden is {self.hidden}", f"give 1 to {HIDDEN_MAX:,}")

    def targets(self, table: Table) -> NDArray[np.int64]:
        """By the column of labels."""
        return table.classes(self.label, self.labels)

    def module(self) -> nn.Module:
        """Tanh is bounded, and bounded activations do better under noise (Papernot et al., AAAI 2021)."""
        return nn.Sequential(
            nn.Linear(self.features, self.hidden),
            nn.Tanh(),
            nn.Linear(self.hidden, len(self.labels)),
        )

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """As the linear head, by smaller steps: they go through two layers."""
        return Recipe(rounds=60, sampling=1.0, clip=0.5, learning_rate=4.0, momentum=0.9)
