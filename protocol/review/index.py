"""The fingerprints of one part of a campaign's items, in log order: which are the same, and which alike.

Cost and scale: an item costs its fingerprint (at most 0.8 kB) and, for each likeness, a sketch of 130 to 200
bytes and some dictionary slots. A query scans the sketches, or the 128 bytes of hashes of a text, and
compares the few rows that survive: docs/adr/0038 has the cost. It is linear, with a small constant. Copies
are sought within one campaign, so campaigns are the first shard. Past 10^7 items in one campaign, rows
shard by number: each of k workers holds every k-th row and answers `near` and `likely`; the answers, put
together in log order, are the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from protocol.errors import StateError
from protocol.review.fingerprints import identity, validate_fingerprint
from protocol.review.likeness import (
    DRAWINGS,
    FARTHEST_PERMILLE,
    GLANCES,
    SPECTRA,
    THUMBNAILS,
    VIEWS,
    Likeness,
    agrees_finely,
    is_text,
    likely_likeness,
    strict_likeness,
)
from protocol.review.scans import HashScan, Scan, SketchScan, text_distance

Key = TypeVar("Key", bound=Hashable)

Chooser: TypeAlias = Callable[[bytes], Likeness | None]

_TEXTS: Final = "texts"
_LIKENESSES: Final = {each.name: each for each in (THUMBNAILS, GLANCES, DRAWINGS, VIEWS, SPECTRA)}


@dataclass(frozen=True, slots=True)
class Match(Generic[Key]):
    """An item that resembles another one: its key, and its distance in per mille."""

    key: Key
    distance: int


def strict_distance(a: bytes, b: bytes) -> int:
    """How unlike a fingerprint is to an earlier one, to the rule that needs no people: 0 (the same) .. 1000.
    Raises Reject if malformed."""
    validate_fingerprint(a)
    validate_fingerprint(b)
    return _distance(a, b, strict_likeness)


def likely_distance(a: bytes, b: bytes) -> int:
    """How unlike they are to the rule that shows both to people, 0 .. 1000. Raises Reject if
    malformed."""
    validate_fingerprint(a)
    validate_fingerprint(b)
    return _distance(a, b, likely_likeness)


class DuplicateIndex(Generic[Key]):
    """Fingerprints by key. Thresholds are in per mille; 0 finds nothing, as the same is found by `same`.

    Every method that takes a fingerprint raises Reject for a malformed one.
    """

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._fingerprints: list[bytes] = []
        self._row_of: dict[Key, int] = {}
        self._first_row: dict[bytes, int] = {}
        self._later_rows: dict[bytes, list[int]] = {}  # of content that occurs again
        self._scans: dict[str, Scan] = {}

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, key: Key) -> bool:
        return key in self._row_of

    def add(self, fingerprint: bytes, key: Key) -> None:
        """Append one item. Raises StateError for a used key."""
        validate_fingerprint(fingerprint)
        if key in self._row_of:
            raise StateError(f"fingerprint of {key!r} is already in the index")
        row = self._row_of[key] = len(self._keys)
        self._keys.append(key)
        self._fingerprints.append(fingerprint)
        for name in _scanned(fingerprint):
            self._scan(name).add(row, fingerprint)
        same = identity(fingerprint)
        if self._first_row.setdefault(same, row) != row:
            self._later_rows.setdefault(same, []).append(row)

    def remove(self, key: Key) -> None:
        """Erase an item's fingerprint for good; unknown keys are fine (erasing twice)."""
        row = self._row_of.pop(key, None)
        if row is None:
            return
        fingerprint, self._fingerprints[row] = self._fingerprints[row], b""
        for name in _scanned(fingerprint):
            self._scan(name).remove(row)
        # No search: one record erases a thousand items, at no cost to its author.
        same = identity(fingerprint)
        later = self._later_rows.get(same, [])
        if self._first_row[same] != row:
            later.remove(row)
        elif later:
            self._first_row[same] = later.pop(0)
        else:
            del self._first_row[same]
        if not later:
            self._later_rows.pop(same, None)

    def same(self, fingerprint: bytes) -> Iterator[Key]:
        """Every item of this very content, in log order."""
        validate_fingerprint(fingerprint)
        first = self._first_row.get(identity(fingerprint))
        if first is not None:
            yield self._keys[first]
            for row in self._later_rows.get(identity(fingerprint), ()):
                yield self._keys[row]

    def near(self, fingerprint: bytes, permille: int) -> list[Match[Key]]:
        """All of the same content, and all within the threshold that need no people, in log order."""
        found = dict(self._within(fingerprint, strict_likeness, permille))
        return self._matches(fingerprint, self._agreeing(fingerprint, found))

    def likely(self, fingerprint: bytes, permille: int) -> list[Match[Key]]:
        """All of the same content, and all within the threshold that people are to look at, in log order."""
        found = dict(self._within(fingerprint, likely_likeness, permille))
        if likely_likeness(fingerprint) is GLANCES:
            found = self._agreeing(fingerprint, found)
        return self._matches(fingerprint, found)

    def nearest(self, fingerprint: bytes, permille: int) -> Match[Key] | None:
        """The first of the same content, or else the nearest of `near`, and of these the earliest."""
        same = next(self.same(fingerprint), None)
        if same is not None:
            return Match(same, 0)
        return min(self.near(fingerprint, permille), key=lambda each: each.distance, default=None)

    def fingerprint_of(self, key: Key) -> bytes:
        """The fingerprint of an item of the index."""
        return self._fingerprints[self._row_of[key]]

    def occurrences(self, fingerprint: bytes) -> int:
        """How many items have this very content."""
        same = identity(fingerprint)
        return (same in self._first_row) + len(self._later_rows.get(same, ()))

    def _agreeing(self, fingerprint: bytes, found: dict[int, int]) -> dict[int, int]:
        return {
            row: distance
            for row, distance in found.items()
            if agrees_finely(fingerprint, self._fingerprints[row])
        }

    def _matches(self, fingerprint: bytes, found: dict[int, int]) -> list[Match[Key]]:
        found |= {self._row_of[key]: 0 for key in self.same(fingerprint)}
        return [Match(self._keys[row], found[row]) for row in sorted(found)]

    def _within(
        self, fingerprint: bytes, choose: Chooser, permille: int
    ) -> Iterator[tuple[int, int]]:
        validate_fingerprint(fingerprint)
        name = _scan_name(fingerprint, choose)
        if permille and name in self._scans:
            yield from self._scans[name].within(fingerprint, permille)

    def _scan(self, name: str) -> Scan:
        if name not in self._scans:
            likeness = _LIKENESSES.get(name)
            self._scans[name] = (
                SketchScan(likeness, self._fingerprints.__getitem__) if likeness else HashScan()
            )
        return self._scans[name]


def _scan_name(fingerprint: bytes, choose: Chooser) -> str:
    """Where what is alike is looked for; empty where nothing can be."""
    if is_text(fingerprint):
        return _TEXTS
    likeness = choose(fingerprint)
    return likeness.name if likeness else ""


def _scanned(fingerprint: bytes) -> set[str]:
    """Where a fingerprint can be found."""
    return {_scan_name(fingerprint, each) for each in (strict_likeness, likely_likeness)} - {""}


def _distance(a: bytes, b: bytes, choose: Chooser) -> int:
    if identity(a) == identity(b):
        return 0
    name = _scan_name(a, choose)
    if not name or name != _scan_name(b, choose):
        return FARTHEST_PERMILLE
    if name == _TEXTS:
        return text_distance(a, b)
    likeness = _LIKENESSES[name]
    if likeness in (THUMBNAILS, GLANCES) and not agrees_finely(a, b):
        return FARTHEST_PERMILLE
    return int(likeness.distances(likeness.variants(likeness.row(a)), likeness.row(b)[None])[0])
