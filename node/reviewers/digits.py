"""A reviewer of handwritten digits, trained on its owner's own labelled digits.

    digits:/path/to/folder     PNG files beside a labels.csv with the header file,label

The images never leave the machine; only answers do. Features are histograms of oriented gradients
(Dalal & Triggs, CVPR 2005) of the deskewed digit; the classifier is Gaussian kernel ridge
regression on one-against-all targets, solved in closed form. With 350
training digits it gets 97.5 % of the others right; tests/unit/test_reviewers.py holds it to 95 %.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from node.bringing.labels import read_labels
from node.intake import PNG, read_image
from node.reviewers.interface import Case, Refusal
from protocol.errors import ConfigError, Reject

SIDE = 28  # pixels; other sizes are not digits of this campaign
MAX_TRAINING_DIGITS = 5_000  # kernel matrix of 200 MB, solved in seconds
LABELS_FILE = "labels.csv"

_CELL = 4  # pixels; 7 x 7 cells
_ORIENTATIONS = 8
# With the ridge, from a grid of six on the demo's digits; all came within 0.3 %.
_KERNEL_GAMMA = 1.0
_RIDGE = 0.01

Features = NDArray[np.float64]


class DigitsReviewer:
    """`digits:FOLDER`. Unsure of anything that is not a classify question about a 28 x 28 PNG, and
    if the campaign has no label of the name that the classifier prefers."""

    name = "digits"
    version = version("commonhold")
    at_once: Final = 4  # answering only reads what training left

    def __init__(self, argument: str) -> None:
        if not argument:
            raise ConfigError("digits needs a folder", "Write digits:/path/to/labelled/digits.")
        self._folder = Path(argument)
        self._classes: list[str] = []
        self._support: Features = np.empty((0, 0))
        self._weights: Features = np.empty((0, 0))

    def prepare(self) -> None:
        """Train, about half a second for 400 digits. Raises ConfigError for an unusable folder."""
        images, labels = _read_folder(self._folder)
        self._classes = sorted(set(labels))
        if len(self._classes) < 2:
            raise ConfigError(f"{self._folder} shows only one class", "Add digits of others.")
        self._support = np.stack([gradient_histogram(deskew(image)) for image in images])
        truth = np.array([self._classes.index(label) for label in labels])
        targets = 2.0 * np.eye(len(self._classes))[truth] - 1.0
        kernel = _kernel(self._support, self._support)
        kernel[np.diag_indices_from(kernel)] += _RIDGE
        self._weights = np.linalg.solve(kernel, targets)

    def answer(self, case: Case) -> str | Refusal:
        """The best class that the campaign knows, for the first picture of the item."""
        picture = next((part for part in case.parts if part.media_type == PNG), None)
        if case.kind != "classify" or picture is None:
            return Refusal.UNSURE
        features = gradient_histogram(deskew(_read_digit(picture.path.read_bytes())))
        scores = (_kernel(features[None], self._support) @ self._weights)[0]
        best = self._classes[int(scores.argmax())]
        return best if best in case.choices else Refusal.UNSURE


def deskew(image: Features) -> Features:
    """Centre a 28 x 28 digit on its mass and shear its principal axis upright (bilinear)."""
    total = max(float(image.sum()), 1e-9)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    mean_y, mean_x = (image * y).sum() / total, (image * x).sum() / total
    variance = (image * (y - mean_y) ** 2).sum() / total
    slant = (image * (y - mean_y) * (x - mean_x)).sum() / total / max(variance, 1e-9)
    middle = (SIDE - 1) / 2
    return _sample(image, y + mean_y - middle, x + mean_x - middle + slant * (y - middle))


def gradient_histogram(image: Features) -> Features:
    """(28, 28) -> (392,) unit vector: square-rooted orientation histograms of blurred cells."""
    dy, dx = np.zeros_like(image), np.zeros_like(image)
    dy[1:-1] = image[2:] - image[:-2]
    dx[:, 1:-1] = image[:, 2:] - image[:, :-2]
    magnitude = np.hypot(dy, dx)
    turn = np.arctan2(dy, dx) % (2 * np.pi) * (_ORIENTATIONS / (2 * np.pi))
    lower = np.floor(turn)
    share = turn - lower
    histogram = np.zeros((SIDE, SIDE, _ORIENTATIONS))
    y, x = np.mgrid[:SIDE, :SIDE]
    first = lower.astype(np.intp) % _ORIENTATIONS
    histogram[y, x, first] += magnitude * (1 - share)
    histogram[y, x, (first + 1) % _ORIENTATIONS] += magnitude * share
    cells = SIDE // _CELL
    by_cell = histogram.reshape(cells, _CELL, cells, _CELL, _ORIENTATIONS).sum(axis=(1, 3))
    features = np.sqrt(_blur(_blur(by_cell).swapaxes(0, 1))).ravel()
    return np.asarray(features / max(float(np.linalg.norm(features)), 1e-9))


def _blur(cells: Features) -> Features:
    """Add half of each neighbour along the first axis: strokes may cross a cell's border."""
    blurred = cells.copy()
    blurred[1:] += cells[:-1] / 2
    blurred[:-1] += cells[1:] / 2
    return blurred


def _sample(image: Features, y: Features, x: Features) -> Features:
    """Bilinear samples; zero outside the image."""
    pad = 2
    padded = np.pad(image, pad)
    top = np.clip(y + pad, 0, SIDE + 2 * pad - 2 + 1e-9)
    left = np.clip(x + pad, 0, SIDE + 2 * pad - 2 + 1e-9)
    y0, x0 = top.astype(np.intp), left.astype(np.intp)
    fy, fx = top - y0, left - x0
    upper = padded[y0, x0] * (1 - fx) + padded[y0, x0 + 1] * fx
    lower = padded[y0 + 1, x0] * (1 - fx) + padded[y0 + 1, x0 + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def _kernel(a: Features, b: Features) -> Features:
    """Gaussian kernel of unit vectors: |a - b|^2 = 2 - 2 a.b."""
    return np.asarray(np.exp(-_KERNEL_GAMMA * (2.0 - 2.0 * (a @ b.T))))


def _read_digit(content: bytes) -> Features:
    """(28, 28) in 0..1. Raises Reject."""
    image = read_image(content)
    if (image.width, image.height) != (SIDE, SIDE):
        raise Reject(f"a digit has {SIDE} x {SIDE} pixels, not {image.width} x {image.height}")
    pixels = np.frombuffer(image.pixels, dtype=np.uint8).reshape(SIDE, SIDE)
    return np.asarray(pixels / 255.0)


def _read_folder(folder: Path) -> tuple[list[Features], list[str]]:
    table = read_labels(folder / LABELS_FILE)
    if len(table) > MAX_TRAINING_DIGITS:
        raise ConfigError(
            f"{folder} holds more than {MAX_TRAINING_DIGITS} digits", "Train on a part of them."
        )
    images: list[Features] = []
    for file in table:
        try:
            images.append(_read_digit((folder / file).read_bytes()))
        except (OSError, Reject) as error:
            raise ConfigError(
                f"cannot train on {folder / file}: {error}", "Repair it, or delete its line."
            ) from error
    return images, list(table.values())
