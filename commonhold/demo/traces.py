"""Looks for what must be gone: bytes, in every file under some folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def traces(folders: Iterable[Path], needles: Sequence[bytes]) -> set[Path]:
    """The files that hold one of the needles somewhere, databases and their journals included."""
    return {
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.is_file() and _holds(file, needles)
    }


def _holds(file: Path, needles: Sequence[bytes]) -> bool:
    try:
        data = file.read_bytes()
    except FileNotFoundError:  # deleted meanwhile, as it should be
        return False
    return any(needle in data for needle in needles)
