"""How often a process looks for reference cycles."""

from __future__ import annotations

import gc
from typing import Final

# Python's own 700 has it look through some thousand new rows for each batch of a thousand items, and through
# all of them again and again while the state grows: a fifth of what a submission costs.
ALLOCATIONS: Final = 50_000


def collect_rarely() -> None:
    """For programs, at their start: rows are frozen and point to what is older, so that none is in a cycle.

    What is in cycles, exceptions and tasks above all, is still found, some megabytes later.
    """
    gc.set_threshold(ALLOCATIONS)
