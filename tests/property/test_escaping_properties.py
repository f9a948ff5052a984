"""Whatever somebody writes can be printed, is seen, and stays one line where it has one."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from commonground.escaping import in_code, in_markdown, in_page, indented, one_line, visible

# Halves of characters too, and more often than chance would what is obeyed somewhere.
TEXTS = st.text(
    st.characters()
    | st.characters(categories=["Cc", "Cf", "Cs", "Mn"])
    | st.sampled_from("[]<>`|\n")
)


@given(TEXTS)
def test_what_was_escaped_once_is_only_what_is_seen(text: str) -> None:
    for escaped in (
        visible(text),
        one_line(text),
        indented(text),
        in_markdown(text),
        in_code(text),
    ):
        escaped.encode()
        assert not {c for c in escaped if "\x00" <= c < " " or c in "\x7f\x9b\u202e\u2066"} - {
            *"\n\t"
        }
    assert visible(visible(text)) == visible(text)
    assert len(one_line(text).splitlines()) <= 1
    assert all(not line or line.startswith(" ") for line in indented(text).split("\n")[1:])


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert visible(text) == one_line(text) == indented(text) == text


@given(TEXTS)
def test_a_page_keeps_its_tags(text: str) -> None:
    """What is spelt out in a page adds no tag and takes none."""

    class Tags(HTMLParser):
        def __init__(self, html: str) -> None:
            super().__init__()
            self.found: list[str] = []
            self.feed(html)
            self.close()

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.found.append(tag)

    words = text.replace("<", "").replace("&", "")
    page = in_page(f"<p>{words}</p>")
    page.encode()
    assert Tags(page).found == ["p"]
    assert unescape(page) == visible(f"<p>{words}</p>")


@given(TEXTS)
def test_markdown_is_one_line_without_tags_links_or_cells(text: str) -> None:
    written = in_markdown(text)
    assert "\n" not in written
    outside = "".join(written.split("`")[::2])  # of code
    assert not {*"<>|[]*\\"} & {*outside}
    assert written.count("`") % 2 == 0
    assert "|" not in written
