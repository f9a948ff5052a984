"""What Label Studio has marked in pictures becomes boxes, or leaves the picture out with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node.bringing.columns import parse_named
from node.bringing.regions import Unread, boxes_in
from node.bringing.sources import Asked, UnclearColumns, bring
from node.drafts import Draft, LeftOut
from node.media.shapes import problem_of_boxes
from protocol.media import BOXES
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.simulated import campaign, part

BOXED = Campaign.of(
    campaign(
        id="boxed",
        task="judge",
        spec=encode_spec({"criteria": [{"name": "ok", "text": "Is it?", "needs_ppm": 900_000}]}),
        parts=[part("image", "image/png"), part("boxes", BOXES.name)],
        proposal=pb.PROPOSAL_NOT_TAKEN,
    )
)
SIZE = {"original_width": 200, "original_height": 50}
PLACE = {"x": 10, "y": 20, "width": 30.3, "height": 40}
CORNERS = {"points": [[10, 10], [60.5, 10], [60.5, 90]], "closed": True}


def mark(kind: str = "rectanglelabels", label: str = "cat", **changes: Any) -> dict[str, Any]:
    """A result; `value` is of what its value has else."""
    place = CORNERS if "polygon" in kind else PLACE
    value = place | ({kind: [label]} if kind.endswith("labels") else {}) | changes.pop("value", {})
    made = {"id": "r1", "type": kind, "from_name": "l", "to_name": "image", "value": value}
    return made | SIZE | {"image_rotation": 0} | changes


def objects(*results: dict[str, Any]) -> Any:
    """Of an annotation, well-formed."""
    found = json.loads(boxes_in(results))
    assert problem_of_boxes(found) == ""
    return found["objects"]


def test_rectangles_and_polygons_are_objects_in_pixels() -> None:
    outline = [20.0, 5.0, 121.0, 5.0, 121.0, 45.0]
    marks = (mark(), mark("polygonlabels", "dog"), mark("labels", "cat"))
    box = {"label": "cat", "box": [20.0, 10.0, 60.6, 20.0]}
    around = {"label": "dog", "box": [20.0, 5.0, 101.0, 40.0], "outline": [outline]}
    assert objects(*marks) == [box, around, box]
    found = json.loads(boxes_in(marks))
    assert (found["unit"], found["width"], found["height"]) == ("pixel", 200, 50)


def test_a_picture_whose_size_is_not_said_has_fractions() -> None:
    sizeless: dict[str, Any] = dict.fromkeys(SIZE)
    found = json.loads(boxes_in([mark(**sizeless)]))
    assert found == {
        "unit": "fraction",
        "objects": [{"label": "cat", "box": [0.1, 0.2, 0.303, 0.4]}],
    }
    assert json.loads(boxes_in([])) == {"unit": "fraction", "objects": []}
    with pytest.raises(Unread, match="how large the picture is is not said"):
        boxes_in([mark(**sizeless, value={"rotation": 5})])


def test_a_turned_rectangle_is_an_outline_and_its_box_goes_round_it() -> None:
    [found] = objects(mark(value={"x": 50, "y": 0, "width": 20, "height": 40, "rotation": 90}))
    assert found["outline"] == [[100.0, 0.0, 100.0, 40.0, 80.0, 40.0, 80.0, 0.0]]
    assert found["box"] == [80.0, 0.0, 20.0, 40.0]
    assert objects(mark(value={"rotation": 360})) == objects(mark())
    [turned] = objects(mark(value={"x": 50, "height": 10, "rotation": 30}))
    assert turned["outline"][0][:4] == [100.0, 10.0, 152.481139, 40.3]


def test_a_label_may_be_a_result_of_its_own() -> None:
    named = mark("labels")
    assert objects(mark("rectangle"), named) == objects(named)
    with pytest.raises(Unread, match="1 marks without a label"):
        boxes_in([mark("rectangle"), mark("rectangle"), named])
    with pytest.raises(Unread, match="1 marks without a label"):
        boxes_in([mark("rectangle", id="r2"), named])


def test_answers_beside_marks_are_none() -> None:
    beside = {"type": "choices", "to_name": "other", "value": {"choices": ["x"]}}
    assert objects(beside, mark(), {"type": "relation", "from_id": "r1"}) == objects(mark())


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ([mark("brushlabels", value={"rle": [1, 2]})], "neither a rectangle nor a polygon"),
        ([mark("keypointlabels")], '"keypointlabels"'),
        ([mark("ellipselabels")], '"ellipselabels"'),
        ([mark("videorectangle")], '"videorectangle"'),
        ([{"value": {}}], "neither a rectangle"),
        ([mark("labels") | {"value": {"start": 0, "end": 3, "labels": ["x"]}}], "in a picture"),
        ([mark() | {"value": None}], "no value"),
        ([mark(value={"rectanglelabels": []})], "no label"),
        ([mark(value={"rectanglelabels": "cat"})], "no label"),
        ([mark(value={"rectanglelabels": ["a", "b"]})], "2 labels"),
        ([mark(value={"rectanglelabels": [["a"]]})], "no text"),
        ([mark(value={"rectanglelabels": ["\ud800"]})], "no text"),
        ([{"type": []}], "neither a rectangle"),
        ([mark(), mark(to_name="second")], "several pictures"),
        ([mark(item_index=1)], "several pictures"),
        ([mark(image_rotation=90)], "turned"),
        ([mark(), mark(original_width=100)], "how large"),
        ([mark(), mark(original_width=None, original_height=None)], "how large"),
        ([mark(original_width=0)], "no size"),
        ([mark(original_width="200")], "no number"),
        ([mark(original_width=[200])], "no number"),
        ([mark(value={"x": None})], "no number"),
        ([mark(value={"x": True})], "no number"),
        ([mark(value={"x": 10**400})], "no number"),
        ([mark(value={"x": float("nan")})], "no number"),
        ([mark(value={"rotation": "90"})], "no number"),
        ([mark("polygonlabels", value={"points": []})], "no points"),
        ([mark("polygonlabels", value={"points": [[1, 2, 3]]})], "no points"),
        ([mark("polygonlabels", value={"points": {"x": 1}})], "no points"),
        ([mark("polygonlabels", value={"closed": False})], "open"),
    ],
)
def test_what_boxes_cannot_say_is_said(marks: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Unread, match=reason):
        boxes_in(marks)
    with pytest.raises(Unread):
        boxes_in([*marks, mark()])


# ---- in an export ----


def export(folder: Path, *tasks: list[list[dict[str, Any]]], **data: Any) -> Path:
    """Tasks of one picture each, with these annotations."""
    made = [
        {
            "data": {"image": f"/data/upload/1/0a1b2c3d-{n}.png"} | data,
            "annotations": [{"result": each} for each in annotations],
        }
        for n, annotations in enumerate(tasks)
    ]
    for n in range(len(tasks)):
        (folder / f"{n}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    path = folder / "export.json"
    path.write_text(json.dumps(made))
    return path


def brought(path: Path) -> list[Any]:
    """The objects of each item, or why there is none."""
    found = bring(Asked([path]), BOXED).drafts
    return [
        each.reason if isinstance(each, LeftOut) else json.loads(each.parts[1].text)["objects"]
        for each in found
    ]


def test_marks_of_an_export_go_to_the_part_for_boxes(tmp_path: Path) -> None:
    one, other = [mark()], [mark(), mark("polygonlabels")]
    path = export(tmp_path, [one], [[]], [], [one, one], [one, other], [[mark("brushlabels")]])
    [cat] = objects(*one)
    *found, different, brush = brought(path)
    assert found == [[cat], [], "it has no boxes", [cat]]
    assert different.startswith("its annotations mark different boxes")
    assert brush == 'a mark of the type "brushlabels" is neither a rectangle nor a polygon'
    first = next(iter(bring(Asked([path]), BOXED).drafts))
    assert isinstance(first, Draft) and first.parts[0].path == tmp_path / "0.png"


def test_the_truth_and_what_was_not_cancelled_decide_of_boxes(tmp_path: Path) -> None:
    path = export(tmp_path, [[mark()], [mark("brushlabels")]], [[mark()], [mark("polygonlabels")]])
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"][1]["was_cancelled"] = True
    tasks[1]["annotations"][1]["ground_truth"] = True
    path.write_text(json.dumps(tasks))
    assert brought(path) == [objects(mark()), objects(mark("polygonlabels"))]


def test_boxes_in_a_task_s_data_are_those_that_count(tmp_path: Path) -> None:
    text = '{"unit": "fraction", "objects": []}'
    path = export(tmp_path, [[mark()]], boxes=text)
    found = bring(Asked([path]), BOXED)
    [draft] = found.drafts
    assert isinstance(draft, Draft) and draft.parts[1].text == text
    assert 'not read: 1 result of the type "rectanglelabels"' in found.notes


def test_a_picture_of_another_name_is_proposed_and_boxes_are_no_question(tmp_path: Path) -> None:
    path = export(tmp_path, [[mark()]])
    path.write_text(path.read_text().replace('"image": "/data', '"photo": "/data'))
    with pytest.raises(UnclearColumns, match="no column for image, which") as caught:
        bring(Asked([path]), BOXED)
    assert "--column image=photo" in caught.value.advice
    named = parse_named(["image=photo"], "")
    [draft] = bring(Asked([path], named=named), BOXED).drafts
    assert isinstance(draft, Draft) and len(draft.parts) == 2
