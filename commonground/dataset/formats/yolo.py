"""YOLO for classification, as Ultralytics reads it: SPLIT/LABEL/FILE, where validation is called val.

data.yaml has the labels by number, and rows.jsonl each file with its row: all that folders do not say.
A label that no file system takes as a name is spelt with %XX, as in a URL.
"""

from __future__ import annotations

import json
from typing import Final

from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.naming import NAME_BYTES_MAX, folder_name
from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Outline, Table
from commonground.dataset.rows import IMAGE, Column
from protocol.errors import ConfigError

_SPLITS: Final = {"train": "train", "validation": "val", "test": "test"}


def write(table: Table, sink: Sink) -> None:
    """Writes the copy. Raises ConfigError unless items have one picture and one answer."""
    picture = check(table)
    names = table.categories()
    with sink.file("data.yaml") as document:
        folders = {split: _SPLITS[split] for split in table.splits}
        listed = (f"{number}: {json.dumps(name)}" for number, name in enumerate(names))
        lines = [f"nc: {len(names)}", "names:", *(f"  {each}" for each in listed)]
        lines += [f"{each}: {each}" for each in folders.values()]
        document("\n".join([*lines, ""]).encode())
    with sink.file("rows.jsonl") as line:
        for split in table.splits:
            for row in table.rows(split):
                [place] = table.places(table.own(row, "answer"))
                name = table.file_name(row, picture)
                path = f"{_SPLITS[split]}/{folder_name(names[place])}/{name}"
                with sink.file(path) as file:
                    file(table.content(row, picture))
                cells = table.write_files(sink, row | {picture.name: None})
                line(to_json(cells | {picture.name: path}) + b"\n")


def check(table: Outline) -> Column:
    """The part that is the picture; raises ConfigError."""
    if table.takes_several:
        raise ConfigError(
            "yolo takes one answer for each picture, and these have several",
            "export them as coco, jsonl, csv or label-studio",
        )
    too_long = [
        name for name in table.categories() if len(folder_name(name).encode()) > NAME_BYTES_MAX
    ]
    if too_long:
        raise ConfigError(
            f"the label {too_long[0]!a} is too long for the name of a folder", "export them as coco"
        )
    return table.only_part(IMAGE, what="yolo")
