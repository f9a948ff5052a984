"""Pictures with a small convolutional network: where fixed features do not see what matters.

Groups of channels are normalised for each example by itself; batch normalisation would mix examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import nn

from federated.data import IMAGE, LABEL, Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.network import NetworkTask
from federated.tasks.task import Inputs
from protocol.errors import ConfigError

SIDE_MIN: Final = 8
SIDE_MAX: Final = 256
CHANNELS_MAX: Final = 256
_GROUPS: Final = 4


@dataclass(frozen=True)
class Cnn(NetworkTask):
    """Which of the campaign's labels a picture shows."""

    height: int = 28
    width: int = 28
    colours: int = 1
    channels: int = 16  # of the first layer; the second has twice as many

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        sides = self.height, self.width
        if not all(SIDE_MIN <= each <= SIDE_MAX for each in sides) or self.colours not in (1, 3):
            raise ConfigError(
                f"pictures of {self.width} x {self.height} pixels and {self.colours} colours",
                f"give sides of {SIDE_MIN} to {SIDE_MAX}, and 1 (grey) or 3 colours",
            )
        if self.channels % _GROUPS or not 0 < self.channels <= CHANNELS_MAX:
            raise ConfigError(
                f"channels is {self.channels}", f"give a multiple of {_GROUPS} up to {CHANNELS_MAX}"
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The picture and its label."""
        size = self.height, self.width, self.colours
        return Column(IMAGE, Kind.IMAGE, size), Column(LABEL, Kind.LABEL)

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, colours, height, width), -1..1."""
        pixels = table[IMAGE].transpose(0, 3, 1, 2)
        return np.ascontiguousarray(pixels.astype(np.float32) / 127.5 - 1)

    def module(self) -> nn.Module:
        """Two layers that halve the sides, and a head."""
        one, two = self.channels, 2 * self.channels
        quarter = -(-self.height // 4) * -(-self.width // 4)
        return nn.Sequential(
            *(nn.Conv2d(self.colours, one, 5, 2, 2), nn.GroupNorm(_GROUPS, one), nn.Tanh()),
            *(nn.Conv2d(one, two, 5, 2, 2), nn.GroupNorm(_GROUPS, two), nn.Tanh()),
            *(nn.Flatten(), nn.Linear(two * quarter, len(self.labels))),
        )

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """A sample of the examples each round: by hooks, all of them would take minutes."""
        return Recipe(rounds=100, sampling=0.25, clip=1.0, learning_rate=1.0, momentum=0.9)
