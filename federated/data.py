"""Private data as its owner keeps it: a table, and pictures beside it, read and never copied.

    FOLDER/labels.csv     file,label[,more columns]    the folder that `commonhold node submit` takes
    FOLDER/0000.png ...   pictures of any size, grey or in colour
    data.csv, data.jsonl  a table alone: texts, numbers, categories; in a folder or named itself

A job says which columns it reads, its partner which ones it may: `image` is what the named file shows,
every other one is called what the table calls it. Whatever is wrong is named, and nothing is skipped: data
that its owner did not mean to train on is not trained on. Columns that the job does not read are not kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated import pictures
from federated.rows import FILE, read_rows
from protocol.errors import ConfigError
from protocol.limits import SALT_BYTES

IMAGE: Final = "image"  # the column that is found by the table's column `file`
LABEL: Final = "label"  # what the column of labels is called unless a job says otherwise

# Pixels of all pictures of a partner, one byte each, as they are held.
PIXELS_MAX: Final = 1 << 30
FIELD_CHARS_MAX: Final = 255  # the longest file name of common file systems
TEXT_CHARS_MAX: Final = 100_000


class Kind(StrEnum):
    """What a column holds, and so how it is read."""

    IMAGE = "image"  # (n, height, width, colours) uint8, 0 = black
    TEXT = "text"  # (n,) object, each a str that is not blank
    CATEGORY = "category"  # (n,) object, each a str, which may be empty
    NUMBER = "number"  # (n,) float64, finite; not a number where the column is optional and the field empty
    LABEL = "label"  # (n,) object, each a str that is not blank


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a task reads."""

    name: str
    kind: Kind
    size: tuple[int, int, int] = (0, 0, 0)  # of an image: height, width, colours (1 or 3)
    optional: bool = False  # of a number: the field may be empty


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Examples, column by column, in the order of the file."""

    values: Mapping[str, NDArray[Any]]  # by the column's name; see Kind

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def __getitem__(self, column: str) -> NDArray[Any]:
        """One column. Raises ConfigError where the table has none of that name."""
        found = self.values.get(column)
        if found is None:
            raise ConfigError(f"there is no column {column!r}", "name one that the job reads")
        return found

    def take(self, places: NDArray[Any] | slice) -> Table:
        """The examples at these places: indices, a mask, or a slice."""
        return Table({name: values[places] for name, values in self.values.items()})

    def classes(self, column: str, labels: Sequence[str]) -> NDArray[np.int64]:
        """(n,) indices into `labels`. Raises ConfigError for a label that is not among them."""
        index = {label: number for number, label in enumerate(labels)}
        unknown = sorted({*self[column]} - {*index})
        if unknown:
            first = next(at for at, label in enumerate(self[column], 1) if label in unknown)
            raise ConfigError(
                f"there is no label {self[column][first - 1]!r} to learn, which example {first} has",
                f"labels are {', '.join(labels)}: correct the data, or leave such examples out",
            )
        return np.array([index[label] for label in self[column]], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PrivateData:
    """Examples, and what is said about them without showing any."""

    table: Table
    digest: bytes  # SHA-256 of all examples; the same whatever the files are called
    examples: tuple[
        bytes, ...
    ]  # (n,) SHA-256 of each without its label: the unit that a budget protects
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.table)


def data_commitment(salt: bytes, digest: bytes) -> bytes:
    """What the log learns of the data: SHA-256("commonhold/v1/data\\0" || salt || digest)."""
    if len(salt) != SALT_BYTES:
        raise ConfigError(
            f"a salt has {SALT_BYTES} bytes, not {len(salt)}", "restore budget.db from a backup"
        )
    return hashlib.sha256(b"commonhold/v1/data\0" + salt + digest).digest()


def load(path: Path, columns: Sequence[Column], allowed: Collection[str]) -> PrivateData:
    """Reads the examples of a folder or a table, in the table's order.

    Raises ConfigError, naming column, line or file, for a column that is not allowed or not there, for
    no data, and for anything malformed.
    """
    for column in columns:
        if column.name not in allowed:
            raise ConfigError(
                f"the job reads the column {column.name!r}, which you did not allow",
                "allow it if your data may be used so, or do not join this job",
            )
    return private(_read(path, columns), columns)


def private(table: Table, columns: Sequence[Column]) -> PrivateData:
    """The examples of a table, named by their hashes."""
    labels = [column for column in columns if column.kind is Kind.LABEL]
    inputs = [column for column in columns if column.kind is not Kind.LABEL]
    examples = tuple(_hashes(table, inputs))
    each = sorted(
        hashlib.sha256(example + label).digest()
        for example, label in zip(examples, _hashes(table, labels), strict=True)
    )
    whole = hashlib.sha256(b"".join(each)).digest()
    return PrivateData(table, whole, examples, tuple(_warnings(table, labels, examples)))


def _read(path: Path, columns: Sequence[Column]) -> Table:
    fields = [FILE if column.kind is Kind.IMAGE else column.name for column in columns]
    kept: list[list[Any]] = [[] for _ in columns]
    for place, row in read_rows(path, fields):
        for column, field, values in zip(columns, fields, kept, strict=True):
            try:
                values.append(parsed(row[field], column))
            except ValueError as error:
                raise ConfigError(f"{place}: {error}", "correct the line") from error
    folder = path if path.is_dir() else path.parent
    return Table(
        {
            column.name: column_array(
                column,
                _images(column, values, folder) if column.kind is Kind.IMAGE else values,
            )
            for column, values in zip(columns, kept, strict=True)
        }
    )


def parsed(field: str, column: Column) -> str | float:
    """A field by its column's kind. Raises ValueError, in words, for what it cannot be."""
    text = field.strip()
    if column.kind is Kind.NUMBER:
        return _number(text, column)
    if not text and column.kind is not Kind.CATEGORY:
        what = "file name" if column.kind is Kind.IMAGE else repr(column.name)
        raise ValueError(f"the {what} must not be empty")
    longest = TEXT_CHARS_MAX if column.kind is Kind.TEXT else FIELD_CHARS_MAX
    if len(field) > longest:
        raise ValueError(f"a field is longer than {longest} characters")
    if column.kind is Kind.IMAGE and (field in (".", "..") or {*"/\\\0"} & {*field}):
        raise ValueError("give a plain file name, not a path")
    return field


def _number(text: str, column: Column) -> float:
    if not text and column.optional:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        shown = repr(text[:40]) if text else "empty"
        raise ValueError(f"{column.name!r} is {shown}, not a finite number")
    return value


def column_array(column: Column, values: list[Any]) -> NDArray[Any]:
    """A column of a Table, from its values one by one."""
    match column.kind:
        case Kind.NUMBER:
            return np.array(values, np.float64)
        case Kind.IMAGE:
            return np.stack(values)
    return np.array([*values, None], object)[:-1]  # of strings, whatever their lengths


def _images(column: Column, files: list[str], folder: Path) -> list[NDArray[np.uint8]]:
    counts = Counter(files)
    for file, count in counts.items():
        if count > 1:
            raise ConfigError(
                f"the table names {file} {count} times", "a picture has one line and one label"
            )
    pixels = len(files) * int(np.prod(column.size))
    if pixels > PIXELS_MAX:
        raise ConfigError(
            f"{len(files):,} pictures of {pictures.words(column.size)} are too many to hold",
            f"bring at most {PIXELS_MAX // int(np.prod(column.size)):,}",
        )
    return [pictures.read(folder / file, column.size) for file in files]


def _hashes(table: Table, columns: Sequence[Column]) -> Iterator[bytes]:
    """For each example the SHA-256 of its fields' hashes."""
    fields = [
        [hashlib.sha256(_bytes(value)).digest() for value in table[column.name]]
        for column in columns
    ]
    for place in range(len(table)):
        yield hashlib.sha256(b"".join(each[place] for each in fields)).digest()


def _bytes(value: Any) -> bytes:
    return (
        value.encode() if isinstance(value, str) else bytes(np.ascontiguousarray(value).tobytes())
    )


def _warnings(table: Table, labels: Sequence[Column], examples: Sequence[bytes]) -> Iterator[str]:
    for column in labels:
        if len(set(table[column.name])) == 1:
            yield (
                f"all examples have the label {table[column.name][0]!r}: your updates teach no"
                " difference between labels, and that you took part already tells which label you have"
            )
    repeated = sum(count - 1 for count in Counter(examples).values())
    if repeated:
        yield (
            f"{repeated} examples repeat others: the budget protects one copy, and many copies of it"
            " together less"
        )
