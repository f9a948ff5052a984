"""Sums as integers: how real vectors become what secure sums add up, and what that does to privacy.

    carry     all parameters, or a part that follows from the round: gradients are cut to it, and then clipped
    turn      by a fixed orthogonal matrix that everybody knows, so that no value is much longer than others
    round     to units, millionths of the clip: 64-bit integers from here on
    add noise discrete Gaussian of whole units, this partner's share
    coarsen   to steps of many units, modulo 2^bits: so much of each value travels

**Parts.** A round that carries half of the parameters moves that half, as descent by blocks of coordinates
does: a step that suits all of them suits each block. What is left of a gradient is clipped to the clip /
sqrt 2, which is how long a random half of it is about, so that noise falls as the signal does.

**Sensitivity.** An example moves a sum by the clip at most, so rounding moves it by the clip and one unit
for each value, and one more for what adding up in floats is wrong by: 10^6 + 2 sqrt(values) units. The noise
is as many times that as the job says.

**Why steps cost nothing.** Given the sum of all noisy values in units, what they leave over when each is cut
to steps is, for m partners whose noise is s steps each, equally likely in all ways but for a factor within
1 +- t with t = 2 m exp(-2 pi^2 s^2 (m - 1) / m) (Poisson's summation over the lattice A*_(m-1)). What is
revealed is then a random function of that sum and of nothing else, up to that factor, and that sum is
discrete Gaussian up to one that is nothing. So for T rounds of d values epsilon grows by 4 d T t at most,
and `slack` has to be below half a millionth. Alone (m = 1) there is no t: cutting is post-processing.

**Overflow** is no matter of privacy. A sum that leaves the range comes out 2^bits steps wrong; `fitting`
chooses a range that holds all examples in one direction, unless it is asked for fewer bits.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.noise import Randomness, discrete_gaussian
from federated.ring import Ring, Words
from federated.spec import TrainingSpec
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM, UPLOAD_BITS_MAX, UPLOAD_BITS_MIN

Floats = NDArray[np.float64]

UNITS: Final = PPM  # in a clip
# Added to each share's variance, so that discrete noise is that of normal noise, blurred: the difference is
# a factor of 1 + 2 exp(-8 pi^2), which no sum of it makes visible.
_BLUR: Final = 4
# What cutting to steps may add to epsilon: half of the last digit that is stated.
SLACK_MAX: Final = 0.5e-6
# Steps finer than a sixteenth of a share's deviation cost bits and gain nothing: cutting adds a thousandth.
_FINEST: Final = 16
# Deviations of the whole noise for which there is room on both sides, where there is.
_ROOM: Final = 8
# A sum of shares of a step and a half each needs so many bits to hold a signal as well; fewer for each value
# are had by fewer values.
_BITS_MIN: Final = 8
_PERMUTATION: Final = b"commonhold/v1/turn\0"


def ring_of(spec: TrainingSpec) -> Ring:
    """What a job's updates are summed in."""
    return Ring(spec.bits)


def share_variance(noise_multiplier: float, noise_parties: int, values: int) -> int:
    """Of the noise that one partner adds to each value, in units squared: whole, and rounded up.

    With at least `noise_parties` honest partners in a round, whoever they are, the sum carries the job's.
    """
    deviation = round(noise_multiplier * PPM) * sensitivity(values)
    return -(-(deviation**2) // (PPM**2 * noise_parties)) + _BLUR


def sum_deviation(spec: TrainingSpec, updates: int) -> float:
    """Of the noise in each value of the sum of so many updates, and so, at most, along any direction.

    Cutting to steps adds what an even choice within a step scatters by.
    """
    share = share_variance(spec.noise_multiplier, spec.noise_parties, spec.values)
    return math.sqrt(updates * (share + spec.step**2 / 12)) * _unit(spec)


def sensitivity(values: int) -> int:
    """How far one example moves a sum on the grid, in units (L2)."""
    return UNITS + 2 * math.isqrt(values) + 2


def slack(deviation: float, parties: int, released: int) -> float:
    """What cutting to steps adds to epsilon at most, over all rounds.

    `deviation` of each of `parties` shares, in steps; `released`: values in all rounds together.
    """
    if parties == 1:
        return 0.0
    factor = 2 * parties * math.exp(-2 * (math.pi * deviation) ** 2 * (parties - 1) / parties)
    return math.inf if factor > 0.01 else 4.1 * factor * released


def coarsest(spec: TrainingSpec) -> int:
    """The largest step whose slack is no more than SLACK_MAX, towards partners too, who know a share.

    Nothing for a job with hardly any noise.
    """
    variance = share_variance(spec.noise_multiplier, spec.noise_parties, spec.values)
    released = spec.values * spec.mechanism.rounds

    def holds(step: int) -> bool:
        deviation = math.sqrt(variance) / step
        honest = (spec.noise_parties, max(spec.noise_parties - 1, 1))
        return deviation >= 1 and all(slack(deviation, m, released) <= SLACK_MAX for m in honest)

    low, high = 0, math.isqrt(variance) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def fitting(spec: TrainingSpec, bits: int | None = None) -> TrainingSpec:
    """The job with a grid for its noise: updates of so many bits for each parameter.

    Without `bits` values have as many as hold any sum, and steps are as fine as helps. Below _BITS_MIN they
    have so many, and a round carries the part of them that makes it up. Raises ConfigError.
    """
    if bits is not None and not UPLOAD_BITS_MIN <= bits <= UPLOAD_BITS_MAX:
        raise ConfigError(
            f"updates of {bits} bits a value", f"give {UPLOAD_BITS_MIN} to {UPLOAD_BITS_MAX}"
        )
    part = 1.0 if bits is None else min(1.0, bits / _BITS_MIN)
    made = replace(spec, values=max(1, int(part * spec.parameters)))
    deviation = math.sqrt(share_variance(made.noise_multiplier, made.noise_parties, made.values))
    most = coarsest(made)
    finest = min(most, max(1, int(deviation / _FINEST)))
    # Twice as many as expected, all of them in one direction; and both signs of all that.
    signal = 2 * 2 * made.expected_examples * UNITS
    room = signal + 2 * _ROOM * deviation * math.sqrt(made.partners)
    used = math.ceil(math.log2(room / finest + 1)) if bits is None else max(bits, _BITS_MIN)
    used = min(UPLOAD_BITS_MAX, used)
    return replace(made, step=min(most, max(finest, math.ceil(room / (1 << used)))), bits=used)


def require_grid(spec: TrainingSpec) -> None:
    """Raises StateError for a job whose steps are too coarse for its noise."""
    if spec.step > coarsest(spec):
        raise StateError(
            f"the job cuts updates to steps of {spec.step / UNITS:g} clips, at which its noise does not"
            " hide an example as it says",
            "do not join it; its operator has to open one with finer steps",
        )


def to_ring(total: Floats, spec: TrainingSpec, randomness: Randomness) -> Words:
    """What a partner adds to a round's secure sum: its clipped sum (values,) with its noise."""
    turned = turn(total, spec.job_id)
    units = np.rint(turned / _unit(spec)).astype(np.int64)
    variance = share_variance(spec.noise_multiplier, spec.noise_parties, spec.values)
    units += discrete_gaussian(spec.values, variance, randomness)
    return ring_of(spec).of(np.floor_divide(units + spec.step // 2, spec.step))


def from_ring(total: Words, spec: TrainingSpec, round_: int) -> Floats:
    """(parameters,): the sum that a round's updates (values,) stand for, zero where they have none."""
    turned = ring_of(spec).signed(total).astype(np.float64) * (spec.step * _unit(spec))
    places = carried(spec, round_)
    if places is None:
        return turn_back(turned, spec.job_id)
    found = np.zeros(spec.parameters)
    found[places] = turn_back(turned, spec.job_id)
    return found


def carried(spec: TrainingSpec, round_: int) -> NDArray[np.int64] | None:
    """Which parameters a round carries, in the order of its values: the next ones in an order that everybody
    knows, from its beginning after the last. None: all, in their own order."""
    if spec.values == spec.parameters:
        return None
    places, _ = _shuffle(f"{spec.job_id} parts", spec.parameters)
    at = (np.arange(spec.values) + (round_ - 1) * spec.values) % spec.parameters
    return places[at]


def clip_of(spec: TrainingSpec) -> float:
    """How long what a round carries of an example's gradient may be: a random part of a gradient of the
    job's clip is about so long."""
    return spec.clip * math.sqrt(spec.values / spec.parameters)


def _unit(spec: TrainingSpec) -> float:
    return clip_of(spec) / UNITS


def turn(vector: Floats, seed: str) -> Floats:
    """The vector in other coordinates: signs and places from a seed, then Hadamard's matrix by blocks."""
    places, signs = _shuffle(seed, len(vector))
    return _hadamard(vector[places] * signs)


def turn_back(turned: Floats, seed: str) -> Floats:
    """The other way round."""
    places, signs = _shuffle(seed, len(turned))
    vector = np.empty_like(turned)
    vector[places] = _hadamard(turned) * signs
    return vector


@lru_cache(4)
def _shuffle(seed: str, size: int) -> tuple[NDArray[np.int64], Floats]:
    stream = hashlib.shake_256(_PERMUTATION + seed.encode()).digest(8 * size)
    words = np.frombuffer(stream, "<u8")
    return np.argsort(words, kind="stable"), np.where(words & np.uint64(1), 1.0, -1.0)


def _hadamard(vector: Floats) -> Floats:
    """Times an orthogonal matrix that is its own inverse: blocks of powers of two, the largest first."""
    result = vector.copy()
    at = 0
    while at < len(result):
        size = 1 << ((len(result) - at).bit_length() - 1)
        block = result[at : at + size]
        half = 1
        while half < size:
            pairs = block.reshape(-1, 2, half)
            first, second = pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]
            pairs[:, 0], pairs[:, 1] = first, second
            half *= 2
        block /= math.sqrt(size)
        at += size
    return result
