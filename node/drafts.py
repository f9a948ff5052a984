"""Items as their owner has them. Nothing is decoded here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PartSource:
    """Where the content of one part is: in a file, or here as text."""

    name: str  # the part's
    path: Path | None
    text: str = ""
    source: str = ""  # who or what made it


@dataclass(frozen=True, slots=True)
class Draft:
    """An item that may be submitted."""

    name: str  # for its owner's eyes
    parts: tuple[PartSource, ...]  # in the campaign's order
    words: str = ""  # the proposed answer; empty without one
