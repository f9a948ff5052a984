"""Shapes: what stays of a picture that is turned, scaled, cropped or padded: for people to look at.

How greyscale pixels become 64 angles x 8 rings of 16 levels, all in integers:

1. cut off even borders: padding;
2. box-average to a canvas of 64 x 64, keeping proportions;
3. a *drawing*, ink on an even ground, is centred on its ink's centre of mass, and as large as its ink is
   spread; any other picture, a *view*, has its middle as centre, and reaches to its nearest edge;
4. soften, so that a pixel more or less tells nothing, and sample rings around the centre: a turned picture
   has the same rings turned. A view's are each a tenth wider than the one inside, so that a scaled one has
   them one ring on;
5. quantise: of a drawing how dark the ink is, of a view how far from its mean, in its own contrast.

The distance is the squared error, minimised over turns of up to 11 degrees and for views over a ring more or
less, relative to the energy of both, in per mille. A shape abstains where a picture holds too little.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.review.circle import ONE, circle
from protocol.review.levels import is_packed, overlaps, pack, packed_bytes, unpack
from protocol.review.thumbnails import UNSEEN_MAX_PERMILLE, unseen_permille

ANGLES: Final = 64
RINGS: Final = 8
SPOTS: Final = ANGLES * RINGS
LEVEL_BITS: Final = 4
SHAPE_BYTES: Final = 1 + packed_bytes(SPOTS, LEVEL_BITS)
# The first byte of a shape: which of the two it is of, or that it tells nothing.
NOTHING, DRAWING, VIEW = 0, 1, 2

_CANVAS: Final = 64
_BEYOND: Final = 24  # the rings of a drawing may reach beyond the canvas
_EVEN: Final = 40  # grey levels by which ground may vary: what JPEG of quality 10 does
# An even border: (by how many grey levels it may vary, in at least how many percent of it). All of it as it
# was filled, or else nearly all with what coding and sensors do.
_BORDERS: Final = ((2, 100), (_EVEN, 90))
_BORDERS_MAX: Final = 3  # a margin, a frame around it, and the margin of what is in the frame
_SIDE_MIN: Final = 4  # pixels that are left
_CUT_MAX: Final = 20  # times what is left: a speck on a large ground is like any other
# Of a drawing: ground along the edges of what is inside its borders, and in the circle that fits it.
_EDGE_MIN_PERCENT: Final = 45
_GROUND_MIN_PERCENT: Final = 15
_FLOOR: Final = 48  # of 255, as in thumbnails
_PEAK_RANK: Final = 41  # 1 % of the canvas
_MIN_CONTRAST: Final = 16
_INK_MIN: Final = 20  # spots of the canvas that the ink fills
_REACH_PERCENT: Final = 220  # of the ink's radius of gyration
_VIEW_PERCENT: Final = 93  # of half the shorter side
_VIEW_MIN_DEVIATION: Final = 6  # grey levels
_EVEN_STEP: Final = 12  # grey levels from the median
_EVEN_MAX_PERCENT: Final = 55  # of a view's canvas
_TOP: Final = (1 << LEVEL_BITS) - 1
_MIDDLE: Final = 1 << (LEVEL_BITS - 1)
_LEVELS_A_DEVIATION: Final = 3
_SOFT: Final = 7  # side of the square that is averaged, pixels of the canvas
_FINE: Final = 2  # samples for each spot, each way
_PARTS: Final = 256  # of a pixel, in which places are counted
_HALF_RING: Final = (104_881, 100_000)  # the square root of 1.1
_TURNS: Final = np.arange(-4, 5)  # in halves of an angle, 2.8 degrees
# Of each turn and angle, whose levels come there: of two angles where it is a half.
_TURNED: Final = tuple(
    (np.arange(ANGLES)[None] - turn[:, None]) % ANGLES
    for turn in (_TURNS // 2, _TURNS - _TURNS // 2)
)

Levels = NDArray[np.int64]


def shape_of(image: NDArray[np.uint8]) -> bytes:
    """SHAPE_BYTES of (height, width) greyscale pixels."""
    inner, ground, even = _without_borders(image)
    if min(inner.shape) < _SIDE_MIN or inner.size * _CUT_MAX < image.size:
        return _nothing()
    canvas = _canvas(inner, ground)
    ink = np.abs(canvas - ground)
    is_drawing = ground >= 0 and _is_on_ground(inner, ground, even) and _is_ground(ink)
    made = _drawing(ink) if is_drawing else _view(canvas, inner)
    return _nothing() if made is None else made


def is_shape(packed: bytes) -> bool:
    """Whether the bytes are a shape in its one canonical encoding."""
    if len(packed) != SHAPE_BYTES or packed[0] not in (NOTHING, DRAWING, VIEW):
        return False
    return is_packed(packed[1:], SPOTS, LEVEL_BITS) if packed[0] else packed == _nothing()


def spots(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n, SHAPE_BYTES) -> (n, SPOTS) levels, doubled so that half turns are whole numbers; 0: as the ground,
    or as the mean."""
    levels = unpack(packed[:, 1:], SPOTS, LEVEL_BITS).astype(np.int64)
    return 2 * (levels - np.where(packed[:, :1] == VIEW, _MIDDLE, 0))


def turned(levels: Levels, kind: int) -> Levels:
    """(n, SPOTS): a shape's doubled levels at each turn, and of a view at each scale, that are looked for."""
    rings = levels.reshape(ANGLES, RINGS)
    found = [
        (scaled[_TURNED[0]] + scaled[_TURNED[1]]) // 2
        for scaled in ((rings, _wider(rings), _narrower(rings)) if kind == VIEW else (rings,))
    ]
    return np.concatenate(found).reshape(-1, SPOTS)


def _wider(rings: Levels) -> Levels:
    return np.concatenate([rings[:, :1], rings[:, :-1]], axis=1)


def _narrower(rings: Levels) -> Levels:
    return np.concatenate([rings[:, 1:], rings[:, -1:]], axis=1)


def _nothing() -> bytes:
    return bytes(SHAPE_BYTES)


def _without_borders(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """What is inside even borders; the level of the innermost, -1 where there is none; how it varies."""
    ground, varies = -1, 0
    for _ in range(_BORDERS_MAX):
        level, even = _border(image)
        if not even:
            break
        ground, varies = level, even
        is_ink = np.abs(image.astype(np.int16) - level) > even
        rows, columns = (_filled(is_ink, axis) for axis in (1, 0))
        inner = image[rows[0] : rows[1], columns[0] : columns[1]]
        if inner.shape == image.shape or min(inner.shape) < _SIDE_MIN:
            image = inner
            break
        image = inner
    return image, ground, varies


def _border(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Its level, and by how much it varies; by 0 where it is not even."""
    ring = _edge(image)
    level = int(np.sort(ring)[len(ring) // 2])
    for even, percent in _BORDERS:
        if 100 * int((np.abs(ring - level) <= even).sum()) >= percent * len(ring):
            return level, even
    return level, 0


def _filled(is_ink: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """From where to where rows (or columns) hold more than specks."""
    counts = is_ink.sum(axis=axis)
    found = np.flatnonzero(counts > max(1, is_ink.shape[axis] // 100))
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)


def _canvas(image: NDArray[np.uint8], ground: int) -> Levels:
    """The box average, in the middle of 64 x 64 pixels."""
    height, width = image.shape
    side = max(height, width)
    rows, columns = _middle(height, side), _middle(width, side)
    sums = rows @ image.astype(np.float64) @ columns.T
    covered = rows.sum(axis=1)[:, None] * columns.sum(axis=1)[None]
    total = (sums + (side * side - covered) * max(ground, 0)).astype(np.int64)
    return np.asarray((total + side * side // 2) // (side * side))


def _middle(length: int, side: int) -> NDArray[np.float64]:
    """(64, length) overlaps of `length` pixels in the middle of `side` with the canvas."""
    before = (side - length) // 2
    return overlaps(side, _CANVAS)[:, before : before + length]


def _edge(image: NDArray[np.uint8]) -> Levels:
    sides = (image[0], image[-1], image[:, 0], image[:, -1])
    return np.concatenate(sides).astype(np.int64)


def _is_on_ground(image: NDArray[np.uint8], ground: int, even: int) -> bool:
    """Whether the edges are ground, for the most part."""
    edge = np.abs(_edge(image) - ground)
    return 100 * int((edge <= even).sum()) >= _EDGE_MIN_PERCENT * len(edge)


def _is_ground(ink: Levels) -> bool:
    """Whether much of the circle in the canvas is ground."""
    away = 2 * np.arange(_CANVAS) + 1 - _CANVAS
    inside = away[:, None] ** 2 + away[None] ** 2 <= _CANVAS**2
    return 100 * int((ink[inside] <= _EVEN).sum()) >= _GROUND_MIN_PERCENT * int(inside.sum())


def _drawing(ink: Levels) -> bytes | None:
    peak = int(np.sort(ink, axis=None)[-_PEAK_RANK])
    if peak < _MIN_CONTRAST:
        return None
    ink = np.pad(np.maximum(np.minimum(ink * 255 // peak, 255) - _FLOOR, 0), _BEYOND)
    mass, squares = int(ink.sum()), int((ink * ink).sum())
    if mass * mass < _INK_MIN * squares:
        return None
    places = np.arange(len(ink)) * _PARTS
    down, across = (int(ink.sum(axis=axis) @ places) // mass for axis in (1, 0))
    spread = int(ink.sum(axis=1) @ (places - down) ** 2 + ink.sum(axis=0) @ (places - across) ** 2)
    reach = isqrt(spread // mass) * _REACH_PERCENT // 100
    full = 255 - _FLOOR
    sums = _rings(_soft(ink), down, across, reach * _EVENLY // ONE)
    levels = (2 * sums * _TOP + full * _SAMPLE) // (2 * full * _SAMPLE)
    return bytes([DRAWING]) + pack(np.clip(levels, 0, _TOP), LEVEL_BITS)


def _view(canvas: Levels, image: NDArray[np.uint8]) -> bytes | None:
    shorter = _CANVAS * min(image.shape) * _PARTS // max(image.shape)
    if unseen_permille(image) > UNSEEN_MAX_PERMILLE or _is_mostly_even(canvas, shorter // _PARTS):
        return None
    middle = (_CANVAS - 1) * _PARTS // 2 + _BEYOND * _PARTS
    soft = _soft(np.pad(canvas, _BEYOND, mode="edge"))
    sums = _rings(soft, middle, middle, shorter * _VIEW_PERCENT // 200 * _BY_TENTHS // ONE)
    away = sums * sums.size - int(sums.sum())  # times its own size
    deviation = _deviation(away)
    if deviation < _VIEW_MIN_DEVIATION * _SAMPLE * sums.size:
        return None
    levels = (2 * _LEVELS_A_DEVIATION * away + deviation) // (2 * deviation) + _MIDDLE
    return bytes([VIEW]) + pack(np.clip(levels, 0, _TOP), LEVEL_BITS)


def _is_mostly_even(canvas: Levels, side: int) -> bool:
    """Whether the middle is, as that of a screen: its text is too small to be seen here."""
    before = (_CANVAS - side) // 2
    middle = canvas[before : before + side, before : before + side]
    level = int(np.sort(middle, axis=None)[middle.size // 2])
    even = int((np.abs(middle - level) <= _EVEN_STEP).sum())
    return 100 * even >= _EVEN_MAX_PERCENT * middle.size


def _deviation(away: Levels) -> int:
    return isqrt(sum(int(each) ** 2 for each in away.reshape(-1)) // away.size)


def _soft(canvas: Levels) -> Levels:
    """The sums of squares of _SOFT x _SOFT pixels, each around its pixel."""
    half = _SOFT // 2
    padded = np.pad(canvas, ((half + 1, half), (half + 1, half)), mode="edge")
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    columns = sums[:, _SOFT:] - sums[:, :-_SOFT]
    return np.asarray(columns[_SOFT:] - columns[:-_SOFT])


def _rings(canvas: Levels, down: int, across: int, radii: Levels) -> Levels:
    """(64, 8) sums of samples around a centre, on circles of these radii; all in parts of a pixel."""
    far = (len(canvas) - 1) * _PARTS - 1
    rows = np.clip(down + radii[None] * _SINES[:, None] // ONE, 0, far)
    columns = np.clip(across + radii[None] * _COSINES[:, None] // ONE, 0, far)
    (row, below), (column, beside) = np.divmod(rows, _PARTS), np.divmod(columns, _PARTS)
    above = canvas[row, column] * (_PARTS - beside) + canvas[row, column + 1] * beside
    under = canvas[row + 1, column] * (_PARTS - beside) + canvas[row + 1, column + 1] * beside
    samples = (above * (_PARTS - below) + under * below + _PARTS**2 // 2) // _PARTS**2
    return np.asarray(samples.reshape(ANGLES, _FINE, RINGS, _FINE).sum(axis=(1, 3)))


def _by_tenths() -> Levels:
    """Radii of 16 circles, the widest 1, by the square root of 1.1."""
    found, radius = [], ONE
    for _ in range(RINGS * _FINE):
        found.append(radius)
        radius = radius * _HALF_RING[1] // _HALF_RING[0]
    return np.array(found[::-1], dtype=np.int64)


_COSINES, _SINES = circle(ANGLES * _FINE)
_BY_TENTHS: Final = _by_tenths()
_EVENLY: Final = (2 * np.arange(RINGS * _FINE) + 1) * (ONE // (2 * RINGS * _FINE))
_SAMPLE: Final = _FINE**2 * _SOFT**2  # of how many pixels a spot is the sum
