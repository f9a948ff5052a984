"""Cohorts that nobody chose, and pay by worth that conserves every part."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cohorts import draw_cohorts, update_weights
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.limits import PPM


def people(count: int) -> list[PersonId]:
    return [PersonId(hashlib.sha256(bytes([number])).digest()) for number in range(count)]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 1_000), st.integers(1, 20), st.data())
def test_cohorts_part_everybody_into_groups_of_nearly_one_size(
    seed: bytes, round_: int, count: int, data: st.DataObject
) -> None:
    partners = people(count)
    cohorts = draw_cohorts(seed, round_, partners, data.draw(st.integers(1, count)))
    assert sorted(each for cohort in cohorts for each in cohort) == sorted(partners)
    assert max(map(len, cohorts)) - min(map(len, cohorts)) <= 1
    assert all(list(cohort) == sorted(cohort) for cohort in cohorts)
    assert cohorts == draw_cohorts(seed, round_, partners[::-1], len(cohorts))


def test_everybody_meets_everybody() -> None:
    partners = people(6)
    met = {
        pair
        for round_ in range(1, 40)
        for cohort in draw_cohorts(bytes(32), round_, partners, 3)
        for pair in combinations(cohort, 2)
    }
    assert len(met) == 15
    assert draw_cohorts(bytes(32), 1, partners, 3) != draw_cohorts(bytes([1]) * 32, 1, partners, 3)


@pytest.mark.parametrize("count", [0, 4])
def test_no_more_cohorts_than_partners(count: int) -> None:
    assert draw_cohorts(bytes(32), 1, people(3), 3)
    with pytest.raises(Reject):
        draw_cohorts(bytes(32), 1, people(3), count)


@given(st.lists(st.integers(0, PPM), min_size=1, max_size=256), st.integers(0, PPM))
def test_weights_add_up_to_one_for_each(shares: list[int], worth_ppm: int) -> None:
    weights = update_weights([*shares, 1], worth_ppm)
    assert sum(weights) == PPM * (len(shares) + 1)
    assert min(weights) >= PPM - worth_ppm
    order = sorted(range(len(weights)), key=lambda i: (weights[i], i))
    assert [[*shares, 1][i] for i in order] == sorted([*shares, 1]) or worth_ppm < PPM


def test_pay_is_alike_where_none_goes_by_worth() -> None:
    assert update_weights([PPM, 0, 0], 0) == [PPM] * 3
    assert update_weights([PPM, 0, 0], PPM) == [3 * PPM, 0, 0]
    assert update_weights([PPM // 2, PPM // 2, 0], PPM // 2) == [1_250_000, 1_250_000, 500_000]
