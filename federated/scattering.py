"""Features of pictures that nobody trains: two orders of wavelet scattering, in numpy alone.

A picture is convolved with Morlet wavelets of eight directions at two octaves; the moduli are convolved once
more at the coarser one, and everything is averaged in cells (Mallat, 2012; Andén & Mallat, 2014). Small
shifts and deformations change little. Of the averages roots are taken: that something is there matters more
than how strong it is, and a linear head gets half a point more of it. With little private data, a small head
on good fixed features is worth more under differential privacy than a network trained from nothing (Tramèr &
Boneh, ICLR 2021).

One bank of filters serves both octaves: the coarser one looks at the halved picture. All of it are matrix
products over 7 x 7 neighbourhoods, so that convolutions compute the same (tasks/picture_graph.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DIRECTIONS: Final = 8
CHANNELS: Final = (
    1 + 2 * DIRECTIONS + DIRECTIONS**2
)  # of a grey picture: the mean, first and second order
REACH: Final = 3  # of a wavelet, in pixels around its middle
SIDE_MIN: Final = 8  # below, a cell has no pixel of its own

_SIGMA: Final = 0.8  # of a wavelet's Gaussian, in pixels, along the wave
_SLANT: Final = 0.5  # it is longer across the wave by this factor's inverse
_FREQUENCY: Final = 3 * np.pi / 4
_WIDTH: Final = 0.4  # of a cell's Gaussian window, in cells
# Of even light the wavelets answer rounding, some 1e-8, and roots would make 1e-4 of it: what so little of an
# answer is left out, and what is a little more loses as much, so that nothing jumps.
FAINT: Final = 1e-6
_CHUNK: Final = 64  # pictures at once: their neighbourhoods take some 40 MiB at 28 x 28


def bank() -> Floats:
    """(16, 49): the real parts of eight Morlet wavelets, then the imaginary parts, row by row of 7 x 7."""
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].astype(np.float64)
    waves = []
    for direction in range(DIRECTIONS):
        angle = np.pi * direction / DIRECTIONS
        along = x * np.cos(angle) + y * np.sin(angle)
        across = _SLANT * (y * np.cos(angle) - x * np.sin(angle))
        bell = np.exp(-(along**2 + across**2) / (2 * _SIGMA**2))
        wave = bell * np.exp(1j * _FREQUENCY * along)
        wave -= bell * (wave.sum() / bell.sum())  # it answers nothing to even light
        waves.append(wave.ravel() * _SLANT / (2 * np.pi * _SIGMA**2))
    return np.concatenate([np.real(waves), np.imag(waves)]).astype(np.float32)


def window(size: int, cells: int) -> Floats:
    """(cells, size): weights that average a row of `size` pixels in overlapping cells."""
    middles = (np.arange(cells) + 0.5) * size / cells - 0.5
    distance = (np.arange(size) - middles[:, None]) * cells / size
    weights = np.exp(-((distance / _WIDTH) ** 2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def scattering(images: NDArray[np.uint8], cells: int) -> Floats:
    """(n, height, width, colours) -> (n, 81 * colours, cells * cells), each picture by itself."""
    count, _, _, colours = images.shape
    found = np.empty((count, CHANNELS * colours, cells * cells), np.float32)
    for at in range(0, count, _CHUNK):
        part = images[at : at + _CHUNK].transpose(0, 3, 1, 2) / np.float32(255)
        grey = part.astype(np.float32).reshape(
            -1, *part.shape[2:]
        )  # each colour as a picture of its own
        found[at : at + _CHUNK] = _scattered(grey, cells).reshape(len(part), -1, cells * cells)
    return found


def _scattered(images: Floats, cells: int) -> Floats:
    """(n, height, width) -> (n, 81, cells * cells)."""
    half = halved(images)
    fine, coarse = _moduli(images), _moduli(half)
    fine = halved(fine.reshape(-1, *fine.shape[2:]))
    second = _moduli(fine)
    rows, columns = window(half.shape[1], cells), window(half.shape[2], cells)
    parts = [
        (rows @ part.reshape(len(images), -1, *half.shape[1:]) @ columns.T)
        for part in (half, fine, coarse, second)
    ]
    whole: Floats = np.concatenate(parts, axis=1, dtype=np.float32)
    strong = np.maximum(whole - np.float32(FAINT), 0)
    return np.asarray(np.sqrt(strong)).reshape(len(images), CHANNELS, -1)


def _moduli(images: Floats) -> Floats:
    """(n, height, width) -> (n, 8, height, width): how strongly each wavelet answers."""
    padded = np.pad(images, ((0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
    side = 2 * REACH + 1
    around = sliding_window_view(padded, (side, side), axis=(1, 2))
    answers = around.reshape(*images.shape, side * side) @ bank().T
    real, imaginary = answers[..., :DIRECTIONS], answers[..., DIRECTIONS:]
    return np.ascontiguousarray(np.sqrt(real**2 + imaginary**2).transpose(0, 3, 1, 2), np.float32)


def halved(images: Floats) -> Floats:
    """(n, height, width) -> (n, half, half): means of two by two pixels; an odd edge is repeated."""
    odd = [(0, 0), *((0, side % 2) for side in images.shape[1:])]
    even = np.pad(images, odd, mode="edge")
    count, height, width = even.shape
    return np.asarray(even.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4)))
