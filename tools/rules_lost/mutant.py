"""One rule that is taken away."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A rule, and what it is changed to. `tests`: files below tests/ that are asked first."""

    name: str
    file: str
    old: str
    new: str
    tests: str
