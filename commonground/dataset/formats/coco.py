"""COCO: images/SPLIT/, and in annotations/ a file for each split.

Where reviewers judge boxes, instances_SPLIT.json has these, with their outlines; else labels_SPLIT.json has
the categories of pictures as wholes, without a box, since reviewers say what a picture shows and not where.
Each image has the other columns of its row, answers included, as `row`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from commonground.dataset.formats.boxes import area, boxes_of, boxes_part, labels_of
from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.sink import Sink, Write
from commonground.dataset.formats.sizes import picture_size
from commonground.dataset.formats.table import Outline, Row, Table
from commonground.dataset.policies import licence_url
from commonground.dataset.rows import IMAGE, Column

_FIRST_ID: Final = 1  # of everything that COCO numbers


def write(table: Table, sink: Sink) -> None:
    """Writes the copy. Raises ConfigError unless items have one picture."""
    picture, boxes = check(table), boxes_part(table)
    labels = table.categories() if boxes is None else labels_of(table, boxes)
    kind = "labels" if boxes is None else "instances"
    for split in table.splits:
        licences = {each: n for n, each in enumerate(_licences(table, split), _FIRST_ID)}
        with sink.file(f"annotations/{kind}_{split}.json") as document:
            document(b'{"info":' + to_json({"description": table.manifest.campaign}))
            _list(document, "licenses", map(_licence, licences.items()))
            _list(document, "categories", map(_category, enumerate(labels, _FIRST_ID)))
            _list(document, "images", _images(table, sink, split, picture, licences))
            found = _wholes(table, split) if boxes is None else _marks(table, split, picture, boxes)
            _list(document, "annotations", _numbered(found, labels))
            document(b"}\n")


def check(table: Outline) -> Column:
    """The part that is the picture; raises ConfigError."""
    return table.only_part(IMAGE, what="coco")


def _list(document: Write, name: str, members: Iterable[Any]) -> None:
    document(b',\n"' + name.encode() + b'":[')
    for number, each in enumerate(members):
        document((b",\n" if number else b"\n") + to_json(each))
    document(b"]")


def _category(numbered: tuple[int, str]) -> dict[str, Any]:
    number, name = numbered
    return {"id": number, "name": name, "supercategory": ""}


def _licence(numbered: tuple[str, int]) -> dict[str, Any]:
    name, number = numbered
    return {"id": number, "name": name, "url": licence_url(name)}


def _licences(table: Table, split: str) -> list[str]:
    column = table.columns.name_of("licence")
    return sorted({row[column] for row in table.rows(split, [column])})


def _images(
    table: Table, sink: Sink, split: str, picture: Column, licences: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(table.rows(split), _FIRST_ID):
        name, content = table.file_name(row, picture), table.content(row, picture)
        with sink.file(f"images/{split}/{name}") as file:
            file(content)
        width, height = picture_size(content)
        yield {
            "id": number,
            "file_name": name,
            "width": width,
            "height": height,
            "license": licences[table.own(row, "licence")],
            "row": _other_cells(table, sink, row, picture),
        }


def _other_cells(table: Table, sink: Sink, row: Row, picture: Column) -> Row:
    cells = table.write_files(sink, row | {picture.name: None})
    return {name: cell for name, cell in cells.items() if name != picture.name}


def _numbered(
    found: Iterable[tuple[int, str, dict[str, Any]]], labels: list[str]
) -> Iterator[dict[str, Any]]:
    """Annotations from (image, label, the rest)."""
    categories = {label: number for number, label in enumerate(labels, _FIRST_ID)}
    for number, (image, label, rest) in enumerate(found, _FIRST_ID):
        yield {"id": number, "image_id": image, "category_id": categories[label], **rest}


def _wholes(table: Table, split: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    answer, confidence = (table.columns.name_of(name) for name in ("answer", "confidence"))
    names = table.categories()
    for image, row in enumerate(table.rows(split, [answer, confidence]), _FIRST_ID):
        for place in table.places(row[answer]):
            yield image, names[place], {"attributes": {"confidence": row[confidence]}}


def _marks(
    table: Table, split: str, picture: Column, boxes: Column
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    names = [picture.name, boxes.name, table.columns.key]
    for image, row in enumerate(table.rows(split, names), _FIRST_ID):
        size = picture_size(table.content(row, picture))
        for each in boxes_of(table, row, boxes).in_pixels(size):
            yield (
                image,
                each.label,
                {
                    "bbox": each.box,
                    "area": area(each),
                    "segmentation": each.outline,
                    "iscrowd": 0,
                },
            )
