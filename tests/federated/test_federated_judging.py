"""What a job makes of its rounds' sums with public examples: real digits, real gradients, one process."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from commonhold.digits import load_digits
from federated.grid import sum_deviation
from federated.judging import Jury
from federated.watching import PATIENCE
from protocol.cohorts import draw_cohorts
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.jobs import CohortSum, JobTerms
from protocol.limits import PPM
from protocol.rows import row_of
from tests.simulated import Person
from tests.simulated_training import job
from tests.training_lab import BLANK, TASK, PublicDigits, spec, table

PEOPLE = [Person(f"partner-{number}").id for number in range(4)]
DIGITS = load_digits()
PARTS = np.split(np.random.default_rng(1).permutation(len(DIGITS))[:700], [100, 200, 300, 400])
SHARES = [table(DIGITS.images[part], DIGITS.labels[part]) for part in PARTS[:4]]
PUBLIC = PublicDigits(PARTS[4])
SPEC = spec(noise_multiplier=1.0, quorum=2, expected_examples=400)


# Everybody is with everybody within six rounds.
SEED = next(
    seed
    for seed in (bytes([number]) * 32 for number in range(100))
    if len({frozenset(draw_cohorts(seed, round_, PEOPLE, 2)) for round_ in range(1, 7)}) == 3
)


def terms(**changes: object) -> JobTerms:
    values = {"cohorts": 2, "defence": "trusted", "worth_ppm": PPM // 2, "margin_ppm": 30_000}
    return row_of(JobTerms, job(**(values | changes)))


def jury(**changes: object) -> Jury:
    return Jury(terms(**changes), SPEC, PUBLIC)


@cache
def sent(who: PersonId, factor: float = 1.0) -> np.ndarray:
    mine = SHARES[PEOPLE.index(who)]
    inputs, targets = TASK.inputs(mine, {}), TASK.targets(mine)
    return factor * TASK.clipped_sum(BLANK, inputs, targets, SPEC.clip)


def looked(its: Jury, round_: int, factors: dict[PersonId, float]):  # type: ignore[no-untyped-def]
    groups = draw_cohorts(SEED, round_, PEOPLE, 2)
    rng = np.random.default_rng(round_)
    sums = [
        sum(sent(who, factors.get(who, 1.0)) for who in group)
        + rng.normal(0, sum_deviation(SPEC, len(group)), BLANK.vector.size)
        for group in groups
    ]
    return its.look(BLANK, groups, sums)


def test_without_cohorts_sums_are_added_up_and_nothing_is_said() -> None:
    its = jury(cohorts=0, defence="", worth_ppm=0)
    whole = sent(PEOPLE[0])
    judged = its.look(BLANK, [PEOPLE], [whole])
    np.testing.assert_array_equal(judged.total, whole)
    assert judged.usefulness_micro == judged.weights_ppm == ()
    assert not its.aside(PEOPLE)


def test_honest_partners_point_downhill_and_are_paid() -> None:
    its = jury()
    judged = [looked(its, round_, {}) for round_ in range(1, 9)]
    assert all(min(each.usefulness_micro) > 0 for each in judged)
    assert all(sum(each.weights_ppm) == 4 * PPM for each in judged)
    assert not its.aside(PEOPLE)
    assert not its.fault(BLANK, judged[-1], 4, 500_000)


def test_who_pushes_uphill_is_found_and_weighs_the_least() -> None:
    its, bad = jury(), PEOPLE[1]
    judged = [looked(its, round_, {bad: -3.0}) for round_ in range(1, 9)]
    assert its.aside(PEOPLE) == {bad}
    assert its.aside(PEOPLE[:2]) == set()  # a round would not have its quorum
    weights = dict(zip(sorted(PEOPLE), judged[-1].weights_ppm, strict=True))
    assert weights[bad] == PPM // 2 == min(weights.values())


def test_a_server_that_goes_on_knows_what_the_log_knows() -> None:
    one, other, bad = jury(), jury(), PEOPLE[2]
    for round_ in range(1, 7):
        judged = looked(one, round_, {bad: -3.0})
        groups = draw_cohorts(SEED, round_, PEOPLE, 2)
        shown = zip(groups, judged.usefulness_micro, strict=True)
        other.cohort_sums += [CohortSum(group, useful) for group, useful in shown]
    assert one.aside(PEOPLE) == other.aside(PEOPLE) == {bad}
    assert looked(one, 7, {}).weights_ppm == looked(other, 7, {}).weights_ppm


def test_a_sum_turned_round_fails_its_round() -> None:
    its = jury(cohorts=0, defence="", worth_ppm=0)
    whole = np.sum([sent(who) for who in PEOPLE], axis=0)
    good, bad = (its.look(BLANK, [PEOPLE], [each]) for each in (whole, -whole))
    assert not its.fault(BLANK, good, 4, 500_000)
    assert "uphill" in its.fault(BLANK, bad, 4, 500_000)
    assert not jury(margin_ppm=0).fault(BLANK, bad, 4, 0)


def test_without_public_examples_sums_are_added_up_and_all_weigh_alike() -> None:
    """A withdrawal may delete them in the middle of a job."""
    its = replace(jury(), public=None)
    judged = looked(its, 1, {})
    assert judged.usefulness_micro == (0, 0) and judged.weights_ppm == (PPM,) * 4
    assert not its.fault(BLANK, judged, 4, 0) and its.accuracy_ppm(BLANK) == 0
    for _ in range(PATIENCE):
        its.keep(0)


def test_the_watch_begins_with_the_first_model() -> None:
    its = replace(jury(), first_ppm=PUBLIC.accuracy_ppm(BLANK) + 50_000)
    judged = looked(its, 1, {})
    assert "right on the public" in its.fault(BLANK, judged, 4, its.accuracy_ppm(BLANK))


def test_a_job_that_learns_nothing_ends() -> None:
    its = replace(jury(), first_ppm=100_000)
    with pytest.raises(StateError, match="learns nothing"):
        for _ in range(PATIENCE):
            its.keep(110_000)
