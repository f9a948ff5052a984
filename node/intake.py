"""What a contributor's machine does to files before it submits them, and a reviewer's to content.

Content comes from anywhere, and what a reviewer fetches comes from strangers: sizes are checked before
anything is decoded, and only plain still PNG is decoded to pixels. Both sides use `fingerprint_content`, so a
claimed fingerprint can be checked by computing it again. What each media type needs for that is one line of
`_FINGERPRINTS`.

Errors: `Reject` for content that breaks a rule (whoever sent it), `ConfigError` for files that cannot be
read; both with advice.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from protocol import media
from protocol.errors import ConfigError, Reject
from protocol.media import check_content
from protocol.review.fingerprints import (
    MAX_SIDE_PIXELS,
    fingerprint_exact,
    fingerprint_pixels,
    is_valid_fingerprint,
)

PNG: Final = media.PNG.name
TEXT: Final = media.TEXT.name
MAX_CONTENT_BYTES = 8 << 20  # one part travels in one message stream; campaigns want samples
MAX_PIXELS = 4 << 20  # decoded RGBA is 16 MiB: a reviewer may decode several at once

JSON_DEPTH_MAX: Final = 200  # deeper than anything that a person looks at

# To its end, or to the end of all; possessive, so that nothing is read twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHORTEN = "Crop or scale it down, or split it into several items."
_CHUNK_HEADER_BYTES: Final = 8  # of a RIFF chunk: its name and its length


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Greyscale pixels: `height` rows of `width` bytes, top row first, 0 = black."""

    width: int
    height: int
    pixels: bytes


def read_image(data: bytes) -> DecodedImage:
    """Decode one still PNG to greyscale, bit for bit the same everywhere. Raises Reject."""
    _check_size(data)
    if not data.startswith(_PNG_SIGNATURE):
        raise Reject("not a PNG image", "Convert it to PNG; the file's name does not matter.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                _check_dimensions(image)
                image.verify()  # every checksum; decoding alone forgives a damaged end
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:  # verify consumes it
                return _to_grey(image)
    except Reject:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Reject("image has too many pixels", _SHORTEN) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what pillow raises on bad PNG
        raise Reject(f"broken PNG: {error}", "Save it again with any image program.") from error


def fingerprint_content(data: bytes, media_type: str) -> bytes:
    """The public fingerprint of content of the stated type. Raises Reject if it is not of it."""
    _check_size(data)
    check_content(media_type, data)
    return _FINGERPRINTS.get(media_type, fingerprint_exact)(data)


def check_fingerprint(data: bytes, media_type: str, claimed: bytes) -> None:
    """A reviewer's check of a contributor's claim. Raises Reject if it does not recompute."""
    if not is_valid_fingerprint(claimed) or fingerprint_content(data, media_type) != claimed:
        raise Reject("the claimed fingerprint is not that of the content")


def read_content(path: Path) -> bytes:
    """What a file holds. Raises ConfigError (unreadable) or Reject (empty, too large)."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONTENT_BYTES + 1)  # never more, however large the file is
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
        ) from error
    _check_size(data)
    return data


def _check_size(data: bytes) -> None:
    if not data:
        raise Reject("the content is empty")
    if len(data) > MAX_CONTENT_BYTES:
        raise Reject(f"content is larger than {MAX_CONTENT_BYTES} bytes", _SHORTEN)


def _check_dimensions(image: Image.Image) -> None:
    """Only the header has been read here: nothing is decompressed yet."""
    if max(image.size) > MAX_SIDE_PIXELS or image.width * image.height > MAX_PIXELS:
        raise Reject(f"image of {image.width} x {image.height} pixels is too large", _SHORTEN)
    if getattr(image, "n_frames", 1) != 1:
        raise Reject("animated images are not accepted", "Save one frame as a still PNG.")


def _to_grey(image: Image.Image) -> DecodedImage:
    """Integer luma on a white ground. The arithmetic is ours, so that it is the same under every
    version of the image library, which only undoes the PNG encoding (lossless by its standard)."""
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte
        grey = np.asarray(image, dtype=np.int64) >> 8
    elif image.mode in ("1", "L") and "transparency" not in image.info:
        grey = np.asarray(image.convert("L"), dtype=np.int64)
    else:
        grey = _luma_on_white(np.asarray(image.convert("RGBA"), dtype=np.int64))
    height, width = grey.shape
    return DecodedImage(width, height, grey.astype(np.uint8).tobytes())


def _luma_on_white(rgba: NDArray[np.int64]) -> NDArray[np.int64]:
    """(h, w, 4) -> (h, w): ITU-R BT.601 luma in per mille, blended with white by alpha."""
    luma = (rgba[..., 0] * 299 + rgba[..., 1] * 587 + rgba[..., 2] * 114 + 500) // 1000
    alpha = rgba[..., 3]
    grey: NDArray[np.int64] = (luma * alpha + 255 * (255 - alpha) + 127) // 255
    return grey


def _fingerprint_png(data: bytes) -> bytes:
    image = read_image(data)
    return fingerprint_pixels(image.pixels, image.width, image.height)


def _fingerprint_wav(data: bytes) -> bytes:
    """Whole chunks to the end, a format and samples among them; what they sound like is not compared."""
    names: list[bytes] = []
    at = 12  # after RIFF, its length, WAVE
    while at + _CHUNK_HEADER_BYTES <= len(data):
        names.append(data[at : at + 4])
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += _CHUNK_HEADER_BYTES + length + length % 2
    # Of an odd last chunk many programs leave the padding out.
    if at not in (len(data), len(data) + 1) or b"fmt " not in names or b"data" not in names:
        raise Reject("broken WAV recording", "Save it again with any sound program.")
    return fingerprint_exact(data)


def _fingerprint_json(data: bytes) -> bytes:
    try:
        if json_depth(data) > JSON_DEPTH_MAX:
            raise ValueError(f"it nests more than {JSON_DEPTH_MAX} deep")
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Reject(f"broken JSON: {error}", "Write it again with a program.") from error
    return fingerprint_exact(data)


def json_depth(data: bytes) -> int:
    """How deep JSON nests, whether it is well formed or not; in linear time and without recursion.

    Ask before parsing: libraries raise the interpreter's own limit beyond what its parser survives.
    """
    marks = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    steps = np.isin(marks, list(b"[{")).astype(np.int64) - np.isin(marks, list(b"]}"))
    return int(np.cumsum(steps).max(initial=0))


_FINGERPRINTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    media.PNG.name: _fingerprint_png,
    media.WAV.name: _fingerprint_wav,
    media.JSON.name: _fingerprint_json,
}
