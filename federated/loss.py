"""Distributions of privacy loss: what an observer may learn, as numbers on a grid, never too small.

The loss of an output is the logarithm of how much likelier it is with an example than without it (or the
other way round). How it is distributed says everything about a mechanism, and losses of rounds add up. Of
the Gaussian mechanism over a Poisson sample we know the two worst distributions, for an example that is
removed and for one that is added (Zhu, Dong & Wang, AISTATS 2022, which also says that they compose).

    grid      each bin's mass goes to the bin's two ends so that its chance stays the same under both
              neighbours ("connect the dots", Doroshenko et al., PETS 2022). That adds spread and takes none
              away: delta on the grid is right, between its points too large
    tails     what is above the grid counts as infinite, what is below as its lowest point
    compose   by Fourier transform of the masses tilted by exp(theta loss), so that the region that decides is
              the middle and not a tail of 1e-18; what wraps around is bounded by Chernoff and added
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

# A bin of a fiftieth of a round's deviation widens the sum's by less than 4e-5 of itself.
_BINS_A_DEVIATION: Final = 50
# Of one round; a wider range gets wider bins, which take longer tails for heavier than they are.
_BINS_MAX: Final = 1 << 16
# Of the sum. More take seconds, and nobody trains so long with so little noise.
_POINTS_MAX: Final = 1 << 21
# Beyond, exponentials leave the range of floats, and an epsilon means nothing.
LOSS_MAX: Final = 300.0
# The chance of one round's output that is left out of the grid, and what that makes of deviations. No delta
# that anybody states comes near.
_TAIL: Final = 1e-30
_REACH: Final = math.sqrt(-2 * math.log(_TAIL))
# What may wrap around at each end of the sum: exp(-40) = 4e-18.
_WRAPPED: Final = 40.0
# All rounding of a transform and of its power, as part of one. A hundred times what was seen.
_ROUNDING: Final = 1e-10
# Of the normal distribution's function, relative to its value.
_NDTR_ERROR: Final = 2e-15
# An exponent that floats bear.
_EXPONENT_MAX: Final = 600.0
# theta + 1 is an order of Rényi's divergence. Nearly the best one does as well.
_LOG_THETAS: Final = (math.log(1e-3), math.log(1e5))
_THETA_TOLERANCE: Final = 0.1
# A bound from far above the middle is tightened from nearer.
_TILTS_MAX: Final = 4
_STEPS: Final = 60  # that halve an interval until floats have no more digits


class OutOfRange(ValueError):
    """The losses are too large, or too many, for the grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """The loss of one round on a grid: `masses[i]` is the chance of (start + i) * bin."""

    start: int
    masses: Floats
    infinite: float  # chance of more than the grid holds

    def cumulant(self, theta: float, bin_: float) -> float:
        """log E[exp(theta loss)] of what is on the grid."""
        exponents = theta * bin_ * (self.start + np.arange(len(self.masses)))
        top = float(exponents.max())
        return top + math.log(float(self.masses @ np.exp(exponents - top)))

    def tilted(self, theta: float, bin_: float) -> Floats:
        """The masses times exp(theta loss), scaled to a sum of one."""
        exponents = theta * bin_ * (self.start + np.arange(len(self.masses)))
        weighted = self.masses * np.exp(exponents - exponents.max())
        return np.asarray(weighted / weighted.sum())


def bin_width(rounds: Sequence[tuple[float, float, int]]) -> float:
    """For (noise, sampling, rounds) together: a power of two, the same for any number of equal rounds.

    Raises OutOfRange.
    """
    variance, width = 0.0, 0.0
    for noise, sampling, count in rounds:
        # Without the example: the chi-squared distance, and no more than without sampling.
        spread = sampling * math.sqrt(math.expm1(min(noise**-2, LOSS_MAX)))
        variance += count * min(1 / noise, spread) ** 2
        low, high = _ends(noise, sampling)
        width = max(width, (high - low) / (_BINS_MAX // 2))
    width = max(width, math.sqrt(variance / sum(count for *_, count in rounds)) / _BINS_A_DEVIATION)
    return float(2.0 ** math.floor(math.log2(width)))


def sampled_gaussian(noise: float, sampling: float, bin_: float) -> tuple[Loss, Loss]:
    """One round's loss for an example that is removed, and for one that is added.

    `noise` is the deviation over the example's bound. Raises OutOfRange.
    """
    low, high = _ends(noise, sampling)
    grid = np.arange(math.floor(low / bin_), math.ceil(high / bin_) + 1)
    edges = _output_at(np.asarray(bin_ * grid, np.float64), noise, sampling)
    without = _Parts.of(edges / noise)
    mixed = without.mixed(_Parts.of((edges - 1) / noise), sampling)
    return (
        _connected(int(grid[0]), bin_, mixed, without),
        _connected(-int(grid[-1]), bin_, without.reversed(), mixed.reversed()),
    )


def _ends(noise: float, sampling: float) -> tuple[float, float]:
    """Between which losses all outputs but a chance of _TAIL are. Raises OutOfRange."""
    outputs = np.array([-noise * _REACH, 1 + noise * _REACH])
    low, high = _loss_at(outputs, noise, sampling)
    if not -LOSS_MAX <= low < high <= LOSS_MAX:
        raise OutOfRange
    return float(low), float(high)


def epsilon_for(
    delta: float, losses: Sequence[tuple[Loss, int]], bin_: float, least: float
) -> float:
    """An upper bound of epsilon after so many rounds of each, or `least` where that is one as well.

    Raises OutOfRange.
    """
    total = _Sum(losses, bin_)
    if total.infinite >= delta:
        raise OutOfRange
    theta, above = total.chernoff(delta)
    if above <= least:
        return least
    if not above <= LOSS_MAX:
        raise OutOfRange
    for _ in range(_TILTS_MAX):
        try:
            found = total.tilted_for(theta).epsilon(delta, least, above)
        except OutOfRange:
            break  # the bound so far is looser, and a bound as well
        nearly, above = found > 0.97 * above, min(found, above)
        if nearly or above <= least:
            break
        theta = total.best_theta(above)
    return max(above, least)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """How likely an output is in each bin, below the first and above the last; and how sure that is."""

    bins: Floats
    doubts: Floats  # of each bin, absolute
    below: float
    above: float

    @classmethod
    def of(cls, edges: Floats) -> _Parts:
        """Of a standard normal output."""
        low, high = edges[:-1], edges[1:]
        right = low > 0  # on this side the two functions' values would be near one
        first, second = ndtr(np.where(right, -low, high)), ndtr(np.where(right, -high, low))
        bins = np.maximum(first - second, 0.0)
        return cls(bins, first * _NDTR_ERROR, float(ndtr(edges[0])), float(ndtr(-edges[-1])))

    def mixed(self, other: _Parts, part: float) -> _Parts:
        """`part` of the other's chances, and of these what is left."""
        rest = 1 - part
        return _Parts(
            rest * self.bins + part * other.bins,
            rest * self.doubts + part * other.doubts,
            rest * self.below + part * other.below,
            rest * self.above + part * other.above,
        )

    def reversed(self) -> _Parts:
        return _Parts(self.bins[::-1], self.doubts[::-1], self.above, self.below)


def _loss_at(outputs: Floats, noise: float, sampling: float) -> Floats:
    """The logarithm of how much likelier an output is with the example, whose share of it is 1."""
    gain = (2 * outputs - 1) / (2 * noise * noise)
    return gain if sampling == 1 else np.logaddexp(math.log1p(-sampling), math.log(sampling) + gain)


def _output_at(losses: Floats, noise: float, sampling: float) -> Floats:
    """Where the loss is this; minus infinity where it is always more."""
    if sampling == 1:
        gain = losses
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            over = np.expm1(losses) + sampling
            gain = np.where(over > 0, np.log(np.maximum(over, 0)) - math.log(sampling), -math.inf)
    return np.asarray(noise * noise * gain + 0.5)


def _connected(start: int, bin_: float, likely: _Parts, other: _Parts) -> Loss:
    """The loss of `likely` against `other` on the grid, whose first point is `start`."""
    masses = np.zeros(len(likely.bins) + 1)
    lower = bin_ * (start + np.arange(len(likely.bins)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = other.bins / likely.bins * np.exp(lower)  # from exp(-bin) to 1
        doubt = (likely.doubts / likely.bins + other.doubts / other.bins) * ratio
        share = (ratio - doubt - math.exp(-bin_)) / -math.expm1(-bin_)
    share = np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0)  # all at the upper end says too much
    masses[:-1] += likely.bins * share
    masses[1:] += likely.bins * (1 - share)
    masses[0] += likely.below
    return Loss(start, masses, likely.above)


class _Composed:
    """The sum's losses on the grid, tilted by theta and scaled to one: tail sums that delta takes.

    With s for the losses above epsilon, delta is the sum of masses(s) (1 - exp(epsilon - s)), and masses(s)
    is exp(cumulant - theta s) times what is in `tilted`.
    """

    def __init__(
        self, losses: Floats, tilted: Floats, *, theta: float, cumulant: float, infinite: float
    ) -> None:
        self._theta, self._cumulant, self._infinite = theta, cumulant, infinite
        self._middle = float(losses @ tilted)
        over = losses - self._middle
        # So far below the middle nothing is asked for, and exponentials would overflow.
        kept = (theta + 1) * over >= -_EXPONENT_MAX
        self._losses, over, tilted = losses[kept], over[kept], tilted[kept]
        self.lowest = -math.inf if kept.all() else float(self._losses[0])
        self._likely = np.cumsum((tilted * np.exp(-theta * over))[::-1])[::-1]
        self._other = np.cumsum((tilted * np.exp(-(theta + 1) * over))[::-1])[::-1]

    def delta(self, epsilon: float) -> float:
        """An upper bound, for an epsilon from `lowest`."""
        first = int(np.searchsorted(self._losses, epsilon, side="right"))
        counted = 0.0
        if first < len(self._losses):
            other = math.exp(epsilon - self._middle) * float(self._other[first])
            counted = max(0.0, float(self._likely[first]) - other)
        theta, cumulant = self._theta, self._cumulant
        slack = _ROUNDING * math.exp(min(cumulant - theta * epsilon, _EXPONENT_MAX))
        return counted * math.exp(cumulant - theta * self._middle) + slack + self._infinite

    def epsilon(self, delta: float, low: float, high: float) -> float:
        """The least in this range where delta is no more, up to floats' digits; `high` is known to be one."""
        low = max(low, self.lowest)
        if high <= low or self.delta(low) <= delta:
            return low
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.delta(middle) <= delta else (middle, high)
        return high


def _least(function: Callable[[float], float]) -> float:
    """About where a function of theta that falls and then rises is least: by golden sections."""
    golden = (math.sqrt(5) - 1) / 2
    low, high = _LOG_THETAS
    inner = [high - golden * (high - low), low + golden * (high - low)]
    values = [function(math.exp(each)) for each in inner]
    while high - low > _THETA_TOLERANCE:
        if values[0] <= values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - golden * (high - low)
            values[0] = function(math.exp(inner[0]))
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + golden * (high - low)
            values[1] = function(math.exp(inner[1]))
    return math.exp((low + high) / 2)


def _power(base: NDArray[np.complex128], exponent: int) -> NDArray[np.complex128]:
    """By squaring: ten times as fast as numpy's."""
    result = np.ones_like(base)
    while exponent:
        if exponent & 1:
            result *= base
        exponent >>= 1
        if exponent:
            base = base * base
    return result


class _Sum:
    """Losses of several rounds, one after the other."""

    def __init__(self, losses: Sequence[tuple[Loss, int]], bin_: float) -> None:
        self._losses, self._bin = losses, bin_
        # Above the grid in any round is above it in the sum.
        self.infinite = sum(rounds * loss.infinite for loss, rounds in losses)

    def cumulant(self, theta: float) -> float:
        """log E[exp(theta loss)]."""
        return sum(rounds * loss.cumulant(theta, self._bin) for loss, rounds in self._losses)

    def chernoff(self, delta: float) -> tuple[float, float]:
        """(theta, epsilon): the bound that the cumulant at one theta gives, at about the best one.

        By Canonne, Kamath & Steinke (2020), proposition 12, for the order theta + 1.
        """

        def above(theta: float) -> float:
            gain = theta * math.log(theta / (theta + 1)) - math.log(theta + 1)
            return (self.cumulant(theta) - math.log(delta - self.infinite) + gain) / theta

        theta = _least(above)
        return theta, max(above(theta), 0.0)

    def best_theta(self, epsilon: float) -> float:
        """Where the tilted sum has its middle at about this epsilon."""
        return _least(lambda theta: self.cumulant(theta) - theta * epsilon)

    def tilted_for(self, theta: float) -> _Composed:
        """The sum's distribution, right where exp(theta loss) is. Raises OutOfRange."""
        tilted = [(loss.tilted(theta, self._bin), loss.start, n) for loss, n in self._losses]
        low, high = self._reach(theta, tilted)
        size = 1 << max(1, math.ceil(math.log2(high - low + 1)))
        if size > _POINTS_MAX:
            raise OutOfRange
        transformed = np.ones(size // 2 + 1, complex)
        shift = 0
        for masses, start, rounds in tilted:
            wrapped = np.bincount(np.arange(len(masses)) % size, masses, size)
            transformed *= _power(np.fft.rfft(wrapped), rounds)
            shift += start * rounds
        composed = np.fft.irfft(transformed, size)
        # Index k of it stands for shift + k and all that is a multiple of `size` away.
        composed = np.maximum(np.roll(composed, -((low - shift) % size)), 0.0)
        return _Composed(
            np.asarray(self._bin * (low + np.arange(size)), np.float64),
            composed,
            theta=theta,
            cumulant=self.cumulant(theta),
            infinite=self.infinite,
        )

    def _reach(self, theta: float, tilted: Sequence[tuple[Floats, int, int]]) -> tuple[int, int]:
        """Between which points of the grid the tilted sum is, but for exp(-_WRAPPED) at each end."""
        mean = variance = 0.0
        least = most = 0
        for masses, start, rounds in tilted:
            at = start + np.arange(len(masses))
            average = float(masses @ at)
            mean += rounds * average
            variance += rounds * float(masses @ np.square(at - average))
            least, most = least + rounds * start, most + rounds * (start + len(masses) - 1)
        here, middle = self.cumulant(theta), mean * self._bin
        typical = math.sqrt(2 * _WRAPPED / max(variance, 1e-12)) / self._bin
        ends = []
        for way in (-1, 1):
            end = math.inf
            # By Chernoff at any t. The best one is about the first for a normal sum, less for a heavy tail.
            for t in (typical * 2.0**-turn for turn in range(-2, 12)):
                here_too = (self.cumulant(theta + way * t) - here - way * t * middle + _WRAPPED) / t
                if here_too > end:
                    break
                end = here_too
            ends.append(end / self._bin)
        return (
            max(least, math.floor(mean - ends[0])),
            min(most, math.ceil(mean + ends[1])),
        )
