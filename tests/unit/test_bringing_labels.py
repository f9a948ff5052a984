"""Tables of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.bringing import labels
from node.bringing.folders import list_files
from node.bringing.labels import read_labels
from protocol.errors import ConfigError


def test_a_folder_is_listed_without_tables_unless_they_are_the_items(tmp_path: Path) -> None:
    for name in ("b.png", "a.txt", "labels.csv", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    assert [path.name for path in list_files(tmp_path)] == ["a.txt", "b.png"]
    assert [path.name for path in list_files(tmp_path, tables=True)] == [
        *("a.txt", "b.png", "labels.csv")
    ]


def test_labels_are_read(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(b'\xef\xbb\xbffile,label\r\na.png,7\r\n"b,1.png",cat\r\n\r\n')
    assert read_labels(table) == {"a.png": "7", "b,1.png": "cat"}
    table.write_text("file,answer\na.png,yes\n")
    assert read_labels(table) == {"a.png": "yes"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header"),
        ("name,label\na,1\n", "line 1: the header"),
        ("file,label\n", "holds no labels"),
        ("file,label\na.png,1\nb.png\n", "line 3: expected 2 fields, found 1"),
        ("file,label\na.png,1,2\n", "line 2: expected 2 fields, found 3"),
        ("file,label\na.png, \n", "line 2: .* empty"),
        ("file,label\n../a.png,1\n", "line 2: give a plain file name"),
        ("file,label\na.png,1\n\na.png,2\n", "line 4: a.png already"),
        ("file,label\na.png," + "x" * 256, "line 2: .* longer"),
        ('file,label\n"a.png,1\n', "line 2"),
        ("file,label\n\udcff,1\n", "not UTF-8"),
    ],
)
def test_bad_label_tables_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=message):
        read_labels(table)


def test_a_table_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\na.png,1\nb.png,2\n")
    monkeypatch.setattr(labels, "MAX_LABELS", 2)
    assert len(read_labels(table)) == 2
    monkeypatch.setattr(labels, "MAX_LABELS", 1)
    with pytest.raises(ConfigError, match="line 3: more than 1 labels"):
        read_labels(table)
    monkeypatch.setattr(labels, "MAX_LABEL_BYTES", 10)
    with pytest.raises(ConfigError, match="larger than 10 bytes"):
        read_labels(table)
