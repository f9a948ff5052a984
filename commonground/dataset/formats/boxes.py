"""What somebody marked in a picture, and reviewers judged: boxes and outlines, in pixels or as fractions.

The part is JSON of the type `protocol.media.BOXES`. Numbers stay as they were written where their unit stays;
else they are computed in decimals, so that the way back gives the same digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from commonground.dataset.formats.table import Outline, Row, Table
from commonground.dataset.rows import Column
from protocol.depth import load_json
from protocol.errors import StateError
from protocol.media import BOXES

Number = int | float


@dataclass(frozen=True, slots=True)
class Marked:
    """One object: left, top, width and height of its box, and polygons of x and y in turn."""

    label: str
    box: tuple[Number, ...]
    outline: tuple[tuple[Number, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Boxes:
    """The boxes of one picture; `size` in pixels, None where places are fractions of its sides."""

    size: tuple[Number, Number] | None
    objects: tuple[Marked, ...]

    def in_pixels(self, size: tuple[Number, Number]) -> tuple[Marked, ...]:
        """The objects of a picture of this size."""
        if self.size is not None:
            return self.objects
        return tuple(_changed(each, lambda at, side: at * side, size) for each in self.objects)

    def in_fractions(self) -> tuple[Marked, ...]:
        """The objects, their places as fractions of the picture's sides."""
        size = self.size
        if size is None:
            return self.objects
        return tuple(_changed(each, lambda at, side: at / side, size) for each in self.objects)


def boxes_part(outline: Outline) -> Column | None:
    """The part that holds boxes, in campaigns that judge some."""
    names = (part.name for part in outline.campaign.parts if BOXES.name in part.media_types)
    name = next(names, None)
    return None if name is None else outline.columns.parts[name]


def boxes_of(table: Table, row: Row, part: Column) -> Boxes:
    """What is marked; nothing where an item lacks the part. Raises StateError that names the item."""
    if row[part.name] is None:
        return Boxes(None, ())
    try:
        found = load_json(table.content(row, part))
        is_pixels = found["unit"] == "pixel"
        size = (found["width"], found["height"]) if is_pixels else None
        return Boxes(size, tuple(map(_marked, found["objects"])))
    except (ValueError, LookupError, TypeError) as error:
        raise StateError(
            f"the {part.name} of item {table.own(row, 'item_id')} are malformed: {error}",
            "export it as jsonl or csv, which keep them as they are",
        ) from None


def labels_of(table: Table, part: Column) -> list[str]:
    """All labels of a dataset's boxes, sorted: campaigns have no list of them."""
    names = [part.name, table.columns.key]
    rows = (row for split in table.splits for row in table.rows(split, names))
    return sorted({each.label for row in rows for each in boxes_of(table, row, part).objects})


def middle(found: Marked) -> tuple[Decimal, ...]:
    """The middle of a box, with its width and height."""
    left, top, width, height = map(_decimal, found.box)
    return left + width / 2, top + height / 2, width, height


def area(found: Marked) -> float:
    """Of the outline, or of the box where there is none."""
    if not found.outline:
        return float(_decimal(found.box[2]) * _decimal(found.box[3]))
    return sum(_polygon_area(each) for each in found.outline)


def _marked(found: dict[str, Any]) -> Marked:
    """Raises ValueError, LookupError and TypeError for what is none."""
    left, top, width, height = found["box"]
    outline = tuple(tuple(line) for line in found.get("outline", ()))
    numbers = (left, top, width, height, *(each for line in outline for each in line))
    if not isinstance(found["label"], str) or not all(
        type(each) in (int, float) for each in numbers
    ):
        raise ValueError("an object is no label with numbers")
    return Marked(found["label"], (left, top, width, height), outline)


def _changed(
    found: Marked, change: Callable[[Decimal, Decimal], Decimal], size: tuple[Number, Number]
) -> Marked:
    """With every number changed by its side's: x and y come in turn, in boxes and outlines alike."""
    sides = [_decimal(side) for side in size]

    def line(numbers: tuple[Number, ...]) -> tuple[Number, ...]:
        return tuple(float(change(_decimal(at), sides[n % 2])) for n, at in enumerate(numbers))

    return Marked(found.label, line(found.box), tuple(map(line, found.outline)))


def _decimal(number: Number) -> Decimal:
    return Decimal(repr(number))


def _polygon_area(line: tuple[Number, ...]) -> float:
    """Half of what the cross products of neighbours sum up to."""
    points = list(zip(line[::2], line[1::2], strict=True))
    following = [*points[1:], points[0]]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))) / 2
