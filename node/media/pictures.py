"""Pictures: decoded whole, made upright and sRGB, told apart by how they look.

A fingerprint is of decoded pixels, in arithmetic of our own. PNG and GIF decode alike everywhere. JPEG and
WebP leave the last bit of a pixel to the decoder, which differs from one release to the next: `agrees`.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from node.media import gif, jpeg, png, srgb, webp
from node.media.colours import SRGB, Colours
from node.media.container import UPRIGHT, Cleaned, broken
from node.media.srgb import high_bytes, in_colour
from protocol import media
from protocol.errors import Reject
from protocol.review.fingerprints import MAX_SIDE_PIXELS, fingerprint_pixels, fingerprints_nearby
from protocol.review.likeness import is_decoded_alike

# The largest square that fingerprints take: a photograph of 12 megapixels, a screen of 4K. 64 MiB decoded.
PIXELS_MAX: Final = MAX_SIDE_PIXELS * MAX_SIDE_PIXELS
# What is scaled down before it is submitted, if the person agrees: a phone's 48 megapixels. 256 MiB decoded.
SCALED_SIDE_MAX: Final = 16_384
SCALED_PIXELS_MAX: Final = 64 << 20
# Where a picture has just too little contrast to be told apart, one decoder may find it blank, and
# another not.
_CONTRASTS: Final = (0.85, 1.15)

_QUALITY: Final = (
    95  # where a picture does not say how finely it was coded; nobody sees the difference
)
_FULL_COLOUR, _QUARTER_COLOUR = 0, 2  # of JPEG: a colour for each pixel, or for four
# What the library raises for damaged files.
_FAILURES: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError),
    *(ArithmeticError, AttributeError, struct.error),
)
_ROWS: Final = 256  # at once, so that the arithmetic needs little memory
_SHRINKS_MAX: Final = 8

CLEANERS: Final[Mapping[str, Callable[[bytes, int, int], Cleaned]]] = {
    media.PNG.name: png.clean,
    media.JPEG.name: jpeg.clean,
    media.WEBP.name: webp.clean,
    media.GIF.name: gif.clean,
}
_FORMATS: Final = {
    media.PNG.name: "PNG",
    media.JPEG.name: "JPEG",
    media.WEBP.name: "WEBP",
    media.GIF.name: "GIF",
}
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Grey:
    """Greyscale pixels: `height` rows of `width` bytes, top row first, 0 = black."""

    width: int
    height: int
    pixels: bytes


def normalise(
    data: bytes, media_type: str, target: str, bytes_max: int, *, scale: bool
) -> tuple[bytes, tuple[str, ...]]:
    """The picture as `target`, upright, in sRGB, with nothing beside it; and what was done, in words.

    Where nothing has to be turned, converted or scaled, its pixels stay as they are coded. `scale`: whether
    it may be made smaller to have at most `bytes_max` bytes and PIXELS_MAX pixels. Raises Reject.
    """
    limits = (SCALED_SIDE_MAX, SCALED_PIXELS_MAX) if scale else (MAX_SIDE_PIXELS, PIXELS_MAX)
    cleaned = CLEANERS[media_type](data, *limits)
    said = [f"removed: {', '.join(cleaned.removed)}"] if cleaned.removed else []
    profile, colours = cleaned.profile, cleaned.colours
    if profile and not srgb.is_usable(profile, cleaned.channels):
        said.append("removed: a colour profile that cannot be applied")
        profile = b""
    elif profile:
        colours = None
        profile = b"" if srgb.is_srgb(profile) else profile
    is_srgb = not profile and colours in (None, SRGB) and not cleaned.is_cmyk
    if (
        is_srgb
        and cleaned.orientation == UPRIGHT
        and target == media_type
        and _fits(cleaned, bytes_max, scale=scale)
    ):
        return cleaned.content, tuple(said)
    image = _decode(cleaned.content, media_type)
    coding = _coding_of(image, cleaned.content, media_type)
    if not is_srgb:
        image = _to_srgb(image, profile, colours)
        said.append("colours converted to sRGB")
    if cleaned.orientation != UPRIGHT:
        image = image.transpose(_TURNS[cleaned.orientation])
        said.append("turned upright")
    if target != media_type:
        said.append(f"made {media.MEDIA[target].words}")
    before = image.size
    image, content = _scaled(image, target, bytes_max if scale else 0, coding)
    if image.size != before:
        said.append("scaled from {} x {} to {} x {} pixels".format(*before, *image.size))
    return content, tuple(said)


def _fits(cleaned: Cleaned, bytes_max: int, *, scale: bool) -> bool:
    """Whether it need not be scaled. Without consent nothing is: what is too large is refused later."""
    if not scale:
        return True
    is_small = max(cleaned.width, cleaned.height) <= MAX_SIDE_PIXELS
    return is_small and len(cleaned.content) <= bytes_max


def fingerprint(data: bytes, media_type: str) -> bytes:
    """Of a clean picture. Raises Reject for any other: what is beside the picture nobody reviews."""
    image = _read(data, media_type)
    grey = _to_grey(image)
    return fingerprint_pixels(grey.pixels, grey.width, grey.height, _whole(image, data, media_type))


def agrees(data: bytes, media_type: str, claimed: bytes) -> bool:
    """Whether a claimed fingerprint is that of a clean picture, as far as decoders agree. Raises Reject."""
    image = _read(data, media_type)
    grey, whole = _to_grey(image), _whole(image, data, media_type)
    if fingerprint_pixels(grey.pixels, grey.width, grey.height, whole) == claimed:
        return True
    if not media.MEDIA[media_type].is_lossy:
        return False
    # What is next to what this machine's decoder makes of it: another one's may be nearer to that.
    return any(
        is_decoded_alike(each, claimed)
        for pixels in _contrasts(grey.pixels)
        for each in fingerprints_nearby(pixels, grey.width, grey.height, whole)
    )


def _whole(image: Image.Image, data: bytes, media_type: str) -> bytes:
    """What only the same picture has: its pixels in colour, where every decoder finds the same ones."""
    if media.MEDIA[media_type].is_lossy:
        return data
    if image.mode.startswith("I"):
        image = high_bytes(image)
    return b"%d x %d\0" % image.size + image.convert("RGBA").tobytes()


def _contrasts(pixels: bytes) -> Iterator[bytes]:
    """The pixels, and with a little less and more contrast."""
    yield pixels
    levels = np.frombuffer(pixels, np.uint8).astype(np.float32)
    middle = np.float32(np.median(levels))
    for contrast in _CONTRASTS:
        other = ((levels - middle) * np.float32(contrast) + middle).round()
        yield np.clip(other, 0, 255).astype(np.uint8).tobytes()


def read(data: bytes, media_type: str) -> Grey:
    """The pixels of a clean picture, as grey. Raises Reject."""
    return _to_grey(_read(data, media_type))


def _read(data: bytes, media_type: str) -> Image.Image:
    cleaned = CLEANERS[media_type](data, MAX_SIDE_PIXELS, PIXELS_MAX)
    if not cleaned.is_bare:
        beside = ", ".join(cleaned.removed) or "colours of its own"
        raise Reject(
            f"the picture carries {beside}, and only the bare picture is taken",
            "Submit it with a node, which removes them.",
        )
    return _decode(data, media_type)


def thumbnail(data: bytes, media_type: str, side: int) -> bytes:
    """A PNG in colour of at most `side` pixels on each side, clean or not. Raises Reject."""
    cleaned = CLEANERS[media_type](data, MAX_SIDE_PIXELS, PIXELS_MAX)
    image = _decode(cleaned.content, media_type)
    small = in_colour(image)
    small.thumbnail((side, side))
    return _encode(small, media.PNG.name, _Coding())


# ---- decoding and coding ----


@dataclass(frozen=True, slots=True)
class _Coding:
    """How a picture was coded, for coding it again as finely, and no larger than it was."""

    is_lossless: bool = True
    jpeg: Mapping[str, Any] = field(
        default_factory=lambda: {"quality": _QUALITY, "subsampling": _FULL_COLOUR}
    )


def _coding_of(image: Image.Image, data: bytes, media_type: str) -> _Coding:
    if media_type == media.WEBP.name:
        return _Coding(webp.is_lossless(data))
    if media_type != media.JPEG.name:
        return _Coding()
    if image.mode not in ("L", "RGB"):
        return _Coding(is_lossless=False)
    tables = getattr(image, "quantization", None)
    sampling = JpegImagePlugin.get_sampling(image)
    if not tables or image.mode == "L":
        sampling = _FULL_COLOUR
    if sampling != _QUARTER_COLOUR:
        sampling = _FULL_COLOUR  # what is halved in one direction may be turned
    jpeg_ = {"qtables": tables, "subsampling": sampling} if tables else _Coding().jpeg
    return _Coding(is_lossless=False, jpeg=jpeg_)


def _decode(data: bytes, media_type: str) -> Image.Image:
    """The whole picture. Its size was checked; what it decodes to is the library's."""
    what = media.MEDIA[media_type].words.split(" ", 1)[1]
    try:
        with warnings.catch_warnings():
            # Sizes were checked, and need not be guessed at.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[_FORMATS[media_type]]) as image:
                image.load()
    except Image.DecompressionBombError as error:
        raise Reject("a picture of so many pixels is too large", "Scale it down.") from error
    except _FAILURES as error:
        raise broken(what, "its pixels cannot be decoded") from error
    return image


def _encode(image: Image.Image, target: str, coding: _Coding) -> bytes:
    """Without anything that the image carries but its pixels and what of them is transparent."""
    clear = image.info.get("transparency")
    image.info.clear()
    if clear is not None:
        image.info["transparency"] = clear
    out = io.BytesIO()
    if target == media.JPEG.name:
        _flattened(image).save(out, "JPEG", **coding.jpeg)
    elif target == media.WEBP.name:
        plain = image if image.mode in ("RGB", "RGBA") else in_colour(image)
        plain.save(out, "WEBP", lossless=coding.is_lossless, quality=_QUALITY, exact=True)
    elif target == media.GIF.name:
        image.save(out, "GIF")
    else:
        image.save(out, "PNG")
    return out.getvalue()


def _flattened(image: Image.Image) -> Image.Image:
    """For JPEG, which has no transparency: on white, as its fingerprint is."""
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    colours = in_colour(image)
    if colours.mode == "RGBA":
        ground = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        colours = Image.alpha_composite(ground, colours).convert("RGB")
    return colours


def _scaled(
    image: Image.Image, target: str, bytes_max: int, coding: _Coding
) -> tuple[Image.Image, bytes]:
    """As large as the limits let it be, or nearly; as it is where `bytes_max` is 0."""
    if not bytes_max:
        return image, _encode(image, target, coding)
    factor = min(1.0, MAX_SIDE_PIXELS / max(image.size))
    for _ in range(_SHRINKS_MAX):
        small = image
        if factor < 1:
            is_plain = image.mode in ("L", "RGB", "RGBA") and "transparency" not in image.info
            plain = image if is_plain else in_colour(image)
            sides = (max(1, int(side * factor)) for side in image.size)
            small = plain.resize((*sides,), Image.Resampling.LANCZOS)  # type: ignore[arg-type]
        content = _encode(small, target, coding)
        if len(content) <= bytes_max:
            return small, content
        factor *= min(0.9, 0.95 * (bytes_max / len(content)) ** 0.5)
    raise Reject(f"the picture cannot be scaled to {bytes_max:,} bytes")


# ---- colours ----


def _to_srgb(image: Image.Image, profile: bytes, colours: Colours | None) -> Image.Image:
    """By its profile, by its numbers, or by what colours for print usually are."""
    converted = srgb.by_profile(image, profile) if profile else None
    if converted is None and colours:
        converted = srgb.by_numbers(image, colours)
    if converted is None:
        converted = image.convert("RGB") if image.mode == "CMYK" else image
    return converted


def _to_grey(image: Image.Image) -> Grey:
    """Integer luma on a white ground. The arithmetic is ours, so that it is the same under every
    version of the image library."""
    if image.mode.startswith("I"):
        image = high_bytes(image)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return Grey(*image.size, image.convert("L").tobytes())
    if image.mode != "RGB" or "transparency" in image.info:
        image = image.convert("RGBA")
    coloured = np.asarray(image)
    rows = range(0, image.height, _ROWS)
    return Grey(*image.size, b"".join(_luma_on_white(coloured[at : at + _ROWS]) for at in rows))


def _luma_on_white(rows: NDArray[np.uint8]) -> bytes:
    """(h, w, 3 or 4) -> h * w bytes: ITU-R BT.601 luma in per mille, blended with white by alpha."""
    wide = rows.astype(np.int32)
    luma = (wide[..., 0] * 299 + wide[..., 1] * 587 + wide[..., 2] * 114 + 500) // 1000
    if rows.shape[-1] == 4:
        alpha = wide[..., 3]
        luma = (luma * alpha + 255 * (255 - alpha) + 127) // 255
    grey: NDArray[np.uint8] = luma.astype(np.uint8)
    return grey.tobytes()
