"""Any table that `csv` or `json` writes comes back, cell by cell."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from node.bringing.labels import key_of
from node.bringing.tables import Form, Table

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
