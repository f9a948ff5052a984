"""Tables as programs write them: CSV, TSV, JSON Lines, JSON records, Parquet, Arrow. See columns.py for what
columns mean.

A table is read a row at a time. Errors: `ConfigError` with advice, for a table
that is damaged as a whole; a row that is damaged alone is left out, and named.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from commonground.columnar import arrow_columns, arrow_records, parquet_columns, parquet_records
from commonground.delimited import MAX_COLUMNS, WIDE, Delimited
from commonground.lines import LINE_CHARS_MAX, bad_line, other_pieces, read_pieces, read_text
from protocol.depth import load_json
from protocol.errors import ConfigError
from protocol.text import quoted

MAX_JSON_BYTES: Final = 64 << 20  # a document that is parsed whole
MAX_ROWS: Final = 100_000  # a submission beyond this is split by hand
SAMPLE_ROWS: Final = 20  # that are looked at to learn what columns hold
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # JSON can write one, UTF-8 cannot
_NO_FILE: Final = ({"bytes": None, "path": None}, {"bytes": None})  # as `datasets` writes nothing

Cell: TypeAlias = str | bytes
"""Bytes are what only Parquet and Arrow hold: the content of a file."""


class Form(StrEnum):
    """How a table is written."""

    CSV = "csv"
    TSV = "tsv"
    JSON_LINES = "jsonl"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


SUFFIXES: Final = {
    ".csv": Form.CSV,
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
    ".jsonl": Form.JSON_LINES,
    ".ndjson": Form.JSON_LINES,
    ".parquet": Form.PARQUET,
    ".arrow": Form.ARROW,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `problem` says why it means nothing, whatever it holds. `others`: the values that are no
    cells, lists and objects; a column is in one of both."""

    number: int  # the line on which it begins, from 1; of JSON and Parquet, which row it is
    cells: Mapping[str, Cell]
    problem: str = ""
    others: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows(ABC):
    """What has rows: a table, or an export that is read as one. It is read as often as somebody asks."""

    path: Path
    header: bool = field(default=True, kw_only=True)  # else columns are called 1, 2, …

    @property
    def folder(self) -> Path:
        """Below which the files are that it names."""
        return self.path.parent

    @abstractmethod
    def read(self) -> Iterable[Row]:
        """All rows, as they come. Raises ConfigError."""

    def rows(self) -> Iterator[Row]:
        """The same, and no more than MAX_ROWS. Raises ConfigError."""
        for count, row in enumerate(self.read()):
            if count == MAX_ROWS:
                raise bad_line(self.path, row.number, f"more than {MAX_ROWS} rows")
            yield row

    def sample(self) -> list[Row]:
        """The first rows that can be read. Raises ConfigError."""
        return list(islice((row for row in self.rows() if not row.problem), SAMPLE_ROWS))

    def columns(self) -> list[str]:
        """Of all rows: one that only a late row has is a column, too. Raises ConfigError."""
        found: dict[str, None] = {}
        for row in self.rows():
            found |= dict.fromkeys((*row.cells, *row.others))
            if len(found) > MAX_COLUMNS:
                raise bad_line(self.path, row.number, f"more than {MAX_COLUMNS} columns", WIDE)
        return list(found)


@dataclass(frozen=True, slots=True)
class Table(Rows):
    """A table in a file."""

    form: Form
    encoding: str = ""

    def columns(self) -> list[str]:
        """In the table's order. Raises ConfigError."""
        if self.form in (Form.CSV, Form.TSV):
            return self._delimited().columns
        if self.form == Form.PARQUET:
            return parquet_columns(self.path)
        if self.form == Form.ARROW:
            return arrow_columns(self.path)
        return Rows.columns(self)

    def read(self) -> Iterable[Row]:
        """All rows. Raises ConfigError."""
        if self.form == Form.JSON_LINES:
            return _json_lines(self.path, self.encoding)
        if self.form == Form.JSON:
            return _json_records(self.path, self.encoding)
        if self.form == Form.PARQUET:
            return _numbered(parquet_records(self.path))
        if self.form == Form.ARROW:
            return _numbered(arrow_records(self.path))
        return self._delimited_rows()

    def _delimited(self) -> Delimited:
        separator = "\t" if self.form == Form.TSV else ""
        return Delimited(self.path, self.encoding, self.header, separator)

    def _delimited_rows(self) -> Iterator[Row]:
        table = self._delimited()
        for record in table.records():
            cells = zip(table.columns, record.cells, strict=not record.problem)
            yield Row(record.number, dict(cells), record.problem)


def form_of(path: Path) -> Form | None:
    """How a file is written, by its name; None if it is no table."""
    return SUFFIXES.get(path.suffix.lower())


# ---- JSON ----


def _json_lines(path: Path, encoding: str) -> Iterator[Row]:
    pieces = read_pieces(path, encoding)
    for number, line in enumerate(pieces, start=1):
        if len(line) == LINE_CHARS_MAX:
            yield Row(number, {}, f"it has {LINE_CHARS_MAX:,} characters or more")
            deque(other_pieces(pieces, line), maxlen=0)
        elif line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        found = parse_json(line)
    except ValueError as error:
        return Row(number, {}, f"it is not JSON: {error}")
    return _row_of(number, found)


def _json_records(path: Path, encoding: str) -> Iterator[Row]:
    found = read_json(path, encoding)
    if not isinstance(found, list):
        raise ConfigError(f"{path} holds no list of rows", "write it as [{…}, {…}]")
    yield from _numbered(found)


def _numbered(found: Iterable[Any]) -> Iterator[Row]:
    for number, each in enumerate(found, start=1):
        yield _row_of(number, each)


def read_json(path: Path, encoding: str = "") -> Any:
    """A document, whole. Raises ConfigError."""
    try:
        return parse_json(read_text(path, MAX_JSON_BYTES, encoding))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}", "export it again") from None


def parse_json(text: str) -> Any:
    """Raises ValueError, also for what nests too deep, and where one name is there twice."""
    return load_json(text, object_pairs_hook=_no_doubles)


def _row_of(number: int, found: Any) -> Row:
    if not isinstance(found, dict):
        return Row(number, {}, "it is not an object with a value for each column")
    if len(found) > MAX_COLUMNS:
        return Row(number, {}, f"it has more than {MAX_COLUMNS} columns")
    tried = {name: cell_of(value) for name, value in found.items()}
    cells = {name: cell for name, cell in tried.items() if cell is not None}
    others = {name: value for name, value in found.items() if name not in cells}
    return Row(number, cells, others=others)


def cell_of(value: Any) -> Cell | None:
    """A value as the cell of a table; None for what is no text, number or picture."""
    if isinstance(value, dict):
        if value in _NO_FILE:
            return ""
        value = value.get("bytes")  # a picture or a recording, as `datasets` writes it
        return value if isinstance(value, bytes) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return None if _LONE_SURROGATE.search(value) else value
    return value if isinstance(value, bytes) else str(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name JSON's readers keep one, and nobody knows which."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {quoted(twice)} is there twice")
    return found
