"""GIF, block by block. <https://www.w3.org/Graphics/GIF/spec-gif89a.txt>"""

from __future__ import annotations

from typing import Final

from node.media.container import COMMENTS, OTHER, Cleaned, Notes, broken, check_sides
from protocol.errors import Reject

_IMAGE: Final = 0x2C
_EXTENSION: Final = 0x21
_TRAILER: Final = 0x3B
_CONTROL: Final = 0xF9  # which colour is transparent
_COMMENT: Final = 0xFE
_APPLICATION: Final = 0xFF
_TABLE: Final = 0x80  # the flag of a table of colours; its size is in the last three bits


def clean(data: bytes, sides_max: int, pixels_max: int) -> Cleaned:
    """Raises Reject for what is not one whole still picture."""
    notes = Notes()
    if len(data) < 13:
        raise broken("GIF picture", "it ends too early")
    width, height = _pair(data, 6)
    check_sides(width, height, sides_max, pixels_max)
    at = 13 + _table_bytes(data[10])
    kept = [data[:at]]
    images = 0
    while True:
        start = at
        mark = _byte(data, at)
        if mark == _TRAILER:
            break
        if mark == _IMAGE:
            at = _image_end(data, at, width, height)
            images += 1
            if images > 1:
                raise Reject(
                    "animated pictures are not taken", "Save one frame as a still picture."
                )
            kept.append(data[start:at])
        elif mark == _EXTENSION:
            at = _blocks_end(data, at + 2)
            if _byte(data, start + 1) == _CONTROL:
                kept.append(data[start:at])
            else:
                _leave_out(data[start:at], notes)
        else:
            raise broken("GIF picture", f"there is no block at byte {at:,}")
    if not images:
        raise broken("GIF picture", "it holds no picture")
    notes.trailing(data[at + 1 :])
    content = b"".join((*kept, bytes([_TRAILER]))) if notes.removed else data
    return Cleaned(content, notes.removed, width, height, notes.orientation, beside=notes.beside)


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise broken("GIF picture", "it ends too early")
    return data[at]


def _pair(data: bytes, at: int) -> tuple[int, int]:
    _byte(data, at + 3)
    return int.from_bytes(data[at : at + 2], "little"), int.from_bytes(
        data[at + 2 : at + 4], "little"
    )


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & _TABLE else 0


def _image_end(data: bytes, at: int, width: int, height: int) -> int:
    left, top = _pair(data, at + 1)
    columns, rows = _pair(data, at + 5)
    if not columns or not rows or left + columns > width or top + rows > height:
        raise broken("GIF picture", "its frame does not lie within it")
    colours = at + 10 + _table_bytes(_byte(data, at + 9))
    if not 2 <= _byte(data, colours) <= 8:
        raise broken("GIF picture", "its pixels are damaged")
    return _blocks_end(data, colours + 1)


def _blocks_end(data: bytes, at: int) -> int:
    """Blocks, each after its length, to an empty one."""
    while length := _byte(data, at):
        at += 1 + length
    return at + 1


def _leave_out(extension: bytes, notes: Notes) -> None:
    if extension[1] == _COMMENT:
        notes.remove(COMMENTS, extension)
    elif extension[1] == _APPLICATION and b"XMP DataXMP" in extension[:16]:
        notes.xmp(extension)
    else:
        notes.remove(
            OTHER, extension
        )  # how often an animation is repeated, plain text, what programs add
