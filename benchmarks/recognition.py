"""How surely a budget recognises data that was written down again, and how often it takes other data for it.

    python -m benchmarks.recognition --mnist mnist.npz --texts sms.tsv [--json]

`--mnist`: an archive with `x_train`; `--texts`: a table whose last column is a text. With `--json` one line
with the figures ends the output. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import show
from federated.budget import Budget, Claim, Limit, Release
from federated.budget.examples import Examples, are_near
from federated.budget.families import NEAR_SHARE
from federated.identity import of_pictures, of_rows, of_texts
from tests import looks
from tests.looks import Grey

COPIES: Final = 2_000
OTHERS: Final = (500, 5_000, 30_000)
MANY: Final = 100_000
SEED: Final = 53

PICTURES: Final[dict[str, Callable[[Grey], Grey]]] = {
    "one grey value": lambda each: np.where(
        np.arange(each.size).reshape(each.shape) == 406, each ^ 1, each
    ),
    "brightness": lambda each: (each * 0.8 + 20).astype(np.uint8),
    "JPEG 90": lambda each: looks.as_jpeg(each, 90),
    "JPEG 75": lambda each: looks.as_jpeg(each, 75),
    "JPEG 50": lambda each: looks.as_jpeg(each, 50),
    "noise, sigma 5": lambda each: looks.with_noise(each, 5),
    "noise, sigma 15": lambda each: looks.with_noise(each, 15),
    "twice the size": lambda each: np.kron(each, np.ones((2, 2), np.uint8)),
    "moved by a pixel": lambda each: np.roll(each, 1, 1),
}
TEXTS: Final[dict[str, Callable[[str], str]]] = {
    "other case": str.upper,
    "a word more": lambda each: f"{each} indeed",
    "a word less": lambda each: each.rpartition(" ")[0],
}


def near_share(found: Examples, others: Examples) -> float:
    """What part of `found` a budget takes for one of the others, exact names left out."""
    index: defaultdict[int, list[bytes]] = defaultdict(list)
    for keys, signature in zip(others.keys, others.signatures, strict=True):
        for key in filter(None, keys):
            index[key].append(signature)
    hits = sum(
        any(
            are_near(found.kind, signature, other)
            for key in filter(None, keys)
            for other in index[key]
        )
        for keys, signature in zip(found.keys, found.signatures, strict=True)
    )
    return hits / len(found)


def recognised(digits: Grey, texts: Sequence[str]) -> dict[str, float]:
    """Copies, by what was done to them."""
    shares = {}
    original = of_pictures(digits[:COPIES])
    for name, change in PICTURES.items():
        shares[f"digits: {name}"] = near_share(of_pictures(map(change, digits[:COPIES])), original)
    written = of_texts(texts[:COPIES])
    for name, edit in TEXTS.items():
        shares[f"texts: {name}"] = near_share(of_texts(map(edit, texts[:COPIES])), written)
    return shares


def mistaken(digits: Grey, texts: Sequence[str]) -> dict[str, float]:
    """Others, which are no copies."""
    shares = {}
    for count in OTHERS:
        one, other = of_pictures(digits[:count]), of_pictures(digits[count : 2 * count])
        shares[f"digits: {count:,} of {count:,} others"] = near_share(other, one)
    half = len(texts) // 2
    one, other = of_texts(texts[:half]), of_texts(texts[half:])
    shares[f"texts: {half:,} of {half:,} others"] = near_share(other, one)
    return shares


def costs() -> dict[str, float]:
    """Core seconds for many examples: names, the first set in a budget, and a second one beside it."""
    rng = np.random.default_rng(SEED)
    columns = {f"c{at}": [f"{value:.6f}" for value in rng.normal(size=MANY)] for at in range(8)}
    started = time.process_time()
    names = of_rows(columns)
    seconds = {f"names of {MANY:,} rows of 8 columns": time.process_time() - started}
    claim = Claim("job", Release(1.0, 6.0, 3.0), 0, 1, 1e-6)
    with (
        tempfile.TemporaryDirectory() as folder,
        Budget(Path(folder) / "budget.db", lambda _, __: 0) as budget,
    ):
        for number, what in enumerate(("into an empty budget", "beside as many")):
            started = time.process_time()
            budget.reserve(bytes([number]) * 32, [names], Limit(1_000_000, delta=1e-6), claim)
            seconds[f"{MANY:,} rows {what}"] = time.process_time() - started
        seconds["MB on disk"] = (Path(folder) / "budget.db").stat().st_size / 1e6
    return seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    digits = np.load(options.mnist)["x_train"]
    digits = digits[np.random.default_rng(SEED).permutation(len(digits))]
    lines = options.texts.read_text(encoding="utf-8").splitlines()[1:]
    texts = list(dict.fromkeys(line.rpartition("\t")[2] for line in lines))
    figures = {
        "recognised": recognised(digits, texts),
        "mistaken": mistaken(digits, texts),
        "sets are joined from": NEAR_SHARE,
        "core seconds": costs(),
    }
    show(figures)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
