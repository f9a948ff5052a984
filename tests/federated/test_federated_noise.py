"""Noise is the discrete Gaussian itself: in its middle, in its tails, at every size, from every byte."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from federated import noise
from federated.noise import VARIANCE_MAX, discrete_gaussian, sampled, uniform_below
from tests.training_lab import seeded

COUNT = 40_000


@pytest.mark.parametrize("variance", [1, 2, 3, 15, 16, 17, 40, 400])
def test_every_integer_comes_up_as_often_as_it_should(variance: int) -> None:
    drawn = Counter(discrete_gaussian(COUNT, variance, seeded(variance)).tolist())
    weights = {each: math.exp(-(each**2) / (2 * variance)) for each in range(-500, 501)}
    whole = sum(weights.values())
    expected = {each: COUNT * weight / whole for each, weight in weights.items()}
    often = [each for each, times in expected.items() if times >= 10]
    rest = sum(expected.values()) - sum(expected[each] for each in often)
    seen_rest = COUNT - sum(drawn[each] for each in often)
    squares = [(drawn[each] - expected[each]) ** 2 / expected[each] for each in often]
    squares.append((seen_rest - rest) ** 2 / rest)
    assert sum(squares) < chi2.ppf(0.999, len(squares) - 1)


@pytest.mark.parametrize("deviation", [100, 10_000, 3_000_000, 4_294_000_000])
def test_large_noise_is_normal(deviation: int) -> None:
    drawn = discrete_gaussian(COUNT, deviation**2, seeded(1))
    assert kstest(drawn / deviation, norm.cdf).pvalue > 0.001
    for sigmas in (1, 2, 3, 4):
        expected = COUNT * 2 * norm.sf(sigmas)
        assert abs((abs(drawn) > sigmas * deviation).sum() - expected) < 4 * math.sqrt(expected) + 1


def test_the_same_bytes_give_the_same_noise_and_others_other() -> None:
    one, same, other = (discrete_gaussian(500, 10**12, seeded(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert not np.array_equal(discrete_gaussian(500, 10**12), discrete_gaussian(500, 10**12))


@pytest.mark.parametrize("variance", [1, 9, 12_345, 10**14])
def test_floats_decide_as_exact_arithmetic_would(
    variance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = discrete_gaussian(300, variance, seeded(3))
    monkeypatch.setattr(noise, "_MARGIN", 1.0)  # nothing is clear enough for floats
    assert np.array_equal(fast, discrete_gaussian(300, variance, seeded(3)))


def test_a_number_at_the_edge_of_a_strip_draws_further_bits() -> None:
    """The first strip ends at a number without an end: its first 64 bits alone do not decide."""
    edge = noise._edges(60)[0]
    word = int(edge * (1 << 64))
    below = noise._Uniform(word, lambda count: b"\x00" * count).strip()
    above = noise._Uniform(word, lambda count: b"\xff" * count).strip()
    assert (below, above) == (0, 1)
    assert noise._Uniform((1 << 64) - 1, lambda n: b"\xff" * (n - 1) + b"\x7f").strip() > 30


def test_the_strips_chances_add_up_to_one_and_fall_as_they_should() -> None:
    edges = list(noise._edges(40)[:40])
    assert edges == sorted(edges) and 1 - edges[-1] < 2.0**-64
    ratio = float((edges[8] - edges[7]) / edges[0])
    assert ratio == pytest.approx(math.exp(-(8**2) / 32), rel=1e-12)


@pytest.mark.parametrize("variance", [0, -1, VARIANCE_MAX + 1])
def test_what_is_no_variance_is_not_drawn(variance: int) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        discrete_gaussian(1, variance)
    assert len(discrete_gaussian(0, 1)) == 0
    assert abs(discrete_gaussian(1, VARIANCE_MAX)[0]) < 2**49


def test_the_extreme_bytes_give_rare_values_and_no_failure() -> None:
    """Three words a candidate: for the strip, the place and its acceptance."""
    good = seeded(5)
    for byte in (b"\x00", b"\xff"):
        first = [byte] * 3

        def bytes_(count: int, first: list[bytes] = first, byte: bytes = byte) -> bytes:
            return first.pop() * count if first else good(count)

        assert abs(discrete_gaussian(64, 10**10, bytes_)).max() < 17 * 10**5


def test_a_uniform_number_favours_nobody() -> None:
    drawn = Counter(uniform_below(7, 70_000, seeded(2)).tolist())
    assert set(drawn) == set(range(7)) and all(abs(n - 10_000) < 400 for n in drawn.values())
    limit = 3 << 62  # a quarter of all words is too large for it
    large = uniform_below(limit, 1_000, seeded(2))
    assert (large < np.uint64(limit)).all()
    assert float(np.mean(large / limit)) == pytest.approx(0.5, abs=0.03)


def test_each_example_is_sampled_with_its_chance_and_by_itself() -> None:
    drawn = sampled(20_000, 300_000, seeded(6))
    assert drawn.mean() == pytest.approx(0.3, abs=0.015)
    assert (drawn[1:] & drawn[:-1]).mean() == pytest.approx(0.09, abs=0.015)
    assert sampled(1_000, 1_000_000, lambda n: b"\xfe" * n).all(), "one takes everybody"
    assert float(Fraction(int(sampled(200_000, 1_000, seeded(1)).sum()), 200_000)) < 0.002
