"""The same data is the same data, however it was written down again; other data is other data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from commonhold.digits import load_digits
from federated.budget import Budget, Limit, Standing
from federated.identity import of_texts
from federated.recognising import digest_of, examples_of, table_of
from federated.tables import of_rows
from protocol.errors import ConfigError
from tests import tables_again
from tests.budget_lab import ONE, OTHER, claim, open_flat

COUNT = 60
DIGITS = load_digits()
RNG = np.random.default_rng(5)
ORDER = RNG.permutation(len(DIGITS.images))
Pixels = NDArray[np.uint8]
WORDS = ("ward", "asked", "bed", "window", "because", "patient", "cannot", "sleep", "door", "open")


def folder(
    path: Path,
    images: list[Pixels],
    *,
    labels: list[str] | None = None,
    form: str = "PNG",
    **how: object,
) -> Path:
    """Pictures and their table, as partners keep them."""
    path.mkdir()
    lines = ["file,label"]
    for number, image in enumerate(images):
        name = f"{number:04}.{form.lower()}"
        Image.fromarray(image).save(path / name, form, **how)
        lines.append(f"{name},{labels[number] if labels else number % 10}")
    (path / "labels.csv").write_text("\n".join(lines) + "\n")
    return path


def digits(start: int = 0) -> list[Pixels]:
    return [DIGITS.images[at] for at in ORDER[start : start + COUNT]]


def related(tmp_path: Path, one: Path, other: Path) -> int:
    """How many sets of data share the budget of the other one, once both were trained on."""
    with open_flat(tmp_path / "budget.db") as budget:
        join(budget, ONE, one)
        return join(budget, OTHER, other).related


def join(budget: Budget, name: bytes, data: Path) -> Standing:
    return budget.reserve(name, examples_of(data), Limit(10_000, delta=1e-5), claim(rounds=0))


def grey_value(image: Pixels) -> Pixels:
    changed = image.copy()
    changed[14, 14] ^= 1
    return changed


def jpeg(image: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=75)
    return np.array(Image.open(buffer).convert("L"))


CHANGES: dict[str, Callable[[list[Pixels]], list[Pixels]]] = {
    "one grey value": lambda images: [grey_value(each) for each in images],
    "JPEG": lambda images: [jpeg(each) for each in images],
    "brightness": lambda images: [(each * 0.8 + 20).astype(np.uint8) for each in images],
    "twice the size": lambda images: [np.kron(each, np.ones((2, 2), np.uint8)) for each in images],
    "another order": lambda images: images[::-1],
    "a part of it": lambda images: images[: COUNT // 10],
    "noise": lambda images: [
        np.clip(each + RNG.normal(0, 5, each.shape), 0, 255).astype(np.uint8) for each in images
    ],
    "in colours": lambda images: [np.stack([each] * 3, axis=2) for each in images],
    "one of it among others": lambda images: [images[0], *digits(COUNT)],
}


@pytest.mark.parametrize("change", CHANGES)
def test_pictures_are_known_after(tmp_path: Path, change: str) -> None:
    before = folder(tmp_path / "before", digits())
    after = folder(tmp_path / "after", CHANGES[change](digits()))
    assert digest_of(before) != digest_of(after)
    assert related(tmp_path, before, after) == 1


def test_other_labels_and_formats_make_no_other_pictures(tmp_path: Path) -> None:
    before = folder(tmp_path / "before", digits())
    labels = folder(tmp_path / "labels", digits(), labels=["7"] * COUNT)
    form = folder(tmp_path / "form", digits(), form="BMP")
    with open_flat(tmp_path / "budget.db") as budget:
        join(budget, ONE, before)
        assert join(budget, OTHER, labels).related == 1
        assert join(budget, b"3" * 32, form).related == 2


def test_other_pictures_are_others(tmp_path: Path) -> None:
    """Digits of the same people, in the same hand: a few resemble others' by chance, and do not count."""
    one = folder(tmp_path / "one", digits())
    other = folder(tmp_path / "other", digits(COUNT))
    assert related(tmp_path, one, other) == 0


def test_flat_pictures_name_nobody(tmp_path: Path) -> None:
    """All of them are alike: they count by their share, as what occurs twice does."""
    flat: Pixels = np.full((28, 28), 7, np.uint8)
    one = folder(tmp_path / "one", [*digits(), flat])
    other = folder(tmp_path / "other", [*digits(COUNT), flat])
    assert related(tmp_path, one, other) == 0
    doubled = folder(tmp_path / "doubled", [*digits(), *digits()])
    (tmp_path / "budget.db").unlink()
    assert related(tmp_path, doubled, one) == 1


def test_the_digest_is_of_the_files_and_of_nothing_else(tmp_path: Path) -> None:
    """Not of their names, nor of where they are, nor of what a job would read."""
    one = folder(tmp_path / "one", digits())
    same = folder(tmp_path / "same", digits())
    assert digest_of(one) == digest_of(same)
    assert digest_of(one) == digest_of(one / "labels.csv"), "the folder, or its table"
    table_of(same).write_text((one / "labels.csv").read_text().replace(",1\n", ",2\n"))
    assert digest_of(one) != digest_of(same), "other labels"
    table_of(same).write_text((one / "labels.csv").read_text())
    (same / "0000.png").unlink()
    Image.fromarray(digits()[1]).save(same / "0000.png")
    assert digest_of(one) != digest_of(same)


# ---- texts ----


def text(seed: int, words: int = 30) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(f"{WORDS[at]}{rng.integers(99)}" for at in rng.integers(0, len(WORDS), words))


def table(path: Path, lines: list[dict[str, str]]) -> Path:
    """CSV, or JSON Lines by the name."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_texts_are_known_after_small_changes(tmp_path: Path) -> None:
    before = [{"text": text(seed), "label": "a"} for seed in range(COUNT)]
    one = table(tmp_path / "one.csv", before)
    changes: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
        "same.jsonl": lambda line: line,
        "case.csv": lambda line: line | {"text": line["text"].upper() + "!"},
        "labels.csv": lambda line: line | {"label": "b"},
        "words.csv": lambda line: line | {"text": line["text"] + " and one more"},
    }
    for name, change in changes.items():
        other = table(tmp_path / name, [change(line) for line in before])
        (tmp_path / "budget.db").unlink(missing_ok=True)
        assert related(tmp_path, one, other) == 1, name


HEADER = "Report from ward 7, hospital of the city, 2026: "
FORM = "The patient was admitted on day {} with {} and left after {} days in good condition."


def test_what_most_texts_share_hides_nothing(tmp_path: Path) -> None:
    before = [{"text": text(seed), "label": "a"} for seed in range(COUNT)]
    one = table(tmp_path / "one.csv", before)
    changes: dict[str, Callable[[str], str]] = {
        "header": lambda old: HEADER + old,
        "footer": lambda old: f"{old}. With kind regards, the team of the ward",
        "both": lambda old: f"{HEADER}{old} Printed on 28 November 2026.",
    }
    for name, change in changes.items():
        after = [line | {"text": change(line["text"])} for line in before]
        (tmp_path / "budget.db").unlink(missing_ok=True)
        assert related(tmp_path, one, table(tmp_path / f"{name}.csv", after)) == 1, name
    others = [line | {"text": HEADER + text(1_000 + at)} for at, line in enumerate(before)]
    (tmp_path / "budget.db").unlink()
    headed = table(tmp_path / "header.csv", [{"text": HEADER + text(at)} for at in range(COUNT)])
    assert related(tmp_path, headed, table(tmp_path / "others.csv", others)) == 0


def test_a_form_makes_no_two_people_one(tmp_path: Path) -> None:
    """Two wards with one form: what it says beside the blanks is nobody's, filled in alike or not."""
    one, other = (
        [{"text": FORM.format(start + at, text(start + at, 6), at % 9)} for at in range(COUNT)]
        + [{"text": FORM.format(1, "flu", 3)}]
        for start in (0, 500)
    )
    first = table(tmp_path / "one.csv", one)
    assert related(tmp_path, first, table(tmp_path / "two.csv", other)) == 0
    bare = [{"text": line["text"].removeprefix("The patient was admitted")} for line in one]
    (tmp_path / "budget.db").unlink()
    assert related(tmp_path, first, table(tmp_path / "bare.csv", bare)) == 1


def test_other_texts_are_others(tmp_path: Path) -> None:
    """One short text in common names nobody, a long one does."""
    one = [{"text": text(seed), "label": "a"} for seed in range(COUNT)] + [
        {"text": "ok", "label": "a"}
    ]
    other = [line | {"text": text(1_000 + at)} for at, line in enumerate(one[:-1])] + one[-1:]
    first = table(tmp_path / "one.csv", one)
    assert related(tmp_path, first, table(tmp_path / "other.csv", other)) == 0
    (tmp_path / "budget.db").unlink()
    shared = table(tmp_path / "shared.csv", [*other, one[0]])
    assert related(tmp_path, first, shared) == 1


def test_short_texts_have_no_keys() -> None:
    found = of_texts(["Yes.", text(1)])
    assert [any(each) for each in found.keys] == [False, True]


# ---- tables ----


def patients(seed: int, count: int = 200) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    return [
        {f"m{at}": repr(float(rng.normal(50, 20))) for at in range(6)} | {"ward": "ABC"[seed % 3]}
        for _ in range(count)
    ]


def test_lines_of_a_table_are_known_after_small_changes(tmp_path: Path) -> None:
    before = patients(1)
    one = table(tmp_path / "one.csv", before)
    changes: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
        "rounded.csv": lambda line: {k: v[:9] for k, v in line.items()},
        "columns.jsonl": lambda line: dict(reversed(line.items())),
        "ward.csv": lambda line: line | {"ward": "Z"},
        "value.csv": lambda line: line | {"m3": "1"},
    }
    for name, change in changes.items():
        other = table(tmp_path / name, [change(line) for line in before[::-1]])
        (tmp_path / "budget.db").unlink(missing_ok=True)
        assert related(tmp_path, one, other) == 1, name


def test_a_table_is_the_same_in_json_as_in_csv(tmp_path: Path) -> None:
    """Zeros, no and nothing are values there, and not words: a survey has hardly anything else."""
    rng = np.random.default_rng(4)
    answers: list[dict[str, object]] = [
        {
            "children": int(rng.integers(4)),
            "smoker": bool(rng.integers(2)),
            "visits": float(rng.integers(9)) if rng.integers(3) else None,
            "note": "one line\u2028and\x85another",
        }
        for _ in range(COUNT)
    ]
    as_csv = [
        {
            k: str(v).lower() if isinstance(v, bool) else "" if v is None else str(v)
            for k, v in line.items()
        }
        for line in answers
    ]
    one = table(tmp_path / "one.csv", as_csv)
    other = tmp_path / "other.jsonl"
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in answers)
    other.write_text("".join(lines))
    assert related(tmp_path, one, other) == 1


def test_other_lines_are_others(tmp_path: Path) -> None:
    one, other = table(tmp_path / "one.csv", patients(1)), table(tmp_path / "two.csv", patients(4))
    assert related(tmp_path, one, other) == 0


def test_a_table_of_few_answers_joins_nothing_by_chance(tmp_path: Path) -> None:
    """Two surveys of a thousand people and three questions: everybody's line is somebody else's, too."""
    rng = np.random.default_rng(9)

    def survey() -> list[dict[str, str]]:
        return [
            {
                "age": str(rng.integers(20, 30)),
                "sex": "fm"[rng.integers(2)],
                "yes": "01"[rng.integers(2)],
            }
            for _ in range(1_000)
        ]

    one, other = table(tmp_path / "one.csv", survey()), table(tmp_path / "two.csv", survey())
    assert related(tmp_path, one, other) == 0


# Tables that tell enough for two changes at once.
TOLD = ("8 measurements", "census, 8 columns", "40 frequencies")
# Each change alone, and each with the next one.
NAMES = list(tables_again.CHANGES)
PAIRS = [(name,) for name in NAMES] + list(zip(NAMES, NAMES[1:] + NAMES[:1], strict=True))


@pytest.mark.parametrize("kind", TOLD)
def test_a_table_is_known_after_any_two_changes(kind: str) -> None:
    rng = np.random.default_rng(3)
    before = tables_again.KINDS[kind](rng, 200)
    known = of_rows(before)
    missed = [
        names
        for names in PAIRS
        if not tables_again.are_same(known, of_rows(tables_again.changed(before, names, rng)))
    ]
    assert not missed


@pytest.mark.parametrize("kind", tables_again.KINDS)
@pytest.mark.parametrize("rows", [60, 300])
def test_a_table_of_other_people_is_another(kind: str, rows: int) -> None:
    """The same columns and the same distributions, and also more or fewer rows."""
    rng = np.random.default_rng(4)
    tables = [
        of_rows(tables_again.KINDS[kind](rng, count)) for count in (rows, rows, rows, 4 * rows)
    ]
    assert not any(tables_again.are_same(*pair) for pair in combinations(tables, 2))


@pytest.mark.parametrize("change", ["an id", "a constant column", "renamed, moved"])
@pytest.mark.parametrize("kind", ["a few answers", "many answers"])
def test_a_table_that_tells_nothing_is_known_as_a_whole(kind: str, change: str) -> None:
    rng = np.random.default_rng(5)
    before = tables_again.KINDS[kind](rng, 400)
    after = of_rows(tables_again.changed(before, [change], rng))
    assert tables_again.are_same(of_rows(before), after)


@pytest.mark.parametrize("times", [1e-3, 100.0])
def test_all_numbers_in_other_units_of_ten_are_the_same(times: float) -> None:
    drawn = np.random.default_rng(5).lognormal(3, 1, (4, 300))
    one, other = (
        {f"c{at}": [repr(float(each)) for each in row] for at, row in enumerate(numbers)}
        for numbers in (drawn, drawn * times)
    )
    assert of_rows(one) == of_rows(other)


def test_a_budget_knows_a_table_that_was_exported_again(tmp_path: Path) -> None:
    """In its own file, beside other tables; a piece of it among other people's rows, too."""
    rng = np.random.default_rng(6)
    make = tables_again.KINDS["census, 8 columns"]
    first, other = make(rng, 200), make(rng, 200)
    again = tables_again.changed(first, ["an id", "columns dropped"], rng)
    mixed = {name: other[name] + first[name][:20] for name in first}
    standings = []
    with open_flat(tmp_path / "budget.db") as budget:
        for number, columns in enumerate((first, make(rng, 300), again, mixed)):
            lines = [
                dict(zip(columns, line, strict=True))
                for line in zip(*columns.values(), strict=True)
            ]
            path = table(tmp_path / f"{number}.csv", lines)
            standings.append(join(budget, bytes([number]) * 32, path).related)
    assert standings == [0, 0, 1, 2]


def test_what_numbers_rows_or_is_the_same_in_all_tells_nothing() -> None:
    """Others' rows are numbered, too."""
    numbers = [str(at) for at in range(300)]
    same = {"id": numbers, "code": [f"P-{each:0>4}" for each in numbers], "site": ["a"] * 300}
    assert of_rows(same).sketches == ()
    drawn = np.random.default_rng(7).integers(0, 10**6, (3, 300))
    assert of_rows(dict(zip("abc", drawn.astype(str).tolist(), strict=True))).sketches


def test_groups_that_are_as_large_on_purpose_are_no_table_as_a_whole() -> None:
    """Forty kinds, ten of each, may be anybody's."""
    assert of_rows({"kind": [f"k{at % 40}" for at in range(400)]}).sketches == ()


@pytest.mark.parametrize(
    "values", [[], [""], ["1"], ["nan", "inf"], ["9" * 400, "-0", "0001-01-01"]]
)
def test_any_column_has_names(values: list[str]) -> None:
    """What is empty, no number or no day is no reason to stop."""
    found = of_rows({"a": values, "b": values[::-1]})
    assert (len(found), found.sketches) == (len(values), ())


# ---- what cannot be read ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.jsonl", b"[" * 100_000),
        ("data.jsonl", b"1\n"),
        ("data.jsonl", b"{"),
        ("labels.csv", b"file\nx.png\n"),
    ],
)
def test_what_is_no_data_is_said(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"no table|can be read"):
        examples_of(tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels\.csv"):
        digest_of(tmp_path)
