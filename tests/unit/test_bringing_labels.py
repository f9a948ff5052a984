"""Tables of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonground import tables
from node.bringing.folders import ByFolder, FileItems, drafts_of_files, find_files, walk
from node.bringing.labels import Labels, read_labels
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import ConfigError


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
        ("file,label,answer\na.png,1,2\n", "line 1: the header"),
        ("file,label\n/a.png,1\n", "line 2: give the name of a file, or its path"),
        ("file,label\na.png, \n", "line 2: .* empty"),
        ("file,label\n../a.png,1\n", "line 2: give the name of a file"),
        ("file,label\na.png,1\n\na.png,2\n", "line 4: .*a.png already"),
        ("file,label\na.png," + "x" * 256, "line 2: .* longer"),
        ('file,label\n"a.png,1\n', "line 2"),
        ("file,label\n\udcff,1\n", "line 2: byte 0xFF, at place 11, is not UTF-8"),
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
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    assert len(read_labels(table)) == 2
    monkeypatch.setattr(tables, "MAX_ROWS", 1)
    with pytest.raises(ConfigError, match="line 3: more than 1 rows"):
        read_labels(table)


@pytest.mark.parametrize(
    "text",
    [
        "File,Label\na.png,cat\n",
        "file, label\na.png,cat\n",
        "label,file\ncat,a.png\n",
        ",file,label\n0,a.png,cat\n",
        "file,label,note\na.png,cat,x\n",
        "file;label\na.png;cat\n",
        "file\tlabel\na.png\tcat\n",
    ],
)
def test_tables_of_other_programs_are_read(tmp_path: Path, text: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    assert read_labels(table) == {"a.png": "cat"}


# ---- folders ----


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("top.txt", "sub/one.txt", "sub/deep/two.txt", "data.csv", "DATA.CSV"):
        (folder / name).write_text(name)
    for name in ("Thumbs.db", ".DS_Store", ".hidden.txt"):
        (folder / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "lost.txt").symlink_to("nowhere")
    (folder / "again").symlink_to("sub")
    (folder / "same.txt").symlink_to("top.txt")
    return folder


def test_a_folder_is_walked_and_what_is_left_out_is_said(tree: Path) -> None:
    found = list(walk(tree))
    files = {each.name for each in found if not isinstance(each, LeftOut)}
    assert files == {"top.txt", "same.txt", "sub/one.txt", "sub/deep/two.txt"}
    reasons = {each.name: each.reason for each in found if isinstance(each, LeftOut)}
    assert set(reasons) == {
        *("data.csv", "DATA.CSV", "Thumbs.db", ".DS_Store", ".hidden.txt"),
        *("out.txt", "lost.txt", "again"),
    }
    assert "out of the folder" in reasons["out.txt"]
    assert "nowhere" in reasons["lost.txt"]
    assert "a table" in reasons["data.csv"] and "a table" in reasons["DATA.CSV"]
    names = {each.name for each in walk(tree, tables=True) if not isinstance(each, LeftOut)}
    assert names - files == {"data.csv", "DATA.CSV"}
    with pytest.raises(ConfigError, match="is not a folder"):
        list(walk(tree / "absent"))


def test_the_directory_of_a_node_is_never_an_item(tree: Path) -> None:
    """Its keys are a text, which many campaigns take."""
    home = tree / "sub" / "node"
    home.mkdir()
    for name in ("keys.json", "node.db"):
        (home / name).write_text("secret")
    for folder, name in ((tree, "sub/node/"), (home, ".")):
        found = {each.name: each for each in walk(folder)}
        assert isinstance(found[name], LeftOut)
        assert not any("keys.json" in each for each in found)


def test_labels_name_files_by_path_or_by_name_in_either_unicode_form(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("Zoe\u0308.txt", "sub/a.txt", "sub/b.txt", "c.txt"):
        (folder / name).write_text(name)
    labels = {"Zo\u00eb.txt": "1", "sub/a.txt": "2", "b.txt": "3", "absent.txt": "4"}
    found = list(drafts_of_files([folder], "text", labels))
    words = {each.name: each.words for each in found if isinstance(each, Draft)}
    assert words == {"Zoe\u0308.txt": "1", "sub/a.txt": "2", "sub/b.txt": "3", "c.txt": ""}
    [lost] = [each for each in found if isinstance(each, LeftOut)]
    assert (lost.name, lost.reason) == (
        "absent.txt",
        "it has a label, and is not among the files",
    )


def test_a_name_that_two_files_have_means_neither(tmp_path: Path) -> None:
    for name in ("one/a.txt", "two/a.txt", "two/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    labels = {"a.txt": "x", "b.txt": "y", "one/a.txt": "z"}
    found = list(drafts_of_files([tmp_path], "text", labels))
    words = {each.name: each.words for each in found if isinstance(each, Draft)}
    assert words == {"one/a.txt": "z", "two/a.txt": "", "two/b.txt": "y"}
    [lost] = [each for each in found if isinstance(each, LeftOut)]
    assert (lost.name, "several files are called so" in lost.reason) == ("a.txt", True)


def test_files_have_the_answer_of_all_or_of_their_folder(tmp_path: Path) -> None:
    for name in ("cat/a.txt", "dog/b.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    assert list(drafts_of_files([tmp_path / "cat"], "text", "x")) == [
        Draft("a.txt", (PartSource("text", tmp_path / "cat" / "a.txt"),), "x")
    ]
    found = list(FileItems([tmp_path], "text", ByFolder()))
    assert [(each.name, each.words) for each in found if isinstance(each, Draft)] == [
        ("cat/a.txt", "cat"),
        ("dog/b.txt", "dog"),
    ]


def test_the_table_of_answers_is_no_item(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    table = tmp_path / "labels.csv"
    table.write_text("file,label\na.txt,x\n")
    labels = Labels.of(read_labels(table))
    for tables_too in (False, True):
        items = FileItems([tmp_path], "text", labels, tables_too, frozenset({table.resolve()}))
        assert [each.name for each in items] == ["a.txt"]


def test_two_files_of_one_name_are_refused_because_labels_go_by_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.txt").write_text(name)
    with pytest.raises(ConfigError, match="two files"):
        list(find_files([tmp_path / "one", tmp_path / "two"]))
    with pytest.raises(ConfigError, match=r"there is no file .*absent.png"):
        list(find_files([tmp_path / "absent.png"]))
    file = tmp_path / "one" / "0.txt"
    with pytest.raises(ConfigError, match=r"the file .*named twice"):
        list(find_files([file, file]))
