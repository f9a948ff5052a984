"""Texts in contents, and where in them something is: by line and column, and in JSON by its path.

JSON is looked at string by string, and number by number, as they are meant: \\u0040 is an @. What is replaced
is what is written; all else keeps its bytes.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    pieces = _of_json if is_json else _of_lines
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


# ---- lines ----

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def _of_lines(text: str, finder: TextFinder, regions: Sequence[str]) -> list[_Piece]:
    found = finder.find(text, regions)
    if not found:
        return []
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    return [_Piece(_place(starts, each.start), each, text[each.start : each.end]) for each in found]


def _place(starts: Sequence[int], at: int) -> str:
    line = bisect_right(starts, at)
    return f"{line}:{at - starts[line - 1] + 1}"


# ---- JSON ----

_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[{}\[\],:]|-?\d[\d.eE+-]*+|[a-z]+|\s+', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
# Of a path that is shown: the last steps, and so much of each.
_STEPS_SHOWN: Final = 6
_STEP_CHARS_SHOWN: Final = 60
_UNICODE_CHARS: Final = 6  # of an escape: \\u0040
_CHARS_MIN: Final = 6  # nothing that is looked for is shorter: a@b.cd


def _of_json(text: str, finder: TextFinder, regions: Sequence[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for path, start, end in _values(text):
        token = text[start:end]
        is_bare = not token.startswith('"')
        if len(token) < _CHARS_MIN:
            continue
        said, places = (token, None) if is_bare else _unescaped(_inside(token))
        found = finder.find(said, regions)
        if not found:
            continue
        where = finder.redact(path)  # its names may be personal data, too
        if is_bare:
            whole = Found(found[0].kind, start, end, found[0].what)
            pieces.append(_Piece(where, whole, said, is_bare))
            continue
        for each in found:
            first, last = (places[each.start], places[each.end]) if places else each.span
            placed = Found(each.kind, start + 1 + first, start + 1 + last, each.what)
            pieces.append(_Piece(where, placed, said[each.start : each.end]))
    return pieces


def _inside(token: str) -> str:
    """A string without its quotes. It has only one if it is broken."""
    return token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:]


def _unescaped(written: str) -> tuple[str, list[int] | None]:
    """What a string says, and where each of its characters is written; None: as it is said."""
    if "\\" not in written:
        return written, None
    said: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(written):
        escape = _ESCAPE.match(written, at)
        raw = escape[0] if escape else written[at]
        if len(raw) == _UNICODE_CHARS and 0xD800 <= int(raw[2:], 16) < 0xDC00:
            low = _ESCAPE.match(written, at + len(raw))  # the other half of the pair
            raw += low[0] if low else ""
        character = _character(raw)
        said.append(character)
        places += [at] * len(character)
        at += len(raw)
    return "".join(said), [*places, at]


def _character(raw: str) -> str:
    if len(raw) == 1:
        return raw
    try:
        return str(json.loads(f'"{raw}"'))
    except ValueError:
        return raw  # broken JSON, which is refused elsewhere


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
                stack[-1] = _unescaped(_inside(mark))[0]
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
