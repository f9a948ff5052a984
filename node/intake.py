"""What a contributor's machine does to files before it submits them, and a reviewer's to content.

Content comes from anywhere, and what a reviewer fetches comes from strangers: sizes are checked before
anything is decoded, and pictures, recordings and JSON are read in a process that may die of them
(`node.media`). Both sides ask the same of content, so a claimed fingerprint can be checked by computing it
again.

Errors: `Reject` for content that breaks a rule (whoever sent it), `ConfigError` for files that cannot be
read; both with advice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.carried import PART_BYTES_MAX
from commonground.files import open_file
from node.media.records import Beside, Credentials, Prepared
from node.media.texts import CHECKS
from node.media.worker import DECODER
from protocol import media
from protocol.errors import ConfigError, Reject
from protocol.media import MEDIA, Shown, check_content
from protocol.review.fingerprints import (
    fingerprint_exact,
    fingerprint_text,
    is_valid_fingerprint,
)

PNG: Final = media.PNG.name
TEXT: Final = media.TEXT.name
MAX_FILE_BYTES = 48 << 20  # what a file may have before it is scaled: a large camera's JPEG

_SHORTEN = "Crop or scale it down, or split it into several items."


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Greyscale pixels: `height` rows of `width` bytes, top row first, 0 = black."""

    width: int
    height: int
    pixels: bytes


def read_image(data: bytes, media_type: str = PNG) -> DecodedImage:
    """Decode a still picture to greyscale. Raises Reject."""
    _check_size(data)
    check_content(media_type, data)
    header, pixels = DECODER.ask("grey", data, media_type=media_type)
    image = DecodedImage(int(header["width"]), int(header["height"]), pixels)
    _require(image.width * image.height == len(pixels) > 0)
    return image


def thumbnail(data: bytes, media_type: str, side: int) -> bytes:
    """A PNG in colour of at most `side` pixels on each side. Raises Reject for anything but a picture."""
    _check_size(data)
    check_content(media_type, data)
    small = DECODER.ask("thumbnail", data, media_type=media_type, side=side)[1]
    check_content(PNG, small)
    return small


def waveform(data: bytes, media_type: str, columns: int) -> bytes:
    """How loud each of `columns` equal stretches of a recording is, 0..255. Raises Reject."""
    _check_size(data)
    check_content(media_type, data)
    return DECODER.ask("waveform", data, media_type=media_type, columns=columns)[1]


def prepare_content(
    data: bytes, media_type: str, takes: Sequence[str], bytes_max: int, *, scale: bool = False
) -> Prepared:
    """Content for a part that takes the media types `takes` of at most `bytes_max` bytes: whole, clean,
    upright (`node.media.prepare`). Raises Reject."""
    check_content(media_type, data)
    bytes_max = min(bytes_max, PART_BYTES_MAX)
    if media_type in takes and not _is_decoded(media_type):
        _check_size(data)
        if len(data) > bytes_max:
            raise Reject(
                f"it has {len(data):,} bytes", f"The campaign takes at most {bytes_max:,}."
            )
        return Prepared(media_type, data, _fingerprint_bare(data, media_type))
    header, changed = DECODER.ask(
        *("prepare", data),
        media_type=media_type,
        takes=list(takes),
        bytes_max=bytes_max,
        scale=scale,
    )
    content = changed if header["changed"] else data
    made = Prepared(
        str(header["media_type"]),
        content,
        bytes.fromhex(header["fingerprint"]),
        tuple(str(each) for each in header["said"]),
    )
    _require(made.media_type in takes and len(content) <= bytes_max)
    _require(is_valid_fingerprint(made.fingerprint))
    check_content(made.media_type, content)
    return made


def look_beside(data: bytes, media_type: str) -> Beside:
    """What a picture or a recording says beside its content: what submitting it cuts off. Raises Reject."""
    check_content(media_type, data)
    if MEDIA[media_type].shown not in (Shown.PICTURE, Shown.SOUND):
        return Beside()
    told = json.loads(DECODER.ask("beside", data, media_type=media_type)[1])
    said = told["credentials"]
    return Beside(
        tuple((str(what), str(text)) for what, text in told["texts"]),
        None if said is None else Credentials(str(said[0]), tuple(map(str, said[1]))),
    )


def fingerprint_content(data: bytes, media_type: str) -> bytes:
    """The public fingerprint of content that can be committed to as the stated type. Raises Reject for
    any other."""
    _check_size(data)
    check_content(media_type, data)
    if not _is_decoded(media_type):
        return _fingerprint_bare(data, media_type)
    made = DECODER.ask("fingerprint", data, media_type=media_type)[1]
    _require(is_valid_fingerprint(made))
    return made


def check_fingerprint(data: bytes, media_type: str, claimed: bytes) -> None:
    """A reviewer's check of a contributor's claim. Raises Reject if it does not recompute."""
    _check_size(data)
    check_content(media_type, data)
    agrees = is_valid_fingerprint(claimed)
    if agrees and _is_decoded(media_type):
        header, _ = DECODER.ask("agrees", data, media_type=media_type, claimed=claimed.hex())
        agrees = bool(header["agrees"])
    elif agrees:
        agrees = _fingerprint_bare(data, media_type) == claimed
    if not agrees:
        raise Reject("the claimed fingerprint is not that of the content")


def _fingerprint_bare(data: bytes, media_type: str) -> bytes:
    """Of what needs no decoding."""
    return fingerprint_text(data) if MEDIA[media_type].is_text else fingerprint_exact(data)


def _require(holds: bool) -> None:
    """The process that decodes has read strangers' bytes: what it says is looked at, too."""
    if not holds:
        raise Reject("it cannot be decoded: its decoder contradicts itself")


def _is_decoded(media_type: str) -> bool:
    """Whether more than its bytes has to be looked at: in the process that may die of it."""
    return media_type in CHECKS or MEDIA[media_type].shown in (Shown.PICTURE, Shown.SOUND)


def read_content(path: Path, bytes_max: int = MAX_FILE_BYTES) -> bytes:
    """What a file holds. Raises ConfigError (unreadable) or Reject (empty, too large)."""
    try:
        with open_file(path) as file:
            data = file.read(bytes_max + 1)  # never more, however large the file is
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
        ) from error
    _check_size(data, bytes_max)
    return data


def _check_size(data: bytes, bytes_max: int = PART_BYTES_MAX) -> None:
    if not data:
        raise Reject("the content is empty")
    if len(data) > bytes_max:
        raise Reject(f"content is larger than {bytes_max} bytes", _SHORTEN)
