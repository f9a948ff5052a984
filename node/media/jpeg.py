"""JPEG, segment by segment. <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>, annex B

Kept are tables, frames and scans, and of what applications add what decoders need: the bare JFIF header, and
Adobe's, which says how colours are coded.
"""

from __future__ import annotations

import re
from typing import Final

from node.media.container import (
    COMMENTS,
    CREDENTIALS,
    OTHER,
    THUMBNAIL,
    Cleaned,
    Notes,
    broken,
    check_sides,
)
from protocol.errors import Reject

_EOI: Final = 0xD9
_SOS: Final = 0xDA
_COM: Final = 0xFE
_APPS: Final = range(0xE0, 0xF0)
_TABLES: Final = frozenset((0xC4, 0xDB, 0xDD))  # Huffman, quantisation, restart interval
_FRAMES: Final = frozenset(
    (0xC0, 0xC1, 0xC2)
)  # baseline, extended, progressive: what loaders decode
_EXIF: Final = b"Exif\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_JFIF: Final = b"JFIF\0"
_ADOBE: Final = b"Adobe"
_BOXES: Final = b"JP"
_BOXES_HEADER: Final = 8
_JFIF_BYTES: Final = 14  # without a thumbnail
_ADOBE_BYTES: Final = 12
_SCANS_MAX: Final = 100  # progressive pictures have ten; each costs a pass over all pixels
# The end of a scan: any marker but a stuffed zero and the restarts.
_SCAN_END: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)


class _Reading:
    """Where the reader is in a file, and what it has found."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.notes = Notes()
        self.kept: list[bytes] = [data[:2]]
        self.frame = b""
        self.scans = 0
        self.profile: dict[int, bytes] = {}
        self.credentials: dict[bytes, bytes] = {}


def clean(data: bytes, sides_max: int, pixels_max: int) -> Cleaned:
    """Raises Reject for what is not one whole picture."""
    reading = _Reading(data)
    at = 2
    while True:
        at, marker = _marker(data, at)
        if marker == _EOI:
            break
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + length]
        if length < 2 or at + length > len(data):
            raise broken("JPEG picture", "it ends too early")
        at += length
        if marker == _SOS:
            at = _scan(reading, body, at)
        elif marker in _FRAMES:
            _frame(reading, marker, body, sides_max, pixels_max)
        elif marker in _TABLES:
            reading.kept.append(_segment(marker, body))
        elif marker in _APPS:
            _application(reading, marker, body)
        elif marker == _COM:
            reading.notes.remove(COMMENTS, body)
        else:
            raise broken(
                "JPEG picture", f"of a kind that loaders do not read (marker {marker:02X})"
            )
    if not reading.scans:
        raise broken("JPEG picture", "it holds no pixels")
    if reading.credentials:
        joined = b"".join(part for _, part in sorted(reading.credentials.items()))
        reading.notes.remove(CREDENTIALS, joined)
    reading.notes.trailing(data[at:])
    reading.kept.append(bytes([0xFF, _EOI]))
    return _cleaned(reading)


def _cleaned(reading: _Reading) -> Cleaned:
    notes, frame = reading.notes, reading.frame
    profile = b"".join(part for _, part in sorted(reading.profile.items()))
    changed = bool(notes.removed or reading.profile)
    return Cleaned(
        b"".join(reading.kept) if changed else reading.data,
        notes.removed,
        int.from_bytes(frame[3:5], "big"),
        int.from_bytes(frame[1:3], "big"),
        notes.orientation,
        profile or (b"damaged" if reading.profile else b""),
        channels=frame[5],
        beside=notes.beside,
    )


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """Where the marker at `at` ends, and which it is; it may have fill bytes before it."""
    if data[at : at + 1] != b"\xff":
        what = "it ends too early" if at >= len(data) else f"there is no marker at byte {at:,}"
        raise broken("JPEG picture", what)
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise broken("JPEG picture", "it ends too early")
    return at + 1, data[at]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _frame(reading: _Reading, marker: int, body: bytes, sides_max: int, pixels_max: int) -> None:
    if reading.frame:
        raise Reject("a JPEG picture of several frames is not taken", "Save one as a picture.")
    if len(body) < 6 or body[0] != 8 or body[5] not in (1, 3, 4) or len(body) != 6 + 3 * body[5]:
        raise broken("JPEG picture", "its header says what no loader reads")
    check_sides(
        int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"), sides_max, pixels_max
    )
    reading.frame = body
    reading.kept.append(_segment(marker, body))


def _scan(reading: _Reading, header: bytes, at: int) -> int:
    """Where the scan's coded pixels, which begin at `at`, end."""
    if not reading.frame:
        raise broken("JPEG picture", "its pixels come before its header")
    end = _SCAN_END.search(reading.data, at)
    if end is None:
        raise broken("JPEG picture", "it ends too early")
    reading.kept += (_segment(_SOS, header), reading.data[at : end.start()])
    reading.scans += 1
    if reading.scans > _SCANS_MAX:
        raise broken("JPEG picture", f"it has more than {_SCANS_MAX} scans")
    return end.start()


def _application(reading: _Reading, marker: int, body: bytes) -> None:
    """A segment that an application wrote."""
    notes = reading.notes
    if marker == 0xE0 and body.startswith(_JFIF):
        bare = body[: _JFIF_BYTES - 2] + b"\0\0" if len(body) > _JFIF_BYTES else body
        if bare != body:
            notes.remove(THUMBNAIL)
        reading.kept.append(_segment(marker, bare))
    elif marker == 0xEE and body.startswith(_ADOBE) and len(body) == _ADOBE_BYTES:
        reading.kept.append(_segment(marker, body))
    elif marker == 0xE1 and body.startswith(_EXIF):
        notes.exif(body)
    elif marker == 0xE1 and body.startswith((_XMP, _MORE_XMP)):
        notes.xmp(body)
    elif marker == 0xE2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
        # Numbered from 1, since a segment holds 64 KiB.
        reading.profile[body[len(_ICC)]] = body[len(_ICC) + 2 :]
    elif marker == 0xEB and body.startswith(_BOXES) and len(body) >= _BOXES_HEADER + 8:
        _add_credentials(reading, body)
    else:
        notes.remove(OTHER, body)


def _add_credentials(reading: _Reading, body: bytes) -> None:
    """Boxes of JUMBF in segments (ISO/IEC 19566-5, annex D): a number of the box, one of the segment, and
    after the first the box's header again."""
    place = body[2:_BOXES_HEADER]
    start = _BOXES_HEADER
    if int.from_bytes(place[2:], "big") > 1:
        is_long = int.from_bytes(body[start : start + 4], "big") == 1
        start += 16 if is_long else 8
    reading.credentials[place] = body[start:]
