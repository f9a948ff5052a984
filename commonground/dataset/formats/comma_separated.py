"""CSV (RFC 4180): a table for each split, SPLIT.csv, in UTF-8. Content that is no text is in files/.

Every text comes back as it was, letter by letter: so nothing is put before a cell that begins with =, +, - or
@, though a spreadsheet may take it for a formula. Text is always in quotes, and what is missing is empty
without them; lists are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Table


def write(table: Table, sink: Sink) -> None:
    """Writes the copy."""
    for split in table.splits:
        with sink.file(f"{split}.csv") as line:
            line(_line(each.name for each in table.shown))
            for row in table.rows(split):
                line(_line(table.write_files(sink, row).values()))


def _line(cells: Iterable[Any]) -> bytes:
    return ",".join(map(_cell, cells)).encode() + b"\r\n"


def _cell(found: Any) -> str:
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return repr(found)
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"'
