"""What COCO and YOLO say is recognised and read; and what is named with what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.bringing.columns import parse_named
from node.bringing.formats import Format
from node.bringing.recognise import recognise
from node.bringing.sources import Asked, Brought, UnclearColumns, bring
from node.drafts import Draft
from protocol.errors import ConfigError
from protocol.rows import Campaign
from tests.bringing_lab import campaigns_of_exports, pictures, said, write


@pytest.fixture(scope="module")
def campaigns() -> dict[str, Campaign]:
    return campaigns_of_exports()


# ---- COCO ----


def coco(*images: tuple[int, str, tuple[int, ...]]) -> dict[str, Any]:
    return {
        "images": [{"id": number, "file_name": name} for number, name, _ in images],
        "annotations": [
            {"id": 0, "image_id": number, "category_id": category, "bbox": [0, 0, 1, 1]}
            for number, _, categories in images
            for category in categories
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def test_coco_says_which_category_a_picture_shows(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    found = coco((1, "a.png", (1, 1)), (2, "b.png", (1, 2)), (3, "c.png", ()), (4, "d.png", (2,)))
    path = write(tmp_path / "annotations" / "instances_train.json", found)
    pictures(tmp_path, "train/a.png", "images/b.png", "c.png")
    assert recognise(path, frozenset()) == Format.COCO
    assert recognise(tmp_path, frozenset()) == Format.COCO
    for named in (path, tmp_path):
        assert list(said(Asked([named]), campaigns["pictures"]).values()) == [
            "cat",
            '! "b.png": it shows "cat", "dog", and an item has one answer',
            "",
            "dog",
        ]
    [note] = bring(Asked([path]), campaigns["pictures"]).notes
    assert "no boxes" in note
    [note] = bring(Asked([path]), campaigns["pile"]).notes
    assert "nothing that is said of them" in note
    drafts = list(bring(Asked([path]), campaigns["pile"]).drafts)
    assert all(isinstance(each, Draft) and not each.words for each in drafts)
    where = [each.parts[0].path for each in drafts if isinstance(each, Draft)]
    assert where == [tmp_path / name for name in ("train/a.png", "images/b.png", "c.png", "d.png")]


def test_what_coco_says_may_be_anything(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    found = {
        "images": [
            *(1, {"id": []}, {"id": {}, "file_name": "a.png"}, {"id": 1, "file_name": "../b.png"}),
            *({"id": 1.5, "file_name": "c.png"}, {"id": 1.5, "file_name": "d.png"}),
        ],
        "annotations": [None, {"image_id": [], "category_id": {}}, {"image_id": "x"}],
        "categories": [[], {"id": []}],
    }
    made = said(Asked([write(tmp_path / "a.json", found)]), campaigns["pictures"])
    reasons = list(made.values())
    assert reasons[:2] == ["! it names no file"] * 2
    assert "it has no id" in reasons[2]
    assert "not a path below" in reasons[3]
    assert all("another image has its id" in each for each in reasons[4:6])
    assert made["a.json"] == "! 2 annotations in it: of no image"
    assert "lists no such image" in made['a.json: image "x"']


def boxes_of(brought: Brought) -> list[Any]:
    drafts = [each for each in brought.drafts if isinstance(each, Draft)]
    assert all([part.name for part in each.parts] == ["picture", "boxes"] for each in drafts)
    return [json.loads(each.parts[1].text) for each in drafts]


def test_coco_boxes_are_a_part_where_the_campaign_has_one(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    found = coco((1, "a.png", (1, 2)), (2, "b.png", ()), (3, "c.png", (1,)))
    for image in found["images"]:
        image |= {"width": 8, "height": 6}
    outline = [[0, 0, 1, 0, 1, 1]]
    found["annotations"][1]["segmentation"] = outline
    found["annotations"][2]["segmentation"] = {"counts": [1], "size": [8, 6]}
    path = write(tmp_path / "a.json", found)
    cat = {"label": "cat", "box": [0, 0, 1, 1]}
    dog = {"label": "dog", "box": [0, 0, 1, 1], "outline": outline}
    size = {"unit": "pixel", "width": 8, "height": 6}
    brought = bring(Asked([path]), campaigns["boxed"])
    assert boxes_of(brought) == [size | {"objects": [cat, dog]}, size | {"objects": []}]
    assert "coded by runs" in said(Asked([path]), campaigns["boxed"])["a.json:3"]


def test_a_picture_is_not_submitted_with_fewer_objects_than_it_has(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    found = coco((1, "a.png", (1,)), (2, "b.png", (1, 99)), (3, "c.png", (2,)), (4, "d.png", ()))
    found["categories"] += [{"id": 2, "name": "cow"}, {"id": 3}]
    for image in found["images"]:
        image |= {"width": 8, "height": 6}
    path = write(tmp_path / "a.json", found)
    for name in ("boxed", "pictures"):
        made = said(Asked([path]), campaigns[name])
        assert not made["a.json:1"].startswith("!") and not made["a.json:4"].startswith("!")
        assert (
            '"b.png": an annotation has the category "99", which the file does not'
            in made["a.json:2"]
        )
        assert 'the category "2", which the file names twice' in made["a.json:3"]
    assert set(said(Asked([path]), campaigns["pile"]).values()) == {""}  # where none is read


def test_what_annotations_have_besides_is_counted(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    found = coco((1, "a.png", (1, 1, 1)), (2, "b.png", (99,)))
    found["images"][0] |= {"width": 8, "height": 6}
    first, second, third, lost = found["annotations"]
    first |= {"keypoints": [1, 1, 2], "num_keypoints": 1, "area": 1}
    second |= {"keypoints": [0, 0, 0], "num_keypoints": 0, "attributes": {"occluded": False}}
    lost |= {"keypoints": [1, 1, 2]}
    path = write(tmp_path / "a.json", found)
    [note] = bring(Asked([path]), campaigns["boxed"]).notes
    assert (
        note == 'not read, and left out: "keypoints" of 1 annotation, "attributes" of 1 annotation'
    )
    third |= {str(number): 1 for number in range(9)}
    write(path, found)
    [note] = bring(Asked([path]), campaigns["boxed"]).notes
    assert note.endswith(", 6 fields more")


def test_what_no_image_of_a_folder_names_is_left_out(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    found = coco((1, "a.png", (1,)), (2, "b.png", (99,)), (3, r"in\c.png", (2,)))
    write(tmp_path / "annotations" / "instances_x.json", found)
    write(tmp_path / "annotations" / "captions_x.json", {})
    pictures(tmp_path, "images/a.png", "images/b.png", "images/in/c.png", "images/d.png")
    made = said(Asked([tmp_path]), campaigns["pictures"])
    unlisted = "! no image of the annotations names it"
    assert "99" in made.pop("annotations/instances_x.json:2")
    assert made == {
        "annotations/instances_x.json:1": "cat",
        "annotations/instances_x.json:3": "dog",
        "annotations/captions_x.json": unlisted,
        "images/d.png": unlisted,
    }
    alone = said(
        Asked([tmp_path / "annotations" / "instances_x.json"]), campaigns["pictures"]
    )  # of what is beside a file that was named nothing is said
    assert list(alone) == [f"instances_x.json:{number}" for number in (1, 2, 3)]


# ---- YOLO ----


def test_yolo_boxes_are_a_part_where_the_campaign_has_one(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    names = ("images/train/a.png", "images/train/b.png", "images/c.png", "d.png", "images/e.png")
    pictures(tmp_path, *names)
    write(tmp_path / "labels" / "train" / "a.txt", "1 0.5 0.25 0.2 0.1\n0 0 0 1 0 1 0.5\n")
    write(tmp_path / "labels" / "c.txt", "2 0.5 0.5 1 1\n")
    write(tmp_path / "labels" / "e.txt", "0 0.5 0.5 sNaN 1\n")
    write(tmp_path / "data.yaml", "names:\n  0: cat\n  1: dog\n")
    outline = [[0.0, 0.0, 1.0, 0.0, 1.0, 0.5]]
    assert boxes_of(bring(Asked([tmp_path]), campaigns["boxed"])) == [
        {
            "unit": "fraction",
            "objects": [
                {"label": "dog", "box": [0.4, 0.2, 0.2, 0.1]},
                {"label": "cat", "box": [0.0, 0.0, 1.0, 0.5], "outline": outline},
            ],
        },
        {"unit": "fraction", "objects": []},
    ]
    found = said(Asked([tmp_path]), campaigns["boxed"])
    assert "it is in no folder images" in found["d.png"]
    assert found["images/c.png"] == '! labels/c.txt: "2" is no class of data.yaml'
    assert found["images/e.png"] == "! labels/e.txt: a line holds what is no number"


@pytest.mark.parametrize(
    "names",
    [
        *(
            "",
            "names: cat",
            "names: [cat, cat]",
            "names: {x: cat}",
            "{",
            "names: []",
            "[" * 200_000,
        ),
        *("names: {0: cat, 0: dog}", "names: [[cat]]", "names: [cat]\nnames: [dog]", "&a [*a]"),
        *("names: {0: }", "names: [cat]\nkpt_shape: 4", "names: [cat]\nkpt_shape: [4, 9]"),
    ],
)
def test_classes_without_names_are_said(
    tmp_path: Path, campaigns: dict[str, Campaign], names: str
) -> None:
    pictures(tmp_path, "images/a.png")
    write(tmp_path / "data.yaml", names)
    with pytest.raises(ConfigError, match=r"data.yaml"):
        bring(Asked([tmp_path], format=Format.YOLO), campaigns["boxed"])


def test_folders_of_splits_and_classes(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    pictures(tmp_path, "train/cat/a.png", "train/dog/b.png", "val/cat/c.png", "train/stray.png")
    assert recognise(tmp_path, frozenset()) == Format.YOLO
    assert said(Asked([tmp_path]), campaigns["pictures"]) == {
        "train/stray.png": "! it is not in a folder SPLIT/CLASS, as train/cat",
        "train/cat/a.png": "cat",
        "train/dog/b.png": "dog",
        "val/cat/c.png": "cat",
    }
    files = said(Asked([tmp_path], format=Format.FILES), campaigns["pictures"])
    assert set(files.values()) == {""}


def test_boxes_are_said_not_to_be_taken(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    pictures(tmp_path, "images/a.png")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 1 1\n")
    write(tmp_path / "data.yaml", "names: [cat]\n")
    with pytest.raises(ConfigError, match="boxes are no answers") as caught:
        bring(Asked([tmp_path]), campaigns["pictures"])
    assert str(tmp_path / "images") in caught.value.advice
    assert list(said(Asked([tmp_path / "images"], label="cat"), campaigns["pictures"])) == ["a.png"]


# ---- what is named with what ----


def test_an_export_is_named_alone(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    table = write(tmp_path / "a.csv", "text,label\nhello there,ham\n")
    assert said(Asked([table]), campaigns["texts"]) == {"a.csv:2": "ham"}
    with pytest.raises(ConfigError, match="has its answers inside") as caught:
        bring(Asked([table], labels=table, format=Format.CSV), campaigns["texts"])
    assert "--format files" in caught.value.advice and "--label X" in caught.value.advice
    both = said(Asked([table], format=Format.FILES), campaigns["texts"])
    assert both == {"a.csv": ""}
    records = write(tmp_path / "rows.json", [{"text": "hello there", "label": "ham"}])
    assert said(Asked([records]), campaigns["texts"]) == {"rows.json:1": "ham"}
    other = write(tmp_path / "other.json", {"a": 1})
    with pytest.raises(ConfigError, match="holds no list of rows"):
        bring(Asked([other]), campaigns["texts"])


def test_the_answers_column_is_asked_for_where_answers_are_wanted(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    table = write(tmp_path / "a.csv", "text,class\nhello there,ham\nbuy now,spam\n")
    with pytest.raises(UnclearColumns, match="no column for the answer") as caught:
        bring(Asked([table]), campaigns["texts"])
    assert "--column text=text --answer-column class" in caught.value.advice
    named = parse_named([], "class")
    assert list(said(Asked([table], named=named), campaigns["texts"]).values()) == ["ham", "spam"]


def test_a_first_row_that_is_an_item_is_no_header(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    table = write(tmp_path / "a.tsv", "ham\tok lar\nspam\tfree entry\n")
    with pytest.raises(UnclearColumns) as caught:
        bring(Asked([table]), campaigns["texts"])
    assert "--column text=2 --answer-column 1 --no-header" in caught.value.advice
    named = parse_named(["text=2"], "1")
    for header in (True, False):
        found = said(Asked([table], named=named, header=header), campaigns["texts"])
        assert found == {"a.tsv:1": "ham", "a.tsv:2": "spam"}
    # Names of columns that are words of an answer are names, if what is below them is none.
    pair = write(tmp_path / "pairs.csv", "a,b\na cat,a dog\n")
    with pytest.raises(UnclearColumns) as caught:
        bring(Asked([pair]), campaigns["pairs"])
    assert "--column answer_a=a --column answer_b=b" in caught.value.advice
    assert "--no-header" not in caught.value.advice


def test_columns_are_of_tables(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    write(tmp_path / "a.txt", "hello there")
    with pytest.raises(ConfigError, match="columns are named") as caught:
        bring(Asked([tmp_path], named=parse_named(["text=a"], "")), campaigns["texts"])
    assert caught.value.advice


def test_folders_that_are_called_as_answers_are_asked_about(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pictures(tmp_path, "cat/a.png", "dog/b.png")
    with pytest.raises(ConfigError, match="called as answers are") as caught:
        bring(Asked([tmp_path]), campaigns["pictures"])
    assert "--label-by-folder" in caught.value.advice
    by_folder = said(Asked([tmp_path], by_folder=True), campaigns["pictures"])
    assert by_folder == {"cat/a.png": "cat", "dog/b.png": "dog"}
    assert set(said(Asked([tmp_path], label="cat"), campaigns["pictures"]).values()) == {"cat"}
    assert set(said(Asked([tmp_path]), campaigns["pile"]).values()) == {""}


def test_a_folder_that_cannot_be_read_is_left_out_and_named(
    tmp_path: Path, campaigns: dict[str, Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path, "a.png", "lost+found/b.png")
    readable = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        """As for somebody who is not the administrator."""
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return readable(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert recognise(tmp_path, frozenset()) == Format.FILES
    assert "a.png" in said(Asked([tmp_path], label="cat"), campaigns["pictures"])


def test_all_rows_of_a_table_may_have_one_answer(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    bare = write(tmp_path / "a.csv", "text\nhello there\nwin a prize\n")
    assert said(Asked([bare], label="ham"), campaigns["texts"]) == {
        "a.csv:2": "ham",
        "a.csv:3": "ham",
    }
    assert said(Asked([], table=bare, label="spam"), campaigns["texts"])["a.csv:2"] == "spam"
    both = write(tmp_path / "b.csv", "text,label\nhello there,ham\n")
    with pytest.raises(ConfigError, match='answers in its column "label"'):
        bring(Asked([both], label="spam"), campaigns["texts"])


def test_a_first_row_that_goes_as_names_is_said_where_columns_are_numbered(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    table = write(tmp_path / "a.tsv", "first words\t7\nother words\t8\n")
    named = parse_named(["text=1"], "")
    asked = Asked([table], label="ham", named=named)
    assert any("--no-header" in note for note in bring(asked, campaigns["texts"]).notes)
    asked = Asked([table], label="ham", named=named, header=False)
    assert not any("--no-header" in note for note in bring(asked, campaigns["texts"]).notes)
    years = write(tmp_path / "b.tsv", "1\t2\nfirst words\t7\n")
    asked = Asked([years], label="ham", named=named)
    assert not any("--no-header" in note for note in bring(asked, campaigns["texts"]).notes)


def test_a_table_among_files_is_no_item_unless_that_is_said(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    write(folder / "a.txt", "hello there")
    table = write(tmp_path / "labels.csv", "file,label\na.txt,ham\n")
    with pytest.raises(ConfigError, match="is a table") as caught:
        bring(Asked([folder, table], label="ham"), campaigns["texts"])
    assert f"--labels {table}" in caught.value.advice
    asked = Asked([folder, table], label="ham", format=Format.FILES)
    assert set(said(asked, campaigns["texts"])) == {"a.txt", "labels.csv"}
