"""Lines of a table, CSV or JSON Lines, one after the other: bounded, and whatever is wrong has its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from commonground.files import open_file
from protocol.depth import load_json
from protocol.errors import ConfigError

FILE: Final = "file"  # the column that names a picture
# The table of a folder, the first that is there.
TABLES: Final = ("labels.csv", "data.csv", "data.jsonl")

EXAMPLES_MAX: Final = 100_000  # their features, 400 each, take 160 MB
TABLE_BYTES_MAX: Final = 128 * 1024 * 1024
HEADER_COLUMNS_MAX: Final = 4_096  # a table of a million columns is another file than was meant


def read_rows(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """For every line where it is, and these fields of it as text; other fields are not kept.

    `path` is a table, or the folder of one. Raises ConfigError for what is not there or malformed.
    """
    table = _table_of(path)
    lines = _json_lines if table.suffix == ".jsonl" else _csv_lines
    count = 0
    for number, row in lines(table, _read_text(table), fields):
        if count == EXAMPLES_MAX:
            raise ConfigError(f"{table} has more than {EXAMPLES_MAX} examples", "split it")
        count += 1
        yield f"{table}, line {number}", row
    if not count:
        raise ConfigError(f"{table} names no examples", f"add lines with {', '.join(fields)}")


def read_bytes(path: Path, bytes_max: int) -> bytes:
    """A file that is not too large. Raises ConfigError."""
    try:
        with open_file(path) as file:
            data = file.read(bytes_max + 1)  # never more, however large the file is
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
    if len(data) > bytes_max:
        raise ConfigError(f"{path} is larger than {bytes_max} bytes", "shrink it or split it")
    return data


def _table_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    tables = [path / name for name in TABLES if (path / name).exists()]
    return tables[0] if tables else path / TABLES[0]


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path, TABLE_BYTES_MAX).decode("utf-8-sig")  # spreadsheets write a mark
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", "export it in UTF-8") from error


def _csv_lines(
    path: Path, text: str, fields: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True, restval=None, restkey="")
    try:
        header = list(reader.fieldnames or ())
        _check_header(path, header, fields)
        for row in reader:
            if len(row) != len(header) or None in row.values():
                raise ConfigError(
                    f"{path}, line {reader.line_num}: expected {len(header)} fields",
                    "correct the line",
                )
            yield reader.line_num, {field: row[field] for field in fields}
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}", "correct the line") from error


def _check_header(path: Path, header: Sequence[str], fields: Sequence[str]) -> None:
    if len(header) > HEADER_COLUMNS_MAX:
        raise ConfigError(
            f"{path} has {len(header):,} columns, more than {HEADER_COLUMNS_MAX:,}",
            "export those that the job reads",
        )
    for field in fields:
        if field not in header:
            raise ConfigError(
                f"{path} has no column {field!r}", "its first line names the columns, with commas"
            )
        if header.count(field) > 1:
            raise ConfigError(f"{path} has the column {field!r} twice", "rename one of them")


def _json_lines(
    path: Path, text: str, fields: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in json_lines(text):
        place = f"{path}, line {number}"
        try:
            row = load_json(line)
        except ValueError as error:
            raise ConfigError(f"{place}: it is not JSON", "correct the line") from error
        yield number, json_fields(row, fields, place)


def json_fields(row: object, fields: Sequence[str], place: str) -> dict[str, str]:
    """These fields of a JSON object as a table has them: text, and nothing for null.

    Raises ConfigError, with `place` in it, for what is no such object.
    """
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: it is no object", 'write {"column": value, ...}')
    for field in fields:
        if field not in row:
            raise ConfigError(f"{place}: it has no field {field!r}", "add it")
        if not isinstance(row[field], str | int | float | None):
            raise ConfigError(f"{place}: {field!r} holds more than a value", "correct the line")
    return {field: as_text(row[field]) for field in fields}


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of JSON Lines, each with its number, but for empty ones. Only a line feed ends one: what else
    Python takes for the end of a line may stand in a string."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def as_text(value: object) -> str:
    """A value of JSON, as the same table would have it as CSV."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
