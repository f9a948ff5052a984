"""What the node gets of a file that was looked at. Here, so that the node itself imports no decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Prepared:
    """Content that can be committed to, with its type and public fingerprint. `said`: what was done to
    the file, in words for its owner ("removed: the location, 312 bytes after the end")."""

    media_type: str
    content: bytes
    fingerprint: bytes
    said: tuple[str, ...] = ()


# Of the digital source types of IPTC. What a camera's program enhanced is not among them.
_GENERATED: Final = frozenset(
    (
        *("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        *("algorithmicMedia", "compositeSynthetic"),
    )
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What content credentials (C2PA) say of how content was made. Nobody checked their signature."""

    generator: str = ""  # the program that made the claim
    sources: tuple[str, ...] = ()  # digital source types of IPTC, as trainedAlgorithmicMedia

    @property
    def is_generated(self) -> bool:
        """Whether a program generated it, or some of it."""
        return not _GENERATED.isdisjoint(self.sources)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a file holds beside its content: texts, each with what it is ("comments"), and credentials."""

    texts: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
