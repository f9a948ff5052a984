"""Items as their owner has them. Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class PartSource:
    """Where the content of one part is: in a file, or here as text or bytes."""

    name: str  # the part's
    path: Path | None
    text: str = ""
    source: str = ""  # who or what made it
    data: bytes = b""  # of a table that holds more than text
    encoding: str = ""  # of a file, if it is a text and not in UTF-8, as its owner says


@dataclass(frozen=True, slots=True)
class Draft:
    """An item that may be submitted."""

    name: str  # for its owner's eyes
    parts: tuple[PartSource, ...]  # in the campaign's order
    words: str = ""  # the proposed answer; empty without one


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not submitted, a file or a row, and why, for the person at the keyboard."""

    name: str
    reason: str
    is_there: bool = False  # because it was submitted before


Drafts: TypeAlias = Iterable[Draft | LeftOut]
"""What somebody brings. It is read twice, once to check and once to submit, and never held whole."""
