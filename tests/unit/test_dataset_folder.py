"""An exported dataset: what its buyers load it with, and what is in it."""

from __future__ import annotations

import hashlib
import json
import logging
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from commonground.dataset import layout
from commonground.dataset.check import check_dataset
from commonground.dataset.parquet import ParquetFiles
from commonground.dataset.rows import Columns
from protocol.errors import StateError, StoreError
from protocol.identity import name_of
from protocol.log.merkle import hash_leaf
from protocol.rows import Campaign, ItemId
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.dataset_lab import KINDS, VERIFIER, DatasetLab, filled, lineage
from tests.simulated import LABELS, campaign, part


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Three accepted pictures of ada's and two of ben's, all of them fetched; the last is derived."""
    made = DatasetLab(tmp_path)
    ada = [made.item(label) for label in (3, 1, 4)]
    ben = [made.item(1), made.item(5, **lineage(hash_leaf(ada[0])))]
    made.accept(ada=ada, ben=ben)
    made.fetch()
    return made


def test_pandas_reads_what_the_log_says(lab: DatasetLab) -> None:
    path, manifest = lab.export()
    frame = pd.read_parquet(path / "data")
    assert list(frame.columns) == manifest.columns
    assert len(frame) == manifest.items == 5
    for row in frame.to_dict("records"):
        item_id = bytes.fromhex(row["item_id"])
        item = lab.net.state.items[item_id]
        assert row["image"]["bytes"] == lab.kept[item_id]["image"][1]
        assert row["image"]["path"] == f"{item_id.hex()}-image.png"
        label = int.from_bytes(item.answer or b"")
        assert (row["label"], row["answer"]) == (label, LABELS[label])
        assert row["confidence"] == item.confidence_ppm / 1e6 == row["belief"][label] > 0.9
        assert row["reviewers"] == len(item.answered_by) >= 3
        assert row["programs"] == (lab.reviewers[0].id in item.answered_by)
        assert row["author"] == name_of(item.author)
        assert (row["submitted_at"], row["decided_in"]) == (item.submitted_at, 1)
        assert row["consent_train"] and row["consent_redistribute"] and row["consent_commercial"]
        assert (row["image_media_type"], row["image_source"]) == ("image/png", "")
    derived = frame[frame["origin"] == "synthetic"].to_dict("records")
    assert [list(row["derived_from"]) for row in derived] == [[frame["item_id"][0]]]
    assert [row["transformation"] for row in derived] == ["rotated by 5 degrees"]
    assert frame["personal_data"].sum() == 1


def test_every_reviewer_s_answer_stands_beside_what_was_decided(lab: DatasetLab) -> None:
    path, _ = lab.export()
    reviewers = {name_of(each.id) for each in lab.reviewers}
    for row in pd.read_parquet(path / "data").to_dict("records"):
        given = {name: list(row[name]) for name in map(str, row) if name.startswith("given_")}
        assert set(given["given_by"]) <= reviewers and len(set(given["given_by"])) >= 2
        assert {len(each) for each in given.values()} == {len(given["given_by"])}
        assert set(given["given_answers"]) == {row["answer"]}  # they are all right here
        assert set(given["given_refusals"]) == {""}
        assert set(given["given_rounds"]) == {1}
        [after], [before] = set(given["given_after"]), set(given["given_before"])
        assert "1970-01-01T00:00:00.000Z" <= after <= before
        assert row["aipref"] == "train-ai=y"
        assert row["policy"] == "urn:commonhold:policy:CC-BY-4.0:train+redistribute+commercial"


def test_the_card_counts_answers_and_reviewers(lab: DatasetLab) -> None:
    path, _ = lab.export()
    given = pd.read_parquet(path / "data")["given_by"]
    people = {each for row in given for each in row}
    card = (path / layout.CARD).read_text()
    assert f"- Answers: {sum(map(len, given))} by {len(people)} reviewers" in card


def frame_of(folder: Path, campaign_id: str) -> pd.DataFrame:
    """The rows of three items, in the order of dataset_lab.TRUTHS."""
    lab = filled(folder, campaign_id)
    path, _ = lab.export()
    order = {item_id.hex(): at for at, item_id in enumerate(lab.kept)}
    frame = pd.read_parquet(path / "data")
    key = "item_item_id" if "item_item_id" in frame else "item_id"
    return frame.assign(order=frame[key].map(order)).sort_values("order")


def test_ratings_have_their_median_and_their_distribution(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, "rated")
    assert list(frame["answer"]) == ["good", "bad", "fair"]
    assert list(frame["rating"]) == [2, 0, 1]
    for _, row in frame.iterrows():
        assert row["rating_mean"] == pytest.approx(
            sum(at * p for at, p in enumerate(row["belief"]))
        )
        assert sum(row["belief"]) == pytest.approx(1)
    assert all("ünicode 🙂" in text for text in frame["text"])  # text is text
    assert all(sound["bytes"].startswith(b"RIFF") for sound in frame["sound"])
    assert set(frame["text_media_type"]) == {"text/markdown"}


def test_preferences_are_ready_for_trainers_of_preferences(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, "preferred")
    first, second, third = frame.to_dict("records")
    assert (first["chosen"], first["rejected"]) == (first["answer_a"], first["answer_b"])
    assert (second["chosen"], second["rejected"]) == (second["answer_b"], second["answer_a"])
    assert (first["preferred"], second["preferred"]) == ("answer_a", "answer_b")
    assert third["answer"] == "tie" and pd.isna(third["chosen"]) and pd.isna(third["rejected"])
    assert first["belief"][0] == first["confidence"] > 0.9
    assert {"prompt", "context"} <= set(frame.columns)


def test_rubrics_have_a_probability_for_each_criterion(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, "judged")
    assert set(frame["item_answer"]) == {"correct: yes, Well put?: yes"}
    assert (frame["met_correct"] > 0.9).all() and (frame["met_well_put"] > 0.6).all()
    # Its parts have the names of three of our columns, which make room.
    assert set(frame["item_licence"]) == {"CC-BY-4.0"}
    assert all(json.loads(text) for text in frame["licence"])
    assert all(picture["bytes"].startswith(b"\x89PNG") for picture in frame["item_id"])


def test_columns_of_ours_make_room_however_often(tmp_path: Path) -> None:
    parts = [part("author"), part("item_author"), part("x"), part("x_source")]
    columns = Columns.of(Campaign.of(campaign(parts=parts)))
    assert columns.names[:4] == ["author", "item_author", "x", "x_source"]
    assert {"item_item_author", "item_x_source"} <= set(columns.names)
    assert len(set(columns.names)) == len(columns.names)


def test_answers_of_mixed_media_are_chosen_among_as_bytes(tmp_path: Path) -> None:
    body = campaign(
        id="mixed",
        task="prefer",
        spec=encode_spec({"ties": False}),
        parts=[part("answer_a"), part("answer_b", "text/plain", "image/png")],
        proposal=pb.PROPOSAL_NOT_TAKEN,
    )
    lab = DatasetLab(tmp_path, body)
    lab.accept(ada=[lab.item("a"), lab.item("b")])
    lab.fetch()
    path, _ = lab.export()
    check_dataset(path, VERIFIER, lambda *_: None)
    for row in pd.read_parquet(path / "data").to_dict("records"):
        text, picture = row["answer_a"].encode(), row["answer_b"]
        wanted = (text, picture) if row["answer"] == "a" else (picture, text)
        assert (row["chosen"], row["rejected"]) == wanted
        assert (row["answer_b_media_type"], picture[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize("campaign_id", KINDS)
def test_every_kind_loads_with_datasets_and_croissant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    campaign_id: str,
) -> None:
    import mlcroissant

    datasets = offline(tmp_path, monkeypatch)
    lab = filled(tmp_path, campaign_id)
    path, manifest = lab.export()
    loaded = datasets.load_dataset(str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == manifest.columns
    rows = pq.read_table(path / "data" / "train-00000-of-00001.parquet").to_pylist()
    for name, feature in loaded.features.items():
        if isinstance(feature, datasets.Audio):  # decoding it takes torchcodec, which is not here
            bare = loaded.cast_column(name, datasets.Audio(decode=False))
            assert list(bare[name]) == [row[name] for row in rows], name
        elif not isinstance(feature, datasets.Image):
            assert list(loaded[name]) == [row[name] for row in rows], name
    with caplog.at_level(logging.WARNING):
        described = mlcroissant.Dataset(jsonld=path / "croissant.json")
    issues = described.metadata.ctx.issues
    assert (issues.errors, issues.warnings, caplog.records) == (set(), set(), [])
    records = list(described.records("items"))
    assert len(records) == manifest.items
    assert {name.removeprefix("items/") for name in records[0]} == set(manifest.columns)
    for name in manifest.parts:
        for record, row in zip(records, rows, strict=True):
            told = record[f"items/{name}"]
            if isinstance(told, bytes):
                cell = row[name]["bytes"] if isinstance(row[name], dict) else row[name]
                assert told == (cell.encode() if isinstance(cell, str) else cell)
            else:
                assert told.size == (8, 8)


def test_an_item_without_an_optional_part_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlcroissant

    datasets = offline(tmp_path, monkeypatch)
    body = campaign(
        id="optional",
        parts=[part("text"), part("picture", "image/png", optional=True)],
        proposal=pb.PROPOSAL_OPTIONAL,
    )
    lab = DatasetLab(tmp_path, body)
    lab.accept(ada=[lab.item(3), lab.item(4, {"picture": None}), lab.item(5, proposes=False)])
    lab.fetch()
    path, _ = lab.export()
    check_dataset(path, VERIFIER, lambda *_: None)
    loaded = datasets.load_dataset(str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(loaded["label"][:]) == [3, 4, 5]
    for row in loaded:
        assert (row["picture"] is None) == (row["label"] == 4)
        assert row["picture_media_type"] == (None if row["label"] == 4 else "image/png")
    records = list(mlcroissant.Dataset(jsonld=path / "croissant.json").records("items"))
    assert [record["items/picture"] is None for record in records] == [
        row["label"] == 4 for row in loaded
    ]


def offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Hugging Face `datasets`, which asks nobody."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    import datasets

    return datasets


def test_hugging_face_datasets_load_pictures_and_labels(
    lab: DatasetLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = offline(tmp_path, monkeypatch)
    path, _ = lab.export()
    files = str(path / "data" / "*.parquet")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded.features["label"] == datasets.ClassLabel(names=LABELS)
    assert loaded[0]["image"].size == (8, 8)
    names = [loaded.features["label"].int2str(row["label"]) for row in loaded]
    assert names == loaded["answer"][:]
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
    assert [record["label_names/name"] for record in dataset.records("label_names")] == LABELS
    document = json.loads((path / "croissant.json").read_text())
    assert document["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert document["version"] == f"1.0.0+{manifest.snapshot}"
    assert document["license"] == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    assert {each["name"]: each["description"] for each in document["creator"]} == {
        name_of(lab.authors[0].id): "3 of 5 items",
        name_of(lab.authors[1].id): "2 of 5 items",
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
        "tags": ["commonhold", "croissant", "classify"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    assert manifest.snapshot in card.text
    assert "<b>" not in card.text  # a contributor's words stay words
    assert name_of(lab.authors[0].id) in card.text


def test_the_card_has_the_guidelines_of_each_item(lab: DatasetLab) -> None:
    """Not those that the campaign has now, under which nothing of it was submitted."""
    lab.net.change(lab.c, guidelines="One <digit>.")
    lab.accept(ada=[lab.item(7)])
    lab.net.change(lab.c, guidelines="Later.")
    lab.fetch()
    path, _ = lab.export()
    text = DatasetCard.load(path / "README.md").text
    assert "\n> One &#60;digit&#62;.\n" in text and "Later." not in text
    assert "5 of the items were submitted and reviewed under the guidelines of log entry" in text


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
    gone = lab.items[1]
    path, manifest = lab.export(missing=[gone])
    assert (manifest.items, manifest.missing) == (4, [gone.hex()])
    assert "Missing items of the snapshot: 1;" in (path / "README.md").read_text()
    with pytest.raises(StateError, match="no item of the snapshot is here"):
        lab.export(missing=lab.items)
    assert (path / layout.MANIFEST).exists()  # the one before stands


def test_damaged_content_is_deleted_and_the_export_refused(lab: DatasetLab) -> None:
    item_id = lab.items[0]
    (lab.home.content_path / f"{item_id.hex()}.image").write_bytes(b"rot")
    with pytest.raises(StoreError, match="gone or damaged"):
        lab.export()
    assert not lab.content.has(item_id, "image")
    assert list(lab.home.datasets_path.iterdir()) == []
    lab.fetch(item_id)
    assert lab.export()[1].items == 5


@pytest.mark.parametrize(
    ("contested", "said", "advice"),
    [(True, "was contested meanwhile", "export again"), (False, "is not decided", "fsck")],
)
def test_a_contest_that_comes_while_it_is_written_is_no_damage(
    lab: DatasetLab, contested: bool, said: str, advice: str
) -> None:
    item_id = ItemId(lab.items[0])
    item = lab.net.state.items[item_id]
    lab.net.state.items.put(
        item_id, replace(item, answer=None, decided_in=None, contested=contested)
    )
    with pytest.raises(StateError, match=said) as caught:
        lab.export()
    assert advice in caught.value.advice


def test_the_card_says_what_was_asked(tmp_path: Path) -> None:
    path, _ = filled(tmp_path, "judged").export()
    card = DatasetCard.load(path / "README.md")
    assert "Does it meet each criterion? (a `judge` campaign)" in card.text
    assert "- correct: Is every word right? (needs 90.0 %)" in card.text
    assert "`answer` (text/plain)" in card.text
    assert card.data.to_dict()["tags"] == ["commonhold", "croissant", "judge"]
    path, _ = filled(tmp_path / "other", "rated").export()
    card = DatasetCard.load(path / "README.md")
    assert "> Read it.\n> Then &#124; rate &#60;it&#62;.\n" in card.text
    assert "Ratings that are 1 apart agree." in card.text and "\n- fair\n" in card.text


def test_sources_are_ranked_by_all_votes_of_the_campaign(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path, KINDS["preferred"])

    def pair(left: str, right: str, answer: str) -> bytes:
        return lab.item(answer, sources={"answer_a": left, "answer_b": right})

    games = [("best", "poor", "a"), ("fair | <i>", "best", "b"), ("fair | <i>", "poor", "a")]
    leaves = [pair(*each) for each in (*games, *games)]
    lab.accept(ada=[*leaves, pair("best", "best", "a"), lab.item("b"), pair("lost", "best", "a")])
    lost = lab.items[-1]
    lab.withdraw(lab.authors[0], lost)
    lab.fetch()
    path, manifest = lab.export("train", "redistribute")
    ranking = json.loads((path / layout.RANKING).read_text())
    assert [each["source"] for each in ranking["sources"]] == ["best", "fair | <i>", "poor"]
    assert (ranking["votes"], ranking["judges"]) == (18, 4)  # three reviewers on each of six pairs
    assert [each["votes"] for each in ranking["sources"]] == [12, 12, 12]
    for each in ranking["sources"]:
        assert each["low"] < each["strength"] < each["high"]
    assert sum(each["strength"] for each in ranking["sources"]) == pytest.approx(0, abs=1e-5)
    assert layout.RANKING in manifest.files
    card = (path / "README.md").read_text()
    assert "| fair &#124; &#60;i&#62; |" in card and "By 18 votes of 4 reviewers" in card
    check_dataset(path, VERIFIER, lambda *_: None)


def test_nothing_is_ranked_where_nobody_names_sources(tmp_path: Path) -> None:
    for campaign_id in KINDS:
        path, manifest = filled(tmp_path / campaign_id, campaign_id).export()
        assert not (path / layout.RANKING).exists() and layout.RANKING not in manifest.files
        assert "## Sources" not in (path / "README.md").read_text()


def test_files_and_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonground.dataset.parquet.GROUP_ROWS_MAX", 4)
    columns = Columns.of(Campaign.of(campaign(parts=[part("content", "application/octet-stream")])))
    files = ParquetFiles(tmp_path, columns, file_bytes_max=20_000)
    noise = [hashlib.sha256(bytes([at])).digest() * 64 for at in range(20)]
    blank: dict[str, Any] = {column.name: [] if column.repeated else None for column in columns}
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
