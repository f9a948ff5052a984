"""Private folders: what is meant is read, whatever is wrong is named, and a column is never read unasked."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commonhold.digits import load_digits, png_bytes, write_folder
from federated import data, pictures, rows
from federated.data import Column, Kind, PrivateData, data_commitment, load
from federated.rows import read_rows
from protocol.errors import ConfigError

IMAGE, LABEL = Column("image", Kind.IMAGE, (28, 28, 1)), Column("label", Kind.LABEL)
COLUMNS = (IMAGE, LABEL)
DIGITS = load_digits()
CHOSEN = [0, 600, 1200, 1800]  # a 0, a 1, a 2, a 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, DIGITS.images[CHOSEN], DIGITS.labels[CHOSEN])
    return tmp_path


def table(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")


def read(path: Path, *columns: Column) -> PrivateData:
    wanted = columns or COLUMNS
    return load(path, wanted, {column.name for column in wanted})


def refused(path: Path, words: str, *columns: Column) -> None:
    with pytest.raises(ConfigError, match=words):
        read(path, *columns)


def test_a_folder_is_read_in_the_order_of_its_table(folder: Path) -> None:
    found = read(folder)
    assert np.array_equal(found.table["image"][..., 0], DIGITS.images[CHOSEN])
    assert list(found.table["label"]) == ["0", "1", "2", "3"] and found.warnings == ()
    assert found.table.classes("label", "3210").tolist() == [3, 2, 1, 0]
    pixels = hashlib.sha256(DIGITS.images[0].tobytes()).digest()
    assert found.examples[0] == hashlib.sha256(pixels).digest()
    with pytest.raises(ConfigError, match="no label '3'"):
        found.table.classes("label", "012")


def test_the_digest_is_of_the_examples_and_nothing_else(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = read(folder).digest
    renamed = tmp_path_factory.mktemp("renamed")
    write_folder(renamed, DIGITS.images[CHOSEN[::-1]], DIGITS.labels[CHOSEN[::-1]])
    assert read(renamed).digest == first
    table(renamed, "file,label\n0000.png,3\n0001.png,2\n0002.png,1\n0003.png,7\n")
    assert read(renamed).digest != first


def test_the_commitment_is_that_of_the_protocol() -> None:
    salt, digest = b"s" * 32, b"d" * 32
    expected = hashlib.sha256(b"commonhold/v1/data\0" + salt + digest).digest()
    assert data_commitment(salt, digest) == expected
    with pytest.raises(ConfigError, match="32 bytes"):
        data_commitment(salt[1:], digest)


def test_columns_are_allowed_one_by_one(folder: Path) -> None:
    table(folder, "file,label,age,\n0000.png,0,61,\n0001.png,1,34,\n")
    age = Column("age", Kind.NUMBER)
    found = read(folder, IMAGE, LABEL, age)
    assert found.table["age"].tolist() == [61, 34]
    assert found.examples != read(folder).examples, "an age more is another example"
    assert {*read(folder).table.values} == {"image", "label"}, "what is not read is not kept"
    with pytest.raises(ConfigError, match="reads the column 'age', which you did not allow"):
        load(folder, (IMAGE, LABEL, age), {"image", "label"})
    with pytest.raises(ConfigError, match="reads the column 'label', which you did not allow"):
        load(folder, COLUMNS, {"image"})
    refused(folder, "has no column 'income'", *COLUMNS, Column("income", Kind.NUMBER))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'file'"),
        ("name,label\n0000.png,0\n", "no column 'file'"),
        ("file,class\n0000.png,0\n", "no column 'label'"),
        ("file,label\n", "names no examples"),
        ("file,label\n\n\n", "names no examples"),
        ("file,label\n0000.png\n", "line 2: expected 2 fields"),
        ("file,label,label\n0000.png,1,1\n", "column 'label' twice"),
        ("file,label\n0000.png,0,1\n", "line 2: expected 2 fields"),
        ("file,label\n0000.png,\n", "line 2: the 'label' must not be empty"),
        ("file,label\n,1\n", "line 2: the file name must not be empty"),
        ("file,label\n0000.png,0\n../0001.png,1\n", "line 3: give a plain file name"),
        ("file,label\n0000.png,0\n0000.png,1\n", "names 0000.png 2 times"),
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
    [("L", (4097, 28), "4097 x 28"), ("RGBA", (28, 28), "RGBA"), ("P", (28, 28), ", P;")],
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


def test_colour_is_read_as_grey_and_sizes_are_scaled_as_the_job_says(folder: Path) -> None:
    Image.fromarray(DIGITS.images[0]).convert("RGB").save(folder / "0000.png")
    assert np.array_equal(read(folder).table["image"][0, ..., 0], DIGITS.images[0])
    coloured = Column("image", Kind.IMAGE, (56, 40, 3))
    assert read(folder, coloured, LABEL).table["image"].shape == (4, 56, 40, 3)


def test_sizes_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, limit, words in (
        (rows, "EXAMPLES_MAX", "more than 3 examples"),
        (pictures, "IMAGE_BYTES_MAX", "0000.png is larger than 3 bytes"),
        (rows, "TABLE_BYTES_MAX", "labels.csv is larger than 3 bytes"),
        (data, "PIXELS_MAX", "too many to hold"),
    ):
        monkeypatch.setattr(module, limit, 3)
        refused(folder, words)
        monkeypatch.undo()
    read(folder)
    table(folder, ",".join(f"c{n}" for n in range(1_000_000)) + "\n")
    refused(folder, "1,000,000 columns")


def test_one_label_and_copies_are_warned_of(folder: Path) -> None:
    table(folder, "file,label\n0000.png,7\n0001.png,7\n")
    (warning,) = read(folder).warnings
    assert "label '7'" in warning and "took part" in warning
    (folder / "0003.png").write_bytes((folder / "0000.png").read_bytes())
    table(folder, "file,label\n0000.png,7\n0001.png,8\n0003.png,7\n")
    (warning,) = read(folder).warnings
    assert "1 examples repeat" in warning


# ---- tables of texts and numbers ----

TEXT, AGE, WARD = (
    Column("note", Kind.TEXT),
    Column("age", Kind.NUMBER),
    Column("ward", Kind.CATEGORY),
)
LIKELY = Column("age", Kind.NUMBER, optional=True)


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('note,age,ward,label\n"hot, dry",61,,ill\nwell,34.5,B,not\n')
    (tmp_path / "a.jsonl").write_text(
        '{"note": "hot, dry", "age": 61, "ward": null, "label": "ill", "name": ["x"]}\n\n'
        '{"note": "well", "age": 34.5, "ward": "B", "label": "not"}\n'
    )
    columns = (TEXT, AGE, WARD, LABEL)
    one, other = (read(tmp_path / name, *columns) for name in ("a.csv", "a.jsonl"))
    assert one.digest == other.digest and one.examples == other.examples
    assert one.table["age"].tolist() == [61, 34.5] and list(one.table["ward"]) == ["", "B"]
    (tmp_path / "data.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes())
    assert read(tmp_path, *columns).digest == one.digest, "a folder's table is found"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "age,label\nnan,x\n", "line 2: 'age' is 'nan', not a finite number"),
        ("a.csv", "age,label\n1e999,x\n", "not a finite number"),
        ("a.csv", "age,label\nold,x\n", "'age' is 'old'"),
        ("a.csv", "age,label\n,x\n", "'age' is empty"),
        ("a.jsonl", '{"age": NaN, "label": "x"}\n', "not a finite number"),
        ("a.jsonl", '{"age": 1}\n', "line 1: it has no field 'label'"),
        ("a.jsonl", '{"age": [1], "label": "x"}\n', "'age' holds more than a value"),
        ("a.jsonl", "[1]\n", "line 1: it is no object"),
        ("a.jsonl", "{\n", "line 1: it is not JSON"),
        ("a.jsonl", "[" * 100_000 + "\n", "line 1: it is not JSON"),
        ("a.jsonl", "\n", "names no examples"),
    ],
)
def test_a_malformed_value_is_refused_by_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    refused(tmp_path / name, words, AGE, LABEL)


def test_a_number_may_be_missing_where_the_task_allows_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,label\n,x\n1,y\n")
    found = read(tmp_path / "a.csv", LIKELY, LABEL).table["age"]
    assert np.isnan(found[0]) and found[1] == 1


def test_a_line_of_json_ends_with_a_line_feed_alone(tmp_path: Path) -> None:
    """Texts from the web have other ends of lines in them."""
    path = tmp_path / "a.jsonl"
    texts = ["one\u2028two", "one\u2029two", "one\x85two", "one\x0btwo"]
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts[:3])
    path.write_text("\r\n".join(lines) + "\n\n" + json.dumps({"text": texts[3]}))
    assert [row["text"] for _, row in read_rows(path, ["text"])] == texts


def test_values_of_json_are_as_csv_has_them(tmp_path: Path) -> None:
    """Who asks for `true,false` finds them in both."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": true, "b": false, "c": null, "d": 0, "e": 1.5}\n')
    [(_, row)] = read_rows(path, [*"abcde"])
    assert row == {"a": "true", "b": "false", "c": "", "d": "0", "e": "1.5"}
