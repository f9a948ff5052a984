"""Text of strangers, as each kind of output takes it: shown letter by letter, and obeyed nowhere.

Names, titles, labels, refusals, memos, names of files, messages of peers: whatever we did not write
ourselves may hold markup, escape sequences, line ends, or signs that cannot be seen and that turn what
stands around them. What cannot be seen is spelt out, <U+202E>; what a format would obey is escaped.

    terminal     visible, one_line; commonhold/cli/output.py prints nothing else
    log lines    LogFormatter
    pages        in_page, over each whole page, beside the escaping of its templates; unseen, beside a form
    Markdown     in_markdown, in_code
    commands     in_shell, for each path and each word of others in a command that a message names

JSON and Parquet stay exact: their writers quote. Nothing here raises.
"""

from __future__ import annotations

import logging
import re
import shlex
import unicodedata
from collections.abc import Set
from enum import Enum, auto
from functools import lru_cache
from types import TracebackType
from typing import Final

from protocol.limits import MARKS_IN_A_ROW_MAX
from protocol.unicode14 import UNSEEN

# Controls, formats, halves and privates, what no table knows, separators; and what looks like nothing.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNSEEN: Final = re.compile(f"[{UNSEEN.inside}]")
# Of these, those that emoji and joined letters are spelt with.
_JOINING: Final = frozenset("\u200c\u200d\ufe0f") | {
    chr(0xE0000 + code) for code in range(0x20, 0x80)
}
# Line ends and tabs are layout where a text may have several lines.
_LINE_ENDS: Final = str.maketrans({"\n": "<U+000A>", "\t": "<U+0009>"})
_FORM: Final = "<U+{:04X}>"
# Of a traceback, and of a message that has several lines: so none is taken for another record or message.
INDENT: Final = "    "


class _Nature(Enum):
    """How a character is seen."""

    PLAIN = auto()
    HIDDEN = auto()  # it cannot be seen, moves what is around it, or is obeyed
    MARK = auto()  # it stands on the character before; a heap of them covers the lines above


@lru_cache(maxsize=4_096)
def _nature(character: str) -> _Nature:
    category = unicodedata.category(character)
    if category in _HIDDEN or _UNSEEN.match(character):
        return _Nature.PLAIN if character in "\n\t" else _Nature.HIDDEN
    return _Nature.MARK if category.startswith("M") else _Nature.PLAIN


def _spelt(text: str, form: str) -> str:
    """The text with all that is hidden in this form, but for what spells emoji and joined letters; and with
    marks that have nothing of their own to stand on, or are too many."""
    if text.isascii() and text.isprintable():
        return text
    suspects = {each for each in set(text) if _nature(each) is not _Nature.PLAIN}
    if not suspects:
        return text
    kept = _spelling(text) if suspects & _JOINING else frozenset[int]()
    parts, end, begun, last = list[str](), 0, 0, -1
    for found in re.finditer(f"[{''.join(suspects)}]", text):
        at = found.start()
        if _nature(found[0]) is _Nature.MARK:
            begun, last = (begun if at == last + 1 else at), at
            if begun and at - begun < MARKS_IN_A_ROW_MAX:
                continue
        if at not in kept:
            parts += [text[end:at], form.format(ord(found[0]))]
            end = at + 1
    return "".join([*parts, text[end:]])


def _spelling(text: str) -> Set[int]:
    """Where hidden characters are a part of what is seen. Its tables take long to load, and few texts need
    them."""
    from protocol.text import places_in_sequences

    return places_in_sequences(text)


def lined(text: str) -> str:
    """The text with the line ends of Windows as all others. A return that no new line follows is none of
    them: it would hide what is before it from some programs, and not from others."""
    return text.replace("\r\n", "\n")


def visible(text: str) -> str:
    """A text of one or more lines with all spelt out that could not be seen, or that moves the rest."""
    return _spelt(lined(text), _FORM)


def one_line(text: str) -> str:
    """The same for what has a line to itself, or stands in one of ours: line ends and tabs are spelt, too."""
    return _spelt(text, _FORM).translate(_LINE_ENDS)


def indented(text: str) -> str:
    """A text of several lines, the second and all that follow set off from the margin."""
    return visible(text).replace("\n", f"\n{INDENT}")


# ---- pages ----


# What a form sends back: another text, if any of it were spelt out. No text can pretend to be one, since
# templates escape quotes and brackets.
_SENT_BACK: Final = re.compile(r"(\bvalue=\"[^\"]*\"|<textarea\b[^>]*>[^<]*)")
# What no browser would send back as it was: controls, and halves of characters.
_LOST: Final = frozenset({"Cc", "Cs"})


def in_page(html: str) -> str:
    """A whole page of HTML in which what cannot be seen is spelt out; its templates escape the rest. Values
    of forms stay what they are, by numbers: a person who changes a price must not change a text by it."""
    parts = _SENT_BACK.split(html)
    parts[1::2] = map(_numbered_unseen, parts[1::2])
    return "".join(_spelt(lined(part), "&lt;U+{:04X}&gt;") for part in parts)


def unseen(text: str) -> list[str]:
    """What a text holds that cannot be seen, each once, as U+202E: to be told beside a form that has it."""
    spelt = re.findall(r"<(U\+[0-9A-F]{4,6})>", visible(text.replace("<", "")))
    return list(dict.fromkeys(spelt))


def _numbered_unseen(value: str) -> str:
    return "".join(
        each
        if _nature(each) is _Nature.PLAIN or unicodedata.category(each) in _LOST
        else f"&#x{ord(each):X};"
        for each in value
    )


# ---- Markdown ----

# What some dialect gives a meaning to: as numbers, since not all of them take backslashes before these.
_MEANT: Final = re.compile(r"[&<>|`*_\[\]\\#~${}]")
# What makes a list, or a heading of the line before, of a line that begins with it.
_BEGINS: Final = re.compile(r"[-+=:]|\d{1,9}[.)]")
# What becomes a link or a mention of somebody without further ado; shown as code, where it does not.
_WORD: Final = re.compile(r"[^\s`|<>\[\](){}]+")
_LINK: Final = re.compile(r"://|www\.|mailto:|@", re.IGNORECASE)


def in_markdown(text: str) -> str:
    """Words in a line or in a cell of Markdown, as they were written. Blanks in a row are one."""
    words, made, end = one_line(" ".join(text.split())), list[str](), 0
    for word in _WORD.finditer(words):
        if _LINK.search(word[0]):
            made += [_numbered(words[end : word.start()]), f"`{word[0]}`"]
            end = word.end()
    made.append(_numbered(words[end:]))
    return _not_beginning("".join(made))


def in_code(text: str) -> str:
    """A name between backticks; those in it, and what would end a cell, are spelt out."""
    shown = one_line(text).replace("`", "<U+0060>").replace("|", "<U+007C>")
    return f"`{shown or ' '}`"


def in_shell(word: object) -> str:
    """A word of a command that we tell people to type: a path with a blank in it stays one."""
    return shlex.quote(str(word))


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
