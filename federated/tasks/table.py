"""Tables of numbers and categories, and a linear head.

A number is spread over `knots` between its least and most, which the job declares, so that a linear head can
learn a curve; a category has a place for each declared value, or is hashed. Nothing is estimated from private
columns: ranges that nobody knows can be asked for, with noise, before a job is opened.

    numbers      NAME:LOW:HIGH      clipped to LOW..HIGH    NAME:LOW:HIGH:log   by its logarithm from LOW on
                 NAME?:LOW:HIGH     the field may be empty
    categories   NAME               hashed                  NAME=one|two|three  these, and another
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.data import LABEL, Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.task import Inputs, LinearTask
from protocol.errors import ConfigError
from protocol.limits import COLUMNS_MAX

KNOTS_MAX: Final = 64
BUCKETS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers, from its description in the options."""

    name: str
    low: float
    high: float
    optional: bool
    logarithm: bool

    @classmethod
    def of(cls, described: str) -> Number:
        """Raises ConfigError for what is no NAME:LOW:HIGH."""
        name, *rest = described.split(":")
        scale = rest[2:]
        try:
            low, high = map(float, rest[:2])
        except ValueError:
            low = high = 0.0
        if not (name.strip("?") and low < high < float("inf") and scale in ([], ["log"])):
            raise ConfigError(
                f"{described!r} describes no column of numbers",
                "write NAME:LOW:HIGH or NAME:LOW:HIGH:log, and NAME? where fields may be empty",
            )
        return cls(name.removesuffix("?"), low, high, name.endswith("?"), bool(scale))

    def spread(self, values: NDArray[np.float64], knots: int) -> NDArray[np.float32]:
        """(n, knots): how near each value is to each knot, two of them at most, together one; with an
        optional column one more, which says that there is no value."""
        missing = np.isnan(values)
        place = (np.clip(np.where(missing, self.low, values), self.low, self.high)) - self.low
        whole = self.high - self.low
        if self.logarithm:
            place, whole = np.log1p(place), float(np.log1p(whole))
        distance = np.abs(place[:, None] / whole * (knots - 1) - np.arange(knots))
        near = np.where(missing[:, None], 0, np.clip(1 - distance, 0, 1))
        columns = [near, missing[:, None]] if self.optional else [near]
        return np.concatenate(columns, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Category:
    """A column of categories, from its description in the options."""

    name: str
    values: tuple[str, ...]  # none: it is hashed

    @classmethod
    def of(cls, described: str) -> Category:
        """Raises ConfigError for what is no NAME or NAME=one|two."""
        name, equals, values = described.partition("=")
        given = tuple(values.split("|")) if equals else ()
        if not name or len(set(given)) < len(given) or len(given) > BUCKETS_MAX:
            raise ConfigError(
                f"{described[:80]!r} describes no column of categories",
                "write NAME, or NAME=one|two|three with each value once",
            )
        return cls(name, given)

    def size(self, buckets: int) -> int:
        """How many numbers it becomes."""
        return len(self.values) + 1 if self.values else buckets

    def spread(self, values: NDArray[np.object_], buckets: int) -> NDArray[np.float32]:
        """(n, size): one in the value's place, the last of declared ones for any other."""
        if self.values:
            index = {value: place for place, value in enumerate(self.values)}
            places = [index.get(value, len(self.values)) for value in values]
        else:
            places = [zlib.crc32(value.encode()) % buckets for value in values]
        return np.eye(self.size(buckets), dtype=np.float32)[places]


@dataclass(frozen=True)
class Columns:
    """What a linear head and a network read alike."""

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    label: str = LABEL
    knots: int = 8
    buckets: int = 16  # that a category without declared values is hashed into

    def __post_init__(self) -> None:
        """Raises ConfigError for columns that are described wrongly, or options out of range."""
        if not 2 <= self.knots <= KNOTS_MAX:
            raise ConfigError(f"knots is {self.knots}", f"give 2 to {KNOTS_MAX}")
        if not 1 <= self.buckets <= BUCKETS_MAX:
            raise ConfigError(f"buckets is {self.buckets}", f"give 1 to {BUCKETS_MAX}")
        names = [*(each.name for each in self._numbers), *(each.name for each in self._categories)]
        if not 0 < len(names) < COLUMNS_MAX or len({*names, self.label}) <= len(names):
            raise ConfigError(
                f"a table of {len(names)} columns beside {self.label!r}",
                f"describe each once, at most {COLUMNS_MAX - 1}, by --option numbers= and categories=",
            )

    @cached_property
    def _numbers(self) -> list[Number]:
        return [Number.of(each) for each in self.numbers]

    @cached_property
    def _categories(self) -> list[Category]:
        return [Category.of(each) for each in self.categories]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Numbers, categories, and the label."""
        return (
            *(Column(each.name, Kind.NUMBER, optional=each.optional) for each in self._numbers),
            *(Column(each.name, Kind.CATEGORY) for each in self._categories),
            Column(self.label, Kind.LABEL),
        )

    @property
    def features(self) -> int:
        """How many numbers an example becomes."""
        numbers = sum(self.knots + each.optional for each in self._numbers)
        return numbers + sum(each.size(self.buckets) for each in self._categories)

    def inputs(self, table: Table, _: Mapping[str, Array]) -> Inputs:
        """(n, features), of a length about one."""
        parts = [
            *(each.spread(table[each.name], self.knots) for each in self._numbers),
            *(each.spread(table[each.name], self.buckets) for each in self._categories),
        ]
        return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


@dataclass(frozen=True)
class TableTask(Columns, LinearTask):
    """Which of the campaign's labels a line of a table has."""

    def targets(self, table: Table) -> NDArray[np.int64]:
        """By the column of labels."""
        return table.classes(self.label, self.labels)

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """Chosen on training lines alone: benchmarks/federated.py."""
        return Recipe(rounds=60, sampling=1.0, clip=0.5, learning_rate=20.0, momentum=0.9)
