"""Texts in contents, and where in them something is: by line and column, in JSON by its path, and in bytes of
any kind by their number.

JSON is looked at string by string, and number by number, as they are meant: \\u0040 is an @. So are escapes
in any other text, since JSON and code are submitted as plain text, too. What is replaced is what is written;
all else keeps its bytes.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from node.privacy.finders import FOUND_MAX, PASSES_MAX, TextFinder, replaced
from node.privacy.found import Found, Kind, masked
from protocol import media
from protocol.errors import Reject


@dataclass(frozen=True, slots=True)
class Finding:
    """One find, for its owner's eyes. `is_submitted`: whether it is in what would leave this machine."""

    where: str  # "line 3, column 14", "messages[2].content", "answer", "the file's name"
    kind: Kind
    what: str
    sample: str  # masked
    is_submitted: bool = True


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a text, and the text without it."""

    findings: tuple[Finding, ...]
    redacted: str


def look_at(text: str, media_type: str, finder: TextFinder, regions: Sequence[str] = ()) -> Looked:
    """Raises Reject for what cannot be told piece by piece."""
    is_json = media_type == media.JSON.name or media_type in media.SHAPES
    pieces = _of_json if is_json else _of_text
    findings: list[Finding] = []
    for _ in range(PASSES_MAX):
        found = pieces(text, finder, regions)
        if len(found) > FOUND_MAX:
            raise Reject(
                f"it holds more than {FOUND_MAX:,} pieces of personal data", "Leave it out."
            )
        if not found:
            return Looked(tuple(findings), text)
        findings += (
            Finding(each.where, each.found.kind, each.found.what, masked(each.text))
            for each in found
        )
        text = _without(text, found)
    raise Reject("it shows new personal data wherever some is taken out", "Leave it out.")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A find with its place: what it says, and where it is written."""

    where: str
    found: Found  # its start and end are of the written text
    text: str
    is_bare: bool = False  # a number of JSON, whose placeholder needs quotes


def _without(text: str, pieces: Sequence[_Piece]) -> str:
    if not any(each.is_bare for each in pieces):
        return replaced(text, [each.found for each in pieces])
    written: list[str] = []
    at = 0
    for each in pieces:
        place = each.found.kind.placeholder
        written += (text[at : each.found.start], f'"{place}"' if each.is_bare else place)
        at = each.found.end
    return "".join((*written, text[at:]))


# ---- texts ----

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def _of_text(text: str, finder: TextFinder, regions: Sequence[str]) -> list[_Piece]:
    """As its escapes are meant, if it has some; and as it is written, where nothing was found by that."""
    found: list[tuple[Found, str]] = []
    if _ESCAPE.search(text):
        plain = _Unescaped(text)
        found = [
            (plain.written(each), plain.text[each.start : each.end])
            for each in finder.find(plain.text, regions)
        ]
    meant = [each for each, _ in found]
    found += (
        (each, text[each.start : each.end])
        for each in finder.find(text, regions)
        if not _overlaps(each, meant)
    )
    if not found:
        return []
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    found.sort(key=lambda piece: piece[0].start)
    return [_Piece(_place(starts, each.start), each, said) for each, said in found]


def _overlaps(found: Found, others: Sequence[Found]) -> bool:
    """Whether it shares anything with one of these, which are in order and do not overlap."""
    at = bisect_right(others, found.start, key=lambda other: other.start)
    return any(
        other.start < found.end and found.start < other.end
        for other in others[max(0, at - 1) : at + 1]
    )


def _place(starts: Sequence[int], at: int) -> str:
    line = bisect_right(starts, at)
    return f"{line}:{at - starts[line - 1] + 1}"


# ---- JSON ----

_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[{}\[\],:]|-?\d[\d.eE+-]*+|[a-z]+|\s+', re.DOTALL)
# Both halves of a surrogate pair are one; so are all short ones in a row, of which a text may have millions.
# What else follows a backslash is as it is: broken JSON, which is refused elsewhere, or a path of Windows.
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}"
    r'|(?:\\["\\/bfnrt])++'
)
_SHORT: Final = str.maketrans("bfnrt", "\b\f\n\r\t")
_SHORT_CHARS: Final = 2
# Of a path that is shown: the last steps, and so much of each.
_STEPS_SHOWN: Final = 6
_STEP_CHARS_SHOWN: Final = 60
_CHARS_MIN: Final = 6  # nothing that is looked for is shorter: a@b.cd


def _of_json(text: str, finder: TextFinder, regions: Sequence[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for path, start, end in _values(text):
        token = text[start:end]
        is_bare = not token.startswith('"')
        if len(token) < _CHARS_MIN:
            continue
        plain = None if is_bare else _Unescaped(_inside(token))
        said = plain.text if plain else token
        found = finder.find(said, regions)
        if not found:
            continue
        where = finder.redact(path, regions)  # its names may be personal data, too
        if plain is None:
            whole = Found(found[0].kind, start, end, found[0].what)
            pieces.append(_Piece(where, whole, said, is_bare))
            continue
        for each in found:
            placed = plain.written(each, start + 1)
            pieces.append(_Piece(where, placed, said[each.start : each.end]))
    return pieces


def _inside(token: str) -> str:
    """A string without its quotes. It has only one if it is broken."""
    return token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:]


class _Unescaped:
    """What a text with escapes says, and where each character of that is written."""

    def __init__(self, written: str) -> None:
        said: list[str] = []
        # Where both go on side by side, or escapes begin or have ended; and how far what is written goes
        # from there with each character that is said.
        self._said, self._written, self._steps = array("Q", [0]), array("Q", [0]), array("B", [1])
        at = length = 0
        for escape in _ESCAPE.finditer(written):
            start, end = escape.span()
            meant = _meant(escape[0])
            for piece, place, step in (
                (written[at:start], start, _SHORT_CHARS),
                (meant, end, 1),
            ):
                said.append(piece)
                length += len(piece)
                self._said.append(length)
                self._written.append(place)
                self._steps.append(step)
            at = end
        said.append(written[at:])
        self.text = "".join(said)

    def written(self, found: Found, offset: int = 0) -> Found:
        """A find in what is said, as the place where that is written, `offset` characters further on."""
        start, end = (offset + self._place(at) for at in found.span)
        return Found(found.kind, start, end, found.what)

    def _place(self, at: int) -> int:
        last = bisect_right(self._said, at) - 1
        return self._written[last] + (at - self._said[last]) * self._steps[last]


def _meant(escape: str) -> str:
    if escape.startswith("\\u"):
        return str(json.loads(f'"{escape}"'))
    if escape.startswith("\\x"):  # of code, not of JSON
        return chr(int(escape[2:], 16))
    return escape[1::_SHORT_CHARS].translate(_SHORT)


def _values(text: str) -> Iterator[tuple[str, int, int]]:
    """Strings, names and numbers with their paths, without recursion; what is no JSON is passed by."""
    stack: list[str | int] = []
    is_name = False  # whether the next string is one
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at += 1
            continue
        mark, at = match[0], match.end()
        if mark == "{":
            stack.append("")
            is_name = True
        elif mark == "[":
            stack.append(0)
            is_name = False
        elif mark in "}]":
            del stack[-1:]
            is_name = False
        elif mark == ",":
            if stack and isinstance(stack[-1], int):
                stack[-1] += 1
            is_name = bool(stack) and isinstance(stack[-1], str)
        elif mark == ":":
            is_name = False
        elif mark[0] == '"':
            if is_name and stack:
                stack[-1] = _Unescaped(_inside(mark)).text
                yield f"the name {_path(stack)}", match.start(), at
            else:
                yield _path(stack), match.start(), at
        elif mark[0] in "-0123456789":
            yield _path(stack), match.start(), at


def _path(stack: Sequence[str | int]) -> str:
    told = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step[:_STEP_CHARS_SHOWN]}"
        for step in stack[-_STEPS_SHOWN:]
    )
    return told.removeprefix(".") or "value"


# ---- bytes of any kind ----

# Letters that UTF-8 writes in one to four bytes, in a row: fewer of them stand by chance in all that is
# compressed, about once in 24 MiB as an address of e-mail if eight were enough, in a gigabyte with twelve.
_SEEN: Final = rb"[\t\n\r\x20-\x7e]"
_RUN: Final = re.compile(
    rb"(?:"
    + _SEEN
    + rb"|[\xc3-\xdf][\x80-\xbf]|[\xe1-\xec\xee][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}){12,}+"
)
# As UTF-16 writes them, whichever byte of a letter it writes first.
_WIDE_RUN: Final = re.compile(rb"(?:" + _SEEN + rb"\0){7,}+" + _SEEN + rb"?")
_BETWEEN: Final = "\n\0\n"  # so that nothing is found across two of them


def look_into(content: bytes, finder: TextFinder) -> tuple[Finding, ...]:
    """Finds in what reads as text, wherever it stands among other bytes. What is compressed or encrypted
    reads as nothing. Raises Reject for more than can be told."""
    runs = [(run.start(), run[0].decode()) for run in _RUN.finditer(content)]
    runs += ((run.start(), run[0][::2].decode()) for run in _WIDE_RUN.finditer(content))
    starts = [0, *accumulate(len(text) + len(_BETWEEN) for _, text in runs)]
    text = _BETWEEN.join(text for _, text in runs)
    return tuple(
        Finding(
            f"near byte {runs[bisect_right(starts, each.start) - 1][0]:,}",
            *(each.kind, each.what, masked(text[each.start : each.end])),
        )
        for each in finder.find(text)
    )
