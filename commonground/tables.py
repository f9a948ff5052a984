"""Tables as programs write them: CSV, TSV, JSON Lines, JSON records, Parquet. See columns.py for what
columns mean.

A table is read a row at a time. Errors: `ConfigError` with advice, for a table
that is damaged as a whole; a row that is damaged alone is left out, and named.
"""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from commonground.files import open_file
from commonground.lines import bad_line, read_lines, read_text
from protocol.depth import load_json
from protocol.errors import ConfigError
from protocol.text import quoted

MAX_JSON_BYTES: Final = 64 << 20  # a document that is parsed whole
MAX_ROWS: Final = 100_000  # a submission beyond this is split by hand
MAX_COLUMNS: Final = 1_000  # more is a table of numbers
_WIDE: Final = (
    "name the columns that matter in a narrower table; or look whether its separators are right"
)
FIELD_CHARS_MAX: Final = 8 << 20  # as long as the content of a part may be
SAMPLE_ROWS: Final = 20  # that are looked at to learn what columns hold
SEPARATORS: Final = (",", ";", "\t")
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # JSON can write one, UTF-8 cannot
_BATCH_ROWS: Final = 16  # of Parquet that are held at once: pictures may be inside

Cell: TypeAlias = str | bytes
"""Bytes are what only Parquet holds: the content of a file."""


class Form(StrEnum):
    """How a table is written."""

    CSV = "csv"
    TSV = "tsv"
    JSON_LINES = "jsonl"
    JSON = "json"
    PARQUET = "parquet"


SUFFIXES: Final = {
    ".csv": Form.CSV,
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
    ".jsonl": Form.JSON_LINES,
    ".ndjson": Form.JSON_LINES,
    ".parquet": Form.PARQUET,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `problem` says why it means nothing, whatever it holds."""

    number: int  # the line on which it begins, from 1; of JSON and Parquet, which row it is
    cells: Mapping[str, Cell]
    problem: str = ""


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
            found |= dict.fromkeys(row.cells)
            if len(found) > MAX_COLUMNS:
                raise bad_line(self.path, row.number, f"more than {MAX_COLUMNS} columns", _WIDE)
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
            return _parquet_columns(self.path)
        return Rows.columns(self)

    def read(self) -> Iterable[Row]:
        """All rows. Raises ConfigError."""
        if self.form == Form.JSON_LINES:
            return _json_lines(self.path, self.encoding)
        if self.form == Form.JSON:
            return _json_records(self.path, self.encoding)
        if self.form == Form.PARQUET:
            return _parquet_rows(self.path)
        return self._delimited().rows()

    def _delimited(self) -> Delimited:
        return Delimited(self.path, self.form, self.encoding, self.header)


def form_of(path: Path) -> Form | None:
    """How a file is written, by its name; None if it is no table."""
    return SUFFIXES.get(path.suffix.lower())


# ---- text with separators ----


class Delimited:
    """CSV and its kin. The separator is the one that the first line has most of."""

    def __init__(self, path: Path, form: Form, encoding: str = "", header: bool = True) -> None:
        csv.field_size_limit(FIELD_CHARS_MAX)
        self._path, self._encoding = path, encoding
        lines = read_lines(path, encoding)
        first = next((line for line in lines if line.strip()), "")
        if "\0" in first:
            raise ConfigError(
                f"{path} has NUL characters, as UTF-16 has without the mark in front",
                "name what it is in: --encoding utf-16-le; or export it in UTF-8",
            )
        self._separator = "\t" if form == Form.TSV else separator_of(first)
        self._quotes = self._separator != "\t" or self._is_quoted()
        self._header = header
        number, cells = next(self._filled(), (1, []))
        names = [each.strip() for each in cells]
        self.columns = names if header else [str(place + 1) for place in range(len(names))]
        if len(self.columns) > MAX_COLUMNS:
            raise bad_line(path, number, f"more than {MAX_COLUMNS} columns", _WIDE)
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise bad_line(path, number, f"the column {quoted(min(twice))} is there twice")

    def rows(self) -> Iterator[Row]:
        """All but the header and blank lines."""
        for number, cells in islice(self._filled(), int(self._header), None):
            if len(cells) == len(self.columns):
                yield Row(number, dict(zip(self.columns, cells, strict=True)))
            else:
                problem = f"expected {len(self.columns)} fields, found {len(cells)}"
                yield Row(number, {}, problem)

    def _is_quoted(self) -> bool:
        """Whether quotation marks between tabs enclose fields, or are letters: texts often begin with one.

        They do if that is how the table can be read. Where a record would then have several lines, which two
        stray marks look like, every line must be no record by itself.
        """
        widths: set[int] = set()
        has_several_lines = False
        try:
            for start, cells in self._read(csv.QUOTE_MINIMAL):
                has_several_lines |= self._line > start + 1
                widths.add(len(cells))
        except csv.Error:
            return False
        if len(widths - {0}) > 1:
            return False
        return not has_several_lines or not self._is_even()

    def _is_even(self) -> bool:
        """Whether all lines have the same number of fields, if quotation marks are letters."""
        return len({len(cells) for _, cells in self._read(csv.QUOTE_NONE)} - {0}) <= 1

    def _filled(self) -> Iterator[tuple[int, list[str]]]:
        return ((number, cells) for number, cells in self._records() if cells)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        try:
            yield from self._read(csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE)
        except csv.Error as error:
            raise bad_line(self._path, self._line, str(error)) from error

    def _read(self, quoting: Any) -> Iterator[tuple[int, list[str]]]:
        """Records with the lines on which they begin; `_line` is that of the next: texts may have several."""
        lines = read_lines(self._path, self._encoding)
        reader = csv.reader(lines, delimiter=self._separator, quoting=quoting, strict=True)
        self._line = 1
        for cells in reader:
            start, self._line = self._line, reader.line_num + 1
            yield start, cells


def separator_of(line: str) -> str:
    """What separates the fields of a first line, outside of quotation marks."""
    bare = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=bare.count)  # the comma, if there is none


# ---- JSON ----


def _json_lines(path: Path, encoding: str) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if line.strip():
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
    cells = {name: cell_of(value) for name, value in found.items()}
    return Row(number, {name: cell for name, cell in cells.items() if cell is not None})


def cell_of(value: Any) -> Cell | None:
    """A value as the cell of a table; None for what is no text, number or picture."""
    if isinstance(value, dict):
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


# ---- Parquet ----


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """An open file. Raises ConfigError for what goes wrong in the block, too: much is read only then."""
    try:
        import pyarrow.parquet as pq
        from pyarrow.lib import ArrowException
    except ImportError:
        raise ConfigError(
            f"{path} is Parquet, which needs another package",
            "pip install 'commonhold[node,dataset]'",
        ) from None
    try:
        with open_file(path) as opened, pq.ParquetFile(opened) as file:
            yield file
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"cannot read {path} as Parquet: {error}", "export it again") from error


def _parquet_columns(path: Path) -> list[str]:
    with _parquet(path) as file:
        names = list(file.schema_arrow.names)
    if len(names) > MAX_COLUMNS:
        raise ConfigError(f"{path} has more than {MAX_COLUMNS} columns", "write those that matter")
    return names


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    with _parquet(path) as file:
        names = _class_names(file.schema_arrow)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for record in batch.to_pylist():
                number += 1
                yield _row_of(number, _named(record, names))


def _named(record: dict[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """The record with the names of classes where it has their numbers."""
    for column, known in names.items():
        value = record.get(column)
        if isinstance(value, int) and 0 <= value < len(known):
            record[column] = known[value]
    return record


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Names of classes by column, as `datasets` keeps them in the schema's metadata."""
    try:
        kept = load_json((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = kept.get("info", {}).get("features", {})
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, AttributeError):
        return {}
