"""Tables of items: what each column means, and every line that means nothing is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.bringing import tables
from node.bringing.folders import drafts_of_files
from node.bringing.tables import read_table
from node.drafts import Draft, PartSource
from protocol.errors import ConfigError
from protocol.rows import PartTerms

PARTS = (
    PartTerms("prompt", ("text/plain",), 1_000, optional=False),
    PartTerms("picture", ("image/png",), 1_000, optional=False),
    PartTerms("note", ("text/plain",), 1_000, optional=True),
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"prompt_text": 'two\nlines, "quoted"', "picture": "in/a.png", "answer": "cat"},
        {"prompt": "p.txt", "prompt_source": "model x", "picture": "b.png", "note_text": "ok"},
    ]
    expected = [
        (PartSource("prompt", None, 'two\nlines, "quoted"'), "in/a.png", "cat"),
        (PartSource("prompt", tmp_path / "p.txt", "", "model x"), "b.png", ""),
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    table = "prompt_text,prompt,prompt_source,picture,note_text,answer\n"
    table += '"two\nlines, ""quoted""",,,in/a.png,,cat\n\n,p.txt,model x,b.png,ok,\n'
    for path, places in (
        (write(tmp_path, "items.csv", table), (2, 5)),
        (write(tmp_path, "items.jsonl", lines), (1, 2)),
    ):
        made = read_table(path, PARTS)
        assert [each.name for each in made] == [f"{path.name}:{place}" for place in places]
        for draft, (prompt, picture, words) in zip(made, expected, strict=True):
            assert draft.parts[:2] == (prompt, PartSource("picture", tmp_path / picture))
            assert draft.words == words
        assert made[1].parts[2:] == (PartSource("note", None, "ok"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prompt_text,picture\nhello,\n", "line 2: it has no picture, and no picture_text"),
        ("picture\na.png\n", "line 2: it has no prompt"),
        ("prompt,prompt,picture\na,b,c\n", "line 1: the column prompt is there twice"),
        ("prompt,colour\na,b\n", 'line 1: there is no column "colour"'),
        ("prompt,prompt_text,picture\na,b,c\n", "line 2: it has both prompt and prompt_text"),
        ("prompt,picture\na\n", "line 2: expected 2 fields, found 1"),
        ("prompt,picture\n/etc/passwd,b\n", "line 2: .* not a path below"),
        ("prompt,picture\nin/../../x,b\n", "line 2: .* not a path below"),
        ("prompt,picture\nout/x,b\n", "line 2: .* leads out"),
        ("prompt,picture,note_source\na,b,me\n", "line 2: it has a source of note, and no note"),
        ("prompt,picture,prompt_source\na,b,\u202eme\n", "line 2: prompt_source"),
        ('prompt,picture\na,"b\n', "line 2"),
        ("prompt,picture\n", "holds no items"),
        ("", "holds no items"),
    ],
)
def test_a_line_that_means_nothing_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "out").symlink_to("/")
    with pytest.raises(ConfigError, match=problem) as caught:
        read_table(write(tmp_path, "items.csv", text), PARTS)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"prompt": "a", "prompt": "b", "picture": "c"}', 'line 1: .*"prompt" is there twice'),
        ('{"prompt": "a", "picture": "b"}\n[]', "line 2: it is not a JSON object"),
        ('{"prompt": 3, "picture": "b"}', 'line 1: "prompt" is not a string'),
        ('{"prompt_text": "\\ud800", "picture": "b"}', 'line 1: "prompt_text" is not a string'),
        ('{"prompt": "a", "picture": "b"', "line 1: it is not JSON"),
        ('\n{"prompt": "a", "colour": "b"}', 'line 2: there is no column "colour"'),
        ("[" * 100_000, "line 1: it is more than one object"),
        ('{"prompt": {"a": "b"}, "picture": "c"}', "line 1: it is more than one object"),
    ],
)
def test_json_lines_are_read_strictly(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_table(write(tmp_path, "items.jsonl", text), PARTS)


def test_where_a_part_is_called_answer_the_proposal_has_another_column(tmp_path: Path) -> None:
    parts = (PartTerms("answer", ("text/plain",), 1_000, optional=False),)
    table = write(tmp_path, "items.csv", "answer_text,proposal\n42,yes\n")
    [draft] = read_table(table, parts)
    assert (draft.parts[0].text, draft.words) == ("42", "yes")


def test_a_table_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path, "items.csv", "prompt,picture\na,b\nc,d\n")
    assert len(read_table(table, PARTS)) == 2
    monkeypatch.setattr(tables, "MAX_ROWS", 1)
    with pytest.raises(ConfigError, match="line 3: more than 1 rows"):
        read_table(table, PARTS)
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 10)
    with pytest.raises(ConfigError, match="larger than 10 bytes"):
        read_table(table, PARTS)


def test_files_have_the_answer_of_their_line_or_of_all() -> None:
    paths = [Path("a.png"), Path("b.png")]
    named = drafts_of_files(paths, "image", {"a.png": "cat"})
    assert named == [
        Draft("a.png", (PartSource("image", paths[0]),), "cat"),
        Draft("b.png", (PartSource("image", paths[1]),)),
    ]
    assert {draft.words for draft in drafts_of_files(paths, "image", "dog")} == {"dog"}
    with pytest.raises(ConfigError, match=r"zz\.png.* has a label, and is not among the files"):
        drafts_of_files(paths, "image", {"a.png": "cat", "zz.png": "dog"})
