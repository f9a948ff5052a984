"""Answers to questions: what an example adds to the sum, and what the noisy sum of all of them says.

Every example adds a vector whose L2 norm is at most `bound(question)`, whatever its fields hold; so nothing
has to be clipped, and an answer without noise is exact.

    count, histogram, table   1 in the cell that the example is in
    mean                      1, and the value scaled to -1..1
    quantile                  1 in a cell of each level of a binary tree over the range

A quantile takes sums of many cells, in which their noise would add up; out of a tree one takes few. All
levels measure the same counts, and least squares make of them the best unbiased estimate (Hay et al.,
VLDB 2010).

Intervals are of 95 %, for the answer over the partners' own examples: the noise's alone. They say nothing
about examples that no partner has, and each holds by itself, not all of them at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated.data import Column, Kind, Table
from federated.questions import QUANTILE_LEVELS, Bins, Question, Range
from federated.questions import Kind as Asked
from protocol.errors import ConfigError, Reject
from protocol.limits import PPM

Z_95: Final = 1.959964  # standard normal, two-sided 95 %
_LEAVES: Final = 1 << QUANTILE_LEVELS
# Counts are whole numbers; solving for them leaves errors far below this.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Figure:
    """A part of an answer, and where it lies with 95 % confidence."""

    name: str
    value: float
    low: float
    high: float


def size(question: Question) -> int:
    """How many values the sum has."""
    match question.kind:
        case Asked.MEAN:
            return 2
        case Asked.QUANTILE:
            return 2 * _LEAVES - 2  # a tree without its root
    return question.cells


def bound(question: Question) -> float:
    """The L2 norm that no example's part of the sum exceeds: what the noise is measured by."""
    match question.kind:
        case Asked.MEAN:
            return _rounded_up(math.sqrt(2))
        case Asked.QUANTILE:
            return _rounded_up(math.sqrt(QUANTILE_LEVELS))
    return 1.0


def _rounded_up(value: float) -> float:
    """To a millionth, as the log carries a bound."""
    return math.ceil(value * PPM) / PPM


def columns(question: Question) -> tuple[Column, ...]:
    """What is read of the data: numbers where a range is named, which may be missing; words elsewhere."""
    ranged = {axis.column for axis in question.axes if isinstance(axis, Bins)}
    if question.range is not None:
        ranged.add(question.range.column)
    return tuple(
        Column(name, Kind.NUMBER, optional=True) if name in ranged else Column(name, Kind.CATEGORY)
        for name in question.columns
    )


def encode(question: Question, table: Table) -> NDArray[np.float64]:
    """(n, k, 2): what each example adds, as places in the sum and values. Raises ConfigError without a
    column that the question reads."""
    match question.kind:
        case Asked.MEAN:
            return _encode_mean(_range_of(question), table)
        case Asked.QUANTILE:
            return _encode_tree(_range_of(question), table)
    at = np.zeros(len(table), np.intp)
    for axis in question.axes:
        at = at * len(axis.names) + axis.place(table[axis.column])
    return _added(at[:, None], np.ones((len(at), 1)))


def total(question: Question, added: NDArray[np.float64]) -> NDArray[np.float64]:
    """(size,): the exact sum of examples as they were encoded."""
    places, values = added[..., 0].ravel().astype(np.intp), added[..., 1].ravel()
    return np.asarray(np.bincount(places, values, size(question)), np.float64)


def figures(question: Question, noisy: NDArray[np.float64], deviation: float) -> list[Figure]:
    """What a noisy sum says. `deviation` is that of the noise in each of its values; 0 for none.

    Raises Reject for a sum of another size, or with values that are not finite.
    """
    if noisy.shape != (size(question),) or not np.isfinite(noisy).all():
        raise Reject(f"the answer is not {size(question)} finite values")
    match question.kind:
        case Asked.MEAN:
            return _mean(_range_of(question), noisy, deviation)
        case Asked.QUANTILE:
            return _quantiles(question, noisy, deviation)
    return _counts(question, noisy, deviation)


def shares(found: Sequence[Figure]) -> list[float]:
    """Each count's part of all, 0..1 and one together; of counts that noise made negative, none."""
    whole = sum(each.value for each in found)
    return [each.value / whole if whole else 0.0 for each in found]


def _range_of(question: Question) -> Range:
    if question.range is None:
        raise ConfigError(
            f"{question.kind} asks for a range", "say from where to where its values go"
        )
    return question.range


# ---- what an example adds ----


def _encode_mean(range_: Range, table: Table) -> NDArray[np.float64]:
    """An example without a value adds nothing."""
    scaled = range_.scaled(table[range_.column])
    there = ~np.isnan(scaled)
    values = np.stack([there.astype(np.float64), np.where(there, scaled, 0.0)], axis=1)
    return _added(np.broadcast_to(np.arange(2), values.shape), values)


def _encode_tree(range_: Range, table: Table) -> NDArray[np.float64]:
    """The cell of the lowest level, and all that it is a part of; an example without a value adds nothing."""
    scaled = range_.scaled(table[range_.column])
    there = ~np.isnan(scaled)
    leaf = np.where(there, (np.nan_to_num(scaled) + 1) / 2 * _LEAVES, 0).astype(np.intp)
    leaf = np.minimum(leaf, _LEAVES - 1)
    levels = np.arange(1, QUANTILE_LEVELS + 1)
    # Level l has 2^l cells, and those above it have 2^l - 2 in all.
    places = (leaf[:, None] >> (QUANTILE_LEVELS - levels)) + (1 << levels) - 2
    return _added(places, np.broadcast_to(there[:, None], places.shape))


def _added(places: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """Places are far below 2^53, and so exact in doubles."""
    return np.stack([places, values], axis=-1).astype(np.float64)


# ---- what a sum says ----


def _counts(question: Question, noisy: NDArray[np.float64], deviation: float) -> list[Figure]:
    """Noise makes small counts negative; shown are none then. The noisy values are kept beside."""
    names = itertools.product(*(axis.names for axis in question.axes))
    return [
        _count(", ".join(name), value, deviation)
        for name, value in zip(names, noisy.tolist(), strict=True)
    ]


def _count(name: str, value: float, deviation: float) -> Figure:
    reach = Z_95 * deviation
    return Figure(name, max(0.0, value), max(0.0, value - reach), max(0.0, value + reach))


def _mean(range_: Range, noisy: NDArray[np.float64], deviation: float) -> list[Figure]:
    """The ratio of two noisy sums, and the interval of ratios that they do not contradict (Fieller, 1954).

    Where there are hardly more examples than noise, that is the whole range.
    """
    count, scaled = noisy.tolist()
    reach = Z_95 * deviation
    mean = scaled / count if count > 0 else 0.0
    low, high = -1.0, 1.0
    if count > reach:
        # Ratios r with (scaled - r count)^2 <= reach^2 (1 + r^2).
        a, b, c = count**2 - reach**2, scaled * count, scaled**2 - reach**2
        root = math.sqrt(max(0.0, b * b - a * c))
        low, high = (b - root) / a, (b + root) / a
    half, middle = (range_.high - range_.low) / 2, (range_.high + range_.low) / 2
    inside = [middle + half * min(1.0, max(-1.0, each)) for each in (mean, low, high)]
    return [
        Figure(f"mean of {range_.column}", *inside),
        _count(f"examples with {range_.column}", count, deviation),
    ]


def _quantiles(question: Question, noisy: NDArray[np.float64], deviation: float) -> list[Figure]:
    """For each part, the edge of the first cell that brings the count to it.

    The interval holds every cell that the noise does not exclude: below which there may be less than the
    part, and up to which there may be as much.
    """
    range_ = _range_of(question)
    solve, covariance = _least_squares()
    counts = solve @ noisy
    edges = np.linspace(range_.low, range_.high, _LEAVES + 1)
    below = np.tril(np.ones((_LEAVES, _LEAVES)))
    found = []
    for part in question.parts:
        # How many more there are up to a cell than the part asks for: linear in the counts.
        excess = below - part
        differences = excess @ counts
        spreads = np.sqrt(((excess @ covariance) * excess).sum(axis=1))
        reach = Z_95 * deviation * spreads + _ROUNDING
        enough, less = differences + reach >= 0, np.r_[True, (differences - reach)[:-1] < 0]
        possible = np.flatnonzero(enough & less)
        first, last = (possible[0], possible[-1]) if len(possible) else (0, _LEAVES - 1)
        at = min(max(int(np.argmax(differences >= -_ROUNDING)), first), last)
        found.append(
            Figure(
                f"{part:g} quantile of {range_.column}",
                float((edges[at] + edges[at + 1]) / 2),
                float(edges[first]),
                float(edges[last + 1]),
            )
        )
    spread = deviation * math.sqrt(float(covariance.sum()))
    found.append(_count(f"examples with {range_.column}", float(counts.sum()), spread))
    return found


@cache
def _least_squares() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(leaves, size), that makes counts of a noisy tree; and their (leaves, leaves) covariance at noise 1."""
    rows = [
        np.repeat(np.eye(1 << level), _LEAVES >> level, axis=1)
        for level in range(1, QUANTILE_LEVELS + 1)
    ]
    tree = np.concatenate(rows)
    covariance = np.asarray(np.linalg.inv(tree.T @ tree), np.float64)
    return covariance @ tree.T, covariance
