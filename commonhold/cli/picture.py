"""Pictures in a terminal: each character shows two pixels, one above the other."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from node.intake import DecodedImage

UPPER_HALF: Final = "▀"
# Without colours a character shows the mean of its pixels.
SHADES: Final = " ░▒▓█"


def half_blocks(image: DecodedImage, columns_max: int, colour: bool = True) -> Text:
    """The image, at most `columns_max` characters wide, in grey; smaller images keep their size."""
    pixels = np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width)
    grid = _shrink(pixels, max(1, columns_max))
    if len(grid) % 2:
        grid = np.vstack([grid, np.zeros((1, grid.shape[1]), np.uint8)])
    lines = []
    for upper, lower in zip(grid[0::2], grid[1::2], strict=True):
        line = Text()
        for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True):
            if colour:
                line.append(
                    UPPER_HALF, f"rgb({top},{top},{top}) on rgb({bottom},{bottom},{bottom})"
                )
            else:
                line.append(SHADES[(top + bottom) * len(SHADES) // 512])
        lines.append(line)
    return Text("\n").join(lines)


def _shrink(pixels: NDArray[np.uint8], columns_max: int) -> NDArray[np.uint8]:
    """Means over blocks of whole pixels, as large as the width demands."""
    side = -(-pixels.shape[1] // columns_max)
    height, width = (-(-extent // side) for extent in pixels.shape)
    padded = np.pad(
        pixels,
        ((0, height * side - pixels.shape[0]), (0, width * side - pixels.shape[1])),
        mode="edge",
    )
    blocks = padded.reshape(height, side, width, side)
    means: NDArray[np.uint8] = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return means
