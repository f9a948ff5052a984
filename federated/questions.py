"""Questions about columns that partners keep: what may be asked, and in which words.

    count age                              how many have something in the column
    histogram age 0 100 10                 ten cells of equal width
    histogram smoker yes,no                a cell for each word
    table age 0 100 10 by smoker yes,no    a cell for each pair
    mean age 0 100
    quantile age 0 100 0.25,0.5,0.75

Bins, words and ranges are part of the question. Taken from the data, they would say something about it
that nobody accounted for. A question has one text, which the job's record carries; whoever reads it there
computes with what its own code makes of it.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import ConfigError
from protocol.text import check_name

# More cells than examples say nothing; an answer of so many is 32 KiB.
CELLS_MAX: Final = 4_096
# People read tables of two columns, with effort of three.
AXES_MAX: Final = 3
QUANTILES_MAX: Final = 16
# A quantile is found among 2^8 cells: to 0.4 % of its range, which noise seldom is finer than.
QUANTILE_LEVELS: Final = 8
TEXT_CHARS_MAX: Final = 1_024
# Of an answer's figures, which are whole millionths, a thousand at least lie within a range.
_WIDTH_MIN: Final = 0.001
# Within these bounds a double tells integers apart, and sums of cells stay exact.
_NUMBER_MAX: Final = 1e15

OUTSIDE: Final = "outside"
PRESENT: Final = "there"
MISSING: Final = "missing"
_BY: Final = "by"
_GRAMMAR: Final = (
    "ask one of: count COLUMN; histogram COLUMN LOW HIGH BINS; histogram COLUMN WORD,WORD,...;"
    " table COLUMN ... by COLUMN ...; mean COLUMN LOW HIGH; quantile COLUMN LOW HIGH 0.5,..."
)


class Kind(StrEnum):
    """What is asked for."""

    COUNT = "count"
    HISTOGRAM = "histogram"
    TABLE = "table"
    MEAN = "mean"
    QUANTILE = "quantile"


@dataclass(frozen=True, slots=True)
class Range:
    """A column of numbers, and where they are looked for."""

    column: str
    low: float
    high: float

    def __post_init__(self) -> None:
        check_name(self.column, "a column's name")
        if not -_NUMBER_MAX <= self.low < self.high <= _NUMBER_MAX:  # nor is either no number
            raise ConfigError(
                f"{self.column!r} cannot range from {_number(self.low)} to {_number(self.high)}",
                f"name two numbers, the lower first, within {_NUMBER_MAX:g}",
            )

    def __str__(self) -> str:
        return f"{shlex.quote(self.column)} {_number(self.low)} {_number(self.high)}"

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) -1 at the low end and below, 1 at the high end and above; not a number where there is none."""
        half = (self.high - self.low) / 2
        return np.clip((values - self.low) / half - 1, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Bins:
    """Cells of equal width over a range; one more for what is outside, one for what is no number."""

    range: Range
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= CELLS_MAX:
            raise ConfigError(f"{self.count} bins", f"ask for 1 to {CELLS_MAX}")
        if not (np.diff(self.edges) > 0).all():
            raise ConfigError(
                f"{self} has bins that no number falls into", "ask for fewer bins or a wider range"
            )

    def __str__(self) -> str:
        return f"{self.range} {self.count}"

    @property
    def column(self) -> str:
        return self.range.column

    @property
    def edges(self) -> NDArray[np.float64]:
        """(count + 1,) ascending."""
        return np.linspace(self.range.low, self.range.high, self.count + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cells, in order. A value on an edge is in the upper one; the highest end in the last."""
        edges = [_number(each) for each in self.edges.tolist()]
        inner = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
        return (*inner, OUTSIDE, MISSING)

    def place(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """(n,) in which cell each number is."""
        at = np.searchsorted(self.edges, values, side="right") - 1
        at[values == self.range.high] = self.count - 1
        at[(values < self.range.low) | (values > self.range.high)] = self.count
        at[np.isnan(values)] = self.count + 1
        return at


@dataclass(frozen=True, slots=True)
class Words:
    """A cell for each word; one more for other words, one for none."""

    column: str
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name(self.column, "a column's name")
        for word in self.words:
            check_name(word, "a word to count")
        if len({*self.words, OUTSIDE, MISSING}) != len(self.words) + 2:
            raise ConfigError(
                f"{','.join(self.words)!r} are not different words", "name each word once"
            )
        if not 1 <= len(self.words) <= CELLS_MAX:
            raise ConfigError(f"{len(self.words)} words", f"ask for 1 to {CELLS_MAX}")

    def __str__(self) -> str:
        return f"{shlex.quote(self.column)} {shlex.quote(','.join(self.words))}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cells, in order."""
        return (*self.words, OUTSIDE, MISSING)

    def place(self, values: Iterable[str]) -> NDArray[np.intp]:
        """(n,) in which cell each field is; blanks around a word do not count."""
        index = {word: number for number, word in enumerate(self.words)} | {"": len(self.words) + 1}
        return np.array([index.get(each.strip(), len(self.words)) for each in values], np.intp)


@dataclass(frozen=True, slots=True)
class Present:
    """Whether a column's field holds something."""

    column: str

    def __post_init__(self) -> None:
        check_name(self.column, "a column's name")

    def __str__(self) -> str:
        return shlex.quote(self.column)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cells, in order."""
        return (PRESENT, MISSING)

    def place(self, values: Iterable[str]) -> NDArray[np.intp]:
        """(n,) in which cell each field is."""
        return np.array([not each.strip() for each in values], np.intp)


Axis = Bins | Words | Present


@dataclass(frozen=True, slots=True)
class Question:
    """One question. Axes are for counts, the range for mean and quantile."""

    kind: Kind
    axes: tuple[Axis, ...] = ()
    range: Range | None = None
    parts: tuple[float, ...] = ()  # which quantiles: 0.5 is the median

    def __post_init__(self) -> None:
        columns = self.columns
        if len(set(columns)) != len(columns):
            raise ConfigError("a column is asked for twice", _GRAMMAR)
        if self.cells > CELLS_MAX:
            raise ConfigError(
                f"the answer has {self.cells} cells", f"ask for at most {CELLS_MAX} in all"
            )
        if not all(0 < part < 1 for part in self.parts) or list(self.parts) != sorted(
            set(self.parts)
        ):
            raise ConfigError(
                f"the quantiles {_listed(self.parts)}", "name ascending parts between 0 and 1"
            )
        width = self.range.high - self.range.low if self.range is not None else math.inf
        if width < _WIDTH_MIN:
            raise ConfigError(
                f"{self.range} is a range of {width:g}, and answers have six decimals",
                f"ask of a column in a smaller unit; a range is at least {_WIDTH_MIN:g} wide",
            )

    def __str__(self) -> str:
        """The one text of the question."""
        if self.range is None:
            return " ".join([self.kind, f" {_BY} ".join(map(str, self.axes))]).strip()
        return " ".join([self.kind, str(self.range), _listed(self.parts)]).strip()

    @property
    def columns(self) -> tuple[str, ...]:
        """All that it reads of an example."""
        return (self.range.column,) if self.range else tuple(axis.column for axis in self.axes)

    @property
    def cells(self) -> int:
        """Of the cells that examples are counted in."""
        return math.prod(len(axis.names) for axis in self.axes)

    @property
    def words(self) -> str:
        """What it asks, for the people who decide about it."""
        if self.range is not None:
            column, low, high = self.range.column, *map(_number, (self.range.low, self.range.high))
            within = f"of {column!r}, each counted as {low} if lower and {high} if higher"
            if self.kind is Kind.MEAN:
                return f"the mean {within}, and how many have one"
            return (
                f"the values {within}, that these parts of them stay below: {_listed(self.parts)}"
            )
        if self.kind is Kind.COUNT:
            return f"how many examples have something in {self.columns[0]!r}, and how many nothing"
        cells = " and ".join(f"{axis.column!r} ({_outline(axis)})" for axis in self.axes)
        return f"how many examples there are of each {cells}"


def parse(text: str) -> Question:
    """The question behind a text. Raises ConfigError with what can be asked."""
    if len(text) > TEXT_CHARS_MAX:
        raise ConfigError(
            f"a question of {len(text)} characters", f"ask in at most {TEXT_CHARS_MAX}"
        )
    try:
        first, *rest = shlex.split(text)
        kind = Kind(first)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a question", _GRAMMAR) from error
    match kind, rest:
        case Kind.COUNT, [column]:
            return Question(kind, (Present(column),))
        case Kind.HISTOGRAM, _:
            return Question(kind, (_axis(rest),))
        case Kind.TABLE, _:
            axes = [_axis(part) for part in _split(rest)]
            if 2 <= len(axes) <= AXES_MAX:
                return Question(kind, tuple(axes))
            raise ConfigError(f"a table of {len(axes)} columns", f"name 2 to {AXES_MAX} columns")
        case Kind.MEAN, [column, low, high]:
            return Question(kind, range=Range(column, _float(low), _float(high)))
        case Kind.QUANTILE, [column, low, high, parts]:
            wanted = tuple(_float(each) for each in parts.split(","))
            if len(wanted) > QUANTILES_MAX:
                raise ConfigError(f"{len(wanted)} quantiles", f"ask for at most {QUANTILES_MAX}")
            return Question(kind, range=Range(column, _float(low), _float(high)), parts=wanted)
    raise ConfigError(f"{text!r} is not a question", _GRAMMAR)


def _axis(words: Sequence[str]) -> Axis:
    match words:
        case [column, low, high, count] if count.isdecimal() and len(count) < len(str(10**6)):
            return Bins(Range(column, _float(low), _float(high)), int(count))
        case [column, listed]:
            return Words(column, tuple(listed.split(",")))
    raise ConfigError(f"{' '.join(words)!r} names no cells to count in", _GRAMMAR)


def _split(words: Sequence[str]) -> list[list[str]]:
    """The parts between one `by` and the next."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == _BY:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _number(value: float) -> str:
    """As people write it, and such that it is read as the same double."""
    return str(int(value)) if value.is_integer() else repr(value)


def _listed(values: Sequence[float]) -> str:
    return ",".join(map(_number, values))


def _outline(axis: Axis) -> str:
    if isinstance(axis, Bins):
        return f"{axis.count} bins from {_number(axis.range.low)} to {_number(axis.range.high)}"
    return ", ".join(axis.names)
