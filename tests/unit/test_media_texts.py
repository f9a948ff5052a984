"""Tables and JSON of each shape: what every program reads alike is taken, anything else is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.contents import Contents
from node.drafts import PartSource
from node.intake import fingerprint_content
from node.media.shapes import MESSAGES_MAX, OBJECTS_MAX
from node.media.texts import CHECKS, COLUMNS_MAX, check_csv
from protocol.errors import Reject
from protocol.rows import PartTerms
from tests.media_files import SHAPED

CONVERSATION, PAIR, RECORD = (
    f"application/vnd.commonhold.{name}+json" for name in ("conversation", "pair", "record")
)
BOXES = "application/vnd.commonhold.boxes+json"
CAT = {"label": "cat", "box": [1.5, 2, 30, 40], "outline": [[1.5, 2, 31, 2, 31, 42]]}
BOXED = {"unit": "pixel", "width": 64, "height": 48, "objects": [CAT]}
SAID = {"role": "user", "content": "Wie geht's?"}


@pytest.mark.parametrize(
    "table",
    [
        b"a,b\n1,2\n",
        b"a,b\r\n1,2",
        b'a,"b, c"\n"say ""yes""","two\nlines"\n',
        b"a,\n1,\n",
        b"a,\n1,",
        b"a\n1\n",
        b'a\n""\n1\n',
        b"\xef\xbb\xbfa,b\n1,2\n",
        b"," * (COLUMNS_MAX - 1) + b"\n",
    ],
)
def test_a_table_is_taken(table: bytes) -> None:
    check_csv(table)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"a,b\n1,2,3\n", "near line 3: 3 fields where the first row has 2"),
        (b"a,b\n1\n", "1 fields"),
        (b"a,b\n\n1,2\n", "an empty line"),
        (b"a\n\n1\n", "an empty line"),
        (b'a,b\n"1,2\n', "a quote that is not closed"),
        (b'a,b\n1 "one",2\n', "stands inside a field"),
        (b"a,b\r1,2\r", "line 1"),
        (b"," * 1_000_000, "more than 1,000 columns"),
    ],
)
def test_what_programs_read_differently_is_no_table(table: bytes, why: str) -> None:
    with pytest.raises(Reject, match=why):
        check_csv(table)


@given(
    st.integers(1, 4).flatmap(
        lambda wide: st.lists(
            st.lists(
                st.text(st.characters(codec="utf-8"), max_size=5), min_size=wide, max_size=wide
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_what_is_written_as_a_table_is_one(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    check_csv(out.getvalue().encode())


@given(st.binary(max_size=60))
def test_whatever_passes_is_read_as_rows_of_one_length(data: bytes) -> None:
    try:
        text = data.decode()
        check_csv(data)
    except (Reject, UnicodeDecodeError):
        return
    if "\0" not in text:
        assert (
            len({len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)}) <= 1
        )


@pytest.mark.parametrize("media_type", SHAPED)
def test_each_shape_is_taken_as_itself(media_type: str) -> None:
    assert fingerprint_content(json.dumps(SHAPED[media_type]("hello")).encode(), media_type)


@pytest.mark.parametrize(
    ("media_type", "found", "why"),
    [
        (CONVERSATION, [SAID], "an object with"),
        (CONVERSATION, {"messages": []}, "1 to 1,000 messages"),
        (CONVERSATION, {"messages": [SAID] * (MESSAGES_MAX + 1)}, "1 to 1,000 messages"),
        (CONVERSATION, {"messages": [SAID], "system": "x"}, "nothing else"),
        (CONVERSATION, {"messages": [SAID, {"role": "user"}]}, "message 2: a message has"),
        (CONVERSATION, {"messages": [SAID | {"role": "me"}]}, "a role is one of system, user"),
        (CONVERSATION, {"messages": [SAID | {"content": " "}]}, "message 1: it is a text"),
        (CONVERSATION, {"messages": [SAID | {"content": ["a"]}]}, "it is a text"),
        (PAIR, {"prompt": "a", "chosen": "b"}, "nothing else"),
        (PAIR, {"prompt": "a", "chosen": "b", "rejected": 3}, "rejected: it is a text"),
        (PAIR, {"prompt": "a", "chosen": "b", "rejected": "b"}, "are the same"),
        (BOXES, [], "boxes are an object"),
        (BOXES, BOXED | {"unit": "inch"}, "pixel or fraction"),
        (BOXES, BOXED | {"width": 0}, "numbers above 0"),
        (BOXES, BOXED | {"width": True}, "numbers above 0"),
        (BOXES, {"unit": "fraction", "width": 1, "height": 1, "objects": []}, "no more"),
        (BOXES, BOXED | {"objects": [CAT] * (OBJECTS_MAX + 1)}, "a list of at most 1,000"),
        (BOXES, BOXED | {"objects": [CAT | {"score": 1}]}, "object 1: it has"),
        (BOXES, BOXED | {"objects": [CAT, CAT | {"label": ""}]}, "object 2: its label"),
        (BOXES, BOXED | {"objects": [CAT | {"box": [1, 2, 3]}]}, "left, top, width and height"),
        (BOXES, BOXED | {"objects": [CAT | {"box": [1, 2, -3, 1]}]}, "not below 0"),
        (BOXES, BOXED | {"objects": [CAT | {"box": [1, 2, 400, 1]}]}, "out of the picture"),
        (BOXES, BOXED | {"objects": [CAT | {"outline": [[1, 2, 3, 4]]}]}, "three points"),
        (BOXES, BOXED | {"objects": [CAT | {"outline": [[1, 2, 3, 4, 5, 999]]}]}, "out of the"),
        (BOXES, BOXED | {"objects": [CAT | {"outline": [[1] * 20_002]}]}, "10,000 points"),
        (RECORD, {}, "1 to 1,000 fields"),
        (RECORD, ["a"], "an object"),
        (RECORD, {"a": 1, "b": {"c": 2}}, "'b' holds more than one value"),
    ],
)
def test_another_shape_is_refused_and_named(media_type: str, found: object, why: str) -> None:
    with pytest.raises(Reject, match=why) as refusal:
        fingerprint_content(json.dumps(found).encode(), media_type)
    assert "A conversation is" in refusal.value.advice


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_is_of_a_shape_or_refused(found: object) -> None:
    data = json.dumps(found).encode()
    for media_type in (CONVERSATION, PAIR, RECORD):
        with pytest.raises(Reject):
            CHECKS[media_type](data)


def test_boxes_are_taken_with_outlines_and_without_any_object() -> None:
    for found in (BOXED, BOXED | {"objects": []}, {"unit": "fraction", "objects": []}):
        assert fingerprint_content(json.dumps(found).encode(), BOXES)


def test_a_file_of_json_becomes_what_the_campaign_takes(tmp_path: Path) -> None:
    both = Contents([PartTerms("content", (PAIR, CONVERSATION), 10_000, False)])
    for name in (CONVERSATION, PAIR):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(SHAPED[name]("hello")))
        assert both.check(PartSource("content", path)).media_type == name
        text = PartSource("content", None, path.read_text())
        assert both.check(text).media_type == name
    path.write_text("[1]")
    with pytest.raises(Reject, match='a pair has "prompt", "chosen"'):
        both.check(PartSource("content", path))
