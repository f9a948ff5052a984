"""Copies of a dataset in other formats: what their own tools read, what is in them, what a check finds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import datasets
import pandas as pd
import pytest
from PIL import Image

from commonground.dataset import layout
from commonground.dataset.check import check_dataset
from commonground.dataset.formats.boxes import boxes_of
from commonground.dataset.formats.copies import COPY, write_copy
from commonground.dataset.formats.naming import folder_name, label_of
from commonground.dataset.formats.registry import FORMATS
from commonground.dataset.formats.sizes import picture_size
from commonground.dataset.formats.table import Table
from commonground.dataset.layout import Manifest
from commonground.dataset.splits import SplitTerms
from commonhold.cli.options import ExportAs
from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.identity import name_of
from protocol.media import BOXES
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.dataset_lab import KINDS, VERIFIER, DatasetLab, filled
from tests.simulated import campaign, part

TAKEN = {
    "pictures": ["jsonl", "csv", "label-studio", "coco", "yolo", "hugging-face"],
    "rated": ["jsonl", "csv", "label-studio", "hugging-face"],
    "preferred": ["jsonl", "csv", "label-studio"],
    "judged": ["jsonl", "csv", "label-studio", "coco", "hugging-face"],
}
# What other formats and programs trip over.
HARD = (
    "=1+1",
    '"quotes", and; commas',
    "two\nlines\r\nand\ttabs ",
    "e\u0301 is not \u00e9",
    "NA",
    "007",
    "[1, 2]",
    "null",
    "🙂 \U0001d518 \u200f\u0647",
)


def copied(lab: DatasetLab, path: Path, name: str, has_answers: bool = True) -> Path:
    return write_copy(path, Campaign.of(lab.campaign), name, has_answers)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The dataset's own rows."""
    files = sorted((path / layout.DATA).iterdir())
    found = pd.concat([pd.read_parquet(file) for file in files]).to_dict("records")
    return [{str(name): cell for name, cell in row.items()} for row in found]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def texts(folder: Path) -> DatasetLab:
    """An item for each of HARD."""
    lab = DatasetLab(folder, campaign(id="texts", parts=[part("text", "text/plain")]))
    lab.accept(ada=[lab.item(3, {"text": text.encode()}) for text in HARD])
    lab.fetch()
    return lab


def test_the_command_line_offers_what_there_is() -> None:
    assert [each.value for each in ExportAs] == ["parquet", *FORMATS]


@pytest.mark.parametrize("campaign_id", KINDS)
def test_each_format_takes_what_it_can_hold_and_refuses_the_rest(
    tmp_path: Path, campaign_id: str
) -> None:
    lab = filled(tmp_path, campaign_id)
    path, _ = lab.export()
    for name in FORMATS:
        if name in TAKEN[campaign_id]:
            copied(lab, path, name)
        else:
            with pytest.raises(ConfigError, match=f"{name} takes"):
                copied(lab, path, name)
    assert list(check_dataset(path, VERIFIER, lambda *_: None).copies) == TAKEN[campaign_id]


@pytest.mark.parametrize("name", FORMATS)
def test_a_copy_that_was_touched_is_found(tmp_path: Path, name: str) -> None:
    lab = filled(tmp_path, "pictures")
    path, _ = lab.export()
    copy = copied(lab, path, name)
    for file in (each for each in sorted(copy.rglob("*")) if each.is_file()):
        honest = file.read_bytes()
        for dishonest in (honest + b" ", None):
            file.unlink()
            if dishonest is not None:
                file.write_bytes(dishonest)
            if file.name == COPY and dishonest is not None:
                file.write_bytes(honest.replace(b'"rows"', b'"lines"'))
            with pytest.raises(Misbehaviour, match=name):
                check_dataset(path, VERIFIER, lambda *_: None)
            file.write_bytes(honest)
    (copy / "more.txt").write_text("not ours")
    with pytest.raises(Misbehaviour, match=r"more\.txt does not belong"):
        check_dataset(path, VERIFIER, lambda *_: None)


def test_the_verdict_alone_names_no_reviewer(tmp_path: Path) -> None:
    lab = filled(tmp_path, "pictures")
    path, _ = lab.export()
    reviewers = [name_of(each.id).encode() for each in lab.reviewers]
    for has_answers in (True, False):
        for name in FORMATS:
            copy = copied(lab, path, name, has_answers)
            whole = b"".join(file.read_bytes() for file in copy.rglob("*") if file.is_file())
            assert any(each in whole for each in reviewers) is has_answers
        check_dataset(path, VERIFIER, lambda *_: None)


def test_every_text_comes_back_from_json_lines_and_csv(tmp_path: Path) -> None:
    lab = texts(tmp_path)
    path, _ = lab.export()
    wanted = {row["item_id"]: row["text"] for row in rows_of(path)}
    assert sorted(wanted.values()) == sorted(HARD)
    lines = lines_of(copied(lab, path, "jsonl") / "train.jsonl")
    assert {row["item_id"]: row["text"] for row in lines} == wanted
    table = copied(lab, path, "csv") / "train.csv"
    with table.open(newline="", encoding="utf-8") as file:
        assert {row["item_id"]: row["text"] for row in csv.DictReader(file)} == wanted
    frame = pd.read_csv(table, keep_default_na=False, dtype={"text": str})
    assert dict(zip(frame["item_id"], frame["text"], strict=True)) == wanted
    assert set(frame["confidence"]) == {row["confidence"] for row in rows_of(path)}
    assert [json.loads(each) for each in frame["given_by"]] == [
        list(row["given_by"]) for row in rows_of(path)
    ]


def test_what_is_missing_is_not_an_empty_text(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path, KINDS["preferred"])
    lab.accept(ada=[lab.item("tie"), lab.item("a", {"context": None})])
    lab.fetch()
    path, _ = lab.export()
    tied, other = lines_of(copied(lab, path, "jsonl") / "train.jsonl")
    assert (tied["chosen"], other["context"]) == (None, None)
    raw = (copied(lab, path, "csv") / "train.csv").read_text(encoding="utf-8")
    assert ",," in raw and ',"",' in raw


def test_content_is_beside_the_rows_under_the_name_that_they_give(tmp_path: Path) -> None:
    lab = filled(tmp_path, "rated")
    path, _ = lab.export()
    for name in ("jsonl", "hugging-face"):
        copy = copied(lab, path, name)
        [table] = [*copy.glob("train.jsonl"), *copy.glob("train/metadata.jsonl")]
        for row in lines_of(table):
            kept = lab.kept[bytes.fromhex(row["item_id"])]
            file = table.parent / (row["sound"] if name == "jsonl" else row["file_name"])
            assert file.read_bytes() == kept["sound"][1]
            assert row["text"] == kept["text"][1].decode()


def test_label_studio_gets_each_answer_with_who_and_when(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path)
    lab.reviewers[0].judge = lambda _: None
    lab.accept(ada=[lab.item(3), lab.item(1)])
    lab.fetch()
    path, _ = lab.export()
    copy = copied(lab, path, "label-studio")
    tasks, rows = json.loads((copy / "tasks.json").read_text()), rows_of(path)
    for task, row in zip(tasks, rows, strict=True):
        served = unquote(task["data"]["image"].partition("?d=")[2])
        assert (copy / served).read_bytes() == row["image"]["bytes"]
        verdict, *given = task["annotations"]
        assert verdict["ground_truth"] and not any(each["ground_truth"] for each in given)
        assert [each["reviewer"] for each in given] == list(row["given_by"])
        assert [each["was_cancelled"] for each in given] == [not a for a in row["given_answers"]]
        for answer, each in zip(row["given_answers"], given, strict=True):
            chosen = [result["value"]["choices"] for result in each["result"]]
            assert chosen == ([[answer]] if answer else [])
            assert each["created_at"] == row["given_before"][0]
            assert each["lead_time"] is None and "completed_by" not in each
    assert any(each["was_cancelled"] for task in tasks for each in task["annotations"])
    setup = ElementTree.parse(copy / "config.xml").getroot()
    control = setup.find("Choices")
    assert control is not None and setup.find("Image") is not None
    for task in tasks:
        for annotation in task["annotations"]:
            for result in annotation["result"]:
                assert result["from_name"] == control.get("name")
                assert set(result["value"]["choices"]) <= {each.get("value") for each in control}


@pytest.mark.parametrize("campaign_id", KINDS)
def test_label_studio_s_setup_is_xml_and_names_each_part_once(
    tmp_path: Path, campaign_id: str
) -> None:
    lab = filled(tmp_path, campaign_id)
    path, manifest = lab.export()
    copy = copied(lab, path, "label-studio")
    setup = ElementTree.parse(copy / "config.xml").getroot()
    names = [each.get("name") for each in setup if each.get("name")]
    assert len(set(names)) == len(names) == len(manifest.parts) + 1
    for task in json.loads((copy / "tasks.json").read_text()):
        assert set(task["data"]) == set(manifest.parts)


def test_coco_has_categories_of_whole_pictures(tmp_path: Path) -> None:
    lab = filled(tmp_path, "pictures")
    path, _ = lab.export()
    copy = copied(lab, path, "coco")
    found = json.loads((copy / "annotations" / "labels_train.json").read_text())
    names = {each["id"]: each["name"] for each in found["categories"]}
    shown = {each["image_id"]: names[each["category_id"]] for each in found["annotations"]}
    for image, row in zip(found["images"], rows_of(path), strict=True):
        file = copy / "images" / "train" / image["file_name"]
        assert file.read_bytes() == row["image"]["bytes"]
        with Image.open(file) as picture:
            assert picture.size == (image["width"], image["height"])
        assert shown[image["id"]] == row["answer"]
        assert image["row"]["given_by"] == list(row["given_by"])
    assert not any("bbox" in each for each in found["annotations"])


def test_coco_has_several_categories_where_several_hold(tmp_path: Path) -> None:
    lab = filled(tmp_path, "judged")
    path, manifest = lab.export()
    found = json.loads((copied(lab, path, "coco") / "annotations/labels_train.json").read_text())
    assert [each["name"] for each in found["categories"]] == ["correct", "Well put?"]
    assert len(found["annotations"]) == 2 * manifest.items


def test_yolo_has_a_folder_for_each_label_whatever_it_is_called(tmp_path: Path) -> None:
    labels = ["con", "a/b", "..", "ja?", "50 %", "Ünï", "plain"]
    spec = encode_spec({"labels": labels})
    odd = campaign(id="odd", spec=spec, parts=[part("image", "image/png")])
    lab = DatasetLab(tmp_path, odd)
    lab.accept(ada=[lab.item(label) for label in labels])
    lab.fetch()
    path, _ = lab.export()
    copy = copied(lab, path, "yolo")
    found = {each.name for each in (copy / "train").iterdir()}
    assert {label_of(name) for name in found} == set(labels)
    assert {"Ünï", "plain"} <= found and not found & {"con", ".."}
    for row, own in zip(lines_of(copy / "rows.jsonl"), rows_of(path), strict=True):
        assert (copy / row["image"]).read_bytes() == own["image"]["bytes"]
        assert label_of(Path(row["image"]).parent.name) == own["answer"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cat", "cat"),
        ("Con.txt", "%43on.txt"),
        ("aux", "%61ux"),
        ("auxin", "auxin"),
        ("a.", "a%2E"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("a:b|c", "a%3Ab%7Cc"),
        ("100%", "100%25"),
    ],
)
def test_folders_have_names_that_every_file_system_takes(label: str, name: str) -> None:
    assert folder_name(label) == name
    assert label_of(name) == label


def test_splits_are_splits_in_every_format(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path)
    lab.accept(ada=[lab.item(3) for _ in range(8)])
    lab.fetch()
    path, manifest = lab.export(split=SplitTerms((50, 25, 25), 1))
    for name in FORMATS:
        copied(lab, path, name)
    check_dataset(path, VERIFIER, lambda *_: None)
    splits = ("train", "validation", "test")
    assert {n: len(lines_of(path / "jsonl" / f"{n}.jsonl")) for n in splits} == manifest.rows
    assert {n: len([*(path / "coco/images" / n).iterdir()]) for n in splits} == manifest.rows
    yolo = dict(zip(splits, ("train", "val", "test"), strict=True))
    assert {n: len([*(path / "yolo" / yolo[n] / "3").iterdir()]) for n in splits} == manifest.rows
    tasks = json.loads((path / "label-studio" / "tasks.json").read_text())
    assert {n: sum(t["meta"]["split"] == n for t in tasks) for n in splits} == manifest.rows
    loaded = datasets.load_dataset(
        str(path / "hugging-face"), cache_dir=str(tmp_path / "cache"), name="default"
    )
    assert {n: len(loaded[n]) for n in splits} == manifest.rows
    assert loaded["test"][0]["image"].size == (8, 8)


def test_datasets_reads_json_lines(tmp_path: Path) -> None:
    lab = filled(tmp_path, "rated")
    path, _ = lab.export()
    cache = str(tmp_path / "cache")
    files = str(copied(lab, path, "jsonl") / "train.jsonl")
    loaded = datasets.load_dataset("json", data_files=files, split="train", cache_dir=cache)
    assert list(loaded["text"]) == [row["text"] for row in rows_of(path)]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"progressive": True}])
def test_a_picture_says_how_large_it_is(kind: str, options: dict[str, bool]) -> None:
    for mode in ("RGB", "L"):
        for size in ((1, 1), (300, 7), (7, 300)):
            out = io.BytesIO()
            Image.new(mode, size).save(out, kind, comment="x" * 300, **options)
            assert picture_size(out.getvalue()) == size
    out = io.BytesIO()
    Image.new("RGBA", (300, 7)).save(out, "WEBP", exif=b"Exif\0\0" + bytes(20))
    assert picture_size(out.getvalue()) == (300, 7)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF....WEBPVP9 ", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 50, b"GIF"]
)
def test_what_is_no_picture_says_nothing(content: bytes) -> None:
    with pytest.raises(Misbehaviour, match="how large"):
        picture_size(content)


BOXED = campaign(
    id="boxed",
    task="judge",
    spec=encode_spec({"criteria": [{"name": "ok", "text": "Is it?", "needs_ppm": 900_000}]}),
    parts=[part("picture", "image/png"), part("boxes", BOXES.name)],
    proposal=pb.PROPOSAL_NOT_TAKEN,
)
CAT = {"label": "cat", "box": [1, 2, 3.5, 4]}
DOG = {"label": "dog, or so", "box": [0, 0, 8, 8], "outline": [[0, 0, 8, 0, 8, 8]]}
IN_PIXELS = {"unit": "pixel", "width": 8, "height": 8, "objects": [CAT, DOG]}
IN_FRACTIONS = {"unit": "fraction", "objects": [{"label": "cat", "box": [0.125, 0.25, 0.3, 0.5]}]}
NOTHING = {"unit": "fraction", "objects": []}


def boxed(folder: Path, *boxes: object) -> Path:
    """An exported dataset with these boxes."""
    lab = DatasetLab(folder, BOXED)
    contents = [{"boxes": json.dumps(each).encode()} for each in boxes]
    lab.accept(ada=[lab.item("yes", each) for each in contents])
    lab.fetch()
    path, _ = lab.export()
    for name in ("coco", "yolo"):
        write_copy(path, Campaign.of(BOXED), name, True)
    check_dataset(path, VERIFIER, lambda *_: None)
    return path


def test_boxes_that_reviewers_judged_are_boxes_in_coco_and_yolo(tmp_path: Path) -> None:
    path = boxed(tmp_path, IN_PIXELS, IN_FRACTIONS, NOTHING)
    rows = [json.loads(row["boxes"]) for row in rows_of(path)]
    at = [rows.index(each) for each in (IN_PIXELS, IN_FRACTIONS, NOTHING)]
    found = json.loads((path / "coco/annotations/instances_train.json").read_text())
    names = {each["id"]: each["name"] for each in found["categories"]}
    assert list(names.values()) == ["cat", "dog, or so"]
    images = [each["id"] for each in found["images"]]
    marked: dict[int, list[Any]] = {images[n]: [] for n in at}
    for each in found["annotations"]:
        kept = (names[each["category_id"]], each["bbox"], each["segmentation"], each["area"])
        marked[each["image_id"]].append(kept)
        assert each["iscrowd"] == 0
    assert marked[images[at[0]]] == [
        ("cat", [1, 2, 3.5, 4], [], 14),
        ("dog, or so", [0, 0, 8, 8], [[0, 0, 8, 0, 8, 8]], 32),
    ]
    assert marked[images[at[1]]] == [("cat", [1, 2, 2.4, 4], [], 9.6)]
    assert marked[images[at[2]]] == []
    files = [row["picture"] for row in lines_of(path / "yolo/rows.jsonl")]
    labels = [
        (path / "yolo" / file.replace("images/", "labels/", 1)).with_suffix(".txt").read_text()
        for file in files
    ]
    assert labels[at[0]].splitlines() == ["0 0.34375 0.5 0.4375 0.5", "1 0 0 1 0 1 1"]
    assert labels[at[1]].splitlines() == ["0 0.275 0.5 0.3 0.5"]
    assert labels[at[2]] == ""


def test_boxes_that_are_none_are_said_with_their_item(tmp_path: Path) -> None:
    path = boxed(tmp_path, IN_PIXELS)
    manifest = Manifest.parse((path / layout.MANIFEST).read_bytes())
    table = Table(Campaign.of(BOXED), path, manifest, has_answers=True)
    [row], column = [*table.rows("train")], table.columns.parts["boxes"]
    assert boxes_of(table, row, column).in_pixels((8, 8))[0].label == "cat"
    none: tuple[Any, ...] = ([], {"unit": "pixel", "objects": []}, {"unit": "fraction"}, "[[[[")
    for boxes in none:
        text = boxes if isinstance(boxes, str) else json.dumps(boxes)
        with pytest.raises(StateError, match=r"boxes of item [0-9a-f]+ are malformed"):
            boxes_of(table, row | {"boxes": text}, column)
