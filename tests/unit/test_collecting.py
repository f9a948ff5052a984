"""Cycles are looked for rarely, and found all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from commonground.collecting import ALLOCATIONS, collect_rarely


@pytest.fixture
def rarely() -> Iterator[None]:
    before = gc.get_threshold()
    collect_rarely()
    yield
    gc.set_threshold(*before)


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.usefixtures("rarely")
def test_a_cycle_is_found_after_so_many_allocations() -> None:
    gc.collect()
    gone = weakref.ref(Knot())
    kept: list[list[int]] = [[] for _ in range(ALLOCATIONS // 2)]
    assert gone() is not None
    kept += [[] for _ in range(ALLOCATIONS)]
    assert gone() is None
