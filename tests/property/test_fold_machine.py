"""The fold under random lives: whatever people and operator do, in whatever order, the books balance.

The same lives on every run, so that a change that breaks one is to blame. New ones, outside of continuous
integration: `make explore`.
"""

from __future__ import annotations

import os

from hypothesis import Phase, settings

from tests.property.explore import EXPLORING
from tests.property.fold_machine import FoldMachine
from tests.property.fold_network import PICTURES, alike


def test_the_pictures_resemble_each_other() -> None:
    assert len(set(PICTURES)) == len(PICTURES)
    assert alike() == {True, False}, "some are copies of each other's copies only"


_EXPLORES = EXPLORING in os.environ

TestFold = FoldMachine.TestCase
TestFold.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    derandomize=not _EXPLORES,
    # A life that breaks a rule is told as it is: to shorten it takes longer than a test may.
    phases=tuple(Phase) if _EXPLORES else (Phase.generate,),
    database=None,
    deadline=None,
)
