"""COCO: images/SPLIT/ and annotations/labels_SPLIT.json, where a category is of a picture as a whole.

An annotation has no box: reviewers say what a picture shows and not where. Beside COCO's own fields each has
`attributes` with the verdict's confidence, and each image the other columns of its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.sink import Sink, Write
from commonground.dataset.formats.sizes import picture_size
from commonground.dataset.formats.table import Outline, Row, Table
from commonground.dataset.policies import licence_url
from commonground.dataset.rows import IMAGE, Column

_FIRST_ID: Final = 1  # of everything that COCO numbers


def write(table: Table, sink: Sink) -> None:
    """Writes the copy. Raises ConfigError unless items have one picture."""
    picture = check(table)
    for split in table.splits:
        licences = {each: n for n, each in enumerate(_licences(table, split), _FIRST_ID)}
        with sink.file(f"annotations/labels_{split}.json") as document:
            document(b'{"info":' + to_json({"description": table.campaign.title}))
            _list(document, "licenses", map(_licence, licences.items()))
            _list(document, "categories", _categories(table))
            _list(document, "images", _images(table, sink, split, picture, licences))
            _list(document, "annotations", _annotations(table, split))
            document(b"}\n")


def check(table: Outline) -> Column:
    """The part that is the picture; raises ConfigError."""
    return table.only_part(IMAGE, what="coco")


def _list(document: Write, name: str, members: Iterable[Any]) -> None:
    document(b',\n"' + name.encode() + b'":[')
    for number, each in enumerate(members):
        document((b",\n" if number else b"\n") + to_json(each))
    document(b"]")


def _categories(table: Table) -> Iterator[dict[str, Any]]:
    for number, name in enumerate(table.categories(), _FIRST_ID):
        yield {"id": number, "name": name, "supercategory": ""}


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


def _annotations(table: Table, split: str) -> Iterator[dict[str, Any]]:
    own = [table.columns.name_of(name) for name in ("answer", "confidence")]
    number = _FIRST_ID
    for image, row in enumerate(table.rows(split, own), _FIRST_ID):
        for place in table.places(row[own[0]]):
            yield {
                "id": number,
                "image_id": image,
                "category_id": _FIRST_ID + place,
                "attributes": {"confidence": row[own[1]]},
            }
            number += 1
