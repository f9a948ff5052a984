"""What a folder of private data is, whichever job reads it: its digest, and the names of its examples.

A job reads some columns at some size. A budget has to know the data by all that its files hold, or the next
job's columns would make other data of it. So everything is read here, and nothing is kept but hashes:

    pictures  what the column `file` names
    texts     columns that hold texts, of each line together
    rows      all other columns of a line, if there are any but `file` and one more
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from commonground.files import open_file
from federated.budget.examples import Examples, Rows
from federated.identity import of_pictures, of_texts
from federated.rows import as_text, json_lines
from federated.tables import of_rows
from protocol.depth import load_json
from protocol.errors import ConfigError

TABLES: Final = ("labels.csv", "data.csv", "data.jsonl")
FILE: Final = "file"  # the column that names a picture
BYTES_MAX: Final = 1 << 28  # of one file: more is no table and no picture that anybody trains on
PIXELS_MAX: Final = 1 << 26  # of one picture: a phone's 64 megapixels

_TAG: Final = b"commonhold/v1/data-files\0"
_READ_BYTES: Final = 1 << 20
# On average; a column of shorter ones holds words, codes or names.
_TEXT_CHARS_MIN: Final = 24


def digest_of(path: Path) -> bytes:
    """SHA-256 over all lines of a table and the files that they name, whatever these are called and in
    whatever order they come.

    `path` is a table, or the folder of one. Raises ConfigError for what cannot be read.
    """
    table = table_of(path)
    columns = dict(_columns(table))
    if FILE in columns:
        columns[FILE] = [_file_digest(table.parent / name).hex() for name in columns[FILE]]
    names = sorted(columns)
    lines = zip(*(columns[name] for name in names), strict=True)
    each = sorted(hashlib.sha256(json.dumps(line).encode()).digest() for line in lines)
    return hashlib.sha256(_TAG + json.dumps(names).encode() + b"".join(each)).digest()


def examples_of(path: Path) -> list[Examples | Rows]:
    """The names of all examples, by each kind of thing that they consist of. Raises ConfigError."""
    table = table_of(path)
    columns = dict(_columns(table))
    found: list[Examples | Rows] = []
    files = columns.pop(FILE, ())
    if files:
        found.append(of_pictures(_grey(table.parent / name) for name in files))
    texts = [name for name, values in columns.items() if _is_text(values)]
    if texts:
        found.append(
            of_texts(["\n".join(line) for line in zip(*map(columns.pop, texts), strict=True)])
        )
    if len(columns) > 1 or (columns and not found):
        found.append(of_rows(columns))
    return found


def table_of(path: Path) -> Path:
    """The table of a folder, the first that is there; or the table itself."""
    if not path.is_dir():
        return path
    return next((path / name for name in TABLES if (path / name).exists()), path / TABLES[0])


def _columns(table: Path) -> Mapping[str, Sequence[str]]:
    """All columns of a table, as text."""
    text = _content(table).decode("utf-8-sig", "replace")
    try:
        rows = (
            _json_rows(text)
            if table.suffix == ".jsonl"
            else list(csv.DictReader(io.StringIO(text)))
        )
    except (csv.Error, ValueError) as error:
        raise ConfigError(f"{table} is no table: {error}", "repair it") from error
    names = dict.fromkeys(name for row in rows for name in row if isinstance(name, str))
    return {name: [as_text(row.get(name)) for row in rows] for name in names}


def _json_rows(text: str) -> list[dict[str, object]]:
    rows = [load_json(line) for _, line in json_lines(text)]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is no object")
    return rows


def _is_text(values: Sequence[str]) -> bool:
    return sum(map(len, values)) > _TEXT_CHARS_MIN * len(values)


def _grey(path: Path) -> NDArray[np.uint8]:
    """(height, width) of a picture, at its own size."""
    try:
        with Image.open(io.BytesIO(_content(path))) as image:
            if image.width * image.height > PIXELS_MAX:  # only the header is read
                raise ConfigError(
                    f"{path} has {image.width} x {image.height} pixels", "scale it down"
                )
            return np.asarray(image.convert("L"), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(
            f"{path} is not a picture that can be read", "repair it, or delete its line"
        ) from error


def _content(path: Path) -> bytes:
    return b"".join(_pieces(path))


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.digest()


def _pieces(path: Path) -> Iterator[bytes]:
    left = BYTES_MAX
    try:
        with open_file(path) as file:
            while piece := file.read(_READ_BYTES):
                left -= len(piece)
                if left < 0:
                    raise ConfigError(f"{path} is larger than {BYTES_MAX} bytes", "split it")
                yield piece
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
