"""Any table that `csv` or `json` writes comes back, cell by cell; anything else raises our errors alone."""

from __future__ import annotations

import csv
import json
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from commonground.tables import Form, Table
from node.bringing.coco import FILE, Pictures
from node.bringing.columns import Columns
from node.bringing.labels import key_of
from node.bringing.labelstudio import Tasks
from node.bringing.regions import Unread, boxes_in
from node.bringing.rows import table_items
from protocol.errors import ConfigError
from protocol.rows import PartTerms

# What UTF-8 can write; a lone carriage return inside quotes is kept, too.
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6),
    min_size=2,
    max_size=4,
    unique=True,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    width = len(names)
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=6))
    return names, rows


def is_unclear(text: str) -> bool:
    return "\t" in text and ("\n" in text or "\r" in text)


@given(
    tables(),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.booleans(),
)
def test_csv(
    made: tuple[list[str], list[list[str]]], separator: str, encoding: str, windows: bool
) -> None:
    """As Windows and as others write it; a writer of "\\n" does not quote "\\r" by itself."""
    names, rows = made
    # Between tabs lines that are each as wide as the table cannot be told from texts with stray marks.
    assume(separator != "\t" or not any(is_unclear("".join(row)) for row in rows))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(
                file,
                delimiter=separator,
                lineterminator="\r\n" if windows else "\n",
                quoting=csv.QUOTE_MINIMAL if windows else csv.QUOTE_ALL,
            ).writerows([names, *rows])
        table = Table(path, Form.CSV)
        assert table.columns() == names
        assert [list(row.cells.values()) for row in table.rows()] == rows


@given(tables())
def test_json_lines(made: tuple[list[str], list[list[str]]]) -> None:
    names, rows = made
    records = [dict(zip(names, row, strict=True)) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in records))
        assert [row.cells for row in Table(path, Form.JSON_LINES).rows()] == records
        path.write_text(json.dumps(records))
        assert [row.cells for row in Table(path, Form.JSON).rows()] == records


@given(st.text(max_size=20))
def test_a_key_is_its_own_key(name: str) -> None:
    assert key_of(key_of(name)) == key_of(name)


# ---- whatever is in a file ----


@given(
    st.binary(max_size=300),
    st.sampled_from([Form.CSV, Form.TSV, Form.JSON_LINES, Form.JSON]),
    st.sampled_from(["", "utf-16", "utf-8-sig", "cp1252"]),
)
def test_any_bytes_are_read_or_refused(data: bytes, form: Form, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(ConfigError):
        path = Path(folder) / "a"
        path.write_bytes(data)
        table = Table(path, form, encoding)
        table.columns()
        list(table.rows())


NAMES_OF_EXPORTS = (
    *(
        "data",
        "annotations",
        "result",
        "type",
        "value",
        "choices",
        "rating",
        "selected",
        "from_name",
        *("to_name", "points", "x", "y", "width", "height", "rectanglelabels", "polygonlabels"),
        *("original_width", "original_height", "rotation"),
    ),
    *(
        "images",
        "categories",
        "id",
        "file_name",
        "image_id",
        "category_id",
        "name",
        "was_cancelled",
    ),
)
WORDS = st.sampled_from(
    ["choices", "rating", "pairwise", "left", "x", "../x", "/data/y", "\ud800", "polygonlabels"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES_OF_EXPORTS), inner, max_size=5)
    ),
    max_leaves=12,
)
LISTS = st.lists(ANYTHING, max_size=4)


@given(st.lists(st.fixed_dictionaries({"data": ANYTHING, "annotations": LISTS}), max_size=3))
def test_any_tasks_of_label_studio_are_rows(found: object) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(ConfigError):
        path = Path(folder) / "a.json"
        path.write_text(json.dumps(found))
        for boxes in ("", "boxes"):
            tasks = Tasks(path, "answer", ("1", "2"), several=bool(boxes), boxes=boxes)
            assert {"answer", boxes} - {""} <= set(tasks.columns())
            assert all(isinstance(each, str) for each in tasks.unread())
            for row in tasks.rows():
                assert row.problem or {"answer", boxes} - {""} <= set(row.cells)


@given(st.lists(ANYTHING, max_size=3), st.dictionaries(st.sampled_from(NAMES_OF_EXPORTS), ANYTHING))
def test_any_marks_of_label_studio_are_boxes_or_refused(
    labels: list[object], value: dict[str, object]
) -> None:
    for kind in ("rectanglelabels", "polygonlabels", "labels", "rectangle"):
        with suppress(Unread):
            found = boxes_in([{"type": kind, "value": value | {kind: labels}} | value])
            assert "NaN" not in found and "Infinity" not in found


@given(st.fixed_dictionaries({"images": LISTS, "annotations": LISTS, "categories": LISTS}))
def test_any_lists_of_coco_are_rows(found: dict[str, list[object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_text(json.dumps(found))
        parts = (PartTerms("image", ("image/png",), 1_000, optional=False),)
        pictures = table_items(Pictures(path, "answer"), Columns({"image": FILE}, "answer"), parts)
        assert len(list(pictures)) == len(found["images"])
