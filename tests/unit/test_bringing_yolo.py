"""Labels of YOLO as its many tools write them: none becomes another, and none is lost without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.bringing.formats import Format
from node.bringing.recognise import recognise
from node.bringing.yolo import Marked, class_folders, classes
from node.bringing.yolo_classes import read_classes
from node.drafts import Draft
from protocol.errors import ConfigError

BOX = "0.5 0.5 0.2 0.2"
DATA = "names: [cat, dog]\n"


def lay(folder: Path, **texts: str) -> None:
    """Files by their paths, with __ for a slash and the dot of a suffix as _ at the last place."""
    for name, text in texts.items():
        path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def marked(folder: Path) -> Marked:
    return Marked(folder, "picture", "boxes", read_classes(folder))


def read(folder: Path) -> dict[str, object]:
    """By item the labels of its objects and how many numbers each outline has; reasons of the others."""
    made: dict[str, object] = {}
    for each in marked(folder):
        if isinstance(each, Draft):
            objects = json.loads(each.parts[1].text)["objects"]
            made[each.name] = [
                (found["label"], *map(len, found.get("outline", ()))) for found in objects
            ]
        else:
            made[each.name] = each.reason
    return made


# ---- lines ----


def test_of_poses_the_box_is_taken_and_the_points_are_counted(tmp_path: Path) -> None:
    points = " ".join(["0.45 0.45"] * 4)
    lay(
        tmp_path,
        data_yaml="kpt_shape: [4, 2]\nnames: {0: tiger}\n",
        images__a_png="",
        labels__a_txt=f"0 {BOX} {points}\n0 {BOX} {points}\n",
        images__b_png="",
        labels__b_txt=f"0 {BOX}\n",
        images__c_png="",
        labels__c_txt=f"0 {BOX} {points} 0.9\n",
        images__d_png="",
    )
    made = read(tmp_path)
    assert made["images/a.png"] == [("tiger",), ("tiger",)]
    assert made["images/d.png"] == []
    for name, count in (("b", 4), ("c", 13)):
        assert f"a line has {count} numbers" in str(made[f"images/{name}.png"])
        assert "by kpt_shape in data.yaml it has 12" in str(made[f"images/{name}.png"])
    assert marked(tmp_path).notes() == [
        "the points of 2 poses are not taken, only the boxes round them"
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"0 {BOX}", [("cat",)]),
        ("1 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9", [("dog", 8)]),  # a box that is turned
        ("0 0.1 0.1 0.9 0.1 0.9 0.9", [("cat", 6)]),
        (f"0 {BOX} 0.9", "5 numbers after its class"),  # with a confidence
        ("0 0.1 0.1 0.9 0.1 0.9 0.9 0.5", "7 numbers after its class"),
        ("0 0.1 0.1", "2 numbers after its class"),
        ("0", "no number"),
        ("0 1e9999999 0 1 9e9999999", "no fraction"),
        ("0 1e-9999999 0 1 1", [("cat",)]),
        ("2 " + BOX, '"2" is no class of data.yaml'),
        ("9" * 5_000 + " " + BOX, "labels/a.txt"),
    ],
)
def test_a_line_is_what_its_numbers_say(tmp_path: Path, line: str, expected: object) -> None:
    lay(tmp_path, data_yaml=DATA, images__a_png="", labels__a_txt=line + "\n")
    made = read(tmp_path)["images/a.png"]
    assert made == expected if isinstance(expected, list) else str(expected) in str(made)


# ---- where labels are ----


def test_what_is_left_over_is_named(tmp_path: Path) -> None:
    lay(
        tmp_path,
        data_yaml=DATA,
        train__images__a_png="",
        train__labels__a_txt=f"0 {BOX}\n",
        train__labels__lone_txt=f"0 {BOX}\n",
        train__labels__x_cache="",
        notes_json="{}",
    )
    made = read(tmp_path)
    assert made.pop("train/images/a.png") == [("cat",)]
    assert made == {
        "train/labels/lone.txt": "it is a text, and no picture is called as it is",
        "train/labels/x.cache": "it is in no folder images, and no text of labels is beside it",
        "notes.json": "it is in no folder images, and no text of labels is beside it",
    }


@pytest.mark.parametrize(
    "texts",
    [
        {"labels__sub__a_txt": f"0 {BOX}"},  # in another folder
        {"labels__A_txt": f"0 {BOX}"},
        {"labels__a_txt": f"0 {BOX}", "images__a_txt": f"1 {BOX}"},  # two
    ],
)
def test_a_picture_whose_labels_are_elsewhere_is_not_empty(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    lay(tmp_path, data_yaml=DATA, images__a_png="", images__b_png="", **texts)
    made = read(tmp_path)
    assert "its labels" in str(made["images/a.png"])
    assert made["images/b.png"] == []


@pytest.mark.parametrize("target", ["outside.txt", "folder"])
def test_labels_that_may_not_be_read_are_not_none(tmp_path: Path, target: str) -> None:
    lay(tmp_path, outside_txt=f"0 {BOX}", folder__a_txt=f"0 {BOX}")
    inside = tmp_path / "set"
    lay(inside, data_yaml=DATA, images__a_png="", images__b_png="")
    if target == "folder":
        (inside / "labels").symlink_to(tmp_path / target)
    else:
        (inside / "labels").mkdir()
        (inside / "labels" / "a.txt").symlink_to(tmp_path / target)
    made = read(inside)
    assert "a link that leads out of the folder" in str(made["images/a.png"])
    assert isinstance(made["images/b.png"], list) is (target != "folder")


@pytest.mark.parametrize("text", ["labels__a_TXT", "images__a_txt", "labels__a.png_txt"])
def test_labels_are_found_however_they_are_called(tmp_path: Path, text: str) -> None:
    lay(tmp_path, data_yaml=DATA, images__a_png="", **{text: f"1 {BOX}\n"})
    assert read(tmp_path) == {"images/a.png": [("dog",)]}


# ---- where names are ----


def test_darknet_has_texts_beside_pictures(tmp_path: Path) -> None:
    lay(
        tmp_path,
        obj_names="cat\ndog\n",
        obj_data="classes = 2\n",
        train_txt="data/obj_train_data/a.png\n",
        **{"obj.train__a_png": "", "obj.train__a_txt": f"1 {BOX}\n"},
        **{"obj.train__b_png": "", "obj.train__c_png": "", "obj.train__c_txt": ""},
    )
    assert recognise(tmp_path, frozenset()) == Format.YOLO
    made = read(tmp_path)
    assert made["obj.train/a.png"] == [("dog",)]
    assert made["obj.train/c.png"] == []
    assert "no text of labels is beside it" in str(made["obj.train/b.png"])
    assert {"obj.data", "train.txt"} <= set(made) and "obj.names" not in made
    with pytest.raises(ConfigError, match="holds boxes") as caught:
        class_folders(tmp_path, "picture")
    assert "add --format files" in caught.value.advice


def test_texts_beside_pictures_are_labels_only_where_classes_are_named(tmp_path: Path) -> None:
    lay(tmp_path, a_png="", a_txt=f"0 {BOX}\n")
    assert recognise(tmp_path, frozenset()) == Format.FILES
    lay(tmp_path, classes_txt="cat\ndog\n")
    assert recognise(tmp_path, frozenset()) == Format.YOLO
    assert read(tmp_path) == {"a.png": [("cat",)]}
    (tmp_path / "a.png").unlink()
    assert recognise(tmp_path, frozenset()) == Format.FILES


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("classes_txt", "cat\r\nbig dog\r\n\r\n", {0: "cat", 1: "big dog"}),
        ("labels__classes_txt", "cat", {0: "cat"}),
        ("coco8_yaml", "path: x\nnames:\n  0: cat\n  1: dog\n", {0: "cat", 1: "dog"}),
        ("my_yml", "names: {1: cat, '2': dog}", {1: "cat", 2: "dog"}),
        ("data_yaml", "names: [no, 007, 1.0]", {0: "no", 1: "007", 2: "1.0"}),
        ("voc_names", "cat\ndog", {0: "cat", 1: "dog"}),
    ],
)
def test_classes_are_named_by_whatever_names_them(
    tmp_path: Path, name: str, text: str, expected: dict[int, str]
) -> None:
    lay(tmp_path, **{name: text}, hyp_yaml="lr0: 0.01\n", broken_yaml="{")
    assert read_classes(tmp_path).names == expected


def test_files_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    lay(tmp_path, data_yaml=DATA, classes_txt="cat\ndog\n")
    assert read_classes(tmp_path).path.name == "data.yaml"
    for other in ({"classes_txt": "dog\ncat\n"}, {"other_yaml": DATA + "kpt_shape: [4, 2]\n"}):
        lay(tmp_path, **{"classes_txt": "cat\ndog\n"} | other)
        with pytest.raises(ConfigError, match=r"data.yaml and .* differently") as caught:
            read_classes(tmp_path)
        assert "take the other out" in caught.value.advice


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"hyp_yaml": "lr0: 1"}, "nothing names the classes"),
        ({"classes_txt": "\n\n"}, "one on each line"),
        ({"classes_txt": "cat\n\ndog"}, "one on each line"),
        ({"obj_names": "cat\ncat"}, "one on each line"),
        ({f"{number}_yaml": "a: 1" for number in range(21)}, "more than 20 files"),
    ],
)
def test_names_that_are_not_there_are_said(
    tmp_path: Path, texts: dict[str, str], problem: str
) -> None:
    lay(tmp_path, **texts)
    with pytest.raises(ConfigError, match=problem):
        read_classes(tmp_path)


def test_splits_of_images_and_labels_are_no_classes(tmp_path: Path) -> None:
    lay(tmp_path, train__images__a_png="", train__labels__a_txt="")
    assert classes(tmp_path) == set()
    lay(tmp_path / "other", train__images__a_png="", train__cat__a_png="")
    assert classes(tmp_path / "other") == {"images", "cat"}
