"""Items that are the rows of a table. Nothing is decoded here.

A table is CSV with a header, or JSON Lines with one object a line; both in UTF-8. For each part of the
campaign's items it may have the columns

    PART          a file, as a path below the table's own folder
    PART_text     the content itself
    PART_source   who or what made it, where the campaign compares sources

and `answer` for the answer that is proposed, in words (`proposal`, where a part is called answer).

Errors: `ConfigError` with advice; of a table it names the line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from node.bringing.text import bad_line, read_text
from node.drafts import Draft, PartSource
from node.intake import json_depth
from protocol.errors import ConfigError, Reject
from protocol.rows import PartTerms
from protocol.text import check_name, quoted

MAX_TABLE_BYTES: Final = 64 << 20  # with texts inside; longer ones lie in files of their own
MAX_ROWS: Final = 100_000  # a submission beyond this is split by hand
_JSON_LINES: Final = (".jsonl", ".ndjson")
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # JSON can write one, UTF-8 cannot
_TEXT: Final = "_text"
_SOURCE: Final = "_source"


def read_table(path: Path, parts: Sequence[PartTerms]) -> list[Draft]:
    """One item for each row; files are not opened yet. Raises ConfigError that names the line."""
    columns = _Columns(path, parts)
    is_json = path.suffix.lower() in _JSON_LINES
    rows = _json_rows(path) if is_json else _csv_rows(path, columns)
    drafts: list[Draft] = []
    for line, row in rows:
        columns.check(line, row)
        if len(drafts) == MAX_ROWS:
            raise bad_line(path, line, f"more than {MAX_ROWS} rows")
        drafts.append(columns.draft(line, row))
    if not drafts:
        raise ConfigError(f"{path} holds no items", "Add one line for each item.")
    return drafts


class _Columns:
    """What the columns of a table mean in one campaign."""

    def __init__(self, path: Path, parts: Sequence[PartTerms]) -> None:
        self._path, self._parts = path, parts
        names = [part.name for part in parts]
        self._answer = "proposal" if "answer" in names else "answer"
        derived = [name + end for name in names for end in (_TEXT, _SOURCE)]
        self._known = dict.fromkeys([*names, *derived, self._answer])

    def check(self, line: int, columns: Mapping[str, str] | Sequence[str]) -> None:
        """Raises ConfigError for a column that means nothing here, or stands there twice."""
        seen: set[str] = set()
        for column in columns:
            if column not in self._known:
                raise ConfigError(
                    f"{self._path}, line {line}: there is no column {quoted(column)} in this campaign",
                    f"columns are: {', '.join(self._known)}",
                )
            if column in seen:
                raise bad_line(self._path, line, f"the column {column} is there twice")
            seen.add(column)

    def draft(self, line: int, row: Mapping[str, str]) -> Draft:
        """The item that a row describes."""
        found = [self._part(line, row, terms) for terms in self._parts]
        parts = tuple(part for part in found if part is not None)
        words = row.get(self._answer, "").strip()
        return Draft(f"{self._path.name}:{line}", parts, words)

    def _part(self, line: int, row: Mapping[str, str], terms: PartTerms) -> PartSource | None:
        name = terms.name
        file, text = row.get(name, ""), row.get(name + _TEXT, "")
        source = row.get(name + _SOURCE, "").strip()
        if file and text:
            raise bad_line(self._path, line, f"it has both {name} and {name}{_TEXT}")
        if not file and not text:
            if not terms.optional:
                raise bad_line(self._path, line, f"it has no {name}, and no {name}{_TEXT}")
            if source:
                raise bad_line(self._path, line, f"it has a source of {name}, and no {name}")
            return None
        if source:
            try:
                check_name(source, f"{name}{_SOURCE}")
            except Reject as error:
                raise bad_line(self._path, line, str(error)) from None
        return PartSource(name, self._file(line, file) if file else None, text, source)

    def _file(self, line: int, text: str) -> Path:
        """A table may come from somebody else: it names no files but those that came with it."""
        folder = self._path.parent.resolve()
        relative = PurePosixPath(text)
        if "\0" in text or relative.is_absolute() or ".." in relative.parts:
            raise bad_line(
                self._path, line, f"{quoted(text)} is not a path below the table's folder"
            )
        if not (folder / relative).resolve().is_relative_to(folder):
            raise bad_line(self._path, line, f"{quoted(text)} leads out of the table's folder")
        return self._path.parent / relative


def _csv_rows(path: Path, columns: _Columns) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv.reader(io.StringIO(read_text(path, MAX_TABLE_BYTES), newline=""), strict=True)
    try:
        header = next(rows, [])
        columns.check(1, header)
        line = rows.line_num + 1  # where a row begins: texts may have several lines
        for row in rows:
            if row and len(row) != len(header):
                raise bad_line(path, line, f"expected {len(header)} fields, found {len(row)}")
            if row:
                yield line, dict(zip(header, row, strict=True))
            line = rows.line_num + 1
    except csv.Error as error:
        raise bad_line(path, rows.line_num, str(error)) from error


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for line, text in enumerate(read_text(path, MAX_TABLE_BYTES).split("\n"), start=1):
        if not text.strip():
            continue
        if json_depth(text.encode()) > 1:
            raise bad_line(path, line, "it is more than one object with a string for each column")
        try:
            row = json.loads(text, object_pairs_hook=_no_doubles)
        except ValueError as error:
            raise bad_line(path, line, f"it is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise bad_line(path, line, "it is not a JSON object")
        for name, value in row.items():
            if not isinstance(value, str) or _LONE_SURROGATE.search(value):
                raise bad_line(path, line, f"{quoted(name)} is not a string")
        yield line, row


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name JSON's readers keep one, and nobody knows which."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {quoted(twice)} is there twice")
    return dict(pairs)
