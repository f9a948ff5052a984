"""How often a process looks for reference cycles."""

from __future__ import annotations

import atexit
import gc
from typing import Final

# Python's own 700 has it look through some thousand new rows for each batch of a thousand items, and through
# all of them again and again while the state grows: a fifth of what a submission costs.
ALLOCATIONS: Final = 50_000


def collect_rarely() -> None:
    """For programs, at their start: rows are frozen and point to what is older, so that none is in a cycle.

    What is in cycles, exceptions and tasks above all, is still found, some megabytes later. At the end nobody
    looks: what a process has then, the system takes back at once, where taking torch apart object by object
    takes it a second and more. Whatever has to be written by then was written, or is an exit handler's.
    """
    gc.set_threshold(ALLOCATIONS)
    atexit.register(gc.freeze)
