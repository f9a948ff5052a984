"""Text of strangers, as each kind of output takes it: shown letter by letter, and obeyed nowhere.

Names, titles, labels, refusals, memos, names of files, messages of peers: whatever we did not write
ourselves may hold markup, escape sequences, line ends, or signs that cannot be seen and that turn what
stands around them. What cannot be seen is spelt out, <U+202E>; what a format would obey is escaped.

    terminal     visible, one_line; commonhold/cli/output.py prints nothing else
    log lines    LogFormatter
    pages        in_page, over each whole page, beside the escaping of its templates
    Markdown     in_markdown, in_code

JSON and Parquet stay exact: their writers quote. Nothing here raises.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from types import TracebackType
from typing import Final

from protocol.limits import MARKS_IN_A_ROW_MAX
from protocol.unicode14 import ASSIGNED, MARKS, UNSEEN

# Line ends and tabs are layout where a text may have several lines.
_LINE_ENDS: Final = str.maketrans({"\n": "<U+000A>", "\t": "<U+0009>"})
# Of a traceback, and of a message that has several lines: so none is taken for another record or message.
INDENT: Final = "    "


@cache
def _suspects() -> re.Pattern[str]:
    """What may have to be spelt out, one character each.

    Controls, what cannot be seen, what our tables do not know (group 1), a mark at the very beginning, which
    would stand on what is before the text, and heaps of marks, which cover the lines above.
    """
    controls, marks = r"\x00-\x08\x0b-\x1f\x7f-\x9f", f"[{MARKS.inside}]"
    return re.compile(
        f"[{controls}{UNSEEN.inside}]"
        f"|([^{ASSIGNED.inside}])"
        f"|\\A{marks}"
        f"|(?<={marks}{{{MARKS_IN_A_ROW_MAX}}}){marks}"
    )


def _spelt(text: str, form: str) -> str:
    """The text with each suspect in this form, but for what spells emoji and joined letters."""
    if text.isascii() and text.isprintable():
        return text
    found = list(_suspects().finditer(text))
    if not found:
        return text
    from protocol.text import places_in_sequences  # some milliseconds, which few commands need

    kept, parts, end = places_in_sequences(text), list[str](), 0
    for each in found:
        is_newer = each[1] is not None and each[0].isprintable()  # than our tables: it can be seen
        if is_newer or each.start() in kept:
            continue
        parts += [text[end : each.start()], form.format(ord(each[0]))]
        end = each.end()
    return "".join([*parts, text[end:]])


def visible(text: str) -> str:
    """A text of one or more lines with all spelt out that could not be seen, or that moves the rest."""
    return _spelt(text, "<U+{:04X}>")


def one_line(text: str) -> str:
    """The same for what has a line to itself, or stands in one of ours: line ends and tabs are spelt, too."""
    return visible(text).translate(_LINE_ENDS)


def indented(text: str) -> str:
    """A text of several lines, the second and all that follow set off from the margin."""
    return visible(text).replace("\n", f"\n{INDENT}")


# ---- pages ----


def in_page(html: str) -> str:
    """A whole page of HTML in which what cannot be seen is spelt out; its templates escape the rest."""
    return _spelt(html, "&lt;U+{:04X}&gt;")


# ---- Markdown ----

# What some dialect gives a meaning to: as numbers, since not all of them take backslashes before these.
_MEANT: Final = re.compile(r"[&<>|`*_\[\]\\#~${}]")
# What makes a list, or a heading of the line before, of a line that begins with it.
_BEGINS: Final = re.compile(r"[-+=:]|\d{1,9}[.)]")
# What becomes a link or a mention of somebody without further ado; shown as code, where it does not.
_LINK: Final = re.compile(
    r"[^\s`|<>\[\](){}]*(?:://|www\.|mailto:|@)[^\s`|<>\[\](){}]*", re.IGNORECASE
)


def in_markdown(text: str) -> str:
    """Words in a line or in a cell of Markdown, as they were written. Blanks in a row are one."""
    words, made, end = one_line(" ".join(text.split())), list[str](), 0
    for link in _LINK.finditer(words):
        made += [_numbered(words[end : link.start()]), f"`{link[0]}`"]
        end = link.end()
    made.append(_numbered(words[end:]))
    return _not_beginning("".join(made))


def in_code(text: str) -> str:
    """A name between backticks; those in it, and what would end a cell, are spelt out."""
    shown = one_line(text).replace("`", "<U+0060>").replace("|", "<U+007C>")
    return f"`{shown or ' '}`"


def _numbered(words: str) -> str:
    return _MEANT.sub(lambda found: f"&#{ord(found[0])};", words)


def _not_beginning(line: str) -> str:
    """The line, whose beginning means nothing any more."""
    head = _BEGINS.match(line)
    if head is None:
        return line
    last = head.end() - 1
    return f"{line[:last]}&#{ord(line[last])};{line[last + 1 :]}"


# ---- log lines ----


class LogFormatter(logging.Formatter):
    """One line for each record; a traceback's lines are indented, so that none looks like a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        """The line."""
        return one_line(super().formatMessage(record))

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The traceback below it."""
        return INDENT + indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """Where it was logged."""
        return INDENT + indented(super().formatStack(stack_info))
