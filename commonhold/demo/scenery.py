"""Pictures and recordings to tell apart, drawn and played from numbers alone: skies, and little melodies."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SKIES: Final = ("day", "dusk", "night")
MELODIES: Final = ("rising", "falling", "neither")
SKY_GUIDELINES: Final = (
    "Is it day, dusk or night over the hills? Look at the sky, not at the hills."
)
MELODY_GUIDELINES: Final = (
    "Does the melody end higher than it began, lower, or neither? Only its first and last notes"
    " count."
)

_WIDTH, _HEIGHT = 480, 320
# Above and at the horizon; and of the hills.
_COLOURS: Final = {
    "day": ((70, 130, 210), (190, 220, 240), (70, 120, 60)),
    "dusk": ((50, 40, 90), (235, 130, 70), (45, 45, 55)),
    "night": ((8, 10, 28), (28, 34, 62), (14, 18, 22)),
}
_RATE: Final = 16_000
_NOTE_S: Final = 0.28
_NOTES: Final = 6


def write_skies(folder: Path, count: int, seed: int) -> list[str]:
    """Writes pictures 000.png, 001.png, …, and gives what each shows."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [SKIES[number % len(SKIES)] for number in range(count)]
    for number, kind in enumerate(kinds):
        pixels = _sky(kind, np.random.default_rng([seed, number]))
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return kinds


def _sky(kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(height, width, 3)"""
    top, low, hill = (np.array(each, dtype=float) for each in _COLOURS[kind])
    tint = rng.uniform(-14, 14, 3)
    down = np.linspace(0, 1, _HEIGHT)[:, None, None]
    pixels = np.broadcast_to(top * (1 - down) + low * down + tint, (_HEIGHT, _WIDTH, 3)).copy()
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    at_y, at_x = rng.uniform(0.1, 0.5) * _HEIGHT, rng.uniform(0.1, 0.9) * _WIDTH
    disc = np.hypot(rows - at_y, columns - at_x) < rng.uniform(12, 34)
    pixels[disc] = {"day": (255, 246, 200), "dusk": (255, 190, 110), "night": (225, 228, 235)}[kind]
    if kind == "night":
        stars = rng.integers(0, (_HEIGHT, _WIDTH), (rng.integers(40, 160), 2))
        pixels[stars[:, 0], stars[:, 1]] = 235
    for layer in range(int(rng.integers(2, 5))):
        waves = sum(
            rng.uniform(4, 26)
            * np.sin(np.arange(_WIDTH) * rng.uniform(0.004, 0.04) + rng.uniform(0, 6))
            for _ in range(3)
        )
        horizon = _HEIGHT * (0.6 + 0.1 * layer) + waves
        pixels[rows > horizon] = hill * (1.15 - 0.18 * layer) + tint / 2
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_melodies(folder: Path, count: int, seed: int) -> list[str]:
    """Writes recordings 000.wav, 001.wav, …, and gives how each goes."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [MELODIES[number % len(MELODIES)] for number in range(count)]
    for number, kind in enumerate(kinds):
        samples = _melody(kind, np.random.default_rng([seed, number]))
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, _RATE, 0, "NONE", ""))
            file.writeframes((samples * 32_000).astype("<i2").tobytes())
        (folder / f"{number:03d}.wav").write_bytes(out.getvalue())
    return kinds


def _melody(kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n,) samples from -1 to 1."""
    steps = rng.integers(-5, 6, _NOTES)
    change = {"rising": 1, "falling": -1, "neither": 0}[kind] * int(rng.integers(3, 8))
    steps[-1] = steps[0] + change
    base = rng.uniform(220, 440)
    at = np.arange(int(_RATE * _NOTE_S)) / _RATE
    fade = np.minimum(1, 12 * np.minimum(at, _NOTE_S - at) / _NOTE_S)
    notes = []
    for step in steps:
        pitch = base * 2 ** (step / 12)
        tone = np.sin(2 * np.pi * pitch * at) + 0.3 * np.sin(4 * np.pi * pitch * at)
        notes.append(0.55 * fade * tone)
    return np.concatenate(notes)
