"""Exact noise: discrete Gaussians over the integers, from bits that nobody can guess.

A value y is drawn with the probability exp(-y^2 / (2 variance)) over the sum of that for all integers: no
rounded normal, whose low bits give it away (Mironov, CCS 2012), but the distribution itself. Rejection
draws it (after Canonne, Kamath & Steinke, NeurIPS 2020). With t the least integer that is no less than a
quarter of the deviation:

    strip     V of 0, 1, 2 … with a chance in proportion to w(V) = exp(-V^2 / 32)
    place     U of 0 … t-1, and a sign, all alike; the candidate is Y = V t + U, and -0 is drawn anew
    accept    with the chance exp(-Y^2 / (2 variance) + V^2 / 32), at most 1 as Y is V quarters or more

Each integer comes up as Y with w(V) / t, and stays with exp(-Y^2 / (2 variance)) / w(V): what is left of
both does not depend on V. That is the proof.

Both chances are no fractions, so a uniform number is compared with them bit by bit, as far as it takes.
Floating point answers where it cannot be wrong, whoever is nearer to a threshold than _MARGIN is compared
in decimals of as many digits as needed. The same bytes give the same values on every machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache, partial
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

Randomness = Callable[[int], bytes]
"""Gives that many bytes that nobody can guess."""

# Candidates at once: their arrays take some megabytes.
_CHUNK: Final = 1 << 16
_WORD: Final = 64  # bits in which a uniform number is drawn and continued
# All that floats do between integers and a chance is wrong by less than 1e-13; this is 100 times that.
_MARGIN: Final = 2.0**-36
# The strips' chances end below 2^-64 here, where the noise is 10 deviations: what lies beyond is
# found by comparing further bits.
_STRIPS: Final = 40
# Of the first comparison in decimals, and more for each further one. A word has 20, ten are for rounding.
_DIGITS: Final = 40
# Candidates are then below 2^49, which floats hold exactly.
VARIANCE_MAX: Final = 1 << 90


def discrete_gaussian(
    count: int, variance: int, randomness: Randomness = os.urandom
) -> NDArray[np.int64]:
    """(count,) independent values of the discrete Gaussian around zero, `variance` from 1 to VARIANCE_MAX.

    About a quarter of the candidates is refused; 24 bytes are used for each.
    """
    if not 1 <= variance <= VARIANCE_MAX:
        raise ValueError(f"a variance of {variance} cannot be drawn")
    drawn = np.empty(count, np.int64)
    done = 0
    while done < count:
        # Some more than are missing, so that one pass mostly ends it.
        candidates = _accepted(min(_CHUNK, (count - done) * 9 // 7 + 64), variance, randomness)
        taken = candidates[: count - done]
        drawn[done : done + len(taken)] = taken
        done += len(taken)
    return drawn


def uniform_below(
    limit: int, count: int, randomness: Randomness = os.urandom
) -> NDArray[np.uint64]:
    """(count,) integers of 0 … limit-1, each as likely: a word that would favour some is drawn anew."""
    fair = (1 << _WORD) - (1 << _WORD) % limit
    words = _words(count, randomness)
    if fair < 1 << _WORD:
        for each in np.flatnonzero(words >= np.uint64(fair)):
            while words[each] >= np.uint64(fair):
                words[each] = _words(1, randomness)[0]
    return words % np.uint64(limit)


def sampled(count: int, chance_ppm: int, randomness: Randomness = os.urandom) -> NDArray[np.bool_]:
    """(count,) whether each is in a Poisson sample: each by itself, with a chance in parts per million."""
    return uniform_below(1_000_000, count, randomness) < chance_ppm


def _accepted(count: int, variance: int, randomness: Randomness) -> NDArray[np.int64]:
    """Those of `count` candidates that stay, in order."""
    strips = _strips(_words(count, randomness), randomness)
    width = _width(variance)
    placed = uniform_below(2 * width, count, randomness)
    size = strips * width + (placed % np.uint64(width)).astype(np.int64)
    negative = placed >= np.uint64(width)
    words = _words(count, randomness)
    chance = np.exp(strips * strips / 32 - np.square(size.astype(np.float64)) / (2.0 * variance))
    drawn = _part(words)
    stays = drawn < chance
    for each in np.flatnonzero(np.abs(drawn - chance) <= _MARGIN):
        over = int(strips[each]) ** 2 * variance - 16 * int(size[each]) ** 2
        exact = partial(_exponential, over, 32 * variance)
        stays[each] = _Uniform(int(words[each]), randomness).is_below(exact)
    stays &= ~(negative & (size == 0))
    return np.where(negative, -size, size)[stays]


def _width(variance: int) -> int:
    """The least integer that is no less than a quarter of the deviation."""
    width = math.isqrt(variance // 16)
    return width if 16 * width * width >= variance else width + 1


def _strips(words: NDArray[np.uint64], randomness: Randomness) -> NDArray[np.int64]:
    """For each word of 64 bits the strip that it falls into."""
    edges = np.array(_edges(_DIGITS)[:_STRIPS], float)
    drawn = _part(words)
    strips = np.searchsorted(edges, drawn, side="right").astype(np.int64)
    sides = np.stack([edges[np.clip(strips + side, 0, _STRIPS - 1)] for side in (-1, 0)])
    for each in np.flatnonzero(np.abs(sides - drawn).min(axis=0) <= _MARGIN):
        strips[each] = _Uniform(int(words[each]), randomness).strip()
    return strips


@dataclass
class _Uniform:
    """A uniform number of which as many bits are drawn as a comparison takes."""

    number: int  # its bits so far: it lies between this over 2^bits and one more
    randomness: Randomness
    bits: int = _WORD
    digits: int = _DIGITS

    def is_below(self, chance: Callable[[int], Decimal]) -> bool:
        """Whether it is below what `chance` gives, as a number of so many digits."""
        while (below := self._is_below(chance(self.digits))) is None:
            self._go_on()
        return below

    def strip(self) -> int:
        """The first strip whose upper edge is above it."""
        while True:
            # Strips beyond that many have a smaller chance than the last bit so far.
            for strip, edge in enumerate(_edges(self.digits)[: self.bits]):
                below = self._is_below(edge)
                if below is None:
                    break
                if below:
                    return strip
            self._go_on()

    def _is_below(self, value: Decimal) -> bool | None:
        """None where the bits so far do not tell."""
        with localcontext(Context(self.digits)):
            doubt, scale = Decimal(10) ** (10 - self.digits), Decimal(1 << self.bits)
            if Decimal(self.number + 1) / scale <= value - doubt:
                return True
            return False if Decimal(self.number) / scale >= value + doubt else None

    def _go_on(self) -> None:
        self.number = self.number << _WORD | int(_words(1, self.randomness)[0])
        self.bits, self.digits = self.bits + _WORD, self.digits + _DIGITS


@lru_cache(8)
def _edges(digits: int) -> tuple[Decimal, ...]:
    """The chances of each strip and all below it, right to ten digits less than that; the rest has none."""
    with localcontext(Context(digits)):
        weights = [_exponential(-each * each, 32, digits) for each in range(2 * digits)]
        whole = sum(weights, Decimal())
        return tuple(part / whole for part in accumulate(weights))


def _exponential(numerator: int, denominator: int, digits: int) -> Decimal:
    """exp(numerator / denominator), likewise."""
    with localcontext(Context(digits)):
        return (Decimal(numerator) / Decimal(denominator)).exp()


def _words(count: int, randomness: Randomness) -> NDArray[np.uint64]:
    return np.frombuffer(randomness(8 * count), "<u8").astype(np.uint64)


def _part(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Words as parts of one, right to 2^-53."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
