"""One picture of a partner's folder, as the pixels that a task asked for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.rows import read_bytes
from protocol.errors import ConfigError

IMAGE_BYTES_MAX: Final = 8 * 1024 * 1024
# A file of some kilobytes may say that it unpacks to any size.
SIDE_PIXELS_MAX: Final = 4_096
_MODES: Final = ("1", "L", "RGB")  # what turns into grey the same way everywhere
_COLOURS: Final = {1: "L", 3: "RGB"}


def read(path: Path, size: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(height, width, colours), 0 = black; a picture of another size is scaled to it.

    Raises ConfigError for a file that is no PNG, is too large, or has more than grey or three colours.
    """
    try:
        return decode(read_bytes(path, IMAGE_BYTES_MAX), size)
    except ValueError as error:
        raise ConfigError(f"{path} {error}", "convert it, or delete its line") from error


def decode(data: bytes, size: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The same of a file's bytes. Raises ValueError, in words that go on from the file's name."""
    from PIL import Image  # of no use to a partner whose data are texts

    height, width, colours = size
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            wide, high = image.size
            if max(wide, high) > SIDE_PIXELS_MAX or image.mode not in _MODES:  # of its header alone
                raise _Unfit(
                    f"is {wide} x {high} pixels, {image.mode}; jobs take grey and RGB pictures of at"
                    f" most {SIDE_PIXELS_MAX} pixels a side"
                )
            found = image.convert(_COLOURS[colours])
            if found.size != (width, height):
                found = found.resize((width, height), Image.Resampling.BILINEAR)
            return np.array(found, np.uint8).reshape(size)
    except _Unfit:
        raise
    except (OSError, ValueError, SyntaxError) as error:  # what pillow raises on a bad PNG
        raise ValueError("is not a PNG image that can be read") from error


class _Unfit(ValueError):
    """A picture that pillow reads, and we do not take."""


def words(size: tuple[int, int, int]) -> str:
    """A size for people: "28 x 28 grey"."""
    height, width, colours = size
    return f"{width} x {height} pixels, {'grey' if colours == 1 else 'in colour'}"
