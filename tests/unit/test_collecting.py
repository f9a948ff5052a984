"""Cycles are looked for rarely, and found all the same."""

from __future__ import annotations

import atexit
import gc
import subprocess
import sys
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
    atexit.unregister(gc.freeze)


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


@pytest.mark.parametrize(("call", "taken_apart"), [("", True), ("collect_rarely()", False)])
def test_at_the_end_handlers_run_and_cycles_are_left_to_the_system(
    call: str, *, taken_apart: bool
) -> None:
    program = f"""
import atexit
from commonground.collecting import collect_rarely

class Knot:
    def __init__(self):
        self.own = self
    def __del__(self):
        print("taken apart")

atexit.register(print, "handled")
{call}
Knot()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:-1] == ["handled", *(["taken apart"] if taken_apart else [])]
