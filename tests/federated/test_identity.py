"""The same data is the same data, however it was written down again; other data is other data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from commonhold.digits import load_digits
from federated.budget import Budget, Limit, Standing
from federated.identity import of_rows, of_texts
from federated.recognising import digest_of, examples_of, table_of
from protocol.errors import ConfigError
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


def test_columns_that_tell_badly_give_no_keys() -> None:
    rows = [str(at % 3) for at in range(100)]
    found = of_rows({"a": rows, "b": rows, "c": rows, "d": [str(at) for at in range(100)]})
    told = np.array(found.keys).any(axis=0)
    assert told.tolist() == [True, True, True, False], "without d nobody is told from others"


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
