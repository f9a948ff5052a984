"""Arithmetic that fingerprints share: exact on every machine, and packed to few bytes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

TRITS_IN_BYTE: Final = 5  # 3^5 = 243


def overlaps(side: int, cells: int) -> NDArray[np.float64]:
    """(cells, side) integer overlaps, in 1/cells pixel, of `cells` equal stretches with `side` pixels."""
    cell = np.arange(cells)[:, None] * side
    pixel = np.arange(side)[None] * cells
    overlap = np.minimum(cell + side, pixel + cells) - np.maximum(cell, pixel)
    return np.asarray(np.maximum(overlap, 0), dtype=np.float64)


def packed_bytes(count: int, bits: int) -> int:
    """How many bytes `count` levels of so many bits take."""
    return (count * bits + 7) // 8


def pack(levels: NDArray[np.int64], bits: int) -> bytes:
    """In order, most significant bit first, zero bits at the end."""
    each = (levels.reshape(-1, 1) >> np.arange(bits)[::-1]) & 1
    return np.packbits(each.astype(np.uint8)).tobytes()


def unpack(packed: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint8]:
    """(n, bytes) packed rows -> (n, count) levels."""
    each = np.unpackbits(packed, axis=1, count=count * bits)
    places = (each[:, place::bits] << (bits - 1 - place) for place in range(bits))
    return np.asarray(sum(places, np.uint8(0)), dtype=np.uint8)


def is_packed(packed: bytes, count: int, bits: int) -> bool:
    """Whether the bytes are what `pack` makes of some levels."""
    spare = 8 * packed_bytes(count, bits) - count * bits
    return len(packed) == packed_bytes(count, bits) and not packed[-1] & ((1 << spare) - 1)


def pack_signs(signs: NDArray[np.int64]) -> bytes:
    """Of -1, 0 and 1: five in a byte, the first the most significant."""
    flat = signs.reshape(-1) + 1
    padded = np.pad(flat, (0, -len(flat) % TRITS_IN_BYTE)).reshape(-1, TRITS_IN_BYTE)
    return (padded @ _PLACES).astype(np.uint8).tobytes()


def unpack_signs(packed: bytes, count: int) -> NDArray[np.int64]:
    """The first `count` signs."""
    values = np.frombuffer(packed, dtype=np.uint8).astype(np.int64)
    return ((values[:, None] // _PLACES) % 3).reshape(-1)[:count] - 1


def is_packed_signs(packed: bytes, count: int) -> bool:
    """Whether the bytes are what `pack_signs` makes of so many signs."""
    spare = -count % TRITS_IN_BYTE  # in the last byte, which are zero
    return (
        len(packed) == -(-count // TRITS_IN_BYTE)
        and max(packed) < 3**TRITS_IN_BYTE
        and not packed[-1] % 3**spare
    )


_PLACES: Final = 3 ** np.arange(TRITS_IN_BYTE)[::-1]
