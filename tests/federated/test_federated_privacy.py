"""Epsilon is an upper bound: above the exact value where one is known, monotone, and never too proud."""

from __future__ import annotations

import itertools
import logging
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants import PRVAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from federated.privacy import (
    Bound,
    Method,
    bound,
    composed_epsilon_micro,
    epsilon_micro,
    noise_multiplier_for,
    rdp_epsilon_micro,
    require_promise,
    towards_coordinator,
    towards_partner,
)
from federated.spec import Mechanism
from protocol.errors import ConfigError, StateError
from tests.training_lab import spec

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
    assert exact < epsilon_micro(noise, 1.0, rounds, delta) / 1e6 < exact + 0.02
    assert epsilon_micro(noise, 1.0, rounds, delta) <= rdp_epsilon_micro(
        [Mechanism(noise, 1.0, rounds)], delta
    )


@settings(max_examples=4, deadline=None)
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


@pytest.mark.parametrize("delta", [0.0, 1.0, math.nan])
def test_delta_is_a_probability(delta: float) -> None:
    with pytest.raises(ConfigError, match="delta"):
        epsilon_micro(1.0, 1.0, 1, delta)


def test_where_prv_fails_renyi_answers_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> float:
        raise RuntimeError("Discrete mean differs significantly from continuous mean.")

    monkeypatch.setattr(PRVAccountant, "get_epsilon", fail)
    mechanisms = [Mechanism(7.123, 1.0, 3)]  # nobody asked for it before: it is not in the cache
    with caplog.at_level(logging.WARNING):
        found = bound(mechanisms, DELTA)
    assert found == Bound(rdp_epsilon_micro(mechanisms, DELTA), Method.RDP)
    assert "PRV accounting failed" in caplog.text


def test_an_absurd_epsilon_is_still_a_bound() -> None:
    assert bound([Mechanism(0.1, 1.0, 100)], DELTA).method is Method.RDP


def test_the_coordinator_sees_more_than_a_partner_and_a_partner_more_than_the_others() -> None:
    job = spec()
    whole, partner, coordinator = (
        each.epsilon_micro
        for each in (bound([job.mechanism], DELTA), towards_partner(job), towards_coordinator(job))
    )
    assert whole < partner < coordinator
    assert partner == epsilon_micro(6.25 * math.sqrt(2 / 3), 1.0, 20, DELTA)
    assert coordinator == epsilon_micro(6.25 * math.sqrt(1 / 3), 1.0, 20, DELTA)
    two = spec(quorum=2)
    assert towards_partner(two) == towards_coordinator(two), "either knows all but one share"
    alone = spec(quorum=1)
    assert towards_partner(alone) == towards_coordinator(alone) == bound([job.mechanism], DELTA)


def test_a_job_that_costs_more_than_it_says_is_refused() -> None:
    require_promise(spec())
    with pytest.raises(StateError, match=r"promises epsilon 2\.9 and costs 2\.99"):
        require_promise(spec(epsilon=2.9))
