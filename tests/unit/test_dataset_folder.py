"""An exported dataset: what its buyers load it with, and what is in it."""

from __future__ import annotations

import hashlib
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from commonground.dataset import layout
from commonground.dataset.parquet import ParquetFiles, arrow_schema
from commonground.dataset.rows import COLUMNS
from protocol.errors import StateError, StoreError
from protocol.identity import peer_id_of
from protocol.log.merkle import hash_leaf
from tests.dataset_lab import DatasetLab, lineage
from tests.simulated import LABELS


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Three accepted items of ada's and two of ben's, all of them fetched; the last is derived."""
    made = DatasetLab(tmp_path)
    ada = [made.item(label) for label in (3, 1, 4)]
    ben = [made.item(1), made.item(5, **lineage(hash_leaf(ada[0])))]
    made.accept(ada=ada, ben=ben)
    made.fetch()
    return made


def test_pandas_reads_what_the_log_says(lab: DatasetLab) -> None:
    path, manifest = lab.export()
    frame = pd.read_parquet(path / "data")
    assert list(frame.columns) == ["image", *(column.name for column in COLUMNS)]
    assert len(frame) == manifest.items == 5
    for row in frame.to_dict("records"):
        item_id = bytes.fromhex(row["item_id"])
        item = lab.net.state.items[item_id]
        assert row["image"]["bytes"] == lab.kept[item_id][1]
        assert row["image"]["path"] == f"{item_id.hex()}.png"
        assert (row["label"], row["label_name"]) == (item.label, LABELS[item.label or 0])
        assert row["posterior"] == item.posterior_ppm / 1e6 > 0.9
        assert row["contributor"] == peer_id_of(item.author)
        assert (row["submitted_at"], row["decided_in"]) == (item.submitted_at, 1)
        assert row["consent_train"] and row["consent_redistribute"] and row["consent_commercial"]
    derived = frame[frame["origin"] == "synthetic"].to_dict("records")
    assert [list(row["derived_from"]) for row in derived] == [[frame["item_id"][0]]]
    assert [row["transformation"] for row in derived] == ["rotated by 5 degrees"]
    assert frame["personal_data"].sum() == 1


def test_hugging_face_datasets_load_pictures_and_labels(
    lab: DatasetLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    import datasets

    path, _ = lab.export()
    files = str(path / "data" / "*.parquet")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded.features["label"] == datasets.ClassLabel(names=LABELS)
    assert loaded[0]["image"].size == (8, 8)
    assert [loaded.features["label"].int2str(row["label"]) for row in loaded] == loaded[
        "label_name"
    ][:]
    # The folder itself loads as well: its card says which files are which split.
    folder = datasets.load_dataset(str(path), split="train", cache_dir=cache)
    assert folder["item_id"][:] == loaded["item_id"][:]


def test_croissant_is_valid_without_a_warning_and_its_records_read(
    lab: DatasetLab, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    path, manifest = lab.export()
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=path / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings, caplog.records) == (set(), set(), [])
    records = list(dataset.records("items"))
    frame = pd.read_parquet(path / "data")
    assert [record["items/item_id"].decode() for record in records] == list(frame["item_id"])
    assert [record["items/label"] for record in records] == list(frame["label"])
    assert [record["items/consent_train"] for record in records] == [True] * 5
    assert all(record["items/image"].size == (8, 8) for record in records)
    assert [record["labels/name"] for record in dataset.records("labels")] == LABELS
    document = json.loads((path / "croissant.json").read_text())
    assert document["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert document["version"] == f"1.0.0+{manifest.snapshot}"
    assert document["license"] == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    assert {each["name"]: each["description"] for each in document["creator"]} == {
        peer_id_of(lab.authors[0].identity): "3 of 5 items",
        peer_id_of(lab.authors[1].identity): "2 of 5 items",
    }
    shas = {each["@id"]: each.get("sha256") for each in document["distribution"]}
    assert (
        shas["data/train-00000-of-00001.parquet"]
        == hashlib.sha256((path / "data" / "train-00000-of-00001.parquet").read_bytes()).hexdigest()
    )


def test_the_card_has_front_matter_that_hubs_read(lab: DatasetLab) -> None:
    path, manifest = lab.export()
    card = DatasetCard.load(path / "README.md")
    assert card.data.to_dict() == {
        "pretty_name": "Digits",
        "license": ["cc-by-4.0"],
        "task_categories": ["image-classification"],
        "size_categories": ["n<1K"],
        "tags": ["commonhold", "croissant"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    assert manifest.snapshot in card.text
    assert "<b>" not in card.text  # a contributor's words stay words
    assert peer_id_of(lab.authors[0].identity) in card.text


def test_only_its_owner_can_read_it(lab: DatasetLab) -> None:
    path, _ = lab.export()
    for each in [lab.home.datasets_path, lab.home.content_path, path, *path.rglob("*")]:
        assert stat.S_IMODE(each.stat().st_mode) == (0o700 if each.is_dir() else 0o600), each
    for each in lab.home.content_path.iterdir():
        # The lab wrote the content itself; the salt is the store's.
        if each.suffix == ".salt":
            assert stat.S_IMODE(each.stat().st_mode) == 0o600


def test_exporting_twice_replaces_the_first_and_leaves_nothing_else(lab: DatasetLab) -> None:
    path, _ = lab.export()
    (path / "data" / "stray.parquet").write_bytes(b"left by somebody")
    again, _ = lab.export()
    assert again == path
    assert not (path / "data" / "stray.parquet").exists()
    assert [each.name for each in lab.home.datasets_path.iterdir()] == [path.name]


def test_what_a_killed_export_left_does_not_count(lab: DatasetLab) -> None:
    path, _ = lab.export()
    part = path.with_name(f".{path.name}.part")
    (part / "data").mkdir(parents=True)
    (part / "data" / "00000.part").write_bytes(b"half")
    lab.export()
    assert not part.exists()


def test_missing_items_are_listed_and_nothing_left_is_refused(lab: DatasetLab) -> None:
    gone = list(lab.net.state.items)[1]
    path, manifest = lab.export(missing=[gone])
    assert (manifest.items, manifest.missing) == (4, [gone.hex()])
    assert "Missing items of the snapshot: 1;" in (path / "README.md").read_text()
    with pytest.raises(StateError, match="no item of the snapshot is here"):
        lab.export(missing=list(lab.net.state.items))
    assert (path / layout.MANIFEST).exists()  # the one before stands


def test_damaged_content_is_deleted_and_the_export_refused(lab: DatasetLab) -> None:
    item_id = next(iter(lab.net.state.items))
    (lab.home.content_path / item_id.hex()).write_bytes(b"rot")
    with pytest.raises(StoreError, match="gone or damaged"):
        lab.export()
    assert not lab.content.has(item_id)
    assert list(lab.home.datasets_path.iterdir()) == []
    lab.fetch(item_id)
    assert lab.export()[1].items == 5


def test_files_and_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonground.dataset.parquet.GROUP_ROWS_MAX", 4)
    schema = arrow_schema("content", ["a", "b"])
    files = ParquetFiles(tmp_path, schema, file_bytes_max=20_000)
    noise = [hashlib.sha256(bytes([at])).digest() * 64 for at in range(20)]
    blank: dict[str, Any] = {column.name: [] if column.repeated else None for column in COLUMNS}
    for at, content in enumerate(noise):
        files.add({**blank, "item_id": str(at), "content": content}, len(content))
    paths = files.finish()
    assert [path.name for path in paths] == [
        f"train-{at:05}-of-{len(paths):05}.parquet" for at in range(len(paths))
    ]
    rows = [pq.ParquetFile(path) for path in paths]
    assert {
        each.metadata.row_group(at).num_rows
        for each in rows
        for at in range(each.metadata.num_row_groups)
    } == {4}
    contents = [row for each in rows for row in each.read().column("content").to_pylist()]
    assert contents == noise
