"""Pictures of nothing: random strokes, drawn by a program, where nobody has public pictures.

Features are whitened by how they vary over pictures. Which ones hardly matters, as long as they have lines
and edges of all directions in many places: noise from a program does for natural pictures (Baradad et al.,
Learning to See by Looking at Noise, NeurIPS 2021), and strokes do for what people write and draw.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

STROKES_MAX: Final = 3  # of a picture
BENDS: Final = 12  # straight pieces of a stroke
CENTRE: Final = 0.24  # deviation of where strokes begin, bend and end, in sides from the middle
GOES_ON: Final = 0.7  # chance that a stroke begins where the last one ended
THIN: Final = 0.055  # in sides
THICK: Final = 0.15
# Lines are drawn on a canvas of so many pixels at least, and scaled down: edges are soft then.
CANVAS: Final = 112
LEVELS: Final = 256


def drawn(height: int, width: int, colours: int, number: int) -> NDArray[np.uint8]:
    """(number, height, width, colours): always the same ones."""
    chance = Random("strokes")  # noqa: S311  # of pictures, and nobody's secret
    pictures = [_picture(height, width, colours, chance) for _ in range(number)]
    return np.stack(pictures)


def _picture(height: int, width: int, colours: int, chance: Random) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw  # of no use to a partner whose data are texts

    scale = -(-CANVAS // min(height, width))
    canvas = Image.new("L", (width * scale, height * scale))
    pen, end = ImageDraw.Draw(canvas), None
    for _ in range(chance.randint(1, STROKES_MAX)):
        begin = end if end is not None and chance.random() < GOES_ON else _point(chance)
        bend, end = _point(chance), _point(chance)
        line = [
            (x * canvas.width, y * canvas.height)
            for x, y in (_between(begin, bend, end, at / BENDS) for at in range(BENDS + 1))
        ]
        thick = chance.uniform(THIN, THICK) * min(canvas.size)
        pen.line(line, fill=LEVELS - 1, width=max(1, round(thick)), joint="curve")
    strokes = np.asarray(canvas.resize((width, height), Image.Resampling.BOX), np.uint8)[..., None]
    if colours == 1:
        return strokes
    ground, ink = (np.array([chance.randrange(LEVELS) for _ in range(colours)]) for _ in range(2))
    mixed = ground + strokes / (LEVELS - 1) * (ink - ground)
    return np.asarray(np.rint(mixed), np.uint8)


def _point(chance: Random) -> tuple[float, float]:
    return chance.gauss(0.5, CENTRE), chance.gauss(0.5, CENTRE)


def _between(
    begin: tuple[float, float], bend: tuple[float, float], end: tuple[float, float], at: float
) -> tuple[float, float]:
    """A point of the quadratic curve, from 0 to 1."""
    near, middle, far = (1 - at) ** 2, 2 * at * (1 - at), at * at
    return (
        near * begin[0] + middle * bend[0] + far * end[0],
        near * begin[1] + middle * bend[1] + far * end[1],
    )
