"""Tables that say which answer goes with which file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from node.bringing.text import bad_line, read_text
from protocol.errors import ConfigError

MAX_LABEL_BYTES: Final = 8 << 20  # a table of MAX_LABELS lines of ordinary length
MAX_LABELS: Final = 100_000  # a submission beyond this is split by hand
MAX_FIELD_CHARS: Final = 255  # the longest file name of common file systems
_HEADERS: Final = (["file", "label"], ["file", "answer"])


def read_labels(path: Path) -> dict[str, str]:
    """Read a table of answers (CSV, UTF-8, header `file,label` or `file,answer`) as {file name: words}.

    Raises ConfigError naming the line for anything else: a missing column, an empty or overlong
    field, a file named twice, a path instead of a plain name.
    """
    labels: dict[str, str] = {}
    rows = csv.reader(io.StringIO(read_text(path, MAX_LABEL_BYTES)), strict=True)
    try:
        if next(rows, None) not in _HEADERS:
            raise bad_line(path, 1, "the header must be file,label or file,answer")
        for row in rows:
            if not row:  # a blank line, usually the last one
                continue
            problem = _row_problem(row, labels)
            if problem:
                raise bad_line(path, rows.line_num, problem)
            if len(labels) == MAX_LABELS:
                raise bad_line(path, rows.line_num, f"more than {MAX_LABELS} labels")
            labels[row[0]] = row[1]
    except csv.Error as error:
        raise bad_line(path, rows.line_num, str(error)) from error
    if not labels:
        raise ConfigError(f"{path} holds no labels", "Add one line per file under the header.")
    return labels


def _row_problem(row: Sequence[str], labels: dict[str, str]) -> str:
    """What is wrong with one row, or an empty string."""
    if len(row) != 2:
        return f"expected 2 fields, found {len(row)}"
    file, label = row
    if not file or not label.strip():
        return "the file name and the label must not be empty"
    if max(len(file), len(label)) > MAX_FIELD_CHARS:
        return f"a field is longer than {MAX_FIELD_CHARS} characters"
    if file in (".", "..") or "/" in file or "\\" in file or "\0" in file:
        return "give a plain file name, not a path"
    if file in labels:
        return f"{file} already has a label"
    return ""
