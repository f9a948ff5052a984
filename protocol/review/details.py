"""Details: what tells two pictures apart whose thumbnails are alike, as screenshots of one program's are.

In each pixel of the thumbnail's window: whether the picture there is brighter above or below, and on the left
or on the right, or neither. Two pictures have the same details where hardly any of these signs differ, on the
whole and in every neighbourhood: one changed line of text is enough to tell them apart.

Pictures no larger than the thumbnail's canvas have no details; it shows all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.review.levels import is_packed_signs, overlaps, pack_signs, unpack_signs
from protocol.review.thumbnails import CANVAS, WINDOW, Levels, Thumbnail, nearest_shift, window_at

SIGNS: Final = WINDOW * WINDOW * 2
DETAILS_BYTES: Final = (SIGNS + 4) // 5

# Grey levels (of 255) between one half of a pixel and the other, below which it is even: three times what
# noise of sigma 5 makes of a photograph that is saved again.
_STEP: Final = 6
# Measured on screenshots that differ in their text alone, the nearest pair is 8 apart in its worst
# neighbourhood and 75 per mille on the whole; copies saved as JPEG of quality 60 stay within 4 and 140,
# of quality 85 within 3 and 100.
_WORST_MAX: Final = 4
_DIFFERENT_MAX_PERMILLE: Final = 140
_NEIGHBOURHOOD: Final = 3  # pixels of the window


def details_of(image: NDArray[np.uint8], at: Thumbnail) -> bytes:
    """The packed signs of (height, width) greyscale pixels, in the window of their thumbnail."""
    height, width = image.shape
    side = 2 * CANVAS
    total = overlaps(height, side) @ image.astype(np.float64) @ overlaps(width, side).T
    cells = (total.astype(np.int64) + height * width // 2) // (height * width)
    halves = cells.reshape(CANVAS, 2, CANVAS, 2).sum(axis=3), cells.reshape(CANVAS, 2, CANVAS, 2)
    down = halves[0][:, 0] - halves[0][:, 1]
    across = halves[1].sum(axis=1)[..., 0] - halves[1].sum(axis=1)[..., 1]
    steps = np.stack([down, across], axis=-1)
    signs = np.where(np.abs(steps) >= 2 * _STEP, np.sign(steps), 0)
    return pack_signs(window_at(signs, at.top, at.left))


def is_details(packed: bytes) -> bool:
    """Whether the bytes are the details of some picture."""
    return is_packed_signs(packed, SIGNS)


def same_details(a: bytes, b: bytes, thumb_a: Levels, thumb_b: Levels) -> bool:
    """Whether two pictures, with these thumbnails, agree in what is too fine for them."""
    down, across = nearest_shift(thumb_a, thumb_b)
    mine = _moved(unpack_signs(a, SIGNS).reshape(WINDOW, WINDOW, 2), down, across)
    theirs = unpack_signs(b, SIGNS).reshape(WINDOW, WINDOW, 2)
    differing = ((mine - theirs) ** 2).sum(axis=2)  # 1 where one is even, 4 where they are opposed
    said = int(np.abs(mine).sum() + np.abs(theirs).sum())
    sums = np.zeros((WINDOW + 1, WINDOW + 1), dtype=np.int64)
    sums[1:, 1:] = differing.cumsum(axis=0).cumsum(axis=1)
    n = _NEIGHBOURHOOD
    worst = int((sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]).max())
    # Of a few signs some may differ, as long as they are not together.
    allowed = max(1000 * _WORST_MAX, _DIFFERENT_MAX_PERMILLE * said)
    return worst <= _WORST_MAX and 1000 * int(sums[-1, -1]) <= allowed


def distance(a: bytes, b: bytes) -> int:
    """Per mille of the signs that are not the same, where they are."""
    mine, theirs = unpack_signs(a, SIGNS), unpack_signs(b, SIGNS)
    said = int(np.abs(mine).sum() + np.abs(theirs).sum())
    return 1000 * int(((mine - theirs) ** 2).sum()) // max(said, 1)


def _moved(signs: Levels, down: int, across: int) -> Levels:
    padded = np.zeros((WINDOW + 2, WINDOW + 2, 2), dtype=np.int64)  # np.pad takes ten times as long
    padded[1:-1, 1:-1] = signs
    return padded[1 - down :, 1 - across :][:WINDOW, :WINDOW]
