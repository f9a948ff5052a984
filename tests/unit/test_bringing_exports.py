"""What other tools export is recognised and read: Label Studio, COCO, YOLO, folders of Hugging Face."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commonground.tables import Form, Table
from node.bringing.columns import parse_named
from node.bringing.formats import Format
from node.bringing.labelstudio import local_name
from node.bringing.recognise import recognise
from node.bringing.sources import Asked, Brought, UnclearColumns, bring
from node.drafts import Draft
from protocol.errors import ConfigError
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.simulated import Network, campaign, part

PNG = b"\x89PNG\r\n\x1a\n and more"  # nothing is decoded here


@pytest.fixture(scope="module")
def campaigns() -> dict[str, Campaign]:
    net = Network()
    words, stars = encode_spec({"labels": ["ham", "spam"]}), ["poor", "fair", "good"]
    for body in (
        campaign(id="texts", spec=words, parts=[part("text")]),
        campaign(
            id="tagged",
            task="tags",
            spec=encode_spec({"tags": ["cat", "dog", "outdoors"]}),
            parts=[part("text")],
        ),
        campaign(
            id="mixed",
            spec=words,
            parts=[part("text", "text/plain", "image/png")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
        campaign(
            id="stars",
            task="rate",
            spec=encode_spec({"steps": stars, "tolerance": 0}),
            parts=[part("text")],
        ),
        campaign(
            id="pairs",
            task="prefer",
            spec=encode_spec({"ties": True}),
            parts=[part("answer_a"), part("answer_b")],
            proposal=pb.PROPOSAL_OPTIONAL,
        ),
        campaign(
            id="pictures",
            spec=encode_spec({"labels": ["cat", "dog"]}),
            parts=[part("image", "image/png")],
        ),
        campaign(
            id="pile",
            spec=encode_spec({"labels": ["cat", "dog"]}),
            parts=[part("image", "image/png")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
        campaign(
            id="boxed",
            task="judge",
            spec=encode_spec(
                {
                    "criteria": [
                        {"name": "complete", "text": "Has every cat a box?", "needs_ppm": 900_000}
                    ]
                }
            ),
            parts=[
                part("picture", "image/png"),
                part("boxes", "application/vnd.commonhold.boxes+json"),
            ],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
    ):
        net.add(net.operator, "campaign", body)
    return dict(net.state.campaigns.scan())


def write(path: Path, found: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())


def said(asked: Asked, campaign: Campaign) -> dict[str, str]:
    """Answers by item, reasons of what is left out."""
    return {
        each.name: each.words if isinstance(each, Draft) else f"! {each.reason}"
        for each in bring(asked, campaign).drafts
    }


# ---- Label Studio ----


def result(kind: str, name: str = "q", **value: object) -> dict[str, Any]:
    return {"type": kind, "from_name": name, "to_name": "text", "value": value}


def task(text: str, *annotations: list[dict[str, Any]], **fields: object) -> dict[str, Any]:
    made = [{"result": each, "was_cancelled": False} for each in annotations]
    return {"id": 1, "data": {"text": text} | fields, "annotations": made, "predictions": []}


def test_choices_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    ham, spam = ([result("choices", choices=[name])] for name in ("ham", "spam"))
    cancelled = task("skipped by one", ham)
    cancelled["annotations"].append({"result": spam, "was_cancelled": True})
    path = write(
        tmp_path / "export.json",
        [
            task("hello there", ham, ham),
            task("they disagree", ham, spam),
            task("nobody said"),
            task("both", [result("choices", choices=["ham", "spam"])]),
            task("a span", [result("labels", start=0, end=1, labels=["x"])]),
            cancelled,
            "no task",
        ],
    )
    assert recognise(path, frozenset()) == Format.LABEL_STUDIO
    assert said(Asked([path]), campaigns["texts"]) == {
        "export.json:1": "ham",
        "export.json:2": '! its annotations disagree: "ham", "spam"',
        "export.json:3": "",
        "export.json:4": "! 2 labels are chosen at once, and an item has one answer",
        "export.json:5": '! an annotation of the type "labels" is no answer',
        "export.json:6": "ham",
        "export.json:7": "! it is no task with data",
    }


def test_an_annotation_that_is_the_truth_decides(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    ham, spam = ([result("choices", choices=[name])] for name in ("ham", "spam"))
    decided = task("they disagree", ham, spam)
    decided["annotations"][1]["ground_truth"] = True
    refused = task("cancelled", ham, spam)
    refused["annotations"][1] |= {"ground_truth": True, "was_cancelled": True}
    path = write(tmp_path / "export.json", [decided, refused])
    assert list(said(Asked([path]), campaigns["texts"]).values()) == ["spam", "ham"]


def test_several_questions_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    both = [result("choices", "kind", choices=["ham"]), result("choices", "tone", choices=["x"])]
    path = write(tmp_path / "export.json", [task("hello there", both)])
    [reason] = said(Asked([path]), campaigns["texts"]).values()
    assert "several questions, kind, tone" in reason
    named = parse_named([], "kind")
    assert said(Asked([path], named=named), campaigns["texts"]) == {"export.json:1": "ham"}


def test_ratings_of_label_studio_are_steps(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    rated = [task(f"text {n}", [result("rating", rating=n)]) for n in (1, 3, 4)]
    path = write(tmp_path / "export.json", rated)
    assert list(said(Asked([path]), campaigns["stars"]).values()) == ["poor", "good", "4"]
    write(path, [task("no number", [result("rating", rating=True)])])
    assert "is no answer" in "".join(said(Asked([path]), campaigns["stars"]).values())


def test_pairs_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    chosen = [result("pairwise", selected="right")]
    pair = {"id": 1, "data": {"one": "a cat", "two": "a dog"}, "annotations": [{"result": chosen}]}
    path = write(tmp_path / "export.json", [pair])
    with pytest.raises(
        UnclearColumns, match="no column for answer_a and none for answer_b"
    ) as caught:
        bring(Asked([path]), campaigns["pairs"])
    assert "--column answer_a=one --column answer_b=two" in caught.value.advice
    named = parse_named(["answer_a=one", "answer_b=two"], "")
    [draft] = bring(Asked([path], named=named), campaigns["pairs"]).drafts
    assert isinstance(draft, Draft)
    assert ([each.text for each in draft.parts], draft.words) == (["a cat", "a dog"], "b")


def test_files_that_label_studio_served_are_found_beside_it(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pictures(tmp_path, "images/0a1b2c3d-cat.png", "dog.png", "in/x y.png")
    for served, name in (
        ("/data/upload/1/0a1b2c3d-cat.png", "images/0a1b2c3d-cat.png"),
        ("/data/upload/1/12345678-dog.png", "dog.png"),
        ("/data/local-files/?d=in/x%20y.png", "in/x y.png"),
        ("/data/local-files/?d=../secret.png", "../secret.png"),
        ("plain.png", "plain.png"),
    ):
        assert local_name(tmp_path, served) == name
    cat = [result("choices", choices=["cat"])]
    tasks = [
        {"data": {"image": served}, "annotations": [{"result": cat}]}
        for served in (
            "/data/upload/1/0a1b2c3d-cat.png",
            "/data/local-files/?d=../secret.png",
            "https://example.com/a.png",
        )
    ]
    path = write(tmp_path / "export.json", tasks)
    found = list(said(Asked([path]), campaigns["pictures"]).values())
    assert found[0] == "cat"
    assert "not a path below" in found[1]
    assert "is not fetched" in found[2]


TEXTS_LIKE_FILES = [
    "/data/local/tmp%20x failed why? because d=1",
    "/data/upload/x.txt",
    "/data/upload/1/0a1b2c3d-x.txt",
    "/data/local-files/?d=x.txt",
    "/storage-data/uploaded/?filepath=x.txt",
    "http://example.com/x.txt",
    "s3://bucket/x.txt",
    "/etc/hosts",
    "../x.txt",
    "y.txt",
    "/data/" + "d=1&" * 2_000,
]


def texts_of(path: Path, campaign: Campaign) -> list[str | Path]:
    """What each item's only part is: a text, or a file."""
    drafts = [each for each in bring(Asked([path]), campaign).drafts if isinstance(each, Draft)]
    return [part.path or part.text for draft in drafts for part in draft.parts]


@pytest.mark.parametrize("text", TEXTS_LIKE_FILES)
def test_a_text_of_label_studio_stays_as_it_is(
    tmp_path: Path, campaigns: dict[str, Campaign], text: str
) -> None:
    for others in ([], ["and some words"]):
        path = write(tmp_path / "in" / "export.json", [task(each) for each in [text, *others]])
        assert texts_of(path, campaigns["texts"]) == [text, *others]
    write(tmp_path / "in" / "x.txt", "a file that is there is no reason, beside a text")
    assert texts_of(path, campaigns["texts"]) == [text, "and some words"]


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/1/0a1b2c3d-x.txt",
        "/data/local-files/?d=x.txt",
        "/storage-data/uploaded/?filepath=upload/1/0a1b2c3d-x.txt",
        "x.txt",
    ],
)
def test_texts_of_label_studio_in_files_are_read_where_they_are_there(
    tmp_path: Path, campaigns: dict[str, Campaign], reference: str
) -> None:
    path = write(tmp_path / "export.json", [task(reference), task("/data/upload/1/gone.txt")])
    write(tmp_path / "x.txt", "the text")
    assert texts_of(path, campaigns["texts"]) == [
        tmp_path / "x.txt",
        tmp_path / "data/upload/1/gone.txt",
    ]


def test_a_part_that_may_be_text_has_files_of_label_studio(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    served = ["/data/local-files/?d=files/a%20b.png", "/data/local-files/?d=files/c.txt"]
    path = write(tmp_path / "export.json", [task(each) for each in served])
    pictures(tmp_path, "files/a b.png", "files/c.txt")
    files = [tmp_path / "files/a b.png", tmp_path / "files/c.txt"]
    assert texts_of(path, campaigns["mixed"]) == files


def test_tags_of_label_studio_are_all_that_is_chosen(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    def chosen(*names: str) -> list[dict[str, Any]]:
        return [result("choices", choices=list(names))]

    cancelled = task("skipped", [])
    cancelled["annotations"][0]["was_cancelled"] = True
    found = [
        task("two", chosen("outdoors", "cat")),
        task("one", chosen("dog")),
        task("the same in two orders", chosen("cat", "dog"), chosen("dog", "cat")),
        task("nothing chosen", []),
        task("nothing chosen, as our copies say it", chosen()),
        task("nobody said"),
        cancelled,
        task("they disagree", chosen("cat", "dog"), chosen("cat")),
        task("one says none", chosen("cat"), []),
        task("a name of two", chosen("cat, dog")),
        task("no list", [result("choices", choices="cat")]),
        task("a mark", [result("rectanglelabels", rectanglelabels=["cat"])]),
    ]
    path = write(tmp_path / "export.json", found)
    assert list(said(Asked([path]), campaigns["tagged"]).values()) == [
        "cat, outdoors",
        "dog",
        "cat, dog",
        "none",
        "none",
        "",
        "",
        '! its annotations disagree: "cat", "cat, dog"',
        '! its annotations disagree: "cat", "none"',
        '! "cat, dog" cannot be told from several tags',
        "! an annotation has no choices",
        '! an annotation of the type "rectanglelabels" is no answer',
    ]


def test_what_is_not_read_of_label_studio_is_counted(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    ham, text = (result("choices", choices=["ham"]), result("textarea", "note", text=["x"]))
    guessed = task("guessed")
    guessed["predictions"] = [{"result": [ham]}, {"result": [ham]}]
    skipped = task("skipped", [ham], [ham], [ham])
    skipped["annotations"][0]["was_cancelled"] = True
    skipped["annotations"][1]["ground_truth"] = True
    path = write(tmp_path / "export.json", [guessed, skipped, task("noted", [ham, text])])
    named = parse_named([], "q")
    assert bring(Asked([path], named=named), campaigns["texts"]).notes[1:] == (
        "not read: 2 predictions of programs",
        "not read: 1 cancelled annotation",
        "not read: 1 annotation beside a ground truth",
        'not read: 1 result of the type "textarea"',
    )
    assert 'not read: 3 results of the type "choices", "textarea"' in (
        bring(Asked([path]), campaigns["mixed"]).notes
    )
    write(path, [task("hello there", [ham])])
    assert not any("not read" in note for note in bring(Asked([path]), campaigns["texts"]).notes)


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


# ---- Hugging Face ----


def test_pictures_beside_a_table_that_names_them(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pictures(tmp_path, "train/a.png", "train/b.png", "test/c.png")
    write(tmp_path / "train" / "metadata.csv", "file_name,label,x\na.png,cat,1\nlost.png,dog,2\n")
    write(tmp_path / "test" / "metadata.jsonl", '{"file_name": "c.png", "label": "dog"}\n')
    write(tmp_path / "README.md", "# Cats and dogs")
    assert recognise(tmp_path, frozenset()) == Format.HUGGING_FACE
    brought = bring(Asked([tmp_path]), campaigns["pictures"])
    assert brought.notes == ('the column "x" is not read',)
    assert said(Asked([tmp_path]), campaigns["pictures"]) == {
        "test/metadata.jsonl:1": "dog",
        "train/metadata.csv:2": "cat",
        "train/metadata.csv:3": "dog",  # whose file is missed when it is read
        "README.md": "! it describes the dataset, and is no row of it",
        "train/b.png": "! no row of the dataset names it",
    }


def test_shards_of_parquet(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kept = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    for shard, label in enumerate((1, 0)):
        rows = {"image": [{"bytes": PNG + bytes([shard]), "path": "a.png"}], "label": [label]}
        path = tmp_path / "data" / f"train-0000{shard}-of-00002.parquet"
        path.parent.mkdir(exist_ok=True)
        table = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps(kept)})
        pq.write_table(table, path)
    drafts = list(bring(Asked([tmp_path]), campaigns["pictures"]).drafts)
    found = [(each.words, each.parts[0].data) for each in drafts if isinstance(each, Draft)]
    assert found == [("dog", PNG + b"\0"), ("cat", PNG + b"\1")]
    assert [each.name for each in drafts] == [
        f"data/train-0000{shard}-of-00002.parquet:1" for shard in range(2)
    ]


def test_shards_of_text(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    write(tmp_path / "data" / "train-00000-of-00001.csv", "text,label\nhello there,ham\n")
    write(tmp_path / "data" / "test.jsonl", '{"text": "buy now", "label": "spam"}\n')
    write(tmp_path / "README.md", "# Texts")
    assert recognise(tmp_path, frozenset({"text/plain"})) == Format.HUGGING_FACE
    assert said(Asked([tmp_path]), campaigns["texts"]) == {
        "data/test.jsonl:1": "spam",
        "data/train-00000-of-00001.csv:2": "ham",
        "README.md": "! it describes the dataset, and is no row of it",
    }
    assert recognise(tmp_path, frozenset({"text/csv"})) == Format.FILES
    write(tmp_path / "data" / "a.txt", "a text of its own")
    assert recognise(tmp_path, frozenset({"text/plain"})) == Format.FILES
    found = said(Asked([tmp_path], format=Format.HUGGING_FACE), campaigns["texts"])
    assert found["data/a.txt"] == "! no row of the dataset names it"
    write(tmp_path / "train" / "labels.csv", "file,label\na.txt,ham\n")
    assert recognise(tmp_path / "train", frozenset({"text/plain"})) == Format.FILES


def saved(folder: Path, files: bool = False) -> None:
    """As `save_to_disk` writes two classes and a picture."""
    pa, ipc = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.ipc")
    kept = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    pictures = [{"bytes": PNG + bytes([n]), "path": None} for n in range(40)]
    rows = pa.table({"image": pictures, "label": [n % 2 for n in range(40)]})
    rows = rows.replace_schema_metadata({"huggingface": json.dumps(kept)})
    folder.mkdir()
    for name in ("data-00000-of-00001.arrow", "cache-1.arrow"):
        make = ipc.new_file if files else ipc.new_stream
        with make(folder / name, rows.schema) as writer:
            writer.write_table(rows)
    write(folder / "state.json", {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    write(folder / "dataset_info.json", {"features": {}})


@pytest.mark.parametrize("files", [False, True])
def test_arrow_of_save_to_disk(tmp_path: Path, campaigns: dict[str, Campaign], files: bool) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    saved(folder / "train", files)
    write(folder / "dataset_dict.json", {"splits": ["train"]})
    assert recognise(folder, frozenset()) == Format.HUGGING_FACE
    drafts = list(bring(Asked([folder]), campaigns["pictures"]).drafts)
    items = [each for each in drafts if isinstance(each, Draft)]
    assert [each.words for each in items] == ["cat", "dog"] * 20
    assert items[3].parts[0].data == PNG + b"\3"
    assert items[3].name == "train/data-00000-of-00001.arrow:4"
    reasons = said(Asked([folder]), campaigns["pictures"])
    assert reasons["train/cache-1.arrow"] == "! no row of the dataset names it"
    path = folder / "train" / "data-00000-of-00001.arrow"
    assert len(said(Asked([path]), campaigns["pictures"])) == 40


def test_damaged_arrow_is_read_or_refused(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    saved(tmp_path / "train")
    path, chance, refused = tmp_path / "train" / "data-00000-of-00001.arrow", random.Random(1), 0
    good = path.read_bytes()
    for _ in range(200):
        bad = bytearray(good)
        bad[chance.randrange(min(len(bad), 2_000))] ^= chance.randrange(1, 256)
        path.write_bytes(bad[: chance.randrange(len(bad) // 2, len(bad) * 2)])
        try:
            list(Table(path, Form.ARROW).rows())
        except ConfigError:
            refused += 1
    assert refused > 50
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="as Arrow"):
        bring(Asked([path]), campaigns["pictures"])
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no table of a dataset"):
        bring(Asked([tmp_path / "none"], format=Format.HUGGING_FACE), campaigns["pictures"])


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
