"""How surely a budget recognises data that was written down again, and how often it takes other data for it.

    python -m benchmarks.recognition [--mnist mnist.npz] [--texts sms.tsv] [--rows 300 3000 30000] [--json]

`--mnist`: an archive with `x_train`; `--texts`: a table whose last column is a text; `--rows`: tables of so
many made-up rows. With `--json` one line with the figures ends the output. Pictures, texts and 300 rows take
some minutes, 30,000 rows half an hour.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import show
from federated.budget import Budget, Claim, Limit, Release
from federated.budget.examples import Examples, are_near
from federated.budget.families import NEAR_SHARE
from federated.identity import of_pictures, of_texts
from federated.tables import of_rows
from tests import looks, tables_again
from tests.looks import Grey

COPIES: Final = 2_000
OTHERS: Final = (500, 5_000, 30_000)
MANY: Final = 100_000
TABLES: Final = 8  # of other people
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
    "a header": lambda each: f"Report from ward 7, hospital of the city, 2026: {each}",
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


def pictures(digits: Grey) -> dict[str, float]:
    """Copies, by what was done to them; and others, which are no copies."""
    original = of_pictures(digits[:COPIES])
    shares = {
        name: near_share(of_pictures(map(change, digits[:COPIES])), original)
        for name, change in PICTURES.items()
    }
    for count in OTHERS:
        one, other = of_pictures(digits[:count]), of_pictures(digits[count : 2 * count])
        shares[f"{count:,} of {count:,} others"] = near_share(other, one)
    return shares


def texts(lines: Sequence[str]) -> dict[str, float]:
    """Likewise."""
    written = of_texts(lines[:COPIES])
    shares = {
        name: near_share(of_texts(list(map(edit, lines[:COPIES]))), written)
        for name, edit in TEXTS.items()
    }
    half = len(lines) // 2
    one, other = of_texts(lines[:half]), of_texts(lines[half:])
    return shares | {f"{half:,} of {half:,} others": near_share(other, one)}


def tables(rows: int) -> dict[str, str]:
    """By each kind of table: after one change and after two how many are recognised, and how many pairs of
    tables of other people are taken for the same."""
    rng, found = np.random.default_rng(SEED), {}
    changes = [
        *((change,) for change in tables_again.CHANGES),
        *combinations(tables_again.CHANGES, 2),
    ]
    for kind, make in tables_again.KINDS.items():
        others = [of_rows(table := make(rng, rows)) for _ in range(TABLES)]
        known = [
            tables_again.are_same(others[-1], of_rows(tables_again.changed(table, each, rng)))
            for each in changes
        ]
        single, joined = known[: len(tables_again.CHANGES)], combinations(others, 2)
        mistaken = sum(tables_again.are_same(*pair) for pair in joined)
        found[kind] = (
            f"{sum(single)} of {len(single)} after one change, {sum(known) - sum(single)} of"
            f" {len(known) - len(single)} after two; {mistaken} of {TABLES * (TABLES - 1) // 2} others"
        )
    return found


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
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[300])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, object] = {f"tables of {rows:,}": tables(rows) for rows in options.rows}
    if options.mnist:
        digits = np.load(options.mnist)["x_train"]
        figures["digits"] = pictures(digits[np.random.default_rng(SEED).permutation(len(digits))])
    if options.texts:
        lines = options.texts.read_text(encoding="utf-8").splitlines()[1:]
        figures["texts"] = texts(list(dict.fromkeys(line.rpartition("\t")[2] for line in lines)))
    figures |= {"sets are joined from": NEAR_SHARE, "core seconds": costs()}
    show(figures)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
