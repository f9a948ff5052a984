"""PNG, chunk by chunk: every checksum, the pixels' whole stream, and nothing else than the picture.

<https://www.w3.org/TR/png-3/>
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from node.media.colours import SRGB, Colours, by_code_points, by_gamma
from node.media.container import (
    COMMENTS,
    CREDENTIALS,
    OTHER,
    UNREADABLE_COLOURS,
    Cleaned,
    Notes,
    broken,
    check_sides,
)
from protocol.errors import Reject

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# What shows the picture. Of what says in which colours, only that they are those it is taken for.
_KEPT: Final = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"sRGB",
        b"sBIT",
        b"bKGD",
        b"pHYs",
    )
)
# What makes them others; where there are several, this is the order in which they count.
_COLOURS: Final = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_TEXTS: Final = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_ANIMATED: Final = frozenset((b"acTL", b"fcTL", b"fdAT"))
_XMP: Final = b"XML:com.adobe.xmp\0"
# Channels by type of colour, and the depths that each may have.
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_GREY: Final = (0, 4)
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# (first column, first row, columns' step, rows' step) of the passes of an interlaced picture.
_PASSES: Final = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
# A profile is some kilobytes, of printers a megabyte; texts like it.
_INFLATED_MAX: Final = 4 << 20


def clean(data: bytes, sides_max: int, pixels_max: int) -> Cleaned:
    """Raises Reject for what is not one whole still picture."""
    notes = Notes()
    kept: list[bytes] = []
    pixels: list[bytes] = []
    said: dict[bytes, bytes] = {}  # of its colours
    at, header = len(SIGNATURE), b""
    while True:
        name, body, raw = _chunk(data, at)
        at += len(raw)
        if not header:
            if name != b"IHDR":
                raise broken("PNG picture", "it does not begin with its header")
            _check_header(body, sides_max, pixels_max)
            header = body
        elif name == b"IHDR":
            raise broken("PNG picture", "it has two headers")
        if name in _ANIMATED:
            raise Reject("animated pictures are not taken", "Save one frame as a still picture.")
        if name in _KEPT:
            kept.append(raw)
        if name in _COLOURS and not pixels:
            said.setdefault(name, body)  # of several, the first counts
        elif name not in _KEPT:
            _leave_out(name, body, notes)
        if name == b"IDAT":
            pixels.append(body)
        if name == b"IEND":
            break
    notes.trailing(data[at:])
    _check_pixels(b"".join(pixels), header)
    profile, colours = _colours(said, notes)
    width, height = struct.unpack_from(">II", header)
    is_changed = notes.removed or profile or colours
    return Cleaned(
        SIGNATURE + b"".join(kept) if is_changed else data,
        notes.removed,
        width,
        height,
        notes.orientation,
        profile,
        colours,
        1 if header[9] in _GREY else 3,
        beside=notes.beside,
    )


def _chunk(data: bytes, at: int) -> tuple[bytes, bytes, bytes]:
    """The name, the body and all bytes of the chunk at `at`."""
    if at + 12 > len(data):
        raise broken("PNG picture", "it ends too early")
    length, name = struct.unpack_from(">I4s", data, at)
    raw = data[at : at + 12 + length]
    if len(raw) < 12 + length:
        raise broken("PNG picture", "it ends too early")
    if zlib.crc32(raw[4:-4]) != int.from_bytes(raw[-4:], "big"):
        raise broken("PNG picture", f"the checksum at byte {at:,} is wrong")
    if not (name.isalpha() and name.isascii()):
        raise broken("PNG picture", f"there is no chunk at byte {at:,}")
    if name[0:1].isupper() and name not in _KEPT:
        raise broken("PNG picture", f"it needs {name.decode()}, which no standard knows")
    return name, raw[8:-4], raw


def _check_header(body: bytes, sides_max: int, pixels_max: int) -> None:
    if len(body) != 13:
        raise broken("PNG picture", "its header is damaged")
    width, height, depth, colour, compression, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if depth not in _DEPTHS.get(colour, ()) or compression or filters or interlaced > 1:
        raise broken("PNG picture", "its header says what no PNG is")
    check_sides(width, height, sides_max, pixels_max)


def _check_pixels(stream: bytes, header: bytes) -> None:
    """The stream holds every row, and no more: what it inflates to is bounded before it is inflated."""
    wanted = _stream_bytes(header)
    inflater = zlib.decompressobj()
    try:
        found = len(inflater.decompress(stream, wanted + 1))
    except zlib.error as error:
        raise broken("PNG picture", "its pixels are damaged") from error
    if found < wanted:
        raise broken("PNG picture", "it lacks some of its pixels")
    if found > wanted or not inflater.eof or inflater.unused_data:
        raise broken("PNG picture", "it holds more than its pixels")


def _stream_bytes(header: bytes) -> int:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[colour]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, step_x, step_y in passes:
        columns = max(0, -(-(width - left) // step_x))
        rows = max(0, -(-(height - top) // step_y))
        if columns:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _leave_out(name: bytes, body: bytes, notes: Notes) -> None:
    if name == b"eXIf":
        notes.exif(body)
    elif name in _TEXTS and body.startswith(_XMP):
        notes.xmp(_xmp_packet(body))
    elif name in _TEXTS:
        notes.remove(COMMENTS, _text_of(name, body))
    elif name == b"caBX":
        notes.remove(CREDENTIALS, body)
    else:
        notes.remove(OTHER, body)


def _colours(said: Mapping[bytes, bytes], notes: Notes) -> tuple[bytes, Colours | None]:
    """The profile, and what counts where that cannot be applied; SRGB where what is left out changes nothing.

    Removing them is said once they are converted. Raises Reject for what cannot be.
    """
    if (body := said.get(b"cICP")) is not None and (colours := _of_video(body)):
        return b"", colours
    profile = b""
    if (body := said.get(b"iCCP")) is not None:
        # A name, a zero, the method, and the profile.
        profile = _inflated(body[body.find(b"\0") + 2 :]) or b"damaged"
    if said.keys() <= {b"iCCP", b"sRGB"}:
        return profile, None
    if b"sRGB" in said or b"gAMA" not in said:  # chromaticities alone mean nothing to browsers
        return profile, SRGB
    gamma, points = said[b"gAMA"], said.get(b"cHRM", b"")
    colours = None
    if len(gamma) == 4 and len(points) in (0, 32):
        numbers = struct.unpack(f">{len(points) // 4}I", points)
        colours = by_gamma(int.from_bytes(gamma, "big"), numbers)
    if colours is None:
        notes.remove(UNREADABLE_COLOURS)
    return profile, colours


def _of_video(body: bytes) -> Colours | None:
    """Four bytes: code points of primaries and transfer, no matrix, and whether levels are of full range."""
    if len(body) != 4 or body[2] or body[3] > 1:
        raise broken("PNG picture", "the code points of its colours are damaged")
    if not body[3]:
        raise Reject(
            "its levels are of narrow range, as those of video", "Export it in sRGB, for screens."
        )
    return by_code_points(body[0], body[1])


def _text_of(name: bytes, body: bytes) -> bytes:
    """The keyword and the text, which may be compressed."""
    keyword, _, text = body.partition(b"\0")
    if name == b"zTXt":
        return keyword + b"\0" + _inflated(text[1:])
    if name == b"iTXt" and text[:1] == b"\1":
        return keyword + b"\0" + _inflated(text[2:].split(b"\0", 2)[-1])
    return body


def _xmp_packet(body: bytes) -> bytes:
    """From an iTXt chunk: flags of compression, a language, a translated keyword, and the text."""
    if len(body) < len(_XMP) + 2:
        return b""
    packed = body[len(_XMP)]
    text = body[len(_XMP) + 2 :].split(b"\0", 2)[-1]
    return _inflated(text) if packed else text


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream, _INFLATED_MAX)
    except zlib.error:
        return b""
