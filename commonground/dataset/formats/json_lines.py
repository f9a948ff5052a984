"""JSON Lines: an object for each row, in SPLIT.jsonl. Content that is no text is in files/."""

from __future__ import annotations

import json
from typing import Any

from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Table


def write(table: Table, sink: Sink) -> None:
    """Writes the copy."""
    for split in table.splits:
        with sink.file(f"{split}.jsonl") as line:
            for row in table.rows(split):
                line(to_json(table.write_files(sink, row)) + b"\n")


def to_json(found: Any) -> bytes:
    """JSON without blanks or line ends."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
