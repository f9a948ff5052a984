"""Private folders: what is meant is read, whatever is wrong is named, and a column is never read unasked."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commonhold.digits import load_digits, png_bytes, write_folder
from federated import data
from federated.data import data_commitment, load
from protocol.errors import ConfigError

COLUMNS = ("image", "label")
DIGITS = load_digits()
CHOSEN = [0, 600, 1200, 1800]  # a 0, a 1, a 2, a 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, DIGITS.images[CHOSEN], DIGITS.labels[CHOSEN])
    return tmp_path


def table(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")


def refused(folder: Path, words: str, columns: tuple[str, ...] = COLUMNS) -> None:
    with pytest.raises(ConfigError, match=words):
        load(folder, columns, {*columns})


def test_a_folder_is_read_in_the_order_of_its_table(folder: Path) -> None:
    read = load(folder, COLUMNS, COLUMNS)
    assert np.array_equal(read.images, DIGITS.images[CHOSEN])
    assert read.labels == ("0", "1", "2", "3") and read.warnings == ()
    assert read.classes("3210").tolist() == [3, 2, 1, 0]
    assert read.examples[0] == hashlib.sha256(DIGITS.images[0].tobytes()).digest()
    with pytest.raises(ConfigError, match="no label '3'"):
        read.classes("012")


def test_the_digest_is_of_the_examples_and_nothing_else(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = load(folder, COLUMNS, COLUMNS).digest
    renamed = tmp_path_factory.mktemp("renamed")
    write_folder(renamed, DIGITS.images[CHOSEN[::-1]], DIGITS.labels[CHOSEN[::-1]])
    assert load(renamed, COLUMNS, COLUMNS).digest == first
    table(renamed, "file,label\n0000.png,3\n0001.png,2\n0002.png,1\n0003.png,7\n")
    assert load(renamed, COLUMNS, COLUMNS).digest != first


def test_the_commitment_is_that_of_the_protocol() -> None:
    salt, digest = b"s" * 32, b"d" * 32
    expected = hashlib.sha256(b"commonhold/v1/data\0" + salt + digest).digest()
    assert data_commitment(salt, digest) == expected
    with pytest.raises(ConfigError, match="32 bytes"):
        data_commitment(salt[1:], digest)


def test_columns_are_allowed_one_by_one(folder: Path) -> None:
    table(folder, "file,label,age,\n0000.png,0,61,\n0001.png,1,34,\n")
    assert load(folder, ("image", "label", "age"), {"image", "label", "age"}).labels == ("0", "1")
    with pytest.raises(ConfigError, match="reads the column 'age', which you did not allow"):
        load(folder, ("image", "label", "age"), COLUMNS)
    with pytest.raises(ConfigError, match="reads the column 'label', which you did not allow"):
        load(folder, COLUMNS, {"image"})
    refused(folder, "has no column 'income'", ("image", "label", "income"))
    refused(folder, "does not read the column 'label'", ("image",))
    refused(folder, "does not read the column 'image'", ("label",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'file'"),
        ("name,label\n0000.png,0\n", "no column 'file'"),
        ("file,class\n0000.png,0\n", "no column 'label'"),
        ("file,label\n", "names no examples"),
        ("file,label\n\n\n", "names no examples"),
        ("file,label\n0000.png\n", "line 2: the file name and the label"),
        ("file,label\n0000.png,0,1\n", "line 2: expected 2 fields"),
        ("file,label\n0000.png,\n", "line 2: the file name and the label"),
        ("file,label\n0000.png,0\n../0001.png,1\n", "line 3: give a plain file name"),
        ("file,label\n0000.png,0\n0000.png,1\n", "line 3: 0000.png has a label already"),
        ("file,label\n0000.png," + "x" * 256 + "\n", "longer than 255"),
        ('file,label\n"0000.png,0\n', "unexpected end"),
        ("file,label\nmissing.png,0\n", "cannot read .*missing.png"),
        ("file,label\nlabels.csv,0\n", "labels.csv is not a PNG"),
    ],
)
def test_a_malformed_table_is_refused_by_line(folder: Path, text: str, words: str) -> None:
    table(folder, text)
    refused(folder, words)


def test_no_data_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "cannot read .*labels.csv")
    refused(tmp_path / "nowhere", "cannot read")


@pytest.mark.parametrize(
    ("mode", "size", "words"),
    [("L", (29, 28), "29 x 28"), ("RGBA", (28, 28), "RGBA"), ("P", (28, 28), ", P;")],
)
def test_an_image_of_another_kind_is_refused_by_name(
    folder: Path, mode: str, size: tuple[int, int], words: str
) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format="PNG")
    (folder / "0002.png").write_bytes(buffer.getvalue())
    refused(folder, f"0002.png .*{words}")


def test_a_broken_image_is_refused_by_name(folder: Path) -> None:
    (folder / "0001.png").write_bytes(png_bytes(DIGITS.images[0])[:60])
    refused(folder, "0001.png is not a PNG")


def test_colour_is_read_as_grey(folder: Path) -> None:
    Image.fromarray(DIGITS.images[0]).convert("RGB").save(folder / "0000.png")
    assert np.array_equal(load(folder, COLUMNS, COLUMNS).images[0], DIGITS.images[0])


def test_sizes_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, words in (
        ("EXAMPLES_MAX", "more than 3 examples"),
        ("IMAGE_BYTES_MAX", "0000.png is larger than 3 bytes"),
        ("TABLE_BYTES_MAX", "labels.csv is larger than 3 bytes"),
    ):
        monkeypatch.setattr(data, limit, 3)
        refused(folder, words)
        monkeypatch.undo()
    load(folder, COLUMNS, COLUMNS)


def test_one_label_and_copies_are_warned_of(folder: Path) -> None:
    table(folder, "file,label\n0000.png,7\n0001.png,7\n")
    (warning,) = load(folder, COLUMNS, COLUMNS).warnings
    assert "label '7'" in warning and "took part" in warning
    (folder / "0003.png").write_bytes((folder / "0000.png").read_bytes())
    table(folder, "file,label\n0000.png,7\n0001.png,8\n0003.png,7\n")
    (warning,) = load(folder, COLUMNS, COLUMNS).warnings
    assert "1 images repeat" in warning
