"""Cosines and sines in integers: the same on every machine, whatever its library rounds to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ONE: Final = 1 << 40
# (cosine, sine) of one step of so many around the circle.
_STEPS: Final = {128: (1098187217867, 53950478471), 512: (1099428836573, 13492699036)}


def circle(steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cosines and sines, in ONE, at each of 128 or 512 steps, by turning on and on."""
    cosine, sine = _STEPS[steps]
    found, (x, y) = [], (ONE, 0)
    for _ in range(steps):
        found.append((x, y))
        x, y = (x * cosine - y * sine) // ONE, (x * sine + y * cosine) // ONE
    table = np.array(found, dtype=np.int64)
    return table[:, 0], table[:, 1]
