"""Text of strangers in each kind of output: letter by letter, and nothing of it obeyed."""

from __future__ import annotations

import io
import logging
import re
from html import unescape

import pytest

from commonground.escaping import (
    LogFormatter,
    in_code,
    in_markdown,
    in_page,
    indented,
    one_line,
    unseen,
    visible,
)

# ---- what cannot be seen ----


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tof text", "two\nlines\tof text"),
        ("\x1b[31mred\x1b[0m", "<U+001B>[31mred<U+001B>[0m"),
        ("\x1b]0;title\x07\x9b2J", "<U+001B>]0;title<U+0007><U+009B>2J"),
        ("a\rb\x08\x00\x7f\x85", "a<U+000D>b<U+0008><U+0000><U+007F><U+0085>"),
        ("evil\u202etxt.exe\u2066", "evil<U+202E>txt.exe<U+2066>"),
        ("a\u200bb\u00adc\ufeffd\u2060", "a<U+200B>b<U+00AD>c<U+FEFF>d<U+2060>"),
        ("left\u200e right\u200f \u061c", "left<U+200E> right<U+200F> <U+061C>"),
        ("line\u2028paragraph\u2029", "line<U+2028>paragraph<U+2029>"),
        ("tags\U000e0041\U000e007f", "tags<U+E0041><U+E007F>"),
        ("fillers \u3164\u115f\u2800", "fillers <U+3164><U+115F><U+2800>"),
        ("half \udcff\ud800", "half <U+DCFF><U+D800>"),
        ("private \ue000\U0010fffd", "private <U+E000><U+10FFFD>"),
        ("never \ufdd0\uffff", "never <U+FDD0><U+FFFF>"),
        ("\u0301on what is before", "<U+0301>on what is before"),
        ("e" + "\u0301" * 10, "e" + "\u0301" * 8 + "<U+0301>" * 2),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("one\r\ntwo\n", "one\ntwo\n"),
        # One that ends no line for all programs: what follows is code for Python, and a comment for the eye.
        ("# harmless\rimport os\r\n", "# harmless<U+000D>import os\n"),
        ("a\r\r\nb\n\rc\r", "a<U+000D>\nb\n<U+000D>c<U+000D>"),
    ],
)
def test_line_ends_of_windows_are_line_ends(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert in_page(text) == shown.replace("<", "&lt;").replace(">", "&gt;")
    assert indented(text) == shown.replace("\n", "\n    ")
    assert unseen(text) == (["U+000D"] if "<" in shown else [])


@pytest.mark.parametrize(
    "text",
    [
        "Zoë, naïve, Straße",
        "日本語\u3000と한국어",
        "\u0633\u0644\u0627\u0645 \u062f\u0646\u06cc\u0627",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # a joiner that the spelling needs
        "हिन्दी क\u094d\u200dष",
        "👩\u200d🔬 ❤\ufe0f 1\ufe0f\u20e3 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "10\u00a0% — “quoted” …",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert in_page(text) == text


def test_what_has_one_line_keeps_it() -> None:
    assert one_line("a\nb\tc\r\n") == "a<U+000A>b<U+0009>c<U+000D><U+000A>"
    assert indented("first\nnext: forged") == "first\n    next: forged"


# ---- pages ----


def test_a_page_spells_it_in_its_own_letters() -> None:
    assert in_page("<p>a\u202eb</p>\n") == "<p>a&lt;U+202E&gt;b</p>\n"
    assert in_page('<p title="\x1b">\udcff</p>') == '<p title="&lt;U+001B&gt;">&lt;U+DCFF&gt;</p>'


def test_what_a_form_sends_back_stays_what_it_is() -> None:
    hidden = "a\u200fb\u200e\ufeff\U000e0041\u0301\u0301\u0301\u0301\u0301"
    for page in (
        '<p title="{0}"><input value="{0}">{0}</p>',
        "<p>{0}</p><textarea rows=1>\n{0}<b>{0}",
    ):
        shown = in_page(page.format(hidden))
        inside = re.findall(r'value="([^"]*)|<textarea rows=1>\n([^<]*)', shown)
        assert [unescape("".join(each)) for each in inside] == [hidden]
        outside = re.sub(r'value="[^"]*"|<textarea[^>]*>[^<]*', "", shown)
        assert outside.isascii() or "\u200f" not in outside
        assert "&lt;U+200F&gt;" in outside
    assert "\x1b" not in in_page('<input value="\x1b">'), "it would not come back as it was"


def test_what_a_form_holds_unseen_is_told_beside_it() -> None:
    assert unseen("plain <U+200F> and <U+12") == []
    assert unseen("\u200fa\u200e<\u200f") == ["U+200F", "U+200E"]
    assert unseen("\u0645\u06cc\u200c\u062e 👩\u200d🔬") == [], "it is how they are spelt"


# ---- Markdown ----


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Street signs, by night (2026).", "Street signs, by night (2026)."),
        ("[neg]", "&#91;neg&#93;"),
        ("![x](y) [a]: b", "!&#91;x&#93;(y) &#91;a&#93;: b"),
        ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
        ("a | b & `c` \\d", "a &#124; b &#38; &#96;c&#96; &#92;d"),
        ("*b* _i_ ~s~ # h $x$", "&#42;b&#42; &#95;i&#95; &#126;s&#126; &#35; h &#36;x&#36;"),
        ("{{ page }} {% x %}", "&#123;&#123; page &#125;&#125; &#123;% x %&#125;"),
        ("- item", "&#45; item"),
        ("1. item", "1&#46; item"),
        ("2026 items", "2026 items"),
        ("=====", "&#61;===="),
        ("a\n\n# b\n```", "a &#35; b &#96;&#96;&#96;"),
        ("see https://example.org/a_b?c|d", "see `https://example.org/a_b?c`&#124;d"),
        ("WWW.example.org", "`WWW.example.org`"),
        ("by @somebody", "by `@somebody`"),
        ("<https://example.org>", "&#60;`https://example.org`&#62;"),
        ("a\u202eb", "a&#60;U+202E&#62;b"),
        ("", ""),
    ],
)
def test_markdown_has_words_and_nothing_else(text: str, written: str) -> None:
    assert in_markdown(text) == written


def test_a_name_in_code_ends_where_it_ends() -> None:
    assert in_code("label") == "`label`"
    assert in_code("a`b|c\nd") == "`a<U+0060>b<U+007C>c<U+000A>d`"
    assert in_code("") == "` `"


# ---- log lines ----


def logged(message: str, *values: object, error: BaseException | None = None) -> str:
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    record = logging.LogRecord(
        "part",
        logging.WARNING,
        "",
        0,
        message,
        values,
        (type(error), error, None) if error else None,
    )
    handler.emit(record)
    return lines.getvalue()


def test_no_log_line_is_forged() -> None:
    assert logged("refused: %s", "no\nERROR all is lost\x1b[2J") == (
        "WARNING refused: no<U+000A>ERROR all is lost<U+001B>[2J\n"
    )
    assert logged("100 %s of it\u202e") == "WARNING 100 %s of it<U+202E>\n"


def test_a_traceback_is_set_off_from_the_margin() -> None:
    head, *rest = logged("failed", error=ValueError("no\nERROR all is lost\x9b")).splitlines()
    assert head == "WARNING failed"
    assert rest == ["    ValueError: no", "    ERROR all is lost<U+009B>"]


@pytest.mark.parametrize("piece", ["a", "@", "://", "\x1b", "\u0301", "👩\u200d", "`|", "1.", "<"])
def test_a_long_text_takes_as_long_as_it_is(piece: str) -> None:
    """Anything that looked at each part of it again and again would not end here."""
    text = piece * 100_000
    for escaped in (visible(text), one_line(text), in_page(text), in_markdown(text), in_code(text)):
        assert len(escaped) >= 100_000
