"""How many samples the frames of a FLAC file hold, by their headers. <https://www.rfc-editor.org/rfc/rfc9639#section-9>

A frame does not say how many bytes it has: the next one begins where a header stands that is right by its
checksum and whose number is the next.
"""

from __future__ import annotations

import re
from typing import Final

_SYNC: Final = re.compile(rb"\xff[\xf8\xf9]")
_HEADER_BYTES_MAX: Final = 16
_SMALL: Final = (
    0,
    192,
    576,
    1_152,
    2_304,
    4_608,
    0,
    0,
)  # samples, by four bits; the rest are powers of two
_CRC_8: Final = 0x07


def count_samples(data: bytes, start: int) -> int:
    """Of each channel, in the frames from byte `start` on."""
    total, frames = 0, 0
    for found in _SYNC.finditer(data, start):
        head = data[found.start() : found.start() + _HEADER_BYTES_MAX]
        if read := _read(head, total if head[1] & 1 else frames):
            total += read
            frames += 1
    return total


def _read(head: bytes, number: int) -> int:
    """The samples of the frame that has this header and this number; 0 where it is none."""
    coded = _coded(number)
    end = 4 + len(coded)
    if head[4:end] != coded:
        return 0
    size, rate = head[2] >> 4, head[2] & 15
    size_bytes = {6: 1, 7: 2}.get(size, 0)
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(rate, 0)
    samples = _SMALL[size] if size < 8 else 1 << size
    if size_bytes:
        samples = int.from_bytes(head[end : end + size_bytes], "big") + 1
    end += size_bytes + rate_bytes
    return samples if head[end : end + 1] == bytes([_crc(head[:end])]) else 0


def _coded(number: int) -> bytes:
    """As UTF-8 codes a character, up to 36 bits."""
    if number < 0x80:
        return bytes([number])
    count = 2 + sum(number >> bits > 0 for bits in (11, 16, 21, 26, 31))
    rest = [0x80 | number >> 6 * at & 0x3F for at in reversed(range(count - 1))]
    mark = 0xFF & ~((1 << 8 - count) - 1)
    return bytes([mark | number >> 6 * (count - 1), *rest])


def _crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (_CRC_8 if value & 0x80 else 0)) & 0xFF
    return value
