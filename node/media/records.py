"""What the node gets of a file that was looked at. Here, so that the node itself imports no decoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """Content that can be committed to, with its type and public fingerprint. `said`: what was done to
    the file, in words for its owner ("removed: the location, 312 bytes after the end")."""

    media_type: str
    content: bytes
    fingerprint: bytes
    said: tuple[str, ...] = ()
