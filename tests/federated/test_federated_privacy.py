"""Epsilon is an upper bound: above the exact value where one is known, monotone, and never too proud."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from federated.privacy import (
    Method,
    Who,
    adversaries,
    bound,
    composed_epsilon_micro,
    epsilon_micro,
    noise_multiplier_for,
    require_promise,
)
from federated.spec import Mechanism
from protocol.errors import ConfigError, StateError
from tests.training_lab import spec

FloatArray = NDArray[np.float64]
DELTA = 1e-5


def exact_epsilon(noise_multiplier: float, rounds: int, delta: float) -> float:
    """Of the Gaussian mechanism without sampling (Balle & Wang, ICML 2018)."""
    mu = math.sqrt(rounds) / noise_multiplier

    def excess(epsilon: float) -> float:
        first, second = norm.cdf(mu / 2 - epsilon / mu), norm.cdf(-mu / 2 - epsilon / mu)
        return float(first - math.exp(epsilon) * second - delta)

    return float(brentq(excess, 0, 200))


@pytest.mark.parametrize("delta", [1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize(("noise", "rounds"), [(6.25, 20), (2.0, 20), (30.0, 5), (1.0, 40)])
def test_the_bound_is_just_above_the_exact_value(noise: float, rounds: int, delta: float) -> None:
    exact = exact_epsilon(noise, rounds, delta)
    assert exact < epsilon_micro(noise, 1.0, rounds, delta) / 1e6 < exact + 3e-6


@settings(max_examples=12, deadline=None)
@given(st.floats(1.0, 20.0), st.sampled_from([0.1, 1.0]), st.integers(1, 30))
def test_more_rounds_sampling_or_precision_cost_more_and_noise_less(
    noise: float, sampling: float, rounds: int
) -> None:
    cost = epsilon_micro(noise, sampling, rounds, DELTA)
    assert 0 < cost < epsilon_micro(noise, sampling, rounds + 1, DELTA)
    assert cost < epsilon_micro(noise, sampling, rounds, DELTA / 10)
    assert cost > epsilon_micro(noise * 1.1, sampling, rounds, DELTA)
    if sampling < 1:
        assert cost < epsilon_micro(noise, 1.0, rounds, DELTA)


def test_every_round_of_a_job_costs_something() -> None:
    costs = [epsilon_micro(6.25, 1.0, rounds, DELTA) for rounds in range(1, 31)]
    assert all(one < other for one, other in itertools.pairwise(costs))


def test_jobs_compose_in_any_order_and_their_parts_add_up() -> None:
    one, other = Mechanism(6.25, 1.0, 10), Mechanism(4.0, 0.5, 10)
    both = composed_epsilon_micro([one, other], DELTA)
    assert both == composed_epsilon_micro([other, one], DELTA)
    assert max(composed_epsilon_micro([each], DELTA) for each in (one, other)) < both
    assert both < sum(composed_epsilon_micro([each], DELTA) for each in (one, other))
    parts = [Mechanism(6.25, 1.0, 4), other, Mechanism(6.25, 1.0, 6)]
    assert composed_epsilon_micro(parts, DELTA) == both
    assert composed_epsilon_micro([], DELTA) == 0


@pytest.mark.parametrize(
    ("epsilon", "sampling", "rounds"), [(3.0, 1.0, 20), (0.1, 1.0, 5), (50.0, 1.0, 1)]
)
def test_the_noise_keeps_its_epsilon_and_hardly_more(
    epsilon: float, sampling: float, rounds: int
) -> None:
    noise = noise_multiplier_for(epsilon, DELTA, sampling, rounds)
    assert round(noise * 1e6) / 1e6 == noise, "a multiple of 1e-6: the log carries it exactly"
    assert epsilon_micro(noise, sampling, rounds, DELTA) <= epsilon * 1e6
    less = round(noise * 0.998, 6)
    assert epsilon_micro(less, sampling, rounds, DELTA) > epsilon * 1e6


@pytest.mark.parametrize("epsilon", [0.0, 1e-9, -1.0, math.nan])
def test_no_noise_is_enough_for_nothing(epsilon: float) -> None:
    with pytest.raises(ConfigError, match="no noise"):
        noise_multiplier_for(epsilon, DELTA, 1.0, 20)


@pytest.mark.parametrize(
    "mechanism",
    [(0, 1, 1), (-1, 1, 1), (math.nan, 1, 1), (math.inf, 1, 1), (1, 0, 1), (1, 1.1, 1), (1, math.nan, 1),
     (1, 1, 0)],
)  # fmt: skip
def test_what_is_no_mechanism_has_no_epsilon(mechanism: tuple[float, float, int]) -> None:
    with pytest.raises(ConfigError, match="no private mechanism"):
        composed_epsilon_micro([Mechanism(*mechanism)], DELTA)
    assert composed_epsilon_micro([Mechanism(1, 1, 1)], DELTA) > 0


@pytest.mark.parametrize("delta", [0.0, 1e-21, -0.1, 1.0, math.nan])
def test_delta_is_a_probability(delta: float) -> None:
    with pytest.raises(ConfigError, match="delta"):
        epsilon_micro(1.0, 1.0, 1, delta)


def test_what_the_numbers_cannot_do_is_bounded_by_what_they_can() -> None:
    """Losses beyond the grid: then a sample costs as much as everybody, which is exact and enough."""
    for noise in (0.01, 0.05):
        assert bound([Mechanism(noise, 0.5, 3)], DELTA) == bound([Mechanism(noise, 1.0, 3)], DELTA)
    assert bound([Mechanism(1.0, 0.5, 3)], DELTA).method is Method.PLD
    assert bound([Mechanism(1.0, 1.0, 3)], DELTA).method is Method.EXACT


@pytest.mark.parametrize("noise", [0.01, 0.3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("sampling", [1e-6, 0.01, 1.0])
@pytest.mark.parametrize("delta", [0.1, 1e-5, 1e-18])
def test_no_setting_costs_nothing_or_is_no_number(
    noise: float, sampling: float, delta: float
) -> None:
    cost = epsilon_micro(noise, sampling, 1_000, delta)
    assert 1_000 <= cost <= epsilon_micro(noise, 1.0, 1_000, delta)


def test_a_sample_of_one_round_has_the_epsilon_of_a_formula() -> None:
    """Removing: delta is E[(q phi(x - 1) + (1 - q - e^epsilon) phi(x))+], by adding it up finely."""
    x = np.linspace(-30, 30, 400_001)
    for noise, sampling in ((1.0, 0.1), (2.0, 0.5), (0.7, 0.01)):
        without, shifted = norm.pdf(x, 0, noise), norm.pdf(x, 1, noise)
        mixed = (1 - sampling) * without + sampling * shifted

        def delta(epsilon: float, one: FloatArray = mixed, other: FloatArray = without) -> float:
            return float(np.maximum(one - math.exp(epsilon) * other, 0).sum() * (x[1] - x[0]))

        exact = brentq(lambda epsilon: delta(epsilon) - DELTA, 0, 30)
        assert exact < epsilon_micro(noise, sampling, 1, DELTA) / 1e6 < exact * 1.001 + 1e-5


# By dp-accounting 0.6.0's PLD with losses in steps of 1e-5 or less: what it rounds up, and what it rounds
# down. benchmarks/privacy_oracle.py compares many more.
@pytest.mark.parametrize(
    ("mechanism", "delta", "above", "below"),
    [
        ((1.5, 0.04, 2_250), 1e-5, 6.768822, 6.66),
        ((2.0605, 0.01, 300), 1e-7, 0.427048, 0.412042),
        ((5.0818, 0.5, 100), 1e-5, 4.402232, 4.397232),
        ((0.8338, 0.01, 100), 1e-3, 0.56295, 0.55795),
        ((0.6684, 0.5, 1), 1e-5, 6.094231, 6.094181),
        ((1.2956, 0.01, 1), 1e-9, 0.431901, 0.431851),
    ],
)  # fmt: skip
def test_another_accountant_agrees(
    mechanism: tuple[float, float, int], delta: float, above: float, below: float
) -> None:
    cost = epsilon_micro(*mechanism, delta) / 1e6
    assert below < cost < above * 1.0002 + 1e-5


def test_rounds_of_equal_kind_never_cost_less_than_fewer() -> None:
    costs = [epsilon_micro(1.3, 0.02, rounds, DELTA) for rounds in range(200, 210)]
    assert all(one < other for one, other in itertools.pairwise(costs))


def test_who_knows_more_of_the_noise_learns_more() -> None:
    """Rounds of 5 updates, noise by 3; of seven partners two of a committee may collude, and know theirs."""
    job = spec(noise_parties=3, quorum=5, partners=7)
    found = {each.who: each.bound.epsilon_micro for each in adversaries(job)}
    whole = epsilon_micro(6.25, 1.0, 20, 1e-5)
    assert found[Who.PUBLIC] == found[Who.PARTNER] == found[Who.COORDINATOR] == whole
    assert found[Who.COMMITTEE] == whole, "five less two are three"
    assert found[Who.BROKEN] == epsilon_micro(6.25 / math.sqrt(3), 1.0, 20, 1e-5)
    tight = {each.who: each.bound.epsilon_micro for each in adversaries(replace(job, quorum=3))}
    assert tight[Who.PARTNER] == epsilon_micro(6.25 * math.sqrt(2 / 3), 1.0, 20, 1e-5)
    assert whole < tight[Who.PARTNER] < tight[Who.COMMITTEE] == tight[Who.BROKEN]
    halves = {each.who: each.bound.epsilon_micro for each in adversaries(replace(job, cohorts=2))}
    assert halves[Who.PARTNER] > whole, "of the two updates of a sum it knows one"
    spare = {
        each.who: each.bound.epsilon_micro for each in adversaries(replace(job, spare_rounds=2))
    }
    assert all(spare[who] > found[who] for who in found)  # they may all be needed
    alone = adversaries(spec(noise_parties=1, quorum=1, partners=1))
    assert {each.bound.epsilon_micro for each in alone} == {whole}
    assert {(each.epsilon, each.delta) for each in alone} == {(whole / 1e6, 1e-5)}


def test_a_job_that_costs_more_than_it_says_is_refused() -> None:
    require_promise(spec())
    with pytest.raises(StateError, match=r"promises epsilon 2\.9 and costs 2\.98\d at delta 1e-05"):
        require_promise(spec(epsilon=2.9))
    with pytest.raises(StateError, match="towards another partner"):
        require_promise(spec(noise_parties=3))
    require_promise(spec(noise_parties=3, quorum=4))
    require_promise(spec(spare_rounds=0))
    with pytest.raises(StateError, match="promises epsilon 3"):
        require_promise(spec(spare_rounds=5))
