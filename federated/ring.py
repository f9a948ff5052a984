"""Integers modulo a power of two: what updates are summed in, and what hides them.

Vectors are NumPy arrays of the smallest unsigned words that have so many bits. Words overflow as the
integers do, so that what is above the modulus matters only when a vector is packed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from protocol.errors import Reject

Words = NDArray[np.unsignedinteger[Any]]

_BYTE_BITS: Final = 8
# Of key stream at a time: stays in a core's cache between the cipher and the sum.
_CHUNK_BYTES: Final = 1 << 16
_ZEROS: Final = bytes(_CHUNK_BYTES)
_COUNTER: Final = bytes(16)  # a seed serves one mask
# The cipher wants room for one more block.
_BLOCK_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Ring:
    """Integers modulo 2 ** `bits`, 1 to 32."""

    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise Reject(f"sums are modulo 2^1 to 2^32, not 2^{self.bits}")

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Of a vector's words, little-endian."""
        return np.dtype("u1" if self.bits <= 8 else "<u2" if self.bits <= 16 else "<u4")

    def zeros(self, size: int) -> Words:
        """A vector of nothing."""
        return np.zeros(size, self.dtype)

    def of(self, integers: NDArray[np.int64]) -> Words:
        """Integers of any size, modulo ours."""
        return self._reduced(integers.astype(np.uint64).astype(self.dtype))

    def signed(self, words: Words) -> NDArray[np.int64]:
        """The integers nearest to zero that the words stand for."""
        reduced = self._reduced(words).astype(np.int64)
        reduced[reduced >= 2 ** (self.bits - 1)] -= 2**self.bits
        return reduced

    def _reduced(self, words: Words) -> Words:
        reduced: Words = np.bitwise_and(words, self.dtype.type(2**self.bits - 1))
        return reduced

    def packed_bytes(self, size: int) -> int:
        """Of a packed vector of so many values."""
        return -(-size * self.bits // _BYTE_BITS)

    def pack(self, words: Words) -> bytes:
        """Canonical bytes: the values one after the other, each with its lowest bit first."""
        reduced = self._reduced(words)
        if self.bits == self.dtype.itemsize * _BYTE_BITS:
            return reduced.tobytes()
        spread = np.unpackbits(
            reduced.view(np.uint8).reshape(len(words), -1),
            axis=1,
            count=self.bits,
            bitorder="little",
        )
        return np.packbits(spread, bitorder="little").tobytes()

    def unpack(self, raw: bytes, size: int) -> Words:
        """A packed vector of so many values. Raises Reject for anything else."""
        if len(raw) != self.packed_bytes(size):
            raise Reject(
                f"a vector of {size} values of {self.bits} bits has {self.packed_bytes(size)} bytes,"
                f" not {len(raw)}"
            )
        if self.bits == self.dtype.itemsize * _BYTE_BITS:
            return np.frombuffer(raw, self.dtype)
        flat = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        if flat[size * self.bits :].any():
            raise Reject("a packed vector ends with zeros")
        bits = np.zeros((size, self.dtype.itemsize * _BYTE_BITS), np.uint8)
        bits[:, : self.bits] = flat[: size * self.bits].reshape(size, self.bits)
        return np.packbits(bits, bitorder="little").view(self.dtype)

    def add_mask(self, total: Words, seed: bytes) -> None:
        """Adds the mask of a seed to a vector, in place: the key stream of AES-256 in counter mode."""
        encryptor = Cipher(algorithms.AES(seed), modes.CTR(_COUNTER)).encryptor()
        stream = np.empty(_CHUNK_BYTES + _BLOCK_BYTES, np.uint8)
        step = _CHUNK_BYTES // self.dtype.itemsize
        for at in range(0, len(total), step):
            part = total[at : at + step]
            encryptor.update_into(_ZEROS[: part.nbytes], stream.data)
            part += stream[: part.nbytes].view(self.dtype)
