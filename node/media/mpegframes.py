"""MP3's frames: how long each is; and the first of most files, which is silent and says how many follow.

Xing and LAME write such a statement, and what plays an MP3 believes it; without one it guesses by the first
frame's size. So one has to be there, and right, wherever a guess would be wrong. What else it says stays, the
encoder's delay above all. Fraunhofer's statement libsndfile takes for sound: one as of Xing takes its place.
With one, players leave out the 529 samples by which decoding lags: that is before the sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_HEADER: Final = 4
_CRC: Final = 2
_MONO: Final = 3
_UNPROTECTED: Final = 1 << 16  # no checksum follows the header

# kbit/s of layer III by the index in a frame's header: MPEG 1, and MPEG 2 and 2.5.
_RATES_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# Samples a second, by the version's two bits and the index.
_HERTZ: Final = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}

_HAS_FRAMES, _HAS_BYTES, _HAS_ALL = 1, 2, 15
_VBRI_AT: Final = _HEADER + 32  # whatever the frame's form
_LAME_CRC_AT: Final = 154  # after the mark, where all that may be stated is
_CRC_16: Final = 0xA001  # of ANSI, from the lowest bit
_KILOBITS: Final = 64  # of a frame that we make: 192 bytes or more, and room for what it says


@dataclass(frozen=True, slots=True)
class Stated:
    """How many frames and bytes a file says it has, and where Xing's words do; 0 where they do not."""

    frames: int = 0
    bytes: int = 0
    frames_at: int = 0
    bytes_at: int = 0
    lame_crc_at: int = 0


def frame_bytes(data: bytes, at: int) -> int:
    """The length of the frame that begins at `at`; 0 where none does."""
    header = int.from_bytes(data[at : at + _HEADER], "big")
    version, layer = header >> 19 & 3, header >> 17 & 3
    rate, hertz = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or version not in _HERTZ or layer != 1:
        return 0
    if rate in (0, 15) or hertz == 3:
        return 0  # of free rate, which hardly anything writes, or of none
    kilobits = (_RATES_1 if version == 3 else _RATES_2)[rate]
    factor = 144_000 if version == 3 else 72_000
    return factor * kilobits // _HERTZ[version][hertz] + (header >> 9 & 1)


def frame_form(data: bytes, at: int) -> tuple[int, int, bool]:
    """What all frames of a recording have in common: version, samples a second, one channel or two."""
    header = int.from_bytes(data[at : at + _HEADER], "big")
    return header >> 19 & 3, header >> 10 & 3, header >> 6 & 3 == _MONO


def read_stated(frame: bytes) -> Stated | None:
    """What a file's first frame says; None if it is one of sound."""
    header = int.from_bytes(frame[:_HEADER], "big")
    at = _HEADER + _side_bytes(header)
    for mark in (at,) if header & _UNPROTECTED else (at, at + _CRC):
        if frame[mark : mark + 4] in (b"Xing", b"Info"):
            return _read_xing(frame, mark)
    if frame[_VBRI_AT : _VBRI_AT + 4] == b"VBRI" and len(frame) >= _VBRI_AT + 18:
        return Stated(_number(frame, _VBRI_AT + 14), _number(frame, _VBRI_AT + 10))
    return None


def restate(frame: bytes, stated: Stated, frames: int, length: int) -> bytes:
    """The same frame, which says that so many follow, and how many bytes the file has."""
    made = bytearray(frame)
    made[stated.frames_at : stated.frames_at + 4] = frames.to_bytes(4, "big")
    if stated.bytes_at:
        made[stated.bytes_at : stated.bytes_at + 4] = length.to_bytes(4, "big")
    end = stated.lame_crc_at
    if end and int.from_bytes(frame[end : end + _CRC], "big") == _crc(frame[:end]):
        made[end : end + _CRC] = _crc(bytes(made[:end])).to_bytes(_CRC, "big")
    return bytes(made)


def make_statement(sound: bytes, frames: int) -> bytes:
    """A frame to stand before these, which says how many they are."""
    header = int.from_bytes(sound[:_HEADER], "big")
    rates = _RATES_1 if header >> 19 & 3 == 3 else _RATES_2
    header = header & ~(15 << 12 | 1 << 9) | rates.index(_KILOBITS) << 12 | _UNPROTECTED
    head = header.to_bytes(_HEADER, "big")
    length = frame_bytes(head, 0)
    numbers = (_HAS_FRAMES | _HAS_BYTES, frames, length + len(sound))
    said = b"Info" + b"".join(each.to_bytes(4, "big") for each in numbers)
    return (head + bytes(_side_bytes(header)) + said).ljust(length, b"\0")


def _read_xing(frame: bytes, mark: int) -> Stated:
    flags = _number(frame, mark + 4)
    if not flags & _HAS_FRAMES or len(frame) < mark + 16:
        return Stated()
    frames_at, bytes_at = mark + 8, mark + 12 if flags & _HAS_BYTES else 0
    crc_at = mark + _LAME_CRC_AT if flags & _HAS_ALL == _HAS_ALL else 0
    return Stated(
        frames=_number(frame, frames_at),
        bytes=_number(frame, bytes_at) if bytes_at else 0,
        frames_at=frames_at,
        bytes_at=bytes_at,
        lame_crc_at=crc_at if crc_at + _CRC <= len(frame) else 0,
    )


def _side_bytes(header: int) -> int:
    """Of what stands between a frame's header and its sound."""
    is_mono = header >> 6 & 3 == _MONO
    if header >> 19 & 3 == 3:
        return 17 if is_mono else 32
    return 9 if is_mono else 17


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _crc(data: bytes) -> int:
    """CRC-16, as LAME has it over what it states."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC_16 if value & 1 else 0)
    return value
