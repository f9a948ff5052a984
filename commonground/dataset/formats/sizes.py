"""How large a picture is, read from its first bytes: no decoder, and the same wherever it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Misbehaviour

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_GIF: Final = (b"GIF87a", b"GIF89a")
_JPEG: Final = b"\xff\xd8"
# Start-of-frame markers (ITU-T T.81, table B.1); C4, C8 and CC among them are something else.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def picture_size(content: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a PNG, JPEG, GIF or WebP; raises Misbehaviour for anything else."""
    try:
        if content.startswith(_PNG):
            return _big(content[16:20]), _big(content[20:24])
        if content.startswith(_GIF):
            return _little(content[6:8]), _little(content[8:10])
        if content.startswith(_JPEG):
            return next(_frames(content))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (IndexError, StopIteration):
        pass
    raise Misbehaviour("a picture does not say how large it is")


def _frames(content: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    while at + 9 <= len(content):
        marker = content[at + 1]
        if content[at] != 0xFF or marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF or content[at] != 0xFF else 2
            continue
        if marker in _FRAMES:
            yield _big(content[at + 7 : at + 9]), _big(content[at + 5 : at + 7])
        at += 2 + _big(content[at + 2 : at + 4])


def _webp(content: bytes) -> tuple[int, int]:
    """The three kinds of the container (RFC 9649, sections 2.5 to 2.7)."""
    kind, body = content[12:16], content[20:]
    if kind == b"VP8X":
        return 1 + _little(body[4:7]), 1 + _little(body[7:10])
    if kind == b"VP8L":
        bits = _little(body[1:5])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF
    raise IndexError


def _big(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
