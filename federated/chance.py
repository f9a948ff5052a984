"""Random numbers that nobody can guess: who is in a sample, and the noise that hides them.

Bits come from the operating system, afresh for every number. A seeded generator would not do: where a
feature is always zero an update shows bare noise, and from enough outputs of an ordinary generator its state,
and with it all other noise, can be computed.

The noise is a sum of four normals over two, so that a release's low bits do not give away the one uniform
that made it (Mironov, CCS 2012; Holohan & Braghin, 2021). This makes that attack on floating-point noise
impractical; it does not prove it impossible, as exact discrete noise would (Canonne et al., NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Randomness = Callable[[int], bytes]
"""Gives that many bytes that nobody can guess."""

_NORMALS: Final = 4  # that are summed for one value of noise
# One less than a double has, so that a half can be added exactly: 1.0 is never drawn.
_BITS: Final = 52


def uniform(count: int, randomness: Randomness) -> NDArray[np.float64]:
    """(count,) in 0..1, neither end included, each from 52 bits of its own."""
    bits = np.frombuffer(randomness(8 * count), np.uint64) >> np.uint64(64 - _BITS)
    return (bits.astype(np.float64) + 0.5) * 2.0**-_BITS


def normal(count: int, randomness: Randomness) -> NDArray[np.float64]:
    """(count,) independent standard normals, none beyond 17: by inversion of four uniforms each."""
    drawn = ndtri(uniform(_NORMALS * count, randomness)).reshape(_NORMALS, count)
    return np.asarray(drawn.sum(axis=0) / np.sqrt(_NORMALS))
