"""YOLO, as Ultralytics reads it, where the split validation is called val.

    for classification   SPLIT/LABEL/FILE
    for detection        images/SPLIT/FILE and labels/SPLIT/FILE.txt, where reviewers judge boxes: a line for
                         each object, CLASS and the middle, width and height of its box, or its outline, as
                         fractions of the picture. An object with several outlines has its box alone.

data.yaml has the labels by number, and rows.jsonl each file with its row: all that the others do not say. A
label that no file system takes as a name is spelt with %XX, as in a URL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Final

from commonground.dataset.formats.boxes import Marked, boxes_of, boxes_part, labels_of, middle
from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.naming import NAME_BYTES_MAX, folder_name
from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Outline, Table
from commonground.dataset.rows import IMAGE, Column
from protocol.errors import ConfigError

_SPLITS: Final = {"train": "train", "validation": "val", "test": "test"}


def write(table: Table, sink: Sink) -> None:
    """Writes the copy. Raises ConfigError unless items have one picture, and boxes or one answer."""
    picture, boxes = check(table), boxes_part(table)
    labels = table.categories() if boxes is None else labels_of(table, boxes)
    classes = {label: number for number, label in enumerate(labels)}
    with sink.file("data.yaml") as document:
        document(_settings(table, labels, "" if boxes is None else "images/").encode())
    with sink.file("rows.jsonl") as line:
        for split, row in ((each, row) for each in table.splits for row in table.rows(each)):
            file = f"{_SPLITS[split]}/{table.file_name(row, picture)}"
            if boxes is None:
                path = _below_class(file, labels[table.places(table.own(row, "answer"))[0]])
            else:
                path = f"images/{file}"
                found = boxes_of(table, row, boxes).in_fractions()
                with sink.file(str(PurePosixPath("labels", file).with_suffix(".txt"))) as text:
                    text("".join(_line(each, classes) for each in found).encode())
            with sink.file(path) as content:
                content(table.content(row, picture))
            cells = table.write_files(sink, row | {picture.name: None})
            line(to_json(cells | {picture.name: path}) + b"\n")


def check(table: Outline) -> Column:
    """The part that is the picture; raises ConfigError."""
    if boxes_part(table) is None:
        if table.takes_several:
            raise ConfigError(
                "yolo takes one answer for each picture, and these have several",
                "export them as coco, jsonl, csv or label-studio",
            )
        _check_lengths(table.categories())
    return table.only_part(IMAGE, what="yolo")


def _check_lengths(labels: Iterable[str]) -> None:
    for label in labels:
        if len(folder_name(label).encode()) > NAME_BYTES_MAX:
            raise ConfigError(
                f"yolo takes no label as long as {label[:40]!a}…, which is a folder's name there",
                "export them as coco, jsonl, csv or label-studio",
            )


def _settings(table: Table, labels: list[str], folder: str) -> str:
    splits = [_SPLITS[split] for split in table.splits]
    return "\n".join(
        [
            f"nc: {len(labels)}",
            "names:",
            *(
                f"  {number}: {json.dumps(name, ensure_ascii=False)}"
                for number, name in enumerate(labels)
            ),
            *(f"{each}: {folder}{each}" for each in splits),
            "",
        ]
    )


def _below_class(file: str, label: str) -> str:
    path = PurePosixPath(file)
    return str(path.parent / folder_name(label) / path.name)


def _line(found: Marked, classes: dict[str, int]) -> str:
    one = found.outline[0] if len(found.outline) == 1 else None
    numbers = middle(found) if one is None else tuple(Decimal(repr(each)) for each in one)
    return (
        " ".join([str(classes[found.label]), *(f"{each.normalize():f}" for each in numbers)]) + "\n"
    )
