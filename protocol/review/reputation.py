"""Reputation: a decaying Beta belief for each identity, role and campaign, in integers.

Evidence is counted in millionths; right and wrong start from a flat Beta(1, 1) prior (Josang & Ismail,
"The Beta Reputation System", 2002). Draw weights use the lower end of its interval, computed with
integers alone, so that every replay draws the same reviewers. Stake does not enter.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

from protocol.limits import PPM
from protocol.state import Belief

PRIOR_MICRO: Final = PPM  # one pseudo-observation on each side

# One standard deviation below the mean: with no evidence this gives 0.21, and 0.86 after 50 right of 50.
_DEVIATIONS: Final = 1


def mean_ppm(belief: Belief) -> int:
    """The mean of the belief, in ppm."""
    right = belief.right_micro + PRIOR_MICRO
    return right * PPM // (right + belief.wrong_micro + PRIOR_MICRO)


def deviation_ppm(belief: Belief) -> int:
    """The standard deviation of Beta(a, b) in ppm: sqrt(m (1 - m) / (a + b + 1)), rounded down."""
    mean = mean_ppm(belief)
    total_micro = belief.right_micro + belief.wrong_micro + 2 * PRIOR_MICRO
    return isqrt(mean * (PPM - mean) * PPM // (total_micro + PPM))


def interval_ppm(belief: Belief) -> tuple[int, int]:
    """The interval mean +- one deviation, within [0, 10^6] ppm."""
    mean, spread = mean_ppm(belief), _DEVIATIONS * deviation_ppm(belief)
    return max(0, mean - spread), min(PPM, mean + spread)


NEWCOMER_PPM: Final = interval_ppm(Belief())[0]


def draw_weight(belief: Belief | None) -> int:
    """The weight of a reviewer in a draw, in ppm.

    Nobody weighs less than a newcomer: a bad name is then never worth shedding for a new one.
    """
    return NEWCOMER_PPM if belief is None else max(NEWCOMER_PPM, interval_ppm(belief)[0])


def decay(belief: Belief, kept_ppm: int) -> None:
    """Lets old evidence fade, once an epoch."""
    belief.right_micro = belief.right_micro * kept_ppm // PPM
    belief.wrong_micro = belief.wrong_micro * kept_ppm // PPM


def observe(belief: Belief, *, right: int = 0, wrong: int = 0) -> None:
    """Adds whole observations."""
    belief.right_micro += right * PPM
    belief.wrong_micro += wrong * PPM
