"""Integers of a few bits, one after the other without gaps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import Reject

BITS_MAX: Final = 32
# Values at once, a multiple of eight, so that a part ends with a byte; their single bits take 2 MiB.
_CHUNK: Final = 1 << 16
_WHOLE: Final = {8: ">u1", 16: ">u2", 32: ">u4"}  # the same bytes, ten times as fast


def packed(values: NDArray[np.uint32], bits: int) -> bytes:
    """(n,) values below 2^bits in ceil(n * bits / 8) bytes: each its highest bit first, zeros at the end."""
    if bits in _WHOLE:
        return values.astype(_WHOLE[bits]).tobytes()
    parts = []
    for at in range(0, len(values), _CHUNK):
        part = values[at : at + _CHUNK].astype(">u4").view(np.uint8).reshape(-1, 4)
        single = np.unpackbits(part, axis=1)[:, BITS_MAX - bits :]
        parts.append(np.packbits(single).tobytes())
    return b"".join(parts)


def unpacked(raw: bytes, count: int, bits: int) -> NDArray[np.uint32]:
    """The `count` values of `packed`. Raises Reject for bytes that are not those of such values."""
    if len(raw) != packed_size(count, bits):
        raise Reject(f"{count} values of {bits} bits do not take {len(raw)} bytes")
    if bits in _WHOLE:
        return np.frombuffer(raw, _WHOLE[bits]).astype(np.uint32)
    values = np.empty(count, np.uint32)
    size = _CHUNK * bits // 8
    for number, at in enumerate(range(0, len(raw), size)):
        single = np.unpackbits(np.frombuffer(raw[at : at + size], np.uint8))
        here = values[number * _CHUNK : (number + 1) * _CHUNK]
        if single[len(here) * bits :].any():
            raise Reject("there is something behind the last value")
        wide = np.zeros((len(here), BITS_MAX), np.uint8)
        wide[:, BITS_MAX - bits :] = single[: len(here) * bits].reshape(-1, bits)
        here[:] = np.packbits(wide, axis=1).view(">u4").reshape(-1)
    return values


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` values of so many bits take."""
    return -(-count * bits // 8)
