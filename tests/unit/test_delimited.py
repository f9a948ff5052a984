"""CSV with records that break its rules: they are told from their neighbours, or the table is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from commonground import delimited, lines, tables
from commonground.delimited import Delimited
from commonground.tables import Form, Table
from protocol.errors import ConfigError

SMALL = 64


def read(folder: Path, text: str, form: Form = Form.CSV) -> list[tuple[int, list[str], str]]:
    path = folder / "a.csv"
    path.write_bytes(text.encode())
    rows = Table(path, form).rows()
    return [(row.number, [str(each) for each in row.cells.values()], row.problem) for row in rows]


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ('"He said "hi" to me",ham', '"x, y",spam'),
        (r'"He said \"hi\" to me",ham', "two,spam"),
        ('"a 5" screen",ham', '"a 7"" screen",spam'),
        ('"a 5" screen",ham', 'a 7" screen,spam'),  # a mark amid letters closes nothing
        ('"a "x", y",ham', "two,spam"),
        ('ham,"x" ', "two,spam"),
    ],
)
def test_a_record_with_a_stray_mark_is_named_and_the_next_is_read(
    tmp_path: Path, bad: str, good: str
) -> None:
    first, second = read(tmp_path, f"text,label\n{bad}\n{good}\n")
    assert (first[0], first[1]) == (2, [])
    assert "after a closing quotation mark" in first[2]
    assert (second[0], second[1][1], second[2]) == (3, "spam", "")


def test_several_stray_marks_are_each_named(tmp_path: Path) -> None:
    rows = read(tmp_path, 'text,label\n"a 5" screen",ham\n"b 6" one",ham\nlast,spam\n')
    assert [(row[0], bool(row[2])) for row in rows] == [(2, True), (3, True), (4, False)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('"He said "hi",\nand more",ham\n', 2),  # the text goes on
        ('"He said "hi",\nand\nmore",ham\n', 2),
        ('"never closed,ham\ntwo,spam\n', 2),
        ('"not closed,ham\ntwo,spam\n"three",ham\n', 2),  # which text is it that is not closed?
        ('one,ham\n"two "x\n', 3),
    ],
)
def test_where_a_record_ends_is_known_or_the_table_is_refused(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(ConfigError, match=f"line {line}: ") as caught:
        read(tmp_path, f"text,label\n{text}")
    assert "twice" in caught.value.advice


@pytest.mark.parametrize("form", [Form.CSV, Form.TSV])
@pytest.mark.parametrize("length", [SMALL + 1, 3 * SMALL - 5, 5 * SMALL, 20 * SMALL])
def test_a_record_with_a_cell_that_is_too_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form, length: int
) -> None:
    monkeypatch.setattr(delimited, "FIELD_CHARS_MAX", SMALL)
    for module in (delimited, lines, tables):
        monkeypatch.setattr(module, "LINE_CHARS_MAX", 3 * SMALL)
    at = "\t" if form == Form.TSV else ","
    for cell in ("x" * length, '"' + "x" * length + '"'):
        text = f"text{at}label\none{at}ham\n{cell}{at}ham\ntwo{at}spam\n"
        good, bad, other = read(tmp_path, text, form)
        assert (good[1], other[1]) == (["one", "ham"], ["two", "spam"])
        assert (bad[0], bad[1], other[0]) == (3, [], 4)
        assert "characters" in bad[2]
    with pytest.raises(ConfigError, match="line 3: "):
        read(tmp_path, f'text,label\none,ham\n"{"x" * length},ham\ntwo,spam\nthree",ham\n')
    csv.field_size_limit(8 << 20)


def test_a_line_of_json_that_is_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (lines, tables):
        monkeypatch.setattr(module, "LINE_CHARS_MAX", SMALL)
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "{"x" * 200}"}}\n{{"text": "good"}}\n')
    first, second = Table(path, Form.JSON_LINES).rows()
    assert "64 characters or more" in first.problem
    assert (second.number, second.cells) == (2, {"text": "good"})


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("form", [Form.CSV, Form.TSV])
def test_the_first_line_may_say_what_separates_fields(
    tmp_path: Path, mark: str, separator: str, form: Form
) -> None:
    other = ";" if separator == "," else ","
    text = f"{mark}sep={separator}\r\ntext{separator}a{other}b\r\none{separator}ham\r\n"
    assert read(tmp_path, text, form) == [(3, ["one", "ham"], "")]
    path = tmp_path / "a.csv"
    assert Table(path, form).columns() == ["text", f"a{other}b"]
    path.write_text(f"sep={separator}label\none{separator}ham\n")
    assert Delimited(path, separator=separator).columns == ["sep=", "label"]


def test_bars_separate_fields_where_all_records_have_as_many(tmp_path: Path) -> None:
    assert read(tmp_path, "text|label\none, two|ham\n") == [(2, ["one, two", "ham"], "")]
    assert read(tmp_path, "a | b\nnone here\n") == [(2, ["none here"], "")]
    assert read(tmp_path, "a,b|c\none,two\n") == [(2, ["one", "two"], "")]
    assert read(tmp_path, '"a|b"\none\n') == [(2, ["one"], "")]
