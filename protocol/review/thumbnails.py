"""Thumbnails: what two pictures share that are copies to the eye, within a pixel and some noise.

How greyscale pixels become 26 x 26 levels, all in integers:

1. box-average to a 28 x 28 canvas (the identity for 28 x 28 digits);
2. clamp each pixel between its 2nd lowest and 2nd highest neighbour: removes salt and pepper;
3. take the distance from the median (the background, whichever its polarity), and stretch the
   contrast so that the 8th brightest pixel is 255: brightness, contrast, inversion;
4. subtract a floor and clip: sensor noise on the background;
5. centre a 26 x 26 window on the centre of mass, fading its edge: shifts;
6. quantise to 8 levels, 3 bits each.

A thumbnail *abstains*, all levels 0, where its picture holds too little to tell: a flat surface, one speck on
a grey ground, stars. It is *unsure* where much of its picture is too fine for it, as print and the text on a
screen are. Such pictures would all be copies of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.review.levels import overlaps

WINDOW: Final = 26  # side of the window, pixels
CANVAS: Final = 28  # WINDOW plus one pixel of shift each way: no shift ever loses a pixel
LEVEL_BITS: Final = 3
LEVEL_MAX: Final = (1 << LEVEL_BITS) - 1

_MARGIN: Final = (CANVAS - WINDOW) // 2
_PEAK_RANK: Final = 8  # 1 % of the canvas may be brighter than "full contrast": left-over salt
_MIN_CONTRAST: Final = 16  # below this spread (of 255) an image is blank, or we would amplify noise
_FLOOR: Final = 48  # of 255; above 3 sigma of Gaussian noise with sigma 15
_SLACK: Final = 10  # percent of a pixel that the centre of mass moves by between decoders
_FADE: Final = (
    4  # edge weights 1/4, 2/4, 3/4: content that crosses the edge fades, it does not jump
)
# Pixels that the ink fills, were it spread evenly (the square of its sum by the sum of its squares). A defect
# on a surface fills 0 to 15.
_INK_MIN: Final = 20
# Of a picture's variance, the part that 56 x 56 pixels do not show: 5 to 30 per mille of photographs, 80 to
# 170 of drawings, over 600 of scanned text and spectrograms.
UNSEEN_MAX_PERMILLE: Final = 400
# A screen is mostly of one level, and its text too fine: of screenshots 32 per mille are not shown, and more.
_SCREEN_UNSEEN_PERMILLE: Final = 20
_EVEN_STEP: Final = 12  # grey levels from the median
_EVEN_MIN_PERCENT: Final = 50
_SHIFTS: Final = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))

_SIDE_MIN: Final = 8  # pixels: an icon's

Levels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """26 x 26 levels 0..7, where on the canvas their window begins, and whether it shows enough to say,
    without people, what is a copy."""

    levels: Levels
    top: int
    left: int
    is_sure: bool

    @property
    def abstains(self) -> bool:
        """Whether nothing can be told by it."""
        return not self.levels.any()


_NOTHING: Final = Thumbnail(np.zeros((WINDOW, WINDOW), dtype=np.int64), 0, 0, is_sure=False)


def thumbnail_of(image: NDArray[np.uint8]) -> Thumbnail:
    """Of (height, width) greyscale pixels."""
    return _thumbnails(image, (0,), (0,))[0]


def thumbnails_nearby(image: NDArray[np.uint8]) -> list[Thumbnail]:
    """The thumbnail, and those that a background one level lighter or darker and a slightly other centre
    give: what another decoder of a lossy format may make of the same file."""
    return _thumbnails(image, (0, -1, 1), (0, -_SLACK, _SLACK))


def _thumbnails(
    image: NDArray[np.uint8], lighter: tuple[int, ...], slack: tuple[int, ...]
) -> list[Thumbnail]:
    if min(image.shape) < _SIDE_MIN:
        return [_NOTHING]
    canvas = _shrink(image, CANVAS)
    unseen = unseen_permille(image)
    middle = int(np.sort(canvas, axis=None)[canvas.size // 2])
    even = int((np.abs(canvas - middle) <= _EVEN_STEP).sum())
    is_screen = unseen > _SCREEN_UNSEEN_PERMILLE and 100 * even >= _EVEN_MIN_PERCENT * canvas.size
    is_sure = unseen <= UNSEEN_MAX_PERMILLE and not is_screen
    clean = _remove_specks(canvas)
    found = []
    for each in lighter:
        ink = _stretch_contrast(clean, each)
        rows, columns = (sorted({_start(ink, axis, by) for by in slack}) for axis in (1, 0))
        found += [_window(ink, top, left, is_sure) for top in rows for left in columns]
    return found


def _window(ink: Levels, top: int, left: int, is_sure: bool) -> Thumbnail:
    levels = _window_levels(ink, top, left)
    total, squares = int(levels.sum()), int((levels * levels).sum())
    if total * total < _INK_MIN * squares:
        levels, is_sure = np.zeros_like(levels), False
    return Thumbnail(levels, top, left, is_sure)


def shifted(levels: Levels) -> Levels:
    """(9, 784): the thumbnail on its canvas at each shift of up to one pixel."""
    canvases = np.zeros((len(_SHIFTS), CANVAS, CANVAS), dtype=np.int64)
    for canvas, (dy, dx) in zip(canvases, _SHIFTS, strict=True):
        canvas[_MARGIN + dy :, _MARGIN + dx :][:WINDOW, :WINDOW] = levels
    return canvases.reshape(len(_SHIFTS), -1)


def unshifted(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 676) thumbnails -> (n, 784) in the middle of their canvases."""
    wide = levels.reshape(-1, WINDOW, WINDOW)
    margins = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    return np.pad(wide, margins).reshape(len(wide), -1)


def nearest_shift(a: Levels, b: Levels) -> tuple[int, int]:
    """(rows, columns) by which `a` has to go to look most like `b`."""
    middle = unshifted(b.astype(np.uint8)[None])[0].astype(np.int64)
    return _SHIFTS[int((shifted(a) @ middle).argmax())]


def unseen_permille(image: NDArray[np.uint8]) -> int:
    """How much of a picture's variance is finer than 56 x 56 pixels show."""
    height, width = image.shape
    if max(height, width) <= 2 * CANVAS:
        return 0
    count = height * width
    # Exact: at most 255^2 * 4096^2 < 2^53.
    squares = int(np.einsum("ij,ij->", image, image, dtype=np.float64))
    total = int(image.sum(dtype=np.int64))
    shown = _shrink(image, 2 * CANVAS)
    mean_square = int((shown * shown).sum()) * count // shown.size
    variance = squares - total * total // count
    return int(1000 * max(squares - mean_square, 0) // max(variance, 1))


def _shrink(image: NDArray[np.uint8], side: int) -> Levels:
    """Box average to side x side: each of its pixels weighs those of the image by overlap.

    The products are float64 for speed, of integers that sum to at most 255 * 4096 * 4096 < 2^53:
    exact, whatever the order of summation.
    """
    height, width = image.shape
    total = overlaps(height, side) @ image.astype(np.float64) @ overlaps(width, side).T
    mean: Levels = (total.astype(np.int64) + height * width // 2) // (height * width)
    return mean


def _remove_specks(canvas: Levels) -> Levels:
    """Clamp to the 2nd lowest and 2nd highest neighbour: lines survive, specks do not."""
    padded = np.pad(canvas, 1, mode="edge")
    neighbours = np.stack(
        [padded[1 + dy : 1 + dy + CANVAS, 1 + dx : 1 + dx + CANVAS]
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
    doubled = 2 * np.arange(CANVAS) + 1
    moment = int(ink.sum(axis=axis) @ doubled)
    return (100 * moment + 2 * slack * mass) // (200 * mass) - WINDOW // 2


def _window_levels(ink: Levels, top: int, left: int) -> Levels:
    """(26, 26) levels 0..7 of the window that begins there."""
    window = window_at(ink, top, left)
    weight = np.minimum(np.minimum(np.arange(WINDOW), np.arange(WINDOW)[::-1]) + 1, _FADE)
    faded = window * weight[:, None] * weight[None] // (_FADE * _FADE)
    full = 255 - _FLOOR
    levels: Levels = (faded * LEVEL_MAX + full // 2) // full
    return levels


def window_at(canvas: Levels, top: int, left: int) -> Levels:
    """(26, 26, ...) of the canvas; zero where the window reaches beyond it."""
    beyond = [(WINDOW, WINDOW)] * 2 + [(0, 0)] * (canvas.ndim - 2)
    padded = np.pad(canvas, beyond)
    return padded[top + WINDOW :, left + WINDOW :][:WINDOW, :WINDOW]
