"""Sounds: what stays of a recording that is coded again, louder, noisier, or cut at its ends: to listen to.

How samples become 64 moments x 12 bands of 8 levels, all in integers:

1. average to 8,000 samples a second, and make the loudest as loud as there is;
2. divide the whole into 64 moments, of whatever length; of each, take up to 64 frames of 64 ms, with the
   window of Hann, and their Fourier transform;
3. add up the energy of twelve bands from 125 to 3,600 Hz, each a third wider than the one below;
4. quantise, in steps of 3 dB, how far each moment is from its band's mean.

The distance is the squared error, minimised over one moment earlier or later, relative to the energy of both,
in per mille. A recording abstains where it is shorter than half a second, or hardly changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.review.circle import ONE, circle
from protocol.review.levels import is_packed, pack, packed_bytes, unpack

MOMENTS: Final = 64
BANDS: Final = 12
SPOTS: Final = MOMENTS * BANDS
LEVEL_BITS: Final = 3
SOUND_BYTES: Final = packed_bytes(SPOTS, LEVEL_BITS)

_HERTZ: Final = 8_000
_FRAME: Final = 512  # samples
_FRAMES_MAX: Final = 64  # of a moment: 4,096 in all take half a second
_SAMPLES_MIN: Final = _HERTZ // 2
_LOUDEST: Final = (1 << 15) - 1
_EDGES: Final = (8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150, 190, 230)  # of bands, in 15.6 Hz
_TABLE_BITS: Final = 14  # of window and cosine: sums stay below 2^53, exact in float64
_SHIFT_BITS: Final = 12  # so that the energy of a band stays below 2^63
_LOG_STEPS: Final = 8  # of a doubling of energy
_DEPTH: Final = 10 * _LOG_STEPS  # below the loudest, 30 dB: what is under it is noise
_LEVEL_STEPS: Final = 8  # one level is a doubling, 3 dB
_MIDDLE: Final = 1 << (LEVEL_BITS - 1)
_TOP: Final = (1 << LEVEL_BITS) - 1
_CHANGED_MIN: Final = SPOTS // 8  # spots that are not at their band's mean


class Sampler:
    """Averages a recording of any length to 8,000 samples a second, in little memory."""

    def __init__(self, hertz: int) -> None:
        self._hertz = hertz
        self._position = 0  # of the first sample that is left
        self._left: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._made: list[NDArray[np.int16]] = []
        self._count = 0

    def add(self, samples: NDArray[np.int16]) -> None:
        """The next ones, of one channel."""
        waiting = np.concatenate([self._left, samples.astype(np.int64)])
        end = self._position + len(waiting)
        until = end * _HERTZ // self._hertz  # so many are complete by now
        if until > self._count:
            bounds = np.arange(self._count, until + 1, dtype=np.int64) * self._hertz // _HERTZ
            bounds -= self._position
            sums = np.concatenate([[0], waiting.cumsum()])
            lengths = np.diff(bounds)
            # Where samples are fewer, one stands for several.
            means = np.where(
                lengths, np.diff(sums[bounds]) // np.maximum(lengths, 1), waiting[bounds[:-1]]
            )
            self._made.append(means.astype(np.int16))
            self._count, waiting = until, waiting[bounds[-1] :]
            self._position = end - len(waiting)
        self._left = waiting

    def samples(self) -> NDArray[np.int16]:
        """All so far."""
        return np.concatenate([*self._made, np.empty(0, dtype=np.int16)])


def sound_of(samples: NDArray[np.int16]) -> bytes:
    """SOUND_BYTES of what a `Sampler` made; the sound of nothing where it abstains."""
    loudest = int(np.abs(samples.astype(np.int64)).max(initial=0))
    if len(samples) < _SAMPLES_MIN or not loudest:
        return NOTHING
    even = samples.astype(np.int64) * _LOUDEST // loudest
    heard = np.stack([_logarithm(_energies(even, moment)) for moment in range(MOMENTS)])
    heard = np.maximum(heard, heard.max() - _DEPTH)
    away = heard * MOMENTS - heard.sum(axis=0)  # from the mean of the band, times MOMENTS
    unit = _LEVEL_STEPS * MOMENTS
    levels = np.clip((2 * away + unit) // (2 * unit), -_MIDDLE, _TOP - _MIDDLE)
    if int((levels != 0).sum()) < _CHANGED_MIN:
        return NOTHING
    return pack(levels + _MIDDLE, LEVEL_BITS)


def is_sound(packed: bytes) -> bool:
    """Whether the bytes are those of some recording."""
    return is_packed(packed, SPOTS, LEVEL_BITS)


def spots(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n, SOUND_BYTES) -> (n, SPOTS) levels; 0: as the band's mean."""
    return unpack(packed, SPOTS, LEVEL_BITS).astype(np.int64) - _MIDDLE


def moved(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(3, SPOTS): a recording's levels, and those one moment earlier and later."""
    grid = levels.reshape(MOMENTS, BANDS)
    earlier, later = np.concatenate([grid[1:], grid[-1:]]), np.concatenate([grid[:1], grid[:-1]])
    return np.stack([grid, earlier, later]).reshape(3, -1)


def _energies(samples: NDArray[np.int64], moment: int) -> NDArray[np.int64]:
    """Of each band, the mean over the frames of a moment."""
    last = len(samples) - _FRAME
    first, after = last * moment // MOMENTS, last * (moment + 1) // MOMENTS
    count = min(_FRAMES_MAX, 1 + (after - first) // (_FRAME // 4))
    starts = first + (after - first) * np.arange(count) // count
    frames = samples[starts[:, None] + np.arange(_FRAME)].astype(np.float64)
    waves = (frames @ _WAVES).astype(np.int64) >> _SHIFT_BITS
    energies = (waves * waves).reshape(count, 2, -1).sum(axis=1)
    bands = np.add.reduceat(energies, [edge - _EDGES[0] for edge in _EDGES[:-1]], axis=1)
    return np.asarray(bands.sum(axis=0) // count)


def _logarithm(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Eight times the binary logarithm, rounded down; of 0 as of 1."""
    mantissa, exponent = np.frexp(np.maximum(values, 1).astype(np.float64))
    return (
        (exponent.astype(np.int64) - 1) * _LOG_STEPS
        + np.searchsorted(_EIGHTHS, mantissa, "right")
        - 1
    )


def _waves() -> NDArray[np.float64]:
    """(512, 2 * 222) cosines, then sines, of each frequency, under the window; whole numbers."""
    cosines, sines = circle(_FRAME)
    window = (ONE - cosines) // 2
    turns = np.arange(_FRAME)[:, None] * np.arange(_EDGES[0], _EDGES[-1])[None] % _FRAME
    shift = 40 - _TABLE_BITS
    tables = [
        (window[:, None] >> shift) * (table[turns] >> shift) >> _TABLE_BITS
        for table in (cosines, sines)
    ]
    return np.concatenate(tables, axis=1).astype(np.float64)


_WAVES: Final = _waves()
# The eighth roots of 2, halved: 2^(k/8) / 2, as the nearest fractions of 2^40.
_EIGHTHS: Final = np.array([549755813888, 599512966123, 653773525390, 712945084849,
                            777472127994, 847839367509, 924575386327, 1008256608221]) / ONE  # fmt: skip
NOTHING: Final = pack(np.full(SPOTS, _MIDDLE), LEVEL_BITS)
