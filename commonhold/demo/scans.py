"""Pictures to rate: digits under noise of five known strengths. Nobody says which beside a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonhold.digits import Share, noisy, png_bytes

STEPS: Final = ("clean", "faint", "grainy", "noisy", "lost")
SIGMAS: Final = (0.0, 15.0, 40.0, 90.0, 200.0)  # of 255, one for each step
GUIDELINES: Final = "How much noise is in the picture? Look at its margin, where no ink is."


@dataclass(frozen=True, slots=True)
class Scan:
    """A picture's file, and the step that it truly is on."""

    file: Path
    step: str


def write_scans(folder: Path, digits: Share, seed: int) -> list[Scan]:
    """Writes each digit under a strength of noise, all five equally often."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, image in enumerate(digits.images):
        step = (number + seed) % len(STEPS)
        file = folder / f"{number:04d}.png"
        file.write_bytes(png_bytes(noisy(image, seed + number, SIGMAS[step])))
        made.append(Scan(file, STEPS[step]))
    return made
