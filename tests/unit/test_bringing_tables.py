"""Tables of items: what each column means, and every line that means nothing is named."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from commonground import tables
from commonground.delimited import separator_of
from commonground.tables import Form, Table, form_of
from node.bringing.columns import Named, find_columns, parse_named, propose
from node.bringing.folders import find_files
from node.bringing.recognise import recognise
from node.bringing.rows import table_items
from node.drafts import Draft, LeftOut, PartSource
from node.intake import read_content
from protocol.errors import ConfigError
from protocol.rows import PartTerms

PARTS = (
    PartTerms("prompt", ("text/plain",), 1_000, optional=False),
    PartTerms("picture", ("image/png",), 1_000, optional=False),
    PartTerms("note", ("text/plain",), 1_000, optional=True),
)
TEXT = (PartTerms("text", ("text/plain",), 1_000, optional=False),)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def read(path: Path, parts: tuple[PartTerms, ...] = PARTS, *columns: str) -> list[Draft | LeftOut]:
    table = Table(path, form_of(path) or Form.CSV)
    found = find_columns(table.columns(), parts, parse_named(columns, ""), takes_answers=True)
    assert found is not None
    return list(table_items(table, found, parts))


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    write(tmp_path, "p.txt", "a prompt")
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
        made = read(path)
        assert [each.name for each in made] == [f"{path.name}:{place}" for place in places]
        for draft, (prompt, picture, words) in zip(made, expected, strict=True):
            assert isinstance(draft, Draft)
            assert draft.parts[:2] == (prompt, PartSource("picture", tmp_path / picture))
            assert draft.words == words
        assert isinstance(made[1], Draft)
        assert made[1].parts[2:] == (PartSource("note", None, "ok"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prompt_text,picture\nhello,\n", "it has no picture"),
        ("prompt,prompt_text,picture\na.txt,b,c.png\n", "it has both prompt and prompt_text"),
        ("prompt,picture\na.txt\n", "expected 2 fields, found 1"),
        ("prompt,picture\n/etc/passwd.txt,b.png\n", "not a path below"),
        ("prompt,picture\nin/../../x.txt,b.png\n", "not a path below"),
        ("prompt,picture\nout/x.txt,b.png\n", "leads out"),
        ("prompt,picture\nout\\x.txt,b.png\n", "leads out"),
        ("prompt,picture\nin\\..\\..\\x.txt,b.png\n", "not a path below"),
        ("prompt,picture\nin/..\\..\\x.txt,b.png\n", "not a path below"),
        ("prompt,picture\n\\x.txt,b.png\n", "not a path below"),
        ("prompt,picture\nC:\\x.txt,b.png\n", "not a path below"),
        ("prompt,picture\nC:/x.txt,b.png\n", "not a path below"),
        ("prompt,picture\nC:x.txt,b.png\n", "not a path below"),
        ("prompt,picture\n\\\\host\\share\\x.txt,b.png\n", "not a path below"),
        ("prompt,picture\n//host/share/x.txt,b.png\n", "not a path below"),
        ("prompt,picture,note_source\na.txt,b.png,me\n", "it has a source of note, and no note"),
        ("prompt,picture,prompt_source\na.txt,b.png,\u202eme\n", "prompt_source"),
    ],
)
def test_a_row_that_means_nothing_is_named_and_the_next_is_read(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "out").symlink_to("/")
    write(tmp_path, "good.txt", "a prompt")
    width = text.partition("\n")[0].count(",") + 1
    good = ",".join(["good.txt", *[""] * (width - 2), "good.png"][:width])
    first, second = read(write(tmp_path, "items.csv", f"{text}{good}\n"))
    assert isinstance(first, LeftOut)
    assert (first.name, problem in first.reason) == ("items.csv:2", True), first.reason
    assert second.name == "items.csv:3"


def test_names_as_windows_writes_them(tmp_path: Path) -> None:
    for name in ("in/a.txt", "in/b\u00e9.png", r"in\c.txt", "C:d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "in" / "c.txt").touch()
    text = "prompt,picture\nin\\a.txt,in\\be\u0301.png\nin\\c.txt,C:d.png\nin/c.txt,gone\\e.png\n"
    found = read(write(tmp_path, "items.csv", text))
    assert [[part.path for part in each.parts] for each in found if isinstance(each, Draft)] == [
        [tmp_path / name for name in names]
        for names in (
            ("in/a.txt", "in/b\u00e9.png"),
            (r"in\c.txt", "C:d.png"),  # a file is called so
            ("in/c.txt", "gone/e.png"),  # which is missed when it is read
        )
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prompt,prompt,picture\na,b,c\n", 'line 1: the column "prompt" is there twice'),
        ('prompt,picture\na,"b\n', "line 2"),
        (",".join(map(str, range(2_000))) + "\n", "more than 1000 columns"),
    ],
)
def test_a_table_that_is_damaged_as_a_whole_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read(write(tmp_path, "items.csv", text))
    assert caught.value.advice


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"text": "a", "text": "b"}', 'the field "text" is there twice'),
        ("[]", "it is not an object"),
        ('{"text": "\\ud800"}', "it has no text"),
        ('{"text": "a"', "it is not JSON"),
        ("[" * 100_000, "nests more than"),
        ('{"text": {"a": "b"}}', "it has no text"),
    ],
)
def test_lines_of_json_that_mean_nothing_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, "items.jsonl", f'{{"text": "good one"}}\n\n{text}\n{{"text": 7}}\n')
    good, bad, number = read(path, TEXT)
    assert good == Draft("items.jsonl:1", (PartSource("text", None, "good one"),))
    assert isinstance(bad, LeftOut)
    assert (bad.name, problem in bad.reason) == ("items.jsonl:3", True), bad.reason
    assert number == Draft("items.jsonl:4", (PartSource("text", None, "7"),))


def test_a_column_that_only_a_late_row_has_is_read(tmp_path: Path) -> None:
    rows = [{"prompt_text": "a b", "picture": f"{n}.png"} for n in range(tables.SAMPLE_ROWS + 1)]
    rows[-1]["note_text"] = "late"
    path = write(tmp_path, "items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    last = read(path)[-1]
    assert isinstance(last, Draft)
    assert last.parts[-1] == PartSource("note", None, "late")
    path = write(tmp_path, "wide.jsonl", json.dumps({str(n): "x" for n in range(900)}) + "\n")
    path.write_text(path.read_text() + json.dumps({f"a{n}": "x" for n in range(900)}) + "\n")
    with pytest.raises(ConfigError, match="more than 1000 columns"):
        Table(path, Form.JSON_LINES).columns()


def test_columns_are_found_whatever_their_case_and_others_are_named(tmp_path: Path) -> None:
    header = ["", "Text ", "LABEL", "note"]
    found = find_columns(header, TEXT, Named(), takes_answers=True)
    assert found is not None
    assert (found.columns, found.answer) == ({"text": "Text "}, "LABEL")
    assert found.ignored == ("note",)
    assert find_columns(["message", "label"], TEXT, Named(), takes_answers=True) is None
    named = parse_named(["text=message"], "class")
    found = find_columns(["message", "class"], TEXT, named, takes_answers=True)
    assert found is not None and found.options() == "--column text=message --answer-column class"
    found = find_columns(
        ["message", "class"], TEXT, parse_named(["text=1"], "2"), takes_answers=True
    )
    assert found is not None
    assert (found.columns, found.answer) == ({"text": "message"}, "class")
    for wrong, says in (
        (parse_named(["text=0"], ""), "there is no column"),
        (parse_named(["text=2"], ""), "there is no column"),
        (parse_named(["text=massage"], ""), "there is no column"),
        (parse_named(["txt=message"], ""), "there is no part"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            find_columns(["message"], TEXT, wrong, takes_answers=True)
        assert caught.value.advice
    with pytest.raises(ConfigError, match="does not say"):
        parse_named(["message"], "")
    with pytest.raises(ConfigError, match="both"):
        find_columns(["text", "answer", "label"], TEXT, Named(), takes_answers=True)


def test_what_columns_may_mean_is_proposed_by_what_they_hold(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "kind,id,message\nspam,1,buy this now\nham,2,see you soon\n")
    table = Table(path, Form.CSV)
    found = propose(table.columns(), table.sample(), TEXT, lambda text: text in ("ham", "spam"))
    assert found is not None
    assert (found.columns, found.answer) == ({"text": "message"}, "kind")
    pairs = (*TEXT, PartTerms("other", ("text/plain",), 1_000, optional=False))
    assert propose(table.columns(), table.sample(), pairs, None) is None


def test_where_a_part_is_called_answer_the_proposal_has_another_column(tmp_path: Path) -> None:
    parts = (PartTerms("answer", ("text/plain",), 1_000, optional=False),)
    table = write(tmp_path, "items.csv", "answer_text,proposal\n42,yes\n")
    [draft] = read(table, parts)
    assert isinstance(draft, Draft)
    assert (draft.parts[0].text, draft.words) == ("42", "yes")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_are_found(tmp_path: Path, separator: str) -> None:
    text = f'text{separator}"a, b; c"{separator}label\nhello there{separator}x{separator}ham\n'
    [draft] = read(write(tmp_path, "a.csv", text), TEXT)
    assert isinstance(draft, Draft)
    assert (draft.parts[0].text, draft.words) == ("hello there", "ham")
    assert separator_of(text.split("\n", maxsplit=1)[0]) == separator


def test_quotation_marks_between_tabs_are_letters_unless_they_enclose(tmp_path: Path) -> None:
    loose = write(tmp_path, "a.tsv", 'label\ttext\nham\t"Wen u miss" someone\nspam\tx y\n')
    first, _ = read(loose, TEXT)
    assert isinstance(first, Draft)
    assert first.parts[0].text == '"Wen u miss" someone'
    stray = write(tmp_path, "c.tsv", 'label\ttext\nham\t"one day\nspam\tthe end"\n')
    assert [each.parts[0].text for each in read(stray, TEXT) if isinstance(each, Draft)] == [
        '"one day',
        'the end"',
    ]
    enclosing = write(tmp_path, "b.tsv", 'label\ttext\nham\t"two\nlines"\n')
    [draft] = read(enclosing, TEXT)
    assert isinstance(draft, Draft)
    assert draft.parts[0].text == "two\nlines"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_marks_its_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nna\u00efve \U0001f600,ham\n", encoding=encoding)
    [draft] = read(path, TEXT)
    assert isinstance(draft, Draft)
    assert draft.parts[0].text == "na\u00efve \U0001f600"


def test_another_encoding_is_named_and_its_first_bad_byte_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nfine one,ham\ncaf\u00e9 it is,ham\n".encode("cp1252"))
    with pytest.raises(ConfigError, match="line 3: byte 0xE9, at place 27, is not UTF-8") as caught:
        list(Table(path, Form.CSV).rows())
    assert "--encoding cp1252" in caught.value.advice
    rows = list(Table(path, Form.CSV, "cp1252").rows())
    assert rows[1].cells["text"] == "caf\u00e9 it is"
    with pytest.raises(ConfigError, match="no encoding 'hex'"):
        list(Table(path, Form.CSV, "hex").rows())
    path.write_text("text,label\nIt\x92s fine \x96 really,ham\n", encoding="utf-8")
    [row] = Table(path, Form.CSV, "utf-8-of-cp1252").rows()
    assert row.cells["text"] == "It\u2019s fine \u2013 really"
    [row] = Table(path, Form.CSV).rows()
    assert row.cells["text"] == "It\x92s fine \x96 really", "only where its owner says so"
    path.write_bytes("text,label\nhello there,ham\n".encode("utf-16-le"))
    with pytest.raises(ConfigError, match="NUL characters") as caught:
        list(Table(path, Form.CSV).rows())
    assert "--encoding utf-16-le" in caught.value.advice
    path.write_bytes(b"\xff\xfea\0b\0c")
    with pytest.raises(ConfigError, match="is not UTF-16"):
        list(Table(path, Form.CSV).rows())


def test_a_table_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path, "items.csv", "text\na b\nc d\n")
    assert len(read(table, TEXT)) == 2
    monkeypatch.setattr(tables, "MAX_ROWS", 1)
    with pytest.raises(ConfigError, match="line 3: more than 1 rows"):
        read(table, TEXT)


def test_parquet_holds_texts_numbers_pictures_and_names_of_classes(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kept = {"info": {"features": {"label": {"names": ["ham", "spam"], "_type": "ClassLabel"}}}}
    made = pa.table({"text": ["one two", None], "label": [1, 0], "image": [{"bytes": b"x"}, None]})
    path = tmp_path / "a.parquet"
    pq.write_table(made.replace_schema_metadata({"huggingface": json.dumps(kept)}), path)
    first, second = read(path, TEXT)
    assert first == Draft("a.parquet:1", (PartSource("text", None, "one two"),), "spam")
    assert second == LeftOut("a.parquet:2", "it has no text")
    assert next(Table(path, Form.PARQUET).rows()).cells["image"] == b"x"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match="as Parquet"):
        read(path, TEXT)


def test_damaged_parquet_is_read_or_refused(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, chance = tmp_path / "a.parquet", random.Random(1)
    pq.write_table(pa.table({"text": ["one two"] * 9, "image": [{"bytes": b"x"}] * 9}), path)
    good, refused = path.read_bytes(), 0
    for _ in range(200):
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= chance.randrange(1, 256)
        path.write_bytes(bad[: chance.randrange(len(bad) // 2, len(bad) * 2)])
        try:
            list(Table(path, Form.PARQUET).rows())
        except ConfigError:
            refused += 1
    assert refused > 100


@pytest.mark.timeout(30)
def test_what_is_named_and_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """By a person, and by a table that came from somebody else."""
    for name in ("pipe.csv", "pipe.json", "pipe.parquet", "pipe.png"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ConfigError, match="it is no file"):
            read_content(tmp_path / name)
    for form in (Form.CSV, Form.JSON, Form.JSON_LINES, Form.PARQUET):
        with pytest.raises(ConfigError, match="it is no file"):
            list(Table(tmp_path / "pipe.csv", form).rows())
    with pytest.raises(ConfigError, match="it is no file"):
        recognise(tmp_path / "pipe.json", frozenset())
    found = list(find_files([tmp_path]))
    assert all(isinstance(each, LeftOut) for each in found) and len(found) == 4
