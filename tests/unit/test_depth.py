"""JSON that nests deep is refused before a parser runs out of stack."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.depth import JSON_DEPTH_MAX, load_json


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_it_reads_what_the_parser_reads(found: object) -> None:
    text = json.dumps(found)
    assert load_json(text) == load_json(text.encode()) == found


def test_the_deepest_and_one_deeper() -> None:
    assert load_json("[" * JSON_DEPTH_MAX + "]" * JSON_DEPTH_MAX)
    with pytest.raises(ValueError, match="more than 200 deep"):
        load_json("[" * (JSON_DEPTH_MAX + 1) + "]" * (JSON_DEPTH_MAX + 1))
    assert load_json('"' + "[" * 1_000 + '"')


def test_a_process_survives_brackets_whatever_limit_a_library_has_set() -> None:
    script = (
        "import sys; sys.setrecursionlimit(1_000_000)\n"
        "from protocol.depth import load_json\n"
        "try: load_json(b'[' * 1_000_000)\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"
