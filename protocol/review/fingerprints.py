"""Public fingerprints: how every replayer recognises an image that was submitted before.

A contributor computes a fingerprint, reviewers fetch the content and recompute it, and the fold
compares it with every earlier one. All three must agree to the bit on every machine, so everything
here is integer arithmetic on decoded greyscale pixels. Where a matrix product runs in floating
point for speed, it is of integers small enough to be exact in any order of summation.

How an image becomes 255 bytes (perceptual fingerprint, version 1):

1. box-average to a 28 x 28 canvas (the identity for 28 x 28 digits);
2. clamp each pixel between its 2nd lowest and 2nd highest neighbour: removes salt and pepper;
3. take the distance from the median (the background, whichever its polarity), and stretch the
   contrast so that the 8th brightest pixel is 255: brightness, contrast, inversion;
4. subtract a floor and clip: sensor noise on the background;
5. centre a 26 x 26 window on the centre of mass, fading its edge: shifts;
6. quantise to 8 levels, 3 bits each.

The distance is the squared error, minimised over shifts of one pixel (rounding of the centre of
mass under noise), relative to the energy of both images, in per mille.

Media without a perceptual rule carry an exact fingerprint (version 2): a tagged SHA-256. What
either kind reveals, and why it must stay out of the log itself, is in docs/adr/0002.

Cost and scale: `DuplicateIndex` returns exactly what brute force would. An item costs about
0.7 kB (its fingerprint, a 49-number sketch, dictionary slots); a query scans the sketches, 200
bytes a row, and compares the few rows that survive: `python -m benchmarks.similarity` prints the
cost at 10^5 and 10^6 items. It is linear, with a small constant. Duplicates are sought within one
campaign, so campaigns are the first shard. Past 10^7 items in one campaign, rows shard by number:
each of k workers holds every k-th row and answers `nearest`, and the best of the k answers, in the
order that `nearest` states, is the answer. 10^9 items are 0.7 TB: 64 workers of 1.6e7 rows and
11 GB each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocol.errors import Reject, StateError

PERCEPTUAL = 1  # first byte of a perceptual fingerprint
EXACT = 2  # first byte of an exact fingerprint
WINDOW = 26  # side of the stored window, pixels; with 3 bits a pixel it fits 256 bytes
LEVEL_BITS = 3
PERCEPTUAL_BYTES = 1 + (WINDOW * WINDOW * LEVEL_BITS + 7) // 8  # 255
EXACT_BYTES = 1 + 32
MAX_SIDE_PIXELS = 4096  # the box average of 4096 x 4096 pixels stays far inside int64

# Distances are 0..1000 per mille. Measured on all 12,497,500 pairs of 5,000 MNIST digits, the
# nearest two distinct ones are 20 apart (two "1"s); 99.9 % of the copies shifted by up to two
# pixels with Gaussian noise of sigma 15/255 stay within 16. docs/adr/0002 has the whole table.
NEAR_DUPLICATE_PERMILLE = 16
FARTHEST_PERMILLE = 1000

_CANVAS = 28  # WINDOW plus one pixel of shift each way: no shift ever loses a pixel
_MARGIN = (_CANVAS - WINDOW) // 2
_PEAK_RANK = 8  # 1 % of the canvas may be brighter than "full contrast": left-over salt
_MIN_CONTRAST = 16  # below this spread (of 255) an image is blank, or we would amplify noise
_FLOOR = 48  # of 255; above 3 sigma of Gaussian noise with sigma 15
_TOP_LEVEL = (1 << LEVEL_BITS) - 1
_SLACK = 10  # percent of a pixel that the centre of mass moves by between decoders
_FADE = 4  # edge weights 1/4, 2/4, 3/4: content that crosses the edge fades, it does not jump
_BLOCK = 4  # a sketch is the sums of 7 x 7 blocks of 4 x 4 pixels
_SKETCH = (_CANVAS // _BLOCK) ** 2
_SCAN_ROWS = 1 << 16  # rows per block of a scan: bounds its temporary arrays to about 5 MB
_INITIAL_ROWS = 256
_SHIFTS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_EXACT_TAG = b"commonhold/v1/exact-fingerprint\0"

Levels = NDArray[np.int64]
Key = TypeVar("Key", bound=Hashable)


def fingerprint_pixels(pixels: bytes, width: int, height: int) -> bytes:
    """Perceptual fingerprint of `height` rows of `width` greyscale bytes, top row first.

    Blank images (no contrast) all share one fingerprint. Raises Reject for impossible sizes.
    """
    if not (0 < width <= MAX_SIDE_PIXELS and 0 < height <= MAX_SIDE_PIXELS):
        raise Reject(f"image of {width} x {height} pixels; sides must be 1..{MAX_SIDE_PIXELS}")
    if len(pixels) != width * height:
        raise Reject(f"{len(pixels)} bytes of pixels for {width} x {height}")
    ink = _stretch_contrast(_canvas(pixels, width, height))
    top, left = (_start(ink, axis) for axis in (1, 0))
    return _packed_window(ink, top, left)


def fingerprints_nearby(pixels: bytes, width: int, height: int) -> list[bytes]:
    """The fingerprint, and those that a background one level lighter or darker and a slightly other
    centre give: what another decoder of a lossy format may make of the same file."""
    canvas = _canvas(pixels, width, height)
    found: list[bytes] = []
    for lighter in (0, -1, 1):
        ink = _stretch_contrast(canvas, lighter)
        rows, columns = (
            sorted({_start(ink, axis, slack) for slack in (0, -_SLACK, _SLACK)}) for axis in (1, 0)
        )
        found += [_packed_window(ink, top, left) for top in rows for left in columns]
    return found


def _canvas(pixels: bytes, width: int, height: int) -> Levels:
    image = np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)
    return _remove_specks(_shrink(image))


def _packed_window(ink: Levels, top: int, left: int) -> bytes:
    return bytes([PERCEPTUAL]) + _pack(_window_levels(ink, top, left))


def fingerprint_exact(content: bytes) -> bytes:
    """Exact fingerprint, for media that have no perceptual rule. Guessable content can be
    confirmed from it by anyone who guesses, so it too is only for open campaigns."""
    return bytes([EXACT]) + hashlib.sha256(_EXACT_TAG + content).digest()


def unpack_levels(fingerprint: bytes) -> Levels:
    """The (26, 26) levels 0..7 of a valid perceptual fingerprint: the picture that it reveals."""
    return _unpack_rows(_packed([fingerprint])).reshape(WINDOW, WINDOW).astype(np.int64)


def is_valid_fingerprint(fingerprint: bytes) -> bool:
    """Whether the bytes are a fingerprint in its one canonical encoding."""
    if not fingerprint:
        return False
    if fingerprint[0] == EXACT:
        return len(fingerprint) == EXACT_BYTES
    padding_bits = 8 * (PERCEPTUAL_BYTES - 1) - WINDOW * WINDOW * LEVEL_BITS
    return (
        fingerprint[0] == PERCEPTUAL
        and len(fingerprint) == PERCEPTUAL_BYTES
        and fingerprint[-1] & ((1 << padding_bits) - 1) == 0
    )


def validate_fingerprint(fingerprint: bytes) -> None:
    """Raises Reject unless `is_valid_fingerprint`."""
    if not is_valid_fingerprint(fingerprint):
        raise Reject(f"malformed fingerprint of {len(fingerprint)} bytes")


def distance(a: bytes, b: bytes) -> int:
    """How unlike two fingerprints are, 0 (same) .. 1000, symmetric. Raises Reject if malformed.

    min over shifts s of |a shifted by s - b|^2, in per mille of |a|^2 + |b|^2. Different kinds of
    fingerprint are 1000 apart, and so are different exact ones.
    """
    validate_fingerprint(a)
    validate_fingerprint(b)
    if a == b:
        return 0
    if a[0] != PERCEPTUAL or b[0] != PERCEPTUAL:
        return FARTHEST_PERMILLE
    return int(_distances(_shifted_canvases(unpack_levels(a)), _packed([b]))[0])


def is_near_duplicate(a: bytes, b: bytes) -> bool:
    """The rule: the later of the two earns nothing."""
    return distance(a, b) <= NEAR_DUPLICATE_PERMILLE


@dataclass(frozen=True, slots=True)
class Match(Generic[Key]):
    """The nearest earlier item: its key, and its distance in per mille."""

    key: Key
    distance: int


class DuplicateIndex(Generic[Key]):
    """Every fingerprint seen so far, in log order; finds the nearest within the threshold.

    `nearest` returns exactly what comparing with every row would: the sketch only rules out rows
    that it proves too far. A sum over a block of 16 pixels changes by at most sqrt(16 * squared
    error) (Cauchy-Schwarz), so |sketch(a) - sketch(b)|^2 <= 16 |a - b|^2 for each shift. Sketches
    are float32 for the speed of the matrix product; they hold integers whose products sum to less
    than 2^24, so the result is exact and independent of the order of summation.
    """

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._fingerprints: list[bytes] = []
        self._row_of: dict[Key, int] = {}
        self._first_row: dict[bytes, int] = {}
        self._later_rows: dict[bytes, list[int]] = {}  # of fingerprints that occur again
        self._sketches = np.zeros((_INITIAL_ROWS, _SKETCH), dtype=np.float32)
        self._slack = np.zeros(_INITIAL_ROWS, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, key: Key) -> bool:
        return key in self._row_of

    def add(self, fingerprint: bytes, key: Key) -> None:
        """Append one item. Raises Reject for a malformed fingerprint, StateError for a used key."""
        validate_fingerprint(fingerprint)
        if key in self._row_of:
            raise StateError(f"fingerprint of {key!r} is already in the index")
        row = len(self._keys)
        if row == len(self._slack):
            self._grow()
        if fingerprint[0] == PERCEPTUAL:
            levels = unpack_levels(fingerprint)
            sketch = _sketch(np.pad(levels, _MARGIN)[None])[0]
            self._sketches[row] = sketch
            self._slack[row] = _allowance(levels) - int(sketch @ sketch)
        else:
            self._slack[row] = _NEVER
        self._keys.append(key)
        self._fingerprints.append(fingerprint)
        self._row_of[key] = row
        if self._first_row.setdefault(fingerprint, row) != row:
            self._later_rows.setdefault(fingerprint, []).append(row)

    def remove(self, key: Key) -> None:
        """Erase an item's fingerprint for good; unknown keys are fine (erasing twice)."""
        row = self._row_of.pop(key, None)
        if row is None:
            return
        fingerprint, self._fingerprints[row] = self._fingerprints[row], b""
        # No search: one record erases a thousand items, at no cost to its author.
        later = self._later_rows.get(fingerprint, [])
        if self._first_row[fingerprint] != row:
            later.remove(row)
        elif later:
            self._first_row[fingerprint] = later.pop(0)
        else:
            del self._first_row[fingerprint]
        if not later:
            self._later_rows.pop(fingerprint, None)
        self._sketches[row] = 0
        self._slack[row] = _NEVER

    def nearest(self, fingerprint: bytes) -> Match[Key] | None:
        """The nearest near duplicate; None if nothing is that near.

        An identical fingerprint comes first, then the least distance, then the earliest row.
        Raises Reject for a malformed fingerprint.
        """
        validate_fingerprint(fingerprint)
        same = self._first_row.get(fingerprint)
        if same is not None:
            return Match(self._keys[same], 0)
        if fingerprint[0] != PERCEPTUAL:
            return None
        levels = unpack_levels(fingerprint)
        canvases = _shifted_canvases(levels)
        sketches = _sketch(canvases)
        best_distance, best_row = NEAR_DUPLICATE_PERMILLE + 1, -1
        for rows in self._candidates(sketches, _allowance(levels)):
            distances = _distances(canvases, _packed([self._fingerprints[row] for row in rows]))
            least = int(distances.argmin())
            if distances[least] < best_distance:
                best_distance, best_row = int(distances[least]), int(rows[least])
        return None if best_row < 0 else Match(self._keys[best_row], best_distance)

    def near(self, fingerprint: bytes) -> list[Match[Key]]:
        """All near duplicates, in log order. Raises Reject for a malformed fingerprint."""
        validate_fingerprint(fingerprint)
        if fingerprint[0] != PERCEPTUAL:
            return [Match(key, 0) for key in self.same(fingerprint)]
        levels = unpack_levels(fingerprint)
        canvases = _shifted_canvases(levels)
        found: list[Match[Key]] = []
        for candidates in self._candidates(_sketch(canvases), _allowance(levels)):
            packed = _packed([self._fingerprints[row] for row in candidates])
            for row, each in zip(candidates, _distances(canvases, packed), strict=True):
                if each <= NEAR_DUPLICATE_PERMILLE:
                    found.append(Match(self._keys[row], int(each)))
        return found

    def same(self, fingerprint: bytes) -> Iterator[Key]:
        """The items with this very fingerprint, in log order."""
        first = self._first_row.get(fingerprint)
        if first is not None:
            yield self._keys[first]
            for row in self._later_rows.get(fingerprint, ()):
                yield self._keys[row]

    def fingerprint_of(self, key: Key) -> bytes:
        """The fingerprint of an item of the index."""
        return self._fingerprints[self._row_of[key]]

    def occurrences(self, fingerprint: bytes) -> int:
        """How many items have this very fingerprint."""
        if fingerprint not in self._first_row:
            return 0
        return 1 + len(self._later_rows.get(fingerprint, ()))

    def distance_to(self, key: Key, fingerprint: bytes) -> int | None:
        """How far an item of the index is, in per mille; None if it is no near duplicate."""
        far = distance(self._fingerprints[self._row_of[key]], fingerprint)
        return far if far <= NEAR_DUPLICATE_PERMILLE else None

    def _candidates(
        self, sketches: NDArray[np.int64], allowance: int
    ) -> Iterator[NDArray[np.intp]]:
        """Rows, in log order, whose sketch leaves room for a near duplicate."""
        queries = sketches.astype(np.float32)
        energies = np.einsum("sk,sk->s", queries, queries)[:, None]
        for start in range(0, len(self._keys), _SCAN_ROWS):
            stop = min(start + _SCAN_ROWS, len(self._keys))
            closeness = (2 * queries @ self._sketches[start:stop].T - energies).max(axis=0)
            rows = np.flatnonzero(closeness + self._slack[start:stop] + allowance > 0) + start
            if rows.size:
                yield rows

    def _grow(self) -> None:
        """Double the arrays, so that a million additions copy each row about once."""
        self._sketches = np.concatenate([self._sketches, np.zeros_like(self._sketches)])
        self._slack = np.concatenate([self._slack, np.zeros_like(self._slack)])


_NEVER = -np.inf  # slack of a row that no perceptual query can match


def _shrink(image: NDArray[np.uint8]) -> Levels:
    """Box average to the canvas: each canvas pixel weighs the source pixels by overlap.

    The products are float64 for speed, of integers that sum to at most 255 * 4096 * 4096 < 2^53:
    exact, whatever the order of summation.
    """
    height, width = image.shape
    total = _overlaps(height) @ image.astype(np.float64) @ _overlaps(width).T
    mean: Levels = (total.astype(np.int64) + height * width // 2) // (height * width)
    return mean


def _overlaps(side: int) -> NDArray[np.float64]:
    """(28, side) integer overlaps, in 1/28 pixel, of canvas cells with source pixels."""
    cell = np.arange(_CANVAS)[:, None] * side
    pixel = np.arange(side)[None] * _CANVAS
    overlap = np.minimum(cell + side, pixel + _CANVAS) - np.maximum(cell, pixel)
    return np.asarray(np.maximum(overlap, 0), dtype=np.float64)


def _remove_specks(canvas: Levels) -> Levels:
    """Clamp to the 2nd lowest and 2nd highest neighbour: lines survive, specks do not."""
    padded = np.pad(canvas, 1, mode="edge")
    neighbours = np.stack(
        [padded[1 + dy : 1 + dy + _CANVAS, 1 + dx : 1 + dx + _CANVAS]
         for dy, dx in _SHIFTS if (dy, dx) != (0, 0)]
    )  # fmt: skip
    neighbours.sort(axis=0)
    return np.clip(canvas, neighbours[1], neighbours[-2])


def _stretch_contrast(canvas: Levels, lighter: int = 0) -> Levels:
    """Distance from the background, taken as so many levels lighter than it is: 0..255 - _FLOOR, or all
    zero for a blank image."""
    background = np.sort(canvas, axis=None)[canvas.size // 2] + lighter
    ink = np.abs(canvas - background)
    peak = np.sort(ink, axis=None)[-_PEAK_RANK]
    if peak < _MIN_CONTRAST:
        return np.zeros_like(canvas)
    stretched: Levels = np.minimum(ink * 255 // peak, 255)
    return np.maximum(stretched - _FLOOR, 0)


def _start(ink: Levels, axis: int, slack: int = 0) -> int:
    """Where the window begins that has the centre of mass in its middle, `slack` percent of a pixel on;
    rows are summed along axis 1."""
    mass = max(int(ink.sum()), 1)
    doubled = 2 * np.arange(_CANVAS) + 1
    moment = int(ink.sum(axis=axis) @ doubled)
    return (100 * moment + 2 * slack * mass) // (200 * mass) - WINDOW // 2


def _window_levels(ink: Levels, top: int, left: int) -> Levels:
    """(26, 26) levels 0..7 of the window that begins there."""
    padded = np.pad(ink, WINDOW)
    window = padded[top + WINDOW :, left + WINDOW :][:WINDOW, :WINDOW]
    weight = np.minimum(np.minimum(np.arange(WINDOW), np.arange(WINDOW)[::-1]) + 1, _FADE)
    faded = window * weight[:, None] * weight[None] // (_FADE * _FADE)
    full = 255 - _FLOOR
    levels: Levels = (faded * _TOP_LEVEL + full // 2) // full
    return levels


def _pack(levels: Levels) -> bytes:
    """Row by row, most significant bit first, zero bits at the end."""
    bits = (levels.reshape(-1, 1) >> np.arange(LEVEL_BITS)[::-1]) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def _packed(fingerprints: Sequence[bytes]) -> NDArray[np.uint8]:
    """n perceptual fingerprints -> (n, 254) packed levels."""
    joined = np.frombuffer(b"".join(fingerprints), dtype=np.uint8)
    return joined.reshape(-1, PERCEPTUAL_BYTES)[:, 1:]


def _unpack_rows(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 254) packed rows -> (n, 676) levels."""
    bits = np.unpackbits(packed, axis=1, count=WINDOW * WINDOW * LEVEL_BITS)
    high, middle, low = (bits[:, place::LEVEL_BITS] for place in range(LEVEL_BITS))
    return np.asarray((high << 2) | (middle << 1) | low, dtype=np.uint8)


def _shifted_canvases(levels: Levels) -> Levels:
    """(9, 28, 28): the window placed at each shift of up to one pixel."""
    canvases = np.zeros((len(_SHIFTS), _CANVAS, _CANVAS), dtype=np.int64)
    for canvas, (dy, dx) in zip(canvases, _SHIFTS, strict=True):
        canvas[_MARGIN + dy :, _MARGIN + dx :][:WINDOW, :WINDOW] = levels
    return canvases


def _sketch(canvases: Levels) -> NDArray[np.int64]:
    """(n, 28, 28) -> (n, 49) sums of blocks."""
    side = _CANVAS // _BLOCK
    blocks = canvases.reshape(len(canvases), side, _BLOCK, side, _BLOCK)
    return np.asarray(blocks.sum(axis=(2, 4)).reshape(len(canvases), _SKETCH), dtype=np.int64)


def _allowance(levels: Levels) -> int:
    """One side's share of the bound on a near duplicate's squared sketch distance, rounded up.

    distance <= T means 1000 |a - b|^2 < (T + 1)(|a|^2 + |b|^2), as distances round down.
    """
    energy = int((levels * levels).sum())
    scaled = _BLOCK * _BLOCK * (NEAR_DUPLICATE_PERMILLE + 1) * energy
    return -(-scaled // FARTHEST_PERMILLE)


def _distances(canvases: Levels, packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Distances of one image, at its nine shifts, from each packed row. Exact in float32: levels
    are at most 7, so every sum of products is at most 676 * 49 < 2^24."""
    inner = canvases[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].reshape(len(_SHIFTS), -1)
    rows = _unpack_rows(packed).astype(np.float32)
    products = (rows @ inner.T.astype(np.float32)).max(axis=1).astype(np.int64)
    energy = np.einsum("ij,ij->i", rows, rows).astype(np.int64)
    energy += int((canvases[0] * canvases[0]).sum())
    error = energy - 2 * products
    permille: NDArray[np.int64] = FARTHEST_PERMILLE * error // np.maximum(energy, 1)
    return permille
