"""Pictures made sRGB: by a profile, or by the numbers that they give (`colours`)."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from node.media.colours import SRGB, Colours, Curve

_ROWS: Final = 256  # at once, so that the arithmetic needs little memory
_DEEP: Final = 65_535  # the lightest of 16 bits: finer than any step of 8, also where it is dark


def high_bytes(image: Image.Image) -> Image.Image:
    """Of 16-bit grey: libraries would cut it off at 255."""
    return Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).astype(np.uint8))


def in_colour(image: Image.Image) -> Image.Image:
    """In 8 bits of red, green, blue, and alpha if anything is transparent."""
    if image.mode.startswith("I"):
        return _seen_as(high_bytes(image).convert("RGB"), image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _seen_as(made: Image.Image, deep: Image.Image) -> Image.Image:
    """What was made of deep grey, transparent where that is: at one level of all 65,536."""
    clear = deep.info.get("transparency")
    if clear is not None:
        seen = np.asarray(deep, dtype=np.int64) != clear
        made.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
    return made


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Its colours, and its alpha where anything is transparent."""
    coloured = in_colour(image)
    alpha = coloured.getchannel("A") if coloured.mode == "RGBA" else None
    return coloured.convert("RGB"), alpha


# ---- by a profile ----


def is_usable(profile: bytes, channels: int) -> bool:
    """Whether a picture of so many channels can be converted by it; grey ones have one of colours, too."""
    modes = {1: ("L", "RGB"), 3: ("RGB",), 4: ("CMYK",)}[channels]
    return any(by_profile(Image.new(mode, (1, 1)), profile) is not None for mode in modes)


def is_srgb(profile: bytes) -> bool:
    """Whether converting by it would change no colour by more than rounding does."""
    steps = np.linspace(0, 255, 9, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    after = by_profile(Image.fromarray(cube), profile)
    if after is None:
        return False
    changed = np.asarray(after, dtype=np.int64) - cube
    return bool(np.abs(changed).max() <= 1)


def by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The image by its profile, in sRGB; None where the profile is not for such an image."""
    alpha = None
    if image.mode not in ("L", "RGB", "CMYK") or image.has_transparency_data:
        image, alpha = _apart(image)
    converted = _converted(image, profile)
    if image.mode == "L":
        # A grey picture may have a profile of colours: each grey is one of them.
        converted = converted or _converted(image.convert("RGB"), profile)
        converted = converted and converted.convert("L")
    if converted and alpha:
        converted.putalpha(alpha)
    return converted


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


# ---- by numbers ----


def by_numbers(image: Image.Image, colours: Colours) -> Image.Image:
    """The image, which means its numbers so, in sRGB. Deep grey stays deep."""
    if image.mode.startswith("I"):
        levels = np.rint(_levels(_light(_DEEP, colours.curve)) * _DEEP).astype(np.uint16)
        deep = Image.fromarray(levels[np.asarray(image, dtype=np.uint16)])
        return _seen_as(in_colour(deep), image) if image.has_transparency_data else deep
    if image.mode not in ("L", "RGB", "RGBA") or "transparency" in image.info:
        image = in_colour(image)
    change = _change(image.mode, colours)
    for top in range(0, image.height, _ROWS):  # in its place: two large ones have no room
        rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        changed = change(rows.convert("RGB") if rows.mode == "RGBA" else rows)
        if rows.mode == "RGBA":
            changed.putalpha(rows.getchannel("A"))
        image.paste(changed, (0, top))
    return image


def _change(mode: str, colours: Colours) -> Callable[[Image.Image], Image.Image]:
    """What makes a few rows sRGB: level by level, or where the three lights are others, mixed anew."""
    matrix = colours.matrix
    if matrix is None or mode == "L":
        levels = [int(each) for each in np.rint(_levels(_light(255, colours.curve)) * 255)]
        return lambda rows: rows.point(levels * len(rows.getbands()))
    return partial(_mixed, matrix=np.array(matrix, np.float32), curve=colours.curve)


def _mixed(rows: Image.Image, matrix: NDArray[np.float32], curve: Curve) -> Image.Image:
    """Light for light; what sRGB cannot show becomes the nearest that it can, channel by channel."""
    light = _light(255, curve).astype(np.float32)
    shown = np.clip(light[np.asarray(rows)] @ matrix.T, 0, 1)
    levels = np.rint(_levels(_light(_DEEP, Curve(1.0))) * 255).astype(np.uint8)
    return Image.fromarray(levels[np.rint(shown * np.float32(_DEEP)).astype(np.uint16)])


def _light(lightest: int, curve: Curve) -> NDArray[np.float64]:
    """Of each level up to `lightest`."""
    levels = np.arange(lightest + 1, dtype=np.float64) / lightest
    bent = np.power(curve.scale * levels + curve.shift, curve.exponent)
    return np.where(levels <= curve.toe, levels * curve.slope, bent)


def _levels(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other way round, by the curve of sRGB."""
    curve = SRGB.curve
    bent = (np.power(light, 1 / curve.exponent) - curve.shift) / curve.scale
    return np.where(light <= curve.toe * curve.slope, light / curve.slope, bent)
