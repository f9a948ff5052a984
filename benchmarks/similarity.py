"""How well fingerprints find resubmitted images, whom they wrong, and what they cost.

    python -m benchmarks.similarity [--rows 100000 1000000] [--mnist mnist.npz]

Needs the extra `demo`. `--mnist` adds the honest submitters' view at scale: the 60,000 training
digits of MNIST, submitted one after the other, as an archive with `x_train` and `y_train`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.report import show
from commonhold.digits import Digit, load_digits, noisy, shifted
from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.fingerprints import (
    IDENTITY_BYTES,
    THUMBNAIL,
    fingerprint_pixels,
    unpack_thumbnail,
)
from protocol.review.index import DuplicateIndex

NEAR = DEFAULT_COPY_TERMS.picture_strict
COPIES = 1000  # per perturbation
QUERIES = 100
BLOCK = 500  # rows of the pair matrix at a time
SEED = 20

Perturb = Callable[[Digit, int], NDArray[np.number]]


def salted(image: Digit, seed: int, rate: float, pepper: bool = False) -> Digit:
    rng = np.random.default_rng(seed)
    hit = rng.random(image.shape) < rate
    values = rng.choice([0, 255], image.shape) if pepper else np.full(image.shape, 255)
    return np.where(hit, values, image).astype(np.uint8)


def rotated(image: Digit, seed: int, degrees: float) -> NDArray[np.number]:
    sign = 1 if seed % 2 else -1
    turned = ndimage.rotate(image.astype(float), sign * degrees, reshape=False, order=1)
    return np.asarray(turned)


def scaled(image: Digit, seed: int, factor: float) -> NDArray[np.number]:
    middle = (image.shape[0] - 1) / 2
    offset = [middle - middle / factor] * 2
    return np.asarray(
        ndimage.affine_transform(image.astype(float), [1 / factor] * 2, offset=offset, order=1)
    )


PERTURBATIONS: dict[str, Perturb] = {
    "same pixels": lambda image, seed: image,
    "shift by 1-2 pixels": shifted,
    "noise, sigma 5": partial(noisy, sigma=5.0),
    "noise, sigma 10": partial(noisy, sigma=10.0),
    "noise, sigma 15": partial(noisy, sigma=15.0),
    "noise, sigma 20": partial(noisy, sigma=20.0),
    "noise, sigma 30": partial(noisy, sigma=30.0),
    "salt on 1 %": partial(salted, rate=0.01),
    "salt and pepper on 1 %": partial(salted, rate=0.01, pepper=True),
    "salt on 2 %": partial(salted, rate=0.02),
    "brightness +20": lambda image, seed: image + 20.0,
    "brightness -20": lambda image, seed: image - 20.0,
    "contrast x 0.6": lambda image, seed: image * 0.6,
    "contrast x 1.2": lambda image, seed: image * 1.2,
    "inverted": lambda image, seed: 255 - image,
    "shift, noise sigma 10": lambda image, seed: noisy(shifted(image, seed), seed, 10.0),
    "shift, noise sigma 15": lambda image, seed: noisy(shifted(image, seed), seed, 15.0),
    "shift, salt on 1 %": lambda image, seed: salted(shifted(image, seed), seed, 0.01),
    "rotation by 3 degrees": partial(rotated, degrees=3.0),
    "rotation by 5 degrees": partial(rotated, degrees=5.0),
    "scale x 1.05": partial(scaled, factor=1.05),
}


def fingerprint(image: NDArray[np.number]) -> bytes:
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return fingerprint_pixels(pixels.tobytes(), pixels.shape[1], pixels.shape[0])


def recall(index: DuplicateIndex[int], images: NDArray[np.uint8]) -> dict[str, float]:
    """Share of perturbed copies whose nearest match is their own original."""
    chosen = np.random.default_rng(SEED).permutation(len(images))[:COPIES]
    found: dict[str, float] = {}
    for name, perturb in PERTURBATIONS.items():
        hits = 0
        for seed, original in enumerate(chosen):
            match = index.nearest(fingerprint(perturb(images[original], seed)), NEAR)
            hits += match is not None and match.key == original
        found[name] = hits / len(chosen)
    return found


def nearest_pairs(prints: Sequence[bytes], count: int) -> list[tuple[float, int, int]]:
    """The `count` nearest of all pairs, by brute force: (distance in per mille, i, j), i > j."""
    levels = np.stack([unpack_thumbnail(each).levels for each in prints]).astype(np.float32)
    flat = levels.reshape(len(levels), -1)
    energy = (flat * flat).sum(axis=1)
    pairs: list[tuple[float, int, int]] = []
    for start in range(0, len(flat), BLOCK):
        rows = np.pad(levels[start : start + BLOCK], ((0, 0), (1, 1), (1, 1)))
        side = levels.shape[1]
        products = np.max(
            [rows[:, dy:, dx:][:, :side, :side].reshape(len(rows), -1) @ flat.T
             for dy in range(3) for dx in range(3)], axis=0
        )  # fmt: skip
        both = energy[start : start + len(rows), None] + energy[None]
        apart = 1000 * (both - 2 * products) / np.maximum(both, 1)
        apart[np.arange(len(flat))[None] >= np.arange(start, start + len(rows))[:, None]] = np.inf
        least = np.argpartition(apart, count, axis=None)[:count]
        pairs += [(float(apart.flat[k]), start + int(k) // len(flat), int(k) % len(flat))
                  for k in least]  # fmt: skip
    return sorted(pairs)[:count]


def honest_losses(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[int, int]:
    """Digits taken for a duplicate of an earlier distinct one, per class."""
    index: DuplicateIndex[int] = DuplicateIndex()
    lost = dict.fromkeys(range(10), 0)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        print_ = fingerprint(image)
        lost[int(label)] += index.nearest(print_, NEAR) is not None
        index.add(print_, row)
    return lost


def query_cost(prints: Sequence[bytes], rows: int) -> dict[str, float]:
    """Cost with `rows` synthetic rows: the upper part of one digit, the lower part of another."""
    rng = np.random.default_rng(SEED)
    index: DuplicateIndex[int] = DuplicateIndex()
    started = time.perf_counter()
    for row, (a, b) in enumerate(rng.integers(0, len(prints), (rows, 2))):
        cut = THUMBNAIL.start + 25 + row % 130
        identity = prints[a][:1] + row.to_bytes(IDENTITY_BYTES - 1, "big")
        index.add(identity + prints[a][IDENTITY_BYTES:cut] + prints[b][cut:], row)
    added = time.perf_counter()
    for query in range(QUERIES):
        index.nearest(prints[query * 47 % len(prints)], NEAR)
    done = time.perf_counter()
    return {"add_us": 1e6 * (added - started) / rows, "query_ms": 1e3 * (done - added) / QUERIES}


def run(rows: Sequence[int] = (100_000, 1_000_000), mnist: Path | None = None) -> dict[str, object]:
    """Measure; returns every figure."""
    digits = load_digits()
    started = time.perf_counter()
    prints = [fingerprint(image) for image in digits.images]
    rate = len(prints) / (time.perf_counter() - started)
    index: DuplicateIndex[int] = DuplicateIndex()
    for row, print_ in enumerate(prints):
        index.add(print_, row)
    figures: dict[str, object] = {"fingerprints_per_second": rate}

    figures["recall"] = recall(index, digits.images)
    pairs = nearest_pairs(prints, 10)
    figures["false_pairs"] = sum(apart < NEAR + 1 for apart, _, _ in pairs)
    figures["pairs"] = len(prints) * (len(prints) - 1) // 2
    figures["nearest pairs, per mille apart"] = {
        f"{i} ({digits.labels[i]}) and {j} ({digits.labels[j]})": apart for apart, i, j in pairs
    }
    figures["rows"] = {count: query_cost(prints, count) for count in rows}

    if mnist is not None:
        with np.load(mnist) as archive:
            order = np.random.default_rng(SEED).permutation(len(archive["y_train"]))
            images, labels = archive["x_train"][order], archive["y_train"][order]
        figures["honest_losses"] = honest_losses(images, labels)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--mnist", type=Path)
    arguments = parser.parse_args()
    show(run(arguments.rows, arguments.mnist))


if __name__ == "__main__":
    main()
