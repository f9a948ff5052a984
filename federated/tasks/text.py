"""Texts: how often each short run of characters occurs, hashed into some thousand numbers, and a linear head.

Hashing needs no vocabulary, which would have to come from private texts (Weinberger et al., ICML 2009).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from federated.data import LABEL, Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.task import Inputs, LinearTask
from protocol.errors import ConfigError

DIMS_MAX: Final = 1 << 16
GRAMS_MAX: Final = 8
CHARS_MAX: Final = 10_000
FOR_FEW: Final = Recipe(rounds=60, sampling=1.0, clip=0.5, learning_rate=30.0, momentum=0.8)
# Up to so much of examples x epsilon: the more there is, the more rounds teach before noise hides it.
RECIPES: Final = (
    (30_000, FOR_FEW),
    (100_000, Recipe(rounds=80, sampling=1.0, clip=0.5, learning_rate=60.0, momentum=0.9)),
    (math.inf, Recipe(rounds=160, sampling=1.0, clip=0.5, learning_rate=60.0, momentum=0.9)),
)
# Steps are long, since few runs of characters are in a text: until the model has found what they all have in
# common, it may say another label of nearly everything for a round.
SWING: Final = 0.9
# Beginning and end of a text: a run of characters there says more than one inside.
_EDGE: Final = "\x02"


def hashed(texts: Sequence[str], dims: int, grams: int, chars: int) -> NDArray[np.float32]:
    """(n, dims), each of length one: runs of 1 to `grams` characters of the first `chars`, by their roots."""
    found = np.zeros((len(texts), dims), np.float32)
    for row, text in zip(found, texts, strict=True):
        marked = (_EDGE + text[:chars].lower() + _EDGE).encode("utf-8", "surrogatepass")
        places = [
            zlib.crc32(marked[at : at + size]) % dims
            for size in range(1, grams + 1)
            for at in range(len(marked) - size + 1)
        ]
        np.add.at(row, places, 1)
        # The hundredth of the same run says little that the first did not.
        np.sqrt(row, out=row)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def check(dims: int, grams: int, chars: int) -> None:
    """Raises ConfigError for options out of range."""
    for name, value, most in (
        ("dims", dims, DIMS_MAX),
        ("grams", grams, GRAMS_MAX),
        ("chars", chars, CHARS_MAX),
    ):
        if not 1 <= value <= most:
            raise ConfigError(f"{name} is {value}", f"give 1 to {most:,}")


@dataclass(frozen=True)
class Text(LinearTask):
    """Which of the campaign's labels a text has."""

    swing: ClassVar[float] = SWING

    column: str = "text"
    dims: int = 4_096
    grams: int = 4  # the longest run of bytes that is counted
    chars: int = 1_000  # of a text, from its beginning, that are read

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        check(self.dims, self.grams, self.chars)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The text and its label."""
        return Column(self.column, Kind.TEXT), Column(LABEL, Kind.LABEL)

    @property
    def features(self) -> int:
        """One for each remainder of a hash."""
        return self.dims

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, dims)."""
        return hashed(list(table[self.column]), self.dims, self.grams, self.chars)

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """Chosen on training texts alone: benchmarks/federated.py."""
        return next(recipe for most, recipe in RECIPES if examples * epsilon <= most)
