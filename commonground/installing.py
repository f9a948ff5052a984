"""How what is missing is installed: from a clone, since no package index has Commonhold."""

from __future__ import annotations


def how_to_install(extras: str, *, pip: str = "pip", release: str = "") -> str:
    """For a reader who lacks something; `release`: of that version alone."""
    clone = f"a clone of Commonhold {release}".rstrip()
    return f"in {clone}: {pip} install '.[{extras}]'"
