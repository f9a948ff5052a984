"""Weights as small integers, with a scale for the matrix, for each row of it, or for each block of a row.

    value ~ integer * scale,  integer in -(2^(bits-1) - 1) .. 2^(bits-1) - 1

Symmetric, so that zero is zero. Of eight bits a row's scale is what its largest value needs. Of four that
would waste most steps on one outlier: of some scales the one nearest to the row, in squares, is taken. What
is shipped and what is trained for it (`as_shipped`) are rounded by the same code, and only from weights:
nobody's examples set a range.

Where it is known how the inputs of a matrix vary, as of whitened features, each value is rounded to make good
what those before it got wrong, in the directions that matter (greedy path following: Lybrand and Saab, JMLR
2021). Thousands of columns that vary in some hundred directions then lose next to nothing at four bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.model import Weights
from protocol.errors import ConfigError

Floats = NDArray[np.float32]
BITS: Final = (4, 8)
# Values that share a scale where a row is longer: the scales then take a 32nd of what the values do.
BLOCK: Final = 256
# Below so many values in a row, blocks would cost more bytes than they save points.
BLOCKED_MIN: Final = 1_024
# Eight bits are fine enough for one scale, where a scale for each row would take a hundredth of the file.
ONE_SCALE_MAX: Final = 8_192
# Values of filters that save less in four bits than they spoil.
FEW_FILTERS: Final = 1_024
# How much a value's own error counts beside what it makes good: too little, and values run off their range.
STIFF: Final = 0.1
# Which parts of the largest value are tried as the range of four bits.
_RANGES: Final = np.linspace(0.55, 1.0, 19)


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A matrix in integers."""

    integers: NDArray[np.int8]  # (rows, columns)
    scales: Floats  # (rows, blocks); (1, 1) where all share one
    block: int  # columns of a block; 0: a row is one

    def values(self) -> Floats:
        """(rows, columns): what the integers stand for, in single floats as runtimes compute them."""
        return self.integers.astype(np.float32) * self.scale_of_each()

    def scale_of_each(self) -> Floats:
        """(rows, columns): the scale of each value."""
        scales = self.scales
        if self.block:
            scales = np.repeat(scales, self.block, axis=1)[:, : self.integers.shape[1]]
        return np.broadcast_to(scales, self.integers.shape)


def quantize(
    matrix: Floats, bits: int, *, blocked: bool = True, spread: Floats | None = None
) -> Quantized:
    """(rows, columns) in integers of 4 or 8 bits; in blocks only where `blocked`.

    `spread` (columns, directions): what one step in each direction is in the matrix's inputs.
    Raises ConfigError for other numbers of bits.
    """
    if bits not in BITS:
        raise ConfigError(f"weights of {bits} bits", "give 4 or 8")
    if bits == 8 and matrix.size <= ONE_SCALE_MAX:
        scale = _scales(matrix.reshape(1, -1), bits)
        return Quantized(_rounded(matrix, scale, bits), scale, 0)
    columns = matrix.shape[1]
    block = BLOCK if blocked and bits == 4 and columns >= BLOCKED_MIN else 0
    width = block or max(columns, 1)
    padded = np.pad(matrix, ((0, 0), (0, -columns % width)))
    rows = padded.reshape(-1, width)
    scales = _scales(rows, bits)
    integers = _rounded(rows, scales, bits).reshape(padded.shape)[:, :columns]
    found = Quantized(integers, scales.reshape(len(matrix), -1), block)
    return found if spread is None or bits == 8 else _followed(matrix, found, bits, spread)


def _followed(matrix: Floats, near: Quantized, bits: int, spread: Floats) -> Quantized:
    """With the same scales, column by column: what is off so far in the outputs is taken along."""
    steps = near.scale_of_each()
    lengths = np.square(spread, dtype=np.float64).sum(axis=1)
    enough = np.maximum(lengths + STIFF * lengths.mean(), np.finfo(np.float64).tiny)
    off = np.zeros((len(matrix), spread.shape[1]))
    integers = np.empty_like(near.integers)
    for at in range(matrix.shape[1]):
        wanted = matrix[:, at] + off @ spread[at] / enough[at]
        integers[:, at] = _rounded(wanted, steps[:, at], bits)
        off += np.outer(matrix[:, at] - integers[:, at] * steps[:, at], spread[at])
    return replace(near, integers=integers)


def as_shipped(array: Floats, bits: int) -> Floats:
    """An array as its shipped integers will read; vectors, which are shipped in floats, stay as they are."""
    if array.ndim < 2:
        return array
    rows = array.reshape(len(array), -1)
    found = quantize(rows, bits_of(array.shape, bits), blocked=array.ndim == 2)
    return found.values().reshape(array.shape)


def bits_of(shape: tuple[int, ...], bits: int) -> int:
    """How many bits an array of this shape has in a file of so many: a few filters, which are used at every
    place of a picture, have eight."""
    return 8 if len(shape) > 2 and math.prod(shape) < FEW_FILTERS else bits


def rounded(weights: Weights, bits: int) -> Weights:
    """A model whose weights read as they will be shipped; of 0 bits, the same.

    Gradients that are taken there teach it to be right after rounding. Each example's is bounded as before:
    the point at which it is taken is the same for all of them, and everybody knows it.
    """
    if not bits:
        return weights
    arrays = {name: as_shipped(array, bits) for name, array in weights.arrays.items()}
    return replace(weights, arrays=arrays)


def _most(bits: int) -> int:
    return int(2 ** (bits - 1)) - 1


def _scales(rows: Floats, bits: int) -> Floats:
    """(n, 1): of each row."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    whole = np.where(largest > 0, largest / _most(bits), 1.0).astype(np.float32)
    if bits == 8:
        return whole
    best, least = whole, np.full(whole.shape, np.inf)
    for part in _RANGES:
        scales = (whole * np.float32(part)).astype(np.float32)
        off = rows - _rounded(rows, scales, bits) * scales
        error = np.square(off, dtype=np.float64).sum(axis=1, keepdims=True)
        best, least = np.where(error < least, scales, best), np.minimum(error, least)
    return best.astype(np.float32)


def _rounded(rows: Floats, scales: Floats, bits: int) -> NDArray[np.int8]:
    integers = np.clip(np.rint(rows / scales), -_most(bits), _most(bits))
    return np.asarray(integers, np.int8)
