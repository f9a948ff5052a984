"""Texts as the review page gets them: to be seen, and each line once."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.reviewers import ShownPart
from node.reviewpage.contents import LINE_ENDS, content_of, text_of


@pytest.mark.parametrize(
    ("content", "shown", "ends"),
    [
        (b"a = 1\r\nb = 2\r\n", "a = 1\nb = 2\n", "windows"),
        (b"a = 1\nb = 2\n", "a = 1\nb = 2\n", "others"),
        (b"a = 1\r\nb = 2\n", "a = 1\nb = 2\n", "mixed"),
        (b"# a\rb = 2\n", "# a<U+000D>b = 2\n", "others"),
        (b"one line", "one line", "others"),
    ],
)
def test_line_ends_are_said_once_and_shown_on_no_line(
    tmp_path: Path, content: bytes, shown: str, ends: str
) -> None:
    path = tmp_path / "content"
    path.write_bytes(content)
    answer = content_of(ShownPart("code", "text/x-python", path))
    assert bytes(answer.body).decode() == shown
    assert answer.headers[LINE_ENDS] == ends
    assert path.read_bytes() == content


def test_a_long_text_is_not_cut_within_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"ab\r\ncd\r\n")
    assert text_of(path, 2) == "ab\n… 4 more characters"
    assert text_of(path, 3) == "ab\n\n… 3 more characters"
