"""Floats on a grid, for sums of integers: so fine that rounding is far below a single example's noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.model import Vector
from federated.ring import Ring, Words
from federated.spec import TrainingSpec

RING: Final = Ring(32)
# Of an example's bound: sums of half a million examples, all in one direction, do not wrap.
_STEPS_PER_CLIP: Final = 4_096


def to_ring(spec: TrainingSpec, vector: Vector) -> Words:
    """The nearest points of the grid."""
    return RING.of(
        np.rint(vector.astype(np.float64) * (_STEPS_PER_CLIP / spec.clip)).astype(np.int64)
    )


def from_ring(spec: TrainingSpec, total: Words) -> NDArray[np.float64]:
    """The sum that the integers stand for."""
    return RING.signed(total).astype(np.float64) * (spec.clip / _STEPS_PER_CLIP)
