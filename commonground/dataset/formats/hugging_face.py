"""Hugging Face's folders of pictures or recordings: SPLIT/metadata.jsonl, and the files that it names.

`datasets` reads the dataset itself without a copy, and faster. This one is for people: files with their rows.
"""

from __future__ import annotations

from typing import Final

from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Outline, Table
from commonground.dataset.rows import AUDIO, IMAGE, Column

_FILE: Final = "file_name"  # the column that names a row's file


def write(table: Table, sink: Sink) -> None:
    """Writes the copy. Raises ConfigError unless items have one picture or recording."""
    part = check(table)
    for split in table.splits:
        with sink.file(f"{split}/metadata.jsonl") as line:
            for row in table.rows(split):
                name = table.file_name(row, part)
                with sink.file(f"{split}/{name}") as file:
                    file(table.content(row, part))
                cells = table.write_files(sink, row | {part.name: None}, f"{split}/files")
                del cells[part.name]
                line(to_json({_FILE: name, **cells}) + b"\n")


def check(table: Outline) -> Column:
    """The part that the files are of; raises ConfigError."""
    return table.only_part(IMAGE, AUDIO, what="hugging-face")
