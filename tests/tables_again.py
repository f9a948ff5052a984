"""Tables of made-up people, and what becomes of them when they are exported once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray

from federated.budget.examples import Rows
from federated.budget.families import are_one

Table = dict[str, list[str]]
Generator = np.random.Generator
Change = Callable[[Table, Generator], Table]


def _words(rng: Generator, rows: int, count: int, start: int) -> list[str]:
    """Of so many words, the first ones more often."""
    weights = 1 / np.arange(2, count + 2)
    drawn = rng.choice(count, rows, p=weights / weights.sum())
    return [f"w{start + each}" for each in drawn]


def census(rng: Generator, rows: int, columns: int = 12) -> Table:
    """Two measurements, whole numbers of few values, and words: the first so many columns."""
    ages = np.clip(rng.normal(45, 18, rows), 0, 100)
    table = {
        "age": [str(int(each)) for each in ages],
        "income": [str(int(each)) for each in rng.lognormal(10, 0.7, rows)],
        "weight": [f"{each:.1f}" for each in rng.normal(72, 13, rows)],
        "sex": _words(rng, rows, 3, 0),
        "job": _words(rng, rows, 15, 10),
        "hours": [str(each) for each in np.where(rng.random(rows) < 0.5, 40, rng.integers(5, 70, rows))],
        "label": _words(rng, rows, 2, 30),
        "school": _words(rng, rows, 16, 40),
        "district": _words(rng, rows, 90, 100),
        "married": _words(rng, rows, 5, 60),
        "children": [str(each) for each in rng.poisson(1.2, rows)],
        "pulse": [str(int(each)) for each in rng.normal(70, 10, rows)],
    }  # fmt: skip
    return dict(list(table.items())[:columns])


def measured(rng: Generator, rows: int, columns: int = 8) -> Table:
    """Measurements only, all of them distributed alike."""
    return {f"m{at}": [repr(x) for x in rng.normal(50, 20, rows).tolist()] for at in range(columns)}


def sparse(rng: Generator, rows: int) -> Table:
    """Frequencies of 40 words, most of them nought."""
    drawn = np.where(rng.random((40, rows)) < 0.8, 0.0, rng.exponential(1, (40, rows)))
    return {f"f{at}": [f"{x:.2f}" for x in each] for at, each in enumerate(drawn)}


def related_measures(rng: Generator, rows: int) -> Table:
    """Six columns that follow two, with some noise, and two words."""
    two = rng.normal(50, 15, (2, rows))
    table = {
        f"r{at}": [f"{x:.1f}" for x in two[at % 2] * (at + 1) + rng.normal(0, 2, rows)]
        for at in range(6)
    }
    return table | {"sex": _words(rng, rows, 2, 0), "ward": _words(rng, rows, 5, 10)}


def numbered(rng: Generator, rows: int) -> Table:
    """A number, a day and a code of each row, as any table may have, and little about the people."""
    days = [date(2020, 1, 1) + timedelta(at // 3) for at in range(rows)]
    return {
        "id": [str(at + 1) for at in range(rows)],
        "day": list(map(str, days)),
        "code": [f"P{at + 1:06}" for at in range(rows)],
    } | census(rng, rows, 4)


def answers(rng: Generator, rows: int) -> Table:
    """Of a few questions: everybody's line is somebody else's, too."""
    return {f"q{at}": _words(rng, rows, 4, 10 * at) for at in range(5)}


def many_answers(rng: Generator, rows: int) -> Table:
    """Of some more questions: many lines are nobody else's, and could be."""
    return {f"q{at}": _words(rng, rows, 5 + at, 20 * at) for at in range(6)}


KINDS: dict[str, Callable[[Generator, int], Table]] = {
    "8 measurements": measured,
    "30 measurements": partial(measured, columns=30),
    "census, 4 columns": partial(census, columns=4),
    "census, 6 columns": partial(census, columns=6),
    "census, 8 columns": partial(census, columns=8),
    "census, 12 columns": census,
    "40 frequencies": sparse,
    "related measures": related_measures,
    "numbered rows": numbered,
    "a few answers": answers,
    "many answers": many_answers,
}


def _with(name: str, make: Callable[[int], str]) -> Change:
    return lambda table, rng: table | {name: [make(at) for at in range(len(_first(table)))]}


def _first(table: Table) -> list[str]:
    return next(iter(table.values()))


def _drop(table: Table, rng: Generator) -> Table:
    gone = rng.choice(list(table), 1 if len(table) < 6 else 2, replace=False)
    return {name: values for name, values in table.items() if name not in gone}


def _translate(table: Table, rng: Generator) -> Table:
    """Two columns of words, or as many as there are."""
    worded = [name for name, values in table.items() if values[0][:1] == "w"]
    chosen = rng.permutation(worded)[:2]
    return table | {name: [f"mot-{each}" for each in table[name]] for name in chosen}


def _rescale(table: Table, rng: Generator) -> Table:
    """One column of numbers in thousands, another one rounded."""
    numbers = [name for name, values in table.items() if values[0].replace(".", "", 1).isdigit()]
    chosen = list(rng.permutation(numbers)[:2])
    changed = dict(table)
    if chosen:
        changed[chosen[0]] = [repr(float(each) / 1000) for each in table[chosen[0]]]
    if len(chosen) > 1:
        changed[chosen[1]] = [str(round(float(each))) for each in table[chosen[1]]]
    return changed


def _rows_of(table: Table, places: list[int]) -> Table:
    return {name: [values[at] for at in places] for name, values in table.items()}


def _half(table: Table, rng: Generator) -> Table:
    count = len(_first(table))
    return _rows_of(table, rng.permutation(count)[: count // 2].tolist())


def _doubled(table: Table, rng: Generator) -> Table:
    count = len(_first(table))
    return _rows_of(table, [*range(count), *rng.integers(0, count, count // 2).tolist()])


CHANGES: dict[str, Change] = {
    "a constant column": _with("exported", lambda _: "2026-11-28"),
    "an id": _with("id", lambda at: str(at + 1)),
    "another measurement": lambda table, rng: (
        table | {"new": [f"{x:.3f}" for x in rng.exponential(7, len(_first(table)))]}
    ),
    "columns dropped": _drop,
    "renamed, moved": lambda table, rng: {
        f"x{at}": table[name] for at, name in enumerate(rng.permutation(list(table)).tolist())
    },
    "words translated": _translate,
    "thousands, rounded": _rescale,
    "half of the rows": _half,
    "some rows twice": _doubled,
}


def changed(table: Table, names: Iterable[str], rng: Generator) -> Table:
    """One change after another."""
    for name in names:
        table = CHANGES[name](table, rng)
    return table


def are_same(one: Rows, other: Rows) -> bool:
    """Whether a budget that holds one takes the other for the same data: what it asks its tables."""
    keys, sketch = _flat(one)
    others, theirs = _flat(other)
    met: Counter[tuple[int, int]] = Counter()
    for side in ("left", "right"):  # the sketches of one table may share a key, two of them at most
        at = np.searchsorted(keys, others, side) - (side == "right")
        at = np.clip(at, 0, max(0, len(keys) - 1))
        same = keys[at] == others if len(keys) else np.zeros(0, bool)
        pairs, times = np.unique(sketch[at[same]] * 1000 + theirs[same], return_counts=True)
        for pair, count in zip(pairs.tolist(), times.tolist(), strict=True):
            met[divmod(pair, 1000)] = max(count, met[divmod(pair, 1000)])
    return any(
        are_one(one.sketches[mine], len(other.sketches[their].keys), other.sketches[their].last, n)
        for (mine, their), n in met.items()
    )


def _flat(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All keys in order, each with the number of its sketch."""
    counts = [len(each.keys) for each in rows.sketches]
    keys = np.fromiter((key for each in rows.sketches for key in each.keys), np.int64, sum(counts))
    order = np.argsort(keys)
    return keys[order], np.repeat(np.arange(len(counts)), counts)[order]
