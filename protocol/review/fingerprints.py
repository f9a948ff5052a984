"""Public fingerprints: how every replayer recognises content that was submitted before.

A contributor computes a fingerprint, reviewers fetch the content and recompute it, and the fold compares it
with every earlier one. All three must agree to the bit on every machine, so everything here is integer
arithmetic on what was decoded. Where a product or a sum runs in floating point for speed, it is of integers
small enough to be exact in any order of summation.

A fingerprint begins with its kind, and 32 bytes that only the same content has: a tagged SHA-256 of the
pixels or samples of a format that keeps them, of the bytes of any other. What follows is for likeness:

| kind | bytes | what follows |
|---|---|---|
| EXACT | 33 | nothing |
| PICTURE | 818 | where the thumbnail's window is, whether it is sure; `thumbnails`, `details`, `shapes` |
| TEXT | 33 or 161 | `texts`; nothing of a text that is too short |
| SOUND | 321 | `sounds` |

What they reveal, and why they must stay out of the log itself, is in docs/adr/0002; how well they tell
copies, in docs/adr/0038.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import Reject
from protocol.media import Shown
from protocol.review import details, shapes, sounds, texts, thumbnails
from protocol.review.levels import is_packed, pack, packed_bytes, unpack
from protocol.review.thumbnails import LEVEL_BITS, WINDOW, Thumbnail

PICTURE, EXACT, TEXT, SOUND = 1, 2, 3, 4  # the first byte
KIND_OF: Final = {
    Shown.PICTURE: PICTURE,
    Shown.FILE: EXACT,
    Shown.TEXT: TEXT,
    Shown.SOUND: SOUND,
}

IDENTITY_BYTES: Final = 1 + 32  # kind and hash: content with the same is the same
_PLACE_BYTES: Final = 2  # top and left of the window, each with WINDOW added
_THUMBNAIL_BYTES: Final = packed_bytes(WINDOW * WINDOW, LEVEL_BITS)
PLACE: Final = slice(IDENTITY_BYTES, IDENTITY_BYTES + _PLACE_BYTES)
SURE: Final = PLACE.stop  # 1 where the thumbnail is
THUMBNAIL: Final = slice(SURE + 1, SURE + 1 + _THUMBNAIL_BYTES)
DETAILS: Final = slice(THUMBNAIL.stop, THUMBNAIL.stop + details.DETAILS_BYTES)
SHAPE: Final = slice(DETAILS.stop, DETAILS.stop + shapes.SHAPE_BYTES)
HASHES: Final = slice(IDENTITY_BYTES, IDENTITY_BYTES + texts.HASHES)
SPECTRUM: Final = slice(IDENTITY_BYTES, IDENTITY_BYTES + sounds.SOUND_BYTES)
PICTURE_BYTES: Final = SHAPE.stop
TEXT_BYTES: Final = HASHES.stop
SOUND_BYTES: Final = SPECTRUM.stop

MAX_SIDE_PIXELS: Final = 4096  # the box average of 4096 x 4096 pixels stays far inside int64
_PLACE_MAX: Final = WINDOW + thumbnails.CANVAS

_TAG: Final = b"commonhold/v1/exact-fingerprint\0"


def fingerprint_exact(content: bytes) -> bytes:
    """For content of which only exact copies are told. Guessable content can be confirmed from it by anyone
    who guesses, so it too is only for open campaigns."""
    return _identity(EXACT, content)


def fingerprint_text(content: bytes) -> bytes:
    """Of UTF-8."""
    return _identity(TEXT, content) + texts.hashes_of(content.decode())


def fingerprint_pixels(pixels: bytes, width: int, height: int, whole: bytes | None = None) -> bytes:
    """Of `height` rows of `width` greyscale bytes, top row first.

    `whole`: what only the same picture has, its pixels in colour or its coded bytes; else the grey ones.
    Raises Reject for impossible sizes.
    """
    image = image_of(pixels, width, height)
    return _picture(
        image, _whole(image) if whole is None else whole, thumbnails.thumbnail_of(image)
    )


def fingerprints_nearby(pixels: bytes, width: int, height: int, whole: bytes) -> list[bytes]:
    """The fingerprint, and those with a slightly other thumbnail: what another decoder of a lossy format may
    make of the same file."""
    image = image_of(pixels, width, height)
    return [_picture(image, whole, each) for each in thumbnails.thumbnails_nearby(image)]


def fingerprint_samples(samples: NDArray[np.int16], whole: bytes) -> bytes:
    """Of a recording as `sounds.Sampler` made it; `whole`: what only the same recording has."""
    return _identity(SOUND, whole) + sounds.sound_of(samples)


def image_of(pixels: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width); raises Reject for impossible sizes."""
    if not (0 < width <= MAX_SIDE_PIXELS and 0 < height <= MAX_SIDE_PIXELS):
        raise Reject(f"image of {width} x {height} pixels; sides must be 1..{MAX_SIDE_PIXELS}")
    if len(pixels) != width * height:
        raise Reject(f"{len(pixels)} bytes of pixels for {width} x {height}")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)


def pack_picture(whole: bytes, thumbnail: Thumbnail, details_: bytes, shape: bytes) -> bytes:
    """A picture's fingerprint of its parts."""
    place = bytes([thumbnail.top + WINDOW, thumbnail.left + WINDOW])
    small = bytes([thumbnail.is_sure]) + pack(thumbnail.levels, LEVEL_BITS)
    return _identity(PICTURE, whole) + place + small + details_ + shape


def unpack_thumbnail(fingerprint: bytes) -> Thumbnail:
    """The small picture that a picture's fingerprint reveals."""
    levels = unpack_thumbnails(np.frombuffer(fingerprint[THUMBNAIL], dtype=np.uint8)[None])
    top, left = (each - WINDOW for each in fingerprint[PLACE])
    square = levels.reshape(WINDOW, WINDOW).astype(np.int64)
    return Thumbnail(square, top, left, fingerprint[SURE] == 1)


def unpack_thumbnails(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, bytes) -> (n, 676) levels."""
    return unpack(packed, WINDOW * WINDOW, LEVEL_BITS)


def is_valid_fingerprint(fingerprint: bytes) -> bool:
    """Whether the bytes are a fingerprint in its one canonical encoding."""
    if len(fingerprint) < IDENTITY_BYTES:
        return False
    match fingerprint[0]:
        case kind if kind == EXACT:
            return len(fingerprint) == IDENTITY_BYTES
        case kind if kind == TEXT:
            return len(fingerprint) in (IDENTITY_BYTES, TEXT_BYTES)
        case kind if kind == SOUND:
            return len(fingerprint) == SOUND_BYTES and sounds.is_sound(fingerprint[SPECTRUM])
        case kind if kind == PICTURE:
            return len(fingerprint) == PICTURE_BYTES and _is_picture(fingerprint)
    return False


def validate_fingerprint(fingerprint: bytes) -> None:
    """Raises Reject unless `is_valid_fingerprint`."""
    if not is_valid_fingerprint(fingerprint):
        raise Reject(f"malformed fingerprint of {len(fingerprint)} bytes")


def identity(fingerprint: bytes) -> bytes:
    """What only fingerprints of the same content share."""
    return fingerprint[:IDENTITY_BYTES]


def _is_picture(fingerprint: bytes) -> bool:
    return (
        max(fingerprint[PLACE]) <= _PLACE_MAX
        and fingerprint[SURE] <= 1
        and is_packed(fingerprint[THUMBNAIL], WINDOW * WINDOW, LEVEL_BITS)
        and details.is_details(fingerprint[DETAILS])
        and shapes.is_shape(fingerprint[SHAPE])
    )


def _picture(image: NDArray[np.uint8], whole: bytes, thumbnail: Thumbnail) -> bytes:
    finer = details.details_of(image, thumbnail)
    return pack_picture(whole, thumbnail, finer, shapes.shape_of(image))


def _whole(image: NDArray[np.uint8]) -> bytes:
    height, width = image.shape
    return b"%d x %d grey\0" % (width, height) + image.tobytes()


def _identity(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + hashlib.sha256(_TAG + content).digest()
