"""What comes in in a format goes out in it: items, answers, boxes. Other tools agree: `make round-trip`."""

from __future__ import annotations

import pytest

from benchmarks.round_trip import CASES, HARD, Case, measure

ITEMS = len(HARD) + 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_is_lost_on_the_way(case: Case) -> None:
    figures = measure(case, ITEMS, oracle=None)
    assert figures["read"] == figures["items"] == ITEMS
    assert {value for name, value in figures.items() if name.startswith("lost")} == {0}
