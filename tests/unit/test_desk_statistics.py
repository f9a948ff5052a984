"""Statistics of the desk, against published examples and what must hold of every table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.desk.statistics import (
    Coincidences,
    agreement,
    alpha,
    effective_number,
    median,
    moved,
)

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units.
FOUR_OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
# Section A: binary, two observers, no missing data. Section B: nominal.
TWO_BINARY = ((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0))
TWO_NOMINAL = ("aabbdcccedda", "babbbccceddd")


def coincidences(observers: Sequence[Sequence[int | None]]) -> Coincidences:
    found = Coincidences()
    for unit in zip(*observers, strict=True):
        found.add([value for value in unit if value is not None])
    return found


def test_alpha_of_the_published_tables() -> None:
    four = coincidences(FOUR_OBSERVERS)
    assert alpha(four) == pytest.approx(0.743, abs=0.0005)
    assert alpha(four, ordered=True) == pytest.approx(0.815, abs=0.0005)
    assert alpha(coincidences(TWO_BINARY)) == pytest.approx(0.095, abs=0.0005)
    nominal = coincidences([[ord(value) for value in each] for each in TWO_NOMINAL])
    assert alpha(nominal) == pytest.approx(0.692, abs=0.0005)


def test_his_margins_count_what_can_be_paired() -> None:
    """The unit that one observer alone saw is left out: 40 of 41 values."""
    assert coincidences(FOUR_OBSERVERS).margins() == pytest.approx({1: 9, 2: 13, 3: 10, 4: 5, 5: 3})


def test_agreement_is_the_share_of_pairs() -> None:
    found = Coincidences()
    found.add([1, 1, 2])  # of three pairs one agrees
    assert agreement(found) == pytest.approx(1 / 3)
    assert agreement(Coincidences()) is None


def test_who_cannot_disagree_has_no_alpha() -> None:
    found = Coincidences()
    found.add([7])
    assert alpha(found) is None, "one value is no pair"
    found.add([7, 7])
    assert alpha(found) is None, "only one value was ever given"
    found.add([7, 8])
    assert alpha(found) is not None


def test_far_apart_disagrees_more_on_a_scale() -> None:
    near, far = Coincidences(), Coincidences()
    for found, other in ((near, 1), (far, 4)):
        for value in range(5):
            found.add([value, value])
        found.add([0, other])
    near_alpha, far_alpha = alpha(near, ordered=True), alpha(far, ordered=True)
    assert near_alpha is not None and far_alpha is not None
    assert near_alpha > far_alpha
    assert agreement(near) == agreement(far)


units = st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=12)


@given(units, units)
def test_coincidences_add_up(some: list[list[int]], more: list[list[int]]) -> None:
    whole, first, second = Coincidences(), Coincidences(), Coincidences()
    for found, values in ((whole, some + more), (first, some), (second, more)):
        for unit in values:
            found.add(unit)
    first.update(second)
    assert dict(first.pairs) == pytest.approx(dict(whole.pairs))
    paired = [unit for unit in some + more if len(unit) > 1]
    assert sum(whole.margins().values()) == pytest.approx(sum(map(len, paired)))


@given(units, st.permutations(range(5)))
def test_names_do_not_matter(values: list[list[int]], names: list[int]) -> None:
    found, renamed = Coincidences(), Coincidences()
    for unit in values:
        found.add(unit)
        renamed.add([names[value] for value in reversed(unit)])
    assert alpha(renamed) == pytest.approx(alpha(found))
    result = alpha(found)
    assert result is None or result <= 1 + 1e-9


def test_one_label_against_the_rest() -> None:
    found = Coincidences()
    for unit in ([0, 0], [1, 2], [2, 1]):
        found.add(unit)
    assert agreement(found.about(0)) == 1
    assert agreement(found.about(1)) == pytest.approx(1 / 3)


def test_the_effective_number_is_that_of_equal_ones() -> None:
    assert effective_number([5, 5, 5, 5]) == pytest.approx(4)
    assert effective_number([1, 0, 0]) == 1
    assert effective_number([90, 10]) == pytest.approx(1 / (0.9**2 + 0.1**2))
    assert effective_number([]) == 0


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=9))
def test_there_are_never_more_than_there_are(counts: list[int]) -> None:
    there = sum(count > 0 for count in counts)
    assert effective_number(counts) <= there + 1e-9
    assert effective_number(counts) >= min(1, there) - 1e-9


def test_what_moved() -> None:
    assert moved([2, 2], [1, 1]) == 0
    assert moved([1, 0], [0, 1]) == 1
    assert moved([3, 1], [1, 3]) == pytest.approx(0.5)
    assert moved([], []) is None
    assert moved([1, 0], [0, 0]) is None


def test_the_median_is_one_of_them() -> None:
    assert median([]) is None
    assert median([5]) == 5
    assert median([4, 1, 3, 2]) == 2
