"""The normal distribution's function, far into its tail.

scipy.special has it, too, and takes .4 CPU seconds to load: each command of a partner would pay them, and of
jobs in which nothing is sampled this is all that an epsilon needs.
"""

from __future__ import annotations

import math
from typing import Final

_ROOT_2: Final = math.sqrt(2)
_LOG_ROOT_2_PI: Final = math.log(2 * math.pi) / 2
# Below, erfc leaves the range of floats; there the series is right to its last digit.
_SERIES_BELOW: Final = -37.0
# Of the series (Abramowitz & Stegun, 26.2.12): the next is 2e-16 at its worst.
_TERMS: Final = 6


def log_ndtr(x: float) -> float:
    """The logarithm of the chance that a standard normal number is below x.

    Right within 1e-15 of one plus its size.
    """
    if x > 0:
        return math.log1p(-math.erfc(x / _ROOT_2) / 2)
    if x > _SERIES_BELOW:
        return math.log(math.erfc(-x / _ROOT_2) / 2)
    square, term, series = x * x, 1.0, 1.0
    for odd in range(1, 2 * _TERMS, 2):
        term *= -odd / square
        series += term
    return -square / 2 - math.log(-x) - _LOG_ROOT_2_PI + math.log(series)
