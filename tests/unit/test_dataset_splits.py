"""Which items train and which test: what is asked for, what is kept together, what a buyer can check."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import datasets
import pandas as pd
import pytest

from commonground.dataset import layout
from commonground.dataset.check import check_dataset
from commonground.dataset.splits import SEED_MAX, SplitTerms, split_items
from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.log.merkle import hash_leaf
from tests.dataset_lab import KINDS, VERIFIER, DatasetLab, lineage
from tests.unit.test_dataset_check import edit_rows, sign_again

HALVES = SplitTerms((50, 25, 25), 7)


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Twelve pictures: nine of ada's, and three that ben made from one of hers."""
    made = DatasetLab(tmp_path)
    ada = [made.item(3) for _ in range(9)]
    ben = [made.item(3, **lineage(hash_leaf(ada[0]))) for _ in range(3)]
    made.accept(ada=ada, ben=ben)
    made.fetch()
    return made


def frames(path: Path) -> dict[str, pd.DataFrame]:
    files = sorted((path / layout.DATA).glob("*.parquet"))
    return {file.name.partition("-")[0]: pd.read_parquet(file) for file in files}


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        *(("80/20", 1), ("80/10/11", 1), ("80/10/x", 1), ("-10/100/10", 1), ("", 1)),
        *(("80/10/10", -1), ("80/10/10", SEED_MAX + 1)),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_and_one_that_does_is_not(
    text: str, seed: int
) -> None:
    assert SplitTerms.read("80/10/10", 1, by_author=True) == SplitTerms(
        (80, 10, 10), 1, by_author=True
    )
    with pytest.raises(ConfigError, match=r"split|shares"):
        SplitTerms.read(text, seed, by_author=False)


@pytest.mark.parametrize(
    "found", [None, {}, {"shares": [80, 10, 10], "seed": True, "by_author": False}]
)
def test_a_manifest_s_split_is_well_formed(found: object) -> None:
    with pytest.raises(Misbehaviour, match="split"):
        SplitTerms.parse(found)


def test_loaders_find_the_splits_and_the_counts_are_told(lab: DatasetLab, tmp_path: Path) -> None:
    path, manifest = lab.export(split=HALVES)
    assert manifest.rows == {name: len(frame) for name, frame in frames(path).items()}
    assert list(manifest.rows) == ["train", "validation", "test"]
    assert sum(manifest.rows.values()) == manifest.items == 12
    loaded = datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == manifest.rows
    card = (path / layout.CARD).read_text()
    assert f"| train | {manifest.rows['train']} |" in card and "seed 7" in card
    croissant = json.loads((path / layout.CROISSANT).read_text())
    described = {each.get("description") for each in croissant["distribution"]}
    assert {f"{rows} rows" for rows in manifest.rows.values()} <= described
    assert check_dataset(path, VERIFIER, lambda *_: None).manifest == manifest


def test_what_was_made_from_an_item_is_where_it_is(lab: DatasetLab) -> None:
    path, _ = lab.export(split=HALVES)
    derived = {
        name: set(frame[frame["origin"] == "synthetic"]["item_id"])
        for name, frame in frames(path).items()
    }
    [(name, made)] = [(name, found) for name, found in derived.items() if found]
    parent = next(iter(lab.kept)).hex()
    assert len(made) == 3 and parent in set(frames(path)[name]["item_id"])
    # And where the item itself is not there, what was made from it is together all the same.
    path, _ = lab.export(missing=[bytes.fromhex(parent)], split=HALVES)
    check_dataset(path, VERIFIER, lambda *_: None)
    assert len([1 for frame in frames(path).values() if made & set(frame["item_id"])]) == 1


def test_answers_to_one_prompt_are_together(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path, KINDS["preferred"])
    prompts = {"prompt": b"one and the same"}
    others = [{"prompt": sha256(bytes([at])).hexdigest().encode()} for at in range(6)]
    lab.accept(
        ada=[lab.item("a", prompts) for _ in range(3)], ben=[lab.item("b", each) for each in others]
    )
    lab.fetch()
    path, _ = lab.export(split=HALVES)
    shared = [name for name, f in frames(path).items() if (f["prompt"] == "one and the same").any()]
    assert len(shared) == 1


def test_all_of_one_author_are_together_on_request_alone(lab: DatasetLab) -> None:
    path, _ = lab.export(split=HALVES)
    assert len([1 for frame in frames(path).values() if len(set(frame["author"])) > 0]) == 3
    with pytest.raises(StateError, match="1 groups of like ones leave nothing for test"):
        lab.export(split=SplitTerms((50, 25, 25), 7, by_author=True))


def test_the_operator_cannot_choose_what_is_tested(lab: DatasetLab) -> None:
    path, manifest = lab.export(split=HALVES)
    tables = {each.name.partition("-")[0]: each for each in (path / layout.DATA).iterdir()}
    edit_rows(tables["train"], lambda rows: rows.append(rows.pop(0)))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="item"):
        check_dataset(path, VERIFIER, lambda *_: None)
    path, manifest = lab.export(split=HALVES)
    for change, message in (
        ({"split": {"shares": [50, 25, 25], "seed": 8, "by_author": False}}, "item|ends"),
        ({"split": None}, r"item|ends"),
        ({"split": {"shares": [1]}}, "malformed"),
        ({"split": manifest.split, "rows": {"train": 12}}, "counts other items"),
    ):
        sign_again(lab, path, **change)
        with pytest.raises(Misbehaviour, match=message):
            check_dataset(path, VERIFIER, lambda *_: None)
    sign_again(lab, path, split=manifest.split, rows=manifest.rows)
    check_dataset(path, VERIFIER, lambda *_: None)


def test_a_table_of_no_split_is_refused(lab: DatasetLab) -> None:
    path, _ = lab.export()
    raw = (path / layout.MANIFEST).read_text()
    [name] = [each.name for each in (path / layout.DATA).iterdir()]
    (path / layout.DATA / name).rename(path / layout.DATA / f"more-{name}")
    (path / layout.MANIFEST).write_text(raw.replace(name, f"more-{name}"))
    sign_again(lab, path)
    with pytest.raises(Misbehaviour, match="of no split"):
        check_dataset(path, VERIFIER, lambda *_: None)


def test_nothing_to_split_is_said() -> None:
    with pytest.raises(StateError, match="0 items in 0 groups"):
        split_items([], HALVES)
