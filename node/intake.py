"""What a contributor's machine does to files before it submits them, and a reviewer's to content.

Files come from anywhere, and content that a reviewer fetches comes from strangers: sizes are
checked before anything is decoded, the media type is read from the bytes and not from the name,
and only plain still PNG is decoded. Both sides use `fingerprint_content`, so a claimed fingerprint
can be checked by computing it again.

Errors: `Reject` for content that breaks a rule (whoever sent it), `ConfigError` for files and
tables that cannot be read; both with advice.
"""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from protocol.errors import ConfigError, Reject
from protocol.review.fingerprints import (
    MAX_SIDE_PIXELS,
    fingerprint_exact,
    fingerprint_pixels,
    is_near_duplicate,
    is_valid_fingerprint,
)

PNG = "image/png"
TEXT = "text/plain"
MAX_CONTENT_BYTES = 8 << 20  # one item travels in one message stream; campaigns want samples
MAX_PIXELS = 4 << 20  # decoded RGBA is 16 MiB: a reviewer may decode several at once
MAX_LABEL_BYTES = 8 << 20  # a table of MAX_LABELS lines of ordinary length
MAX_LABELS = 100_000  # a submission beyond this is split by hand
MAX_FIELD_CHARS = 255  # the longest file name of common file systems
MAX_FOLDER_FILES = 100_000

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHORTEN = "Crop or scale it down, or split it into several items."


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Greyscale pixels: `height` rows of `width` bytes, top row first, 0 = black."""

    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class IntakeItem:
    """One file that is ready to submit. `sha256` finds local duplicates; it is never published."""

    path: Path
    media_type: str
    size_bytes: int
    sha256: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file that is not submitted, and why, for the person at the keyboard."""

    path: Path
    reason: str


def sniff_media_type(data: bytes) -> str:
    """The media type by content: image/png or text/plain (UTF-8, no control characters)."""
    if data.startswith(_PNG_SIGNATURE):
        return PNG
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and all(char.isprintable() or char in "\n\r\t" for char in text):
        return TEXT
    raise Reject("neither a PNG image nor plain text", "Convert images to PNG, texts to UTF-8.")


def read_image(data: bytes) -> DecodedImage:
    """Decode one still PNG to greyscale, bit for bit the same everywhere. Raises Reject."""
    _check_size(data)
    if not data.startswith(_PNG_SIGNATURE):
        raise Reject("not a PNG image", "Convert it to PNG; the file's name does not matter.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                _check_dimensions(image)
                image.verify()  # every checksum; decoding alone forgives a damaged end
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:  # verify consumes it
                return _to_grey(image)
    except Reject:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Reject("image has too many pixels", _SHORTEN) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what pillow raises on bad PNG
        raise Reject(f"broken PNG: {error}", "Save it again with any image program.") from error


def fingerprint_content(data: bytes, media_type: str) -> bytes:
    """The public fingerprint of content of the stated type. Raises Reject if it is not of it."""
    _check_size(data)
    actual = sniff_media_type(data)
    if actual != media_type:
        raise Reject(f"content is {actual}, not {media_type}", f"State the media type {actual}.")
    if media_type == PNG:
        image = read_image(data)
        return fingerprint_pixels(image.pixels, image.width, image.height)
    return fingerprint_exact(data)


def check_fingerprint(data: bytes, media_type: str, claimed: bytes) -> None:
    """A reviewer's check of a contributor's claim. Raises Reject if it does not recompute."""
    if not is_valid_fingerprint(claimed) or fingerprint_content(data, media_type) != claimed:
        raise Reject("the claimed fingerprint is not that of the content")


def read_item(path: Path) -> IntakeItem:
    """Read and check one file. Raises ConfigError (unreadable) or Reject (breaks a rule)."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONTENT_BYTES + 1)  # never more, however large the file is
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
        ) from error
    _check_size(data)
    media_type = sniff_media_type(data)
    return IntakeItem(
        path=path,
        media_type=media_type,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).digest(),
        fingerprint=fingerprint_content(data, media_type),
    )


def read_items(paths: Sequence[Path]) -> tuple[list[IntakeItem], list[Skipped]]:
    """Read files in order; set aside what breaks a rule or repeats an earlier file of the list.

    Exact repeats are found by hash. Near duplicates within one list are left to `are_alike`,
    as only the person knows whether two photographs are meant to differ.
    """
    items: list[IntakeItem] = []
    skipped: list[Skipped] = []
    first_with: dict[bytes, Path] = {}
    for path in paths:
        try:
            item = read_item(path)
        except (Reject, ConfigError) as error:
            skipped.append(Skipped(path, f"{error}. {error.advice}".rstrip()))
            continue
        first = first_with.setdefault(item.sha256, path)
        if first != path:
            skipped.append(Skipped(path, f"the same content as {first.name}"))
            continue
        items.append(item)
    return items, skipped


def are_alike(one: IntakeItem, other: IntakeItem) -> bool:
    """Whether the network would take the later one for a duplicate of the earlier."""
    return is_near_duplicate(one.fingerprint, other.fingerprint)


def list_files(folder: Path) -> list[Path]:
    """The folder's plain files by name, without hidden files and tables of labels."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", "Give the folder that holds the files.")
    paths: list[Path] = []
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".csv":
            paths.append(path)
        if len(paths) > MAX_FOLDER_FILES:
            raise ConfigError(
                f"{folder} holds more than {MAX_FOLDER_FILES} files", "Split it into folders."
            )
    return sorted(paths)


def read_labels(path: Path) -> dict[str, str]:
    """Read a `file,label` table (CSV, UTF-8, that header) as {file name: label}.

    Raises ConfigError naming the line for anything else: a missing column, an empty or overlong
    field, a file named twice, a path instead of a plain name.
    """
    labels: dict[str, str] = {}
    rows = csv.reader(io.StringIO(_read_text(path)), strict=True)
    try:
        if next(rows, None) != ["file", "label"]:
            raise _bad_line(path, 1, "the header must be file,label")
        for row in rows:
            if not row:  # a blank line, usually the last one
                continue
            problem = _row_problem(row, labels)
            if problem:
                raise _bad_line(path, rows.line_num, problem)
            if len(labels) == MAX_LABELS:
                raise _bad_line(path, rows.line_num, f"more than {MAX_LABELS} labels")
            labels[row[0]] = row[1]
    except csv.Error as error:
        raise _bad_line(path, rows.line_num, str(error)) from error
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


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LABEL_BYTES + 1)
        if len(data) > MAX_LABEL_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_LABEL_BYTES} bytes", "Split it.")
        return data.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", "Export it as CSV in UTF-8.") from error


def _bad_line(path: Path, line: int, problem: str) -> ConfigError:
    return ConfigError(f"{path}, line {line}: {problem}", "Correct the line and try again.")


def _check_size(data: bytes) -> None:
    if not data:
        raise Reject("the content is empty")
    if len(data) > MAX_CONTENT_BYTES:
        raise Reject(f"content is larger than {MAX_CONTENT_BYTES} bytes", _SHORTEN)


def _check_dimensions(image: Image.Image) -> None:
    """Only the header has been read here: nothing is decompressed yet."""
    if max(image.size) > MAX_SIDE_PIXELS or image.width * image.height > MAX_PIXELS:
        raise Reject(f"image of {image.width} x {image.height} pixels is too large", _SHORTEN)
    if getattr(image, "n_frames", 1) != 1:
        raise Reject("animated images are not accepted", "Save one frame as a still PNG.")


def _to_grey(image: Image.Image) -> DecodedImage:
    """Integer luma on a white ground. The arithmetic is ours, so that it is the same under every
    version of the image library, which only undoes the PNG encoding (lossless by its standard)."""
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte
        grey = np.asarray(image, dtype=np.int64) >> 8
    elif image.mode in ("1", "L") and "transparency" not in image.info:
        grey = np.asarray(image.convert("L"), dtype=np.int64)
    else:
        grey = _luma_on_white(np.asarray(image.convert("RGBA"), dtype=np.int64))
    height, width = grey.shape
    return DecodedImage(width, height, grey.astype(np.uint8).tobytes())


def _luma_on_white(rgba: NDArray[np.int64]) -> NDArray[np.int64]:
    """(h, w, 4) -> (h, w): ITU-R BT.601 luma in per mille, blended with white by alpha."""
    luma = (rgba[..., 0] * 299 + rgba[..., 1] * 587 + rgba[..., 2] * 114 + 500) // 1000
    alpha = rgba[..., 3]
    grey: NDArray[np.int64] = (luma * alpha + 255 * (255 - alpha) + 127) // 255
    return grey
