"""Whatever stands around it: what is redacted stays so, all else keeps its bytes, and nobody waits."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.privacy.documents import look_at
from node.privacy.finders import TextFinder
from node.privacy.found import Kind, folded

FINDER = TextFinder(("GB", "US", "ES"))
PLACEHOLDERS = [kind.placeholder for kind in Kind]
PIECES = [
    "jo@ex.org", "+442079460958", "020 7946 0958", "4111111111111111", "DE89370400440532013000",
    "203.0.113.7", "48.858370, 2.294481", "12345678Z", "password: ", "hunter2hunter9", "https://a:b@c",
    "😀", "e\u0301", "\u202e", "١٢", "-", " ", ".", "@", ":", "[", "]", "\n", '"', "0", "7", "A",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)


@given(TEXTS)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = FINDER.redact(text)
    assert FINDER.find(once) == []
    assert FINDER.redact(once) == once


@given(TEXTS)
def test_what_is_found_is_in_order_and_all_else_keeps_its_place(text: str) -> None:
    found = FINDER.find(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert len(folded(text)) == len(text)
    rest = look_at(text, "text/plain", FINDER).redacted
    for each in PLACEHOLDERS:
        rest = rest.replace(each, "\0")
    at = 0
    for piece in filter(None, rest.split("\0")):
        at = text.find(piece, at)  # every piece that is kept was there, in this order
        assert at >= 0
        at += len(piece)


@given(
    st.recursive(
        TEXTS | st.integers(0, 10**17),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_json_stays_json(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    redacted = look_at(text, "application/json", FINDER).redacted
    json.loads(redacted)
    if redacted == text:
        assert look_at(text, "application/json", FINDER).findings == ()


HOSTILE = [
    "a", "@", "a@", "@a", "a@a.", "a.", ".", "1", "1 ", "1-", "+1", "+", "(", "0 ", "00", "0049 30 ",
    "GB82 ", "AB12", "4 ", "1.1.", "255.", "a:", ":", "::", "0:", "ab:cd:", "1.1234,", "1.1234 ", "1° ",
    "a://a:", "a://", "eyJa.", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "password=", "password: a1",
    "token ", "zoo ", "abandon ", "12345678", "A1", '"', '\\"', '"\\', "[", "{", '{"a":', "\\u", "😀",
    "\u0661", "\u200b", "-", "sk-", "xoxb-1", "1111-", "(1) ", "020 7946 0958 ",
]  # fmt: skip
#: For all of them together; a finder that looks again and again at what it saw takes hours for one.
CPU_SECONDS = 40
PROGRAM = """
import sys
from node.privacy.documents import look_at
import resource
from node.privacy.finders import TextFinder
from protocol.errors import Reject
resource.setrlimit(resource.RLIMIT_CPU, 2 * (int(sys.argv[3]),))
finder = TextFinder(("GB", "US", "ES"))
for piece in eval(sys.argv[1]):
    text = piece * (int(sys.argv[2]) // len(piece))
    for media_type in ("text/plain", "application/json"):
        try:
            look_at(text, media_type, finder)
        except Reject:
            pass
"""


@pytest.mark.timeout(600)
def test_nothing_takes_more_than_linear_time() -> None:
    """By the processor's time, which is limited, and not by the clock."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repr(HOSTILE), "100000", str(CPU_SECONDS)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
