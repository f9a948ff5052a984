"""What partners are worth by sums of cohorts, robust sums, and the watch that fails a bad round."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.training.opening import margin_usual
from federated.data import Table
from federated.privacy import noise_multiplier_for
from federated.robust import combine
from federated.spec import spare_for
from federated.tasks.registry import made
from federated.tasks.task import initial_weights, measured
from federated.valuation import Worth, estimate, harmful, shares_ppm, usefulness_micro
from federated.watching import PATIENCE, Watch
from protocol.cohorts import Defence, draw_cohorts
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.jobs import CohortSum
from protocol.limits import PPM

DOWNHILL = np.array([3.0, 4.0, 0.0])


def people(count: int) -> list[PersonId]:
    return [PersonId(hashlib.sha256(bytes([number])).digest()) for number in range(count)]


def rounds(worths: list[float], cohorts: int, count: int, deviation: float) -> list[CohortSum]:
    """What the log has of rounds in which each partner pushes by its worth."""
    partners, rng = people(len(worths)), np.random.default_rng(1)
    of = dict(zip(partners, worths, strict=True))
    return [
        CohortSum(cohort, round((sum(of[who] for who in cohort) + rng.normal(0, deviation)) * PPM))
        for round_ in range(1, count + 1)
        for cohort in draw_cohorts(bytes(32), round_, partners, cohorts)
    ]


def test_usefulness_is_the_part_along_the_way_downhill() -> None:
    assert usefulness_micro(np.array([3.0, 4.0, 9.0]), DOWNHILL) == 5 * PPM
    assert usefulness_micro(-DOWNHILL, DOWNHILL) == -5 * PPM
    assert usefulness_micro(np.array([4.0, -3.0, 1.0]), DOWNHILL) == 0
    assert usefulness_micro(DOWNHILL, np.zeros(3)) == 0
    for bad in (np.zeros(2), np.array([np.nan, 0, 0]), np.array([np.inf, 0, 0])):
        with pytest.raises(Reject):
            usefulness_micro(bad, DOWNHILL)


def test_partners_are_told_apart_by_their_company() -> None:
    worths = [5.0, 3.0, 0.0, -4.0, 2.0, 2.0]
    found = estimate(rounds(worths, 3, 40, 1.0), people(6), 1.0)
    assert found is not None
    for worth, each in zip(worths, found.values(), strict=True):
        assert abs(each.value - worth) < 4 * each.error
        assert 0 < each.error < 0.5
    assert harmful(found) == {people(6)[3]}
    shares = shares_ppm(found, people(6))
    assert sum(shares) == PPM
    assert shares[3] == 0 and shares[0] > shares[1] > shares[4] > shares[2]


def test_a_little_uphill_is_no_harm() -> None:
    partners = people(3)

    def verdict(value: float, error: float) -> set[PersonId]:
        worths = [Worth(10.0, 1.0), Worth(6.0, 1.0), Worth(value, error)]
        return harmful(dict(zip(partners, worths, strict=True)))

    assert verdict(-5.1, 1.0) == verdict(-2.1, 0.01) == {partners[2]}
    assert verdict(-4.9, 1.0) == verdict(-1.9, 0.01) == verdict(0.0, 0.0) == set()
    assert harmful({}) == set()


def test_errors_are_as_large_as_they_say() -> None:
    """Over many seeds an estimate is within two of its errors about 95 times of 100."""
    partners, hits = people(5), 0
    for number in range(200):
        rng = np.random.default_rng(number)
        seen = [
            CohortSum(cohort, round((len(cohort) + rng.normal(0, 2.0)) * PPM))
            for round_ in range(1, 16)
            for cohort in draw_cohorts(bytes([number]) * 32, round_, partners, 2)
        ]
        found = estimate(seen, partners, 2.0)
        assert found is not None
        hits += abs(found[partners[0]].value - 1) < 2 * found[partners[0]].error
    assert 0.9 < hits / 200 <= 1.0


def test_without_cohorts_nobody_is_told_apart() -> None:
    assert estimate([], people(3), 1.0) is None
    assert estimate(rounds([1.0, 2.0, 3.0], 1, 50, 0.0), people(3), 1.0) is None
    assert sum(shares_ppm(None, people(3))) == PPM
    assert max(shares_ppm(None, people(3))) - min(shares_ppm(None, people(3))) <= 1


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_shares_always_add_up(values: list[float]) -> None:
    partners = people(len(values))
    worth = {who: Worth(value, 1.0) for who, value in zip(partners, values, strict=True)}
    shares = shares_ppm(worth, partners)
    assert sum(shares) == PPM and min(shares) >= 0
    assert all(
        not share for share, value in zip(shares, values, strict=True) if value < 0
    ) or not any(value * PPM >= 0.5 for value in values)


# ---- robust sums ----

HONEST = [np.array([1.0, 2.0, 3.0]) + shift for shift in (-0.1, 0.0, 0.1, 0.2)]


@pytest.mark.parametrize("defence", list(Defence))
def test_every_defence_is_the_sum_where_all_cohorts_agree(defence: Defence) -> None:
    same = [HONEST[1]] * 4
    np.testing.assert_allclose(combine(defence, same, [1.0] * 4), 4 * HONEST[1])


@pytest.mark.parametrize("defence", list(Defence))
def test_one_cohort_moves_a_robust_sum_by_little(defence: Defence) -> None:
    attacked = [*HONEST, -1000 * HONEST[1]]
    moved = np.linalg.norm(combine(defence, attacked, [1.0] * 4 + [-1000.0]) / 5 - HONEST[1])
    if defence is Defence.MEAN:
        assert moved > 700
    else:
        assert moved < 2.5


def test_trusted_keeps_what_points_downhill_and_nothing_else() -> None:
    np.testing.assert_allclose(combine(Defence.TRUSTED, HONEST[:2], [1.0, -1.0]), HONEST[0])
    assert not combine(Defence.TRUSTED, HONEST, [-1.0] * 4).any()
    assert not combine(Defence.TRUSTED, [np.zeros(3)], [0.0]).any()


@pytest.mark.parametrize(
    ("cohorts", "useful"),
    [([], []), ([np.zeros(2), np.zeros(3)], [0, 0]), ([np.array([np.nan])], [0]), (HONEST, [1.0])],
)
def test_sums_that_do_not_fit_are_refused(cohorts: list[np.ndarray], useful: list[float]) -> None:
    with pytest.raises(Reject):
        combine(Defence.MEDIAN, cohorts, useful)


# ---- the watch ----


def watch(*kept: int, margin_ppm: int = 30_000) -> Watch:
    return Watch(margin_ppm, first_ppm=100_000, kept=list(kept))


def test_a_round_that_learns_is_kept() -> None:
    assert not watch().fault(300_000, 10.0, 1.0)
    assert not watch(700_000, 690_000).fault(
        671_000, -2.9, 1.0
    )  # a little lower, a little uphill: chance


def test_a_fall_is_a_fault() -> None:
    fault = watch(700_000).fault(669_000, 10.0, 1.0)
    assert "66.9%" in fault and "70.0%" in fault
    assert watch().fault(69_000, 10.0, 1.0)  # below the model that the job began with


def test_a_sum_that_points_uphill_is_a_fault() -> None:
    assert "uphill" in watch(700_000).fault(700_000, -3.1, 1.0)
    assert not watch(700_000).fault(700_000, -3.1, 2.0)  # with so much noise it says nothing


def test_it_cannot_be_led_down_in_small_steps() -> None:
    its, accuracy = watch(700_000), 700_000
    for _ in range(6):
        accuracy -= 20_000
        if not its.fault(accuracy, 10.0, 1.0):
            its.keep(accuracy)
    assert min(its.kept) >= 670_000


def test_a_job_that_learns_nothing_is_stuck() -> None:
    assert not watch(*[110_000] * (PATIENCE - 1)).stuck
    assert "learns nothing" in watch(*[110_000] * PATIENCE).stuck
    assert not watch(130_000, *[110_000] * PATIENCE).stuck


def test_a_job_has_half_of_its_rounds_to_learn() -> None:
    its = Watch(30_000, 100_000, [110_000] * 29, rounds=60)
    assert not its.stuck
    its.keep(110_000)
    assert "after 30 rounds" in its.stuck


@pytest.mark.parametrize("margin_ppm", [30_000, 900_000])
def test_where_little_is_left_to_learn_little_is_asked_for(margin_ppm: int) -> None:
    """Of cases of which two in a hundred are rare, no model can be right of three in a hundred more."""
    assert not Watch(margin_ppm, 980_000, [982_000] * PATIENCE).stuck
    assert Watch(margin_ppm, 980_000, [981_000] * PATIENCE).stuck


def messages(rng: np.random.Generator, count: int) -> Table:
    """Texts of which about one in eight is of the rarer label, and has other letters in it."""
    words = ["".join(rng.choice([*"aeiourstnlm"], 5)) for _ in range(400)]
    telling = ["".join(rng.choice([*"xqzwkp"], 5)) for _ in range(30)]
    rare = rng.random(count) < 0.13
    texts = [
        " ".join([*rng.choice(words, 12), *(rng.choice(telling, 2) if each else ())])
        for each in rare
    ]
    labels = np.where(rare, "spam", "ham")
    return Table({"text": np.array(texts, object), "label": np.array(labels, object)})


def test_texts_are_learnt_under_the_usual_margin() -> None:
    """By their own recipe and noise: for two dozen rounds the model says one label, and once the other."""
    rng, task = np.random.default_rng(0), made("text", {"dims": 512}, ("ham", "spam"))
    private, public = messages(rng, 2_000), messages(rng, 400)
    recipe = task.recipe(2_000, 3.0)
    noise = noise_multiplier_for(
        3.0, 1e-5, recipe.sampling, recipe.rounds + spare_for(recipe.rounds)
    )
    weights = initial_weights(task, "text")
    inputs, targets = task.inputs(private, {}), task.targets(private)
    margin_ppm = round(margin_usual(task, public) * PPM)
    its = Watch(margin_ppm, round(measured(task, weights, public) * PPM), rounds=recipe.rounds)
    velocity = np.zeros(weights.vector.size)
    for _ in range(recipe.rounds):
        total = task.clipped_sum(weights, inputs, targets, recipe.clip)
        total += rng.normal(0, noise * recipe.clip, total.shape)
        velocity = recipe.momentum * velocity + total / 2_000
        stepped = weights.vector - recipe.learning_rate * velocity
        weights = weights.replaced(stepped.astype(np.float32))
        accuracy_ppm = round(measured(task, weights, public) * PPM)
        assert not its.fault(accuracy_ppm, 1.0, 1.0)
        its.keep(accuracy_ppm)
        assert not its.stuck
    assert min(its.kept) < its.first_ppm / 2, "it swings, or this tests nothing"
    assert its.kept[-1] > 950_000


@pytest.mark.parametrize(("examples", "margin"), [(10_000, 0.03), (100, 0.1), (1, 0.5)])
def test_the_usual_margin_is_no_smaller_than_chance(examples: int, margin: float) -> None:
    """A few public examples more or less right are no fall."""
    public = Table({"text": np.array(["a"] * examples, object)})
    assert margin_usual(made("images", {}, ("a", "b")), public) == pytest.approx(margin)


def test_without_a_margin_nothing_is_watched() -> None:
    its = watch(*[0] * 9, margin_ppm=0)
    assert not its.fault(0, -1e9, 1.0) and not its.stuck
