"""Content in a terminal: pictures in half blocks, recordings by their loudness, texts letter by letter,
anything else by its file.

Content comes from strangers: what cannot be seen is spelt out, and nothing is obeyed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from commonground.carried import PART_BYTES_MAX
from commonground.escaping import lined
from commonhold.cli.output import letters, prose
from node.intake import DecodedImage, read_image, waveform
from protocol.errors import Reject
from protocol.media import MEDIA, Shown

UPPER_HALF: Final = "▀"
# Without colours a character shows the mean of its pixels.
SHADES: Final = " ░▒▓█"
# How loud a stretch of a recording is.
BARS: Final = " ▁▂▃▄▅▆▇█"
# Some pages; whoever wants more opens the file.
TEXT_CHARS_SHOWN: Final = 20_000


def shown_content(path: Path, media_type: str, columns_max: int, colour: bool = True) -> Text:
    """What a file holds, as far as a terminal can show it."""
    medium = MEDIA.get(media_type)
    try:
        with path.open("rb") as file:
            content = file.read(PART_BYTES_MAX + 1)
        if medium is not None and medium.shown is Shown.PICTURE:
            return half_blocks(read_image(content, media_type), columns_max, colour)
        if medium is not None and medium.shown is Shown.TEXT:
            return _shown_text(content, path)
    except OSError as error:
        return letters(f"(cannot read {path}: {error.strerror})")
    except Reject as error:
        return letters(f"(cannot be shown: {error}; the file is {path})")
    words = media_type if medium is None else medium.words
    shown = Text()
    if medium is not None and medium.shown is Shown.SOUND:
        shown = _loudness(content, media_type, columns_max)
    return shown.append_text(letters(f"({words}, {len(content):,} bytes: {path})"))


def _loudness(content: bytes, media_type: str, columns_max: int) -> Text:
    """One line of bars; nothing where the recording cannot be decoded."""
    try:
        peaks = waveform(content, media_type, max(1, columns_max))
    except Reject:
        return Text()
    return Text("".join(BARS[peak * (len(BARS) - 1) // 255] for peak in peaks) + "\n")


def _shown_text(content: bytes, path: Path) -> Text:
    text = lined(content.decode("utf-8", "replace"))
    rest = len(text) - TEXT_CHARS_SHOWN
    shown = prose(text[:TEXT_CHARS_SHOWN])
    if rest > 0:
        shown.append("\n").append_text(letters(f"(… {rest:,} more characters in {path})"))
    return shown


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
