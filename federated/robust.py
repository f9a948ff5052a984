"""Sums of cohorts into the sum of a round, when some cohort may have somebody in it who wants harm.

    mean      all cohorts: exactly the sum of all partners
    bounded   each shortened to the median length of all: scaled updates weigh no more than others
    median    value by value, times the number of cohorts
    trimmed   the mean without the highest and the lowest quarter, value by value
    trusted   only cohorts that point downhill on public examples, each at most of the median length

All but the first look at the cohorts one by one, so that each of their sums has to carry all the noise that
the sum of all would. With c cohorts a round has sqrt(c) times the noise: that is the price, and it is paid by
accuracy. A majority of cohorts has to be honest; with cohorts of k partners and a part a of attackers,
about (1 - a)^k are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.cohorts import Defence
from protocol.errors import Reject

Sums = NDArray[np.float64]
"""(cohorts, parameters)."""

_TRIMMED: Final = 0.25  # at either end


def combine(
    defence: Defence, cohorts: Sequence[NDArray[np.float64]], useful: Sequence[float]
) -> NDArray[np.float64]:
    """(parameters,): what the round counts as its sum. `useful` is each cohort's usefulness, for `trusted`.

    Raises Reject without cohorts of one size, or with a sum that is not finite.
    """
    if not cohorts or len({each.shape for each in cohorts}) > 1 or len(useful) != len(cohorts):
        raise Reject("cohorts' sums are not of one size")
    sums = np.stack(cohorts).astype(np.float64)
    if not np.isfinite(sums).all():
        raise Reject("a cohort's sum holds values that are not finite")
    return _WAYS[defence](sums, np.asarray(useful, np.float64))


def _mean(sums: Sums, _: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sums.sum(axis=0))


def _bounded(sums: Sums, _: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_shortened(sums).sum(axis=0))


def _median(sums: Sums, _: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.median(sums, axis=0) * len(sums))


def _trimmed(sums: Sums, _: NDArray[np.float64]) -> NDArray[np.float64]:
    cut = int(len(sums) * _TRIMMED)
    kept = np.sort(sums, axis=0)[cut : len(sums) - cut]
    return np.asarray(kept.mean(axis=0) * len(sums))


def _trusted(sums: Sums, useful: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nothing where no cohort points downhill: the model stays where it is."""
    return np.asarray((_shortened(sums) * (useful > 0)[:, None]).sum(axis=0))


def _shortened(sums: Sums) -> Sums:
    lengths = np.linalg.norm(sums, axis=1)
    factors = np.minimum(1.0, np.median(lengths) / np.where(lengths > 0, lengths, 1.0))
    return np.asarray(sums * factors[:, None])


_WAYS: Final[Mapping[Defence, Callable[[Sums, NDArray[np.float64]], NDArray[np.float64]]]] = {
    Defence.MEAN: _mean,
    Defence.BOUNDED: _bounded,
    Defence.MEDIAN: _median,
    Defence.TRIMMED: _trimmed,
    Defence.TRUSTED: _trusted,
}
