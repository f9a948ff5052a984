"""Private data as its owner keeps it: a folder of PNG images and a table, read and never copied.

    FOLDER/labels.csv     file,label[,more columns]      the folder that `commonhold node submit` takes
    FOLDER/0000.png ...   28 x 28 pixels, greyscale or RGB

A job says which columns it reads, its partner which ones it may: `image` is what the named file shows,
every other one is called what the table calls it. Whatever is wrong is named, and nothing is skipped: data
that its owner did not mean to train on is not trained on.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from commonground.files import open_file
from protocol.errors import ConfigError
from protocol.limits import SALT_BYTES

IMAGE: Final = "image"
LABEL: Final = "label"
LABELS_FILE: Final = "labels.csv"

_FILE: Final = "file"  # the table's column that `image` is found by
_SIDE: Final = 28  # pixels
EXAMPLES_MAX: Final = 20_000  # their features take 160 MB
TABLE_BYTES_MAX: Final = 8 * 1024 * 1024  # EXAMPLES_MAX lines with room for more columns
IMAGE_BYTES_MAX: Final = 64 * 1024  # 784 pixels take 2 KiB, the rest is for what programs attach
FIELD_CHARS_MAX: Final = 255  # the longest file name of common file systems
_MODES: Final = ("1", "L", "RGB")  # what turns into grey the same way everywhere


@dataclass(frozen=True, slots=True, eq=False)
class PrivateData:
    """Examples, and what is said about them without showing any."""

    images: NDArray[np.uint8]  # (n, 28, 28), 0 = black
    labels: tuple[str, ...]  # (n,) as in the table
    digest: bytes  # SHA-256 of all examples; the same whatever the files are called
    examples: tuple[bytes, ...]  # (n,) SHA-256 of each image: the unit that a budget protects
    warnings: tuple[str, ...]

    def classes(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """(n,) indices into `labels`. Raises ConfigError for a label that is not among them."""
        index = {label: number for number, label in enumerate(labels)}
        unknown = sorted({*self.labels} - {*index})
        if unknown:
            raise ConfigError(
                f"there is no label {unknown[0]!r} to learn", f"labels are {', '.join(labels)}"
            )
        return np.array([index[label] for label in self.labels], np.int64)


def data_commitment(salt: bytes, digest: bytes) -> bytes:
    """What the log learns of the data: SHA-256("commonhold/v1/data\\0" || salt || digest)."""
    if len(salt) != SALT_BYTES:
        raise ConfigError(
            f"a salt has {SALT_BYTES} bytes, not {len(salt)}", "restore budget.db from a backup"
        )
    return hashlib.sha256(b"commonhold/v1/data\0" + salt + digest).digest()


def load(folder: Path, columns: Sequence[str], allowed: Collection[str]) -> PrivateData:
    """Reads the examples of a folder, in the order of its table.

    Raises ConfigError, naming column, line or file, for a column that is not allowed or not there, for
    no data, and for anything malformed.
    """
    _check_columns(columns, allowed)
    rows = _read_table(folder / LABELS_FILE, columns)
    images = np.stack([_read_image(folder / file) for file, _ in rows])
    labels = tuple(label for _, label in rows)
    examples = tuple(hashlib.sha256(image.tobytes()).digest() for image in images)
    return PrivateData(
        images, labels, _digest(examples, labels), examples, _warnings(labels, examples)
    )


def _check_columns(columns: Sequence[str], allowed: Collection[str]) -> None:
    for column in columns:
        if column not in allowed:
            raise ConfigError(
                f"the job reads the column {column!r}, which you did not allow",
                "allow it if your data may be used so, or do not join this job",
            )
    for needed in (IMAGE, LABEL):
        if needed not in columns:
            raise ConfigError(
                f"the job does not read the column {needed!r}, without which its model cannot train",
                "its operator has to open another job",
            )


def _read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, str]]:
    """(file, label) of every line; no other column is kept."""
    reader = csv.DictReader(io.StringIO(_read_text(path)), strict=True, restval="", restkey="")
    rows: dict[str, str] = {}
    try:
        header = list(reader.fieldnames or ())
        for column in columns:
            if (_FILE if column == IMAGE else column) not in header:
                raise ConfigError(
                    f"{path} has no column {_FILE if column == IMAGE else column!r}",
                    "its first line names the columns: file,label",
                )
        for row in reader:
            if len(rows) == EXAMPLES_MAX:
                raise ConfigError(f"{path} names more than {EXAMPLES_MAX} examples", "split it")
            problem = _row_problem(row, header, rows)
            if problem:
                raise ConfigError(f"{path}, line {reader.line_num}: {problem}", "correct the line")
            rows[row[_FILE]] = row[LABEL]
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}", "correct the line") from error
    if not rows:
        raise ConfigError(f"{path} names no examples", "add a line for each image: FILE,LABEL")
    return list(rows.items())


def _row_problem(row: dict[str, str], header: Sequence[str], rows: Collection[str]) -> str:
    """What is wrong with a line, or an empty string."""
    if set(row) != set(header):
        return f"expected {len(header)} fields"
    file, label = row[_FILE], row[LABEL]
    if not file or not label.strip():
        return "the file name and the label must not be empty"
    if max(len(file), len(label)) > FIELD_CHARS_MAX:
        return f"a field is longer than {FIELD_CHARS_MAX} characters"
    if file in (".", "..") or any(mark in file for mark in "/\\\0"):
        return "give a plain file name, not a path"
    if file in rows:
        return f"{file} has a label already"
    return ""


def _read_text(path: Path) -> str:
    try:
        return _read_bytes(path, TABLE_BYTES_MAX).decode("utf-8-sig")  # spreadsheets write a mark
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", "export it as CSV in UTF-8") from error


def _read_bytes(path: Path, bytes_max: int) -> bytes:
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


def _read_image(path: Path) -> NDArray[np.uint8]:
    """(28, 28) grey, 0 = black."""
    data = _read_bytes(path, IMAGE_BYTES_MAX)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != (_SIDE, _SIDE) or image.mode not in _MODES:  # only the header is read
                raise ConfigError(
                    f"{path} is {image.width} x {image.height} pixels, {image.mode}; this model"
                    f" takes {_SIDE} x {_SIDE}, greyscale or RGB",
                    "convert it, or delete its line",
                )
            return np.array(image.convert("L"), np.uint8)
    except (OSError, ValueError, SyntaxError) as error:  # what pillow raises on a bad PNG
        raise ConfigError(
            f"{path} is not a PNG image that can be read", "repair it, or delete its line"
        ) from error


def _digest(examples: Sequence[bytes], labels: Sequence[str]) -> bytes:
    """Independent of order and names: the sorted hashes of (image, label)."""
    pairs = zip(examples, labels, strict=True)
    each = sorted(hashlib.sha256(image + label.encode()).digest() for image, label in pairs)
    return hashlib.sha256(b"".join(each)).digest()


def _warnings(labels: Sequence[str], examples: Sequence[bytes]) -> tuple[str, ...]:
    found = []
    if len(set(labels)) == 1:
        found.append(
            f"all examples have the label {labels[0]!r}: your updates teach no difference between"
            " labels, and that you took part already tells which label you have"
        )
    repeated = sum(count - 1 for count in Counter(examples).values())
    if repeated:
        found.append(
            f"{repeated} images repeat others: the budget protects one copy of an image, and many"
            " copies of it together less"
        )
    return tuple(found)
