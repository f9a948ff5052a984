"""Pictures of any size: scattering, whitened by what public pictures look like, and a linear head.

With `dims`, the features are the principal directions of a snapshot's pictures, each scaled to the same
variance, so that no direction is drowned by another and noise hides few numbers (Tramèr & Boneh, 2021). The
whitening travels with the model as its fixed arrays, and is in its hash. Without, each picture's channels
are normalised by themselves in groups, as GroupNorm does, and nothing public is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from federated.data import IMAGE, LABEL, Column, Kind, Table
from federated.model import Array, Shapes, Weights
from federated.recipe import Recipe
from federated.scattering import CHANNELS, SIDE_MIN, scattering
from federated.tasks.strokes import drawn
from federated.tasks.task import Inputs, LinearTask, Places, Targets
from protocol.errors import ConfigError

SIDE_MAX: Final = 256
CELLS_MAX: Final = 16
DIMS: Final = 200  # principal directions, where there are pictures enough
PICTURES_EACH: Final = 2  # public pictures for a direction, at least
DRAWN_EACH: Final = 20  # drawn ones for one, where nobody has any
# Features of all drawn pictures together, about: 256 MiB in double precision, and some minutes.
DRAWN_VALUES_MAX: Final = 1 << 25
EXAMPLES_EACH: Final = (
    25  # private pictures for a direction: with fewer it brings more noise than it tells
)
DIMS_MIN: Final = 32  # fewer lose more than whitening gains
ROUNDS: Final = 100
ROUNDS_FEW: Final = 30  # noise outweighs what more rounds teach
MANY: Final = 30_000.0  # of examples x epsilon
_CELL_PIXELS_MIN: Final = 4
GROUPS: Final = 27  # of three channels each, for every colour
# Directions that vary less than this part of the first one hold hardly more than rounding.
FLOOR: Final = 1e-3
_LEAST_DEVIATION: Final = 1e-5  # of a direction among public pictures
_LEAST_CONTRAST: Final = 1e-3  # of a group in a picture: less is none, and is not made more of
_TINIEST: Final = float(np.finfo(np.float32).tiny)  # squared length of a direction that is none
_SHORTEST: Final = 1e-3  # a blank picture is not made long


@dataclass(frozen=True)
class Images(LinearTask):
    """Which of the campaign's labels a picture shows."""

    public: ClassVar[bool] = True

    height: int = 28
    width: int = 28
    colours: int = 1
    cells: int = 7  # along each axis, that features are averaged in
    dims: int = (
        -1
    )  # principal directions of public pictures; 0: none; -1: what a snapshot suffices for

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        if not all(SIDE_MIN <= side <= SIDE_MAX for side in (self.height, self.width)):
            raise ConfigError(
                f"width={self.width} and height={self.height}, in pixels",
                f"let a side have {SIDE_MIN} to {SIDE_MAX}; larger pictures are scaled down",
            )
        if self.colours not in (1, 3):
            raise ConfigError(f"colours={self.colours}", "let it be 1 (grey) or 3")
        if not 1 <= self.cells <= self._cells_max:
            raise ConfigError(
                f"cells={self.cells} in pictures of {self.width} x {self.height} pixels",
                f"give cells=1 to {self._cells_max}, of {_CELL_PIXELS_MIN} pixels or more each; or larger"
                " pictures, by height and width",
            )
        if not -1 <= self.dims <= self._scattered:
            raise ConfigError(
                f"dims={self.dims}, of the principal directions",
                f"give 0 to {self._scattered}: there are no more; -1: what the snapshot suffices for",
            )

    @property
    def _cells_max(self) -> int:
        return min(CELLS_MAX, *(side // _CELL_PIXELS_MIN for side in (self.height, self.width)))

    @property
    def _scattered(self) -> int:
        return CHANNELS * self.colours * self.cells**2

    @property
    def _drawn_each(self) -> int:
        most = DRAWN_VALUES_MAX // (self.dims * self._scattered)
        return max(PICTURES_EACH, min(DRAWN_EACH, most))

    @property
    def columns(self) -> tuple[Column, ...]:
        """The picture and its label."""
        size = self.height, self.width, self.colours
        return Column(IMAGE, Kind.IMAGE, size), Column(LABEL, Kind.LABEL)

    @property
    def features(self) -> int:
        """The principal directions, or all cells of all channels."""
        return self._scattered if self.dims <= 0 else self.dims

    @property
    def fixed_shapes(self) -> Shapes:
        """The mean of public pictures' features, and the directions (dims, features), scaled."""
        if self.dims <= 0:
            return {}
        return {"mean": (self._scattered,), "directions": (self.dims, self._scattered)}

    def suited(self, public: Table | None, examples: int) -> Images:
        """As many directions as the snapshot has pictures for, and as examples outweigh the noise of."""
        if self.dims >= 0:
            return self
        worth = max(DIMS_MIN, min(DIMS, examples // EXAMPLES_EACH))
        found = 0 if public is None else min(worth, len(public) // PICTURES_EACH, self._scattered)
        return replace(self, dims=found if found >= DIMS_MIN else 0)

    def fit(self, public: Table | None) -> dict[str, Array]:
        """Principal directions of public pictures, more than there are directions; of strokes where there are
        none."""
        if self.dims <= 0:
            return {}
        if public is None:
            size = self.height, self.width, self.colours
            public = Table({IMAGE: drawn(*size, self.dims * self._drawn_each)})
        if len(public) <= self.dims:
            raise ConfigError(
                f"{self.dims} principal directions need more than so many public pictures",
                "name a larger --snapshot, or none: then strokes are drawn in their place",
            )
        found = self._flat(public).astype(np.float64)
        mean = found.mean(axis=0)
        # Of n pictures at most n directions vary: the smaller of the two products gives them.
        _, lengths, directions = np.linalg.svd(found - mean, full_matrices=False)
        deviations = lengths[: self.dims, None] / np.sqrt(len(public))
        floor = max(float(deviations[0, 0]) * FLOOR**0.5, _LEAST_DEVIATION)
        scaled = directions[: self.dims] / np.sqrt(deviations**2 + floor**2)
        signs = np.sign(scaled[np.arange(self.dims), np.abs(scaled).argmax(axis=1)])
        return {
            "mean": mean.astype(np.float32),
            "directions": (scaled * signs[:, None] / np.sqrt(self.dims)).astype(np.float32),
        }

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, features) float32, of a length about one."""
        found = self._flat(table)
        if self.dims > 0:
            return np.asarray((found - fixed["mean"]) @ fixed["directions"].T)
        grouped = found.reshape(len(found), GROUPS * self.colours, -1)
        mean = grouped.mean(axis=2, keepdims=True)
        deviation = np.sqrt(grouped.var(axis=2, keepdims=True) + _LEAST_CONTRAST**2)
        normal = ((grouped - mean) / deviation).reshape(len(found), -1)
        return np.asarray(normal / np.float32(np.sqrt(self.features)))

    def clipped_sum(
        self,
        weights: Weights,
        inputs: Inputs,
        targets: Targets,
        clip: float,
        *,
        places: Places = None,
    ) -> NDArray[np.float64]:
        """While it trains, each picture counts with a length of one, so that none of strong contrast is
        clipped more than others; what is released does without."""
        lengths = np.linalg.norm(inputs, axis=1, keepdims=True)
        alike = inputs / np.maximum(lengths, _SHORTEST)
        return super().clipped_sum(weights, alike, targets, clip, places=places)

    def _flat(self, table: Table) -> NDArray[np.float32]:
        found = scattering(table[IMAGE], self.cells)
        return found.reshape(len(found), self._scattered)

    def feed(self, table: Table, _: Mapping[str, Array]) -> Inputs:
        """(n, height, width, colours) uint8: the shipped model takes pixels."""
        return table[IMAGE]

    def graph(self, weights: Weights, _: Inputs) -> Any:
        """From pixels to scores; the whitening is a part of the head."""
        from federated.tasks.picture_graph import Pictures, picture_graph

        side, groups = (self.height, self.width), GROUPS * self.colours
        pictures = Pictures(side, self.colours, self.cells, groups, _LEAST_CONTRAST)
        weight, bias = weights.arrays["weight"], weights.arrays["bias"]
        return picture_graph(pictures, weight, bias, weights.fixed, weights.labels)

    def spread(self, weights: Weights) -> NDArray[np.float32] | None:
        """(cells of all channels, dims): whitening divides by how far pictures go in each direction."""
        if self.dims <= 0:
            return None
        directions = weights.fixed["directions"]
        lengths = np.square(directions).sum(axis=1, keepdims=True)
        return np.ascontiguousarray((directions / np.maximum(lengths, _TINIEST)).T)

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """Chosen on training digits alone: benchmarks/federated.py."""
        if examples * epsilon < MANY:
            return Recipe(ROUNDS_FEW, sampling=1.0, clip=0.3, learning_rate=40.0, momentum=0.8)
        return Recipe(ROUNDS, sampling=1.0, clip=0.3, learning_rate=100.0, momentum=0.9)
