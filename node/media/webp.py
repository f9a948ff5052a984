"""WebP, chunk by chunk. <https://www.rfc-editor.org/rfc/rfc9649>"""

from __future__ import annotations

from typing import Final

from node.media.container import (
    CREDENTIALS,
    OTHER,
    Cleaned,
    Notes,
    broken,
    check_sides,
    riff_chunks,
    riff_of,
)
from protocol.errors import Reject

_ALPHA: Final = 0x10  # of the flags of VP8X: those of what is left out are cleared
_ANIMATED: Final = 0x02
_LOSSLESS: Final = b"VP8L"
_LOSSY: Final = b"VP8 "
_EXTENDED: Final = b"VP8X"
_START_CODE: Final = b"\x9d\x01\x2a"  # of a key frame


def clean(data: bytes, sides_max: int, pixels_max: int) -> Cleaned:
    """Raises Reject for what is not one whole still picture."""
    notes = Notes()
    chunks = riff_chunks(data, "WebP picture", notes)
    names = [name for name, _ in chunks]
    parts = dict(chunks)
    canvas = parts.get(_EXTENDED, b"")
    if b"ANIM" in parts or b"ANMF" in parts or (canvas and canvas[0] & _ANIMATED):
        raise Reject("animated pictures are not taken", "Save one frame as a still picture.")
    images = [name for name in names if name in (_LOSSY, _LOSSLESS)]
    if len(images) != 1 or names.count(_EXTENDED) > 1 or names.count(b"ALPH") > 1:
        raise broken("WebP picture", "it holds no picture, or several")
    if canvas and (names[0] != _EXTENDED or len(canvas) != 10):
        raise broken("WebP picture", "its header is damaged")
    width, height = _sides(images[0], parts[images[0]])
    if canvas and (width, height) != _canvas_sides(canvas):
        raise broken("WebP picture", "it says one size, and has another")
    check_sides(width, height, sides_max, pixels_max)
    for name, chunk in chunks:
        _leave_out(name, chunk, notes)
    content = data
    if notes.removed or notes.profile:
        content = riff_of(b"WEBP", _kept(chunks, images[0]))
    return Cleaned(
        content,
        notes.removed,
        width,
        height,
        notes.orientation,
        notes.profile,
        beside=notes.beside,
    )


def is_lossless(data: bytes) -> bool:
    """Whether a sound WebP keeps every pixel."""
    return _LOSSLESS in (name for name, _ in riff_chunks(data, "WebP picture", Notes()))


def _kept(chunks: list[tuple[bytes, bytes]], image: bytes) -> list[tuple[bytes, bytes]]:
    kept: list[tuple[bytes, bytes]] = []
    for name, chunk in chunks:
        if name == _EXTENDED:
            kept.append((name, bytes([chunk[0] & _ALPHA]) + chunk[1:]))
        elif name == image or (name == b"ALPH" and image == _LOSSY):
            kept.append((name, chunk))
    return kept


def _leave_out(name: bytes, chunk: bytes, notes: Notes) -> None:
    if name == b"EXIF":
        notes.exif(chunk)
    elif name == b"XMP ":
        notes.xmp(chunk)
    elif name == b"ICCP":
        notes.profile = chunk or b"damaged"
    elif name == b"C2PA":
        notes.remove(CREDENTIALS, chunk)
    elif name not in (_EXTENDED, _LOSSY, _LOSSLESS, b"ALPH"):
        notes.remove(OTHER, chunk)


def _sides(name: bytes, chunk: bytes) -> tuple[int, int]:
    if name == _LOSSLESS:
        if len(chunk) < 5 or chunk[0] != 0x2F:
            raise broken("WebP picture", "its pixels are damaged")
        bits = int.from_bytes(chunk[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if len(chunk) < 10 or chunk[3:6] != _START_CODE:
        raise broken("WebP picture", "its pixels are damaged")
    return (
        int.from_bytes(chunk[6:8], "little") & 0x3FFF,
        int.from_bytes(chunk[8:10], "little") & 0x3FFF,
    )


def _canvas_sides(canvas: bytes) -> tuple[int, int]:
    return (
        int.from_bytes(canvas[4:7], "little") + 1,
        int.from_bytes(canvas[7:10], "little") + 1,
    )
