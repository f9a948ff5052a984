"""A table that reviewers see: rows of one length, or the lines as they are."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from node.reviewpage.contents import CELLS_SHOWN, TEXT_CHARS_SHOWN, rows_of


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.text("a,\"\n é'", max_size=5), min_size=n, max_size=n), min_size=1
        )
    )
)
def test_what_a_program_writes_is_read_as_it_was(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    assert rows_of(written.getvalue()) == rows


def test_what_was_cut_or_is_too_large_is_shown_as_its_lines() -> None:
    assert rows_of("a,b\n" + "1," + "x" * TEXT_CHARS_SHOWN) == []
    assert rows_of('a,b\n"1,2\n… 12 more characters') == []
    assert rows_of("") == []
    row = "1,2\n"
    assert len(rows_of(row * (CELLS_SHOWN // 2))) == CELLS_SHOWN // 2
    assert rows_of(row * (CELLS_SHOWN // 2 + 1)) == []
