"""Scans: which rows are within a distance of one, found by looking at something small of each.

Both give exactly what comparing with every row would, whatever else there is. So a replay finds the same,
with or without rows that were erased meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.review.fingerprints import HASHES
from protocol.review.likeness import BLOCK, FARTHEST_PERMILLE, Likeness, Rows
from protocol.review.texts import HASHES as HASH_COUNT

_SCAN_ROWS: Final = 1 << 16  # at once: bounds the temporary arrays of a scan to some 20 MB
_COMPARED_ROWS: Final = 1 << 12  # at once, where they are unpacked
_INITIAL_ROWS: Final = 64


class Scan(Protocol):
    """Some part of fingerprints, of many rows."""

    def add(self, row: int, fingerprint: bytes) -> None:
        """Rows come in ascending order."""

    def remove(self, row: int) -> None:
        """Forgets a row that is there."""

    def within(self, fingerprint: bytes, permille: int) -> Iterator[tuple[int, int]]:
        """(row, distance) of all rows no farther than that, in ascending order."""


class _Slots:
    """Which row is in which slot of an array that grows."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.of_row: dict[int, int] = {}

    def add(self, row: int) -> int:
        slot = self.of_row[row] = len(self.rows)
        self.rows.append(row)
        return slot


class SketchScan:
    """By sums over blocks of 16 spots, which rule out rows that they prove too far.

    A sum over 16 spots changes by at most sqrt(16 * squared error) (Cauchy-Schwarz), so
    |sketch(a) - sketch(b)|^2 <= 16 |a - b|^2 for each variant. Sketches are float32 for the speed of the
    matrix product; they hold integers whose products sum to less than 2^24, so the result is exact and
    independent of the order of summation.

    Nothing is computed of a row before somebody asks what is near to another: many who replay never do.
    """

    def __init__(self, likeness: Likeness, fingerprint_of: Callable[[int], bytes]) -> None:
        """`fingerprint_of` gives a row's."""
        self._likeness, self._fingerprint_of = likeness, fingerprint_of
        self._slots = _Slots()
        width = likeness.blocks.shape[1]
        self._sketches = np.zeros((_INITIAL_ROWS, width), dtype=np.float32)
        self._energies = np.zeros(
            (_INITIAL_ROWS, 2), dtype=np.float64
        )  # of the row, and its sketch
        self._sketched = 0  # so many slots

    def add(self, row: int, fingerprint: bytes) -> None:
        """See `Scan`."""
        slot = self._slots.add(row)
        if slot == len(self._sketches):
            self._sketches, self._energies = _doubled(self._sketches), _doubled(self._energies)

    def remove(self, row: int) -> None:
        """See `Scan`."""
        self._clear(self._slots.of_row.pop(row))

    def _clear(self, slot: int) -> None:
        self._sketches[slot] = 0
        self._energies[slot] = 0, np.inf  # as far as can be

    def _sketch(self) -> None:
        """Looks at the rows that came since somebody asked."""
        for start in range(self._sketched, len(self._slots.rows), _COMPARED_ROWS):
            rows = self._slots.rows[start : start + _COMPARED_ROWS]
            there = [at for at, row in enumerate(rows, start) if row in self._slots.of_row]
            for gone in set(range(start, start + len(rows))) - set(there):
                self._clear(gone)
            if there:
                values = self._unpacked([self._slots.rows[slot] for slot in there])
                sketches = values.astype(np.float32) @ self._likeness.blocks
                self._sketches[there] = sketches
                self._energies[there, 0] = (values * values).sum(axis=1)
                self._energies[there, 1] = (sketches * sketches).sum(axis=1)
        self._sketched = len(self._slots.rows)

    def within(self, fingerprint: bytes, permille: int) -> Iterator[tuple[int, int]]:
        """See `Scan`."""
        self._sketch()
        variants = self._likeness.variants(self._likeness.row(fingerprint))
        for rows in self._candidates(variants, permille):
            distances = self._likeness.distances(variants, self._unpacked(rows))
            for row, distance in zip(rows, distances, strict=True):
                if distance <= permille:
                    yield row, int(distance)

    def _candidates(self, variants: Rows, permille: int) -> Iterator[list[int]]:
        """Rows whose sketch leaves room for so small a distance.

        Distances round down: it means that 1000 |a - b|^2 < (most + 1)(|a|^2 + |b|^2).
        """
        most = min((permille + 1) * self._likeness.divisor, FARTHEST_PERMILLE)
        sketches = variants.astype(np.float32) @ self._likeness.blocks
        own = (variants * variants).sum(axis=1).astype(np.float64)
        squares = (sketches.astype(np.float64) ** 2).sum(axis=1)
        for start in range(0, len(self._slots.rows), _SCAN_ROWS):
            stop = min(start + _SCAN_ROWS, len(self._slots.rows))
            products = (sketches @ self._sketches[start:stop].T).astype(np.float64)
            energies, theirs = self._energies[start:stop].T
            apart = squares[:, None] + theirs[None] - 2 * products
            room = BLOCK * most * (own[:, None] + energies[None])
            slots = np.flatnonzero((FARTHEST_PERMILLE * apart <= room).any(axis=0)) + start
            for first in range(0, len(slots), _COMPARED_ROWS):
                yield [self._slots.rows[slot] for slot in slots[first : first + _COMPARED_ROWS]]

    def _unpacked(self, rows: list[int]) -> Rows:
        where = self._likeness.where
        packed = b"".join(self._fingerprint_of(row)[where] for row in rows)
        return self._likeness.rows(np.frombuffer(packed, dtype=np.uint8).reshape(len(rows), -1))


class HashScan:
    """By the hashes of texts, 128 bytes a row: how many of them two texts have in common."""

    def __init__(self) -> None:
        self._slots = _Slots()
        self._hashes = np.zeros((_INITIAL_ROWS, HASH_COUNT), dtype=np.uint8)
        self._is_there = np.zeros(_INITIAL_ROWS, dtype=np.bool_)

    def add(self, row: int, fingerprint: bytes) -> None:
        """See `Scan`."""
        slot = self._slots.add(row)
        if slot == len(self._hashes):
            self._hashes, self._is_there = _doubled(self._hashes), _doubled(self._is_there)
        self._hashes[slot] = np.frombuffer(fingerprint[HASHES], dtype=np.uint8)
        self._is_there[slot] = True

    def remove(self, row: int) -> None:
        """See `Scan`."""
        slot = self._slots.of_row.pop(row)
        self._hashes[slot], self._is_there[slot] = 0, False

    def within(self, fingerprint: bytes, permille: int) -> Iterator[tuple[int, int]]:
        """See `Scan`."""
        own = np.frombuffer(fingerprint[HASHES], dtype=np.uint8)
        for start in range(0, len(self._slots.rows), _SCAN_ROWS):
            stop = min(start + _SCAN_ROWS, len(self._slots.rows))
            distances = _apart(self._hashes[start:stop], own)
            for at in np.flatnonzero(self._is_there[start:stop] & (distances <= permille)):
                yield self._slots.rows[start + int(at)], int(distances[at])


def text_distance(a: bytes, b: bytes) -> int:
    """Of two texts' fingerprints that have hashes, in per mille."""
    one, other = (np.frombuffer(each[HASHES], dtype=np.uint8) for each in (a, b))
    return int(_apart(one[None], other)[0])


def _apart(rows: NDArray[np.uint8], own: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n,) per mille of the hashes that are not those of the row, rounded down."""
    differing = np.count_nonzero(rows != own, axis=1).astype(np.int64)
    return np.asarray(FARTHEST_PERMILLE * differing // HASH_COUNT)


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    """So that a million additions copy each row about once."""
    return np.concatenate([array, np.zeros_like(array)])
