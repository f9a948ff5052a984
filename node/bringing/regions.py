"""What Label Studio has marked in a picture, as objects of boxes (`node.bringing.boxes`).

Places are percentages of the picture's sides; a rectangle may be turned, clockwise about its first corner.
A mark is one result with its label, or two with one id: a place without a label, and a label with the place.
What boxes cannot say, as brushes and key points, leaves the picture out: no object is lost without a word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from commonground.tables import cell_of
from node.bringing.boxes import boxes_text
from protocol.text import quoted

_BARE: Final = frozenset({"rectangle", "polygon"})  # a place, whose label is a result of its own
_LABELLED: Final = frozenset({"rectanglelabels", "polygonlabels", "labels"})
_SIDES: Final = ("x", "y", "width", "height")
_WHOLE: Final = 100  # percent
_TURN: Final = 360  # degrees
_FAR: Final = 1_000_000  # no picture is as large; and what is computed with stays finite
_DIGITS: Final = 6  # of a pixel, at the corners of what is turned: sines are rounded anyway

Result: TypeAlias = Mapping[str, Any]
Size: TypeAlias = tuple[Any, Any] | None
"""In pixels, where the results say it."""

# What people answer or note beside the marks: it is none.
BESIDE: Final = frozenset(
    {
        *("choices", "rating", "pairwise", "ranker"),
        *("textarea", "number", "datetime", "taxonomy", "relation"),
    }
)


class Unread(Exception):
    """Why a task's annotations are none that can be taken."""


def is_mark(result: Result) -> bool:
    """Whether a result is somewhere in the content, rather than an answer about it."""
    return kind_of(result) not in BESIDE


def kind_of(result: Result) -> str:
    """Of what type a result says to be."""
    return str(result.get("type"))


def boxes_in(results: Sequence[Result]) -> str:
    """The boxes of one annotation. Raises Unread for what would be lost."""
    marks = [each for each in results if is_mark(each)]
    if len({str(each.get("to_name")) for each in marks}) > 1 or any(
        each.get("item_index") for each in marks
    ):
        raise Unread("several pictures are marked, and an item has boxes of one")
    if any(each.get("image_rotation") for each in marks):
        raise Unread("its picture was turned to mark it: turn the file, and mark that")
    size = _size(marks)
    found = [_object(each, size) for each in marks if kind_of(each) not in _BARE]
    alone = _ids(marks, _BARE) - _ids(marks, _LABELLED)
    if alone:
        raise Unread(f"it has {alone.total()} marks without a label")
    return boxes_text(found, size)


def _ids(marks: Sequence[Result], types: frozenset[str]) -> Counter[str]:
    return Counter(str(each.get("id")) for each in marks if kind_of(each) in types)


def _size(marks: Sequence[Result]) -> Size:
    sizes = [(each.get("original_width"), each.get("original_height")) for each in marks]
    first = sizes[0] if sizes else (None, None)
    if any(size != first for size in sizes):
        raise Unread("its marks do not agree on how large the picture is")
    if first == (None, None):
        return None
    if min(map(_number, first)) <= 0:
        raise Unread("its picture has no size")
    return first


def _object(result: Result, size: Size) -> dict[str, Any]:
    kind, value = kind_of(result), result.get("value")
    if kind not in _LABELLED:
        raise Unread(f"a mark of the type {quoted(kind)} is neither a rectangle nor a polygon")
    if not isinstance(value, dict):
        raise Unread("a mark has no value")
    made = {"label": _label(value.get(kind))}
    if "points" in value:
        return made | _polygon(value, size)
    if not all(name in value for name in _SIDES):
        raise Unread(f"a mark of the type {quoted(kind)} is not in a picture")
    return made | _rectangle(value, size)


def _label(labels: Any) -> str:
    if not isinstance(labels, list) or not labels:
        raise Unread("a mark has no label")
    if len(labels) > 1:
        raise Unread(f"a mark has {len(labels)} labels, and an object of boxes has one")
    label = cell_of(labels[0])
    if not isinstance(label, str):
        raise Unread("a mark's label is no text")
    return label


def _polygon(value: Mapping[str, Any], size: Size) -> dict[str, Any]:
    points = value["points"]
    if value.get("closed") is False:
        raise Unread("an outline is open")
    if (
        not isinstance(points, list)
        or not points
        or not all(isinstance(each, list) and len(each) == 2 for each in points)
    ):
        raise Unread("an outline has no points")
    return _outlined([_place(at, axis, size) for each in points for axis, at in enumerate(each)])


def _rectangle(value: Mapping[str, Any], size: Size) -> dict[str, Any]:
    box = [_place(value[name], number % 2, size) for number, name in enumerate(_SIDES)]
    angle = _number(value.get("rotation", 0)) % _TURN
    if not angle:
        return {"box": list(map(float, box))}
    if size is None:
        raise Unread("a rectangle is turned, and how large the picture is is not said")
    return _outlined(_corners(box, math.radians(angle)))


def _corners(box: Sequence[Decimal], angle: float) -> list[Decimal]:
    """Of a rectangle that is turned about the first of them."""
    left, top, width, height = map(float, box)
    cos, sin = math.cos(angle), math.sin(angle)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    turned = ((left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners)
    return [Decimal(repr(round(at, _DIGITS))) for point in turned for at in point]


def _outlined(line: Sequence[Decimal]) -> dict[str, Any]:
    left, top = min(line[::2]), min(line[1::2])
    box = (left, top, max(line[::2]) - left, max(line[1::2]) - top)
    return {"box": list(map(float, box)), "outline": [list(map(float, line))]}


def _place(percent: Any, axis: int, size: Size) -> Decimal:
    """In pixels, or, of a picture whose size is not known, as a fraction."""
    side = _number(size[axis]) if size is not None else Decimal(1)
    return _number(percent) * side / _WHOLE


def _number(found: Any) -> Decimal:
    """Exact, as it was written."""
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    if not is_number or not abs(found) <= _FAR:  # as what is no number at all is not
        raise Unread("a mark holds what is no number, or no place in a picture")
    return Decimal(repr(found))
