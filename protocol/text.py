"""What may stand in a name or a text that others read: fixed Unicode rules, the same on every machine.

Names (labels, steps, licensees) are shown beside others' names, compared, and spoken of. So a name has one
spelling (NFC), nothing that cannot be seen, and no twin: `check_distinct` refuses two names of one list that
people would take for the same. Texts (titles, guidelines) are only read; they may say more.

Characters are those of Unicode 14.0 (`protocol.unicode14`). What came later is refused, since a node with
an older Python could not tell whether it is normalised.

Sources: UAX 15 (normalisation), UTS 39 (look-alikes, repeated marks), UTS 51 (emoji sequences), RFC 5892
(joiners). Errors: every function raises Reject, with advice, and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from protocol.errors import Reject, raise_all
from protocol.limits import MARKS_IN_A_ROW_MAX, NAME_CHARS_MAX
from protocol.unicode14 import ASSIGNED, JOINED, MARKS, PICTOGRAPHS, UNSEEN, VERSION

# How much of a name an error message repeats.
_QUOTED_CHARS_MAX: Final = 80

_CONTROLS: Final = r"\x00-\x1f\x7f-\x9f"
# Blanks of other widths; nobody sees the difference from a space.
_OTHER_BLANKS: Final = r"\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
# What programs write in the place of a character or object that they lost.
_LOST: Final = r"\ufffc\ufffd"

# Embeddings, overrides and isolates: they reorder what stands around them.
_BIDI: Final = r"\u202a-\u202e\u2066-\u2069"
# What the spelling of some languages needs although it cannot be seen: soft hyphen, Arabic letter mark,
# Mongolian selectors, zero-width space and joiners, direction marks, word joiner, variation selectors.
_USEFUL_UNSEEN: Final = (
    r"\xad\u061c\u180b-\u180f\u200b-\u200f\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef"
)

_NOT_ASSIGNED: Final = re.compile(f"[^{ASSIGNED.inside}]")
_NAME_FORBIDS: Final = re.compile(f"[{_CONTROLS}{_OTHER_BLANKS}{_LOST}]")
_TEXT_FORBIDS: Final = re.compile(f"[{_CONTROLS}{_BIDI}{_LOST}\u2028\u2029]")
_UNSEEN: Final = re.compile(f"[{UNSEEN.inside}]")
_USEFUL: Final = re.compile(f"[{_USEFUL_UNSEEN}]")
_FIRST_MARK: Final = re.compile(f"[{MARKS.inside}]")
_MARKS_HEAP: Final = re.compile(f"[{MARKS.inside}]{{{MARKS_IN_A_ROW_MAX + 1}}}")
_BLANKS: Final = re.compile(f"[\x20{_OTHER_BLANKS}]+")

# Emoji as UTS 51 spells them: pictographs, each with a skin tone or the emoji selector, joined; keycaps;
# and the three flags that are spelt with tags. Other tags could hide any text, and are refused.
_ELEMENT: Final = f"[{PICTOGRAPHS.inside}][\U0001f3fb-\U0001f3ff\ufe0f]?"
_TAGGED_FLAG: Final = "\U0001f3f4(?:{})\U000e007f".format(
    "|".join(
        "".join(chr(0xE0000 + ord(letter)) for letter in region)
        for region in ("gbeng", "gbsct", "gbwls")
    )
)
_EMOJI: Final = f"{_TAGGED_FLAG}|{_ELEMENT}(?:\u200d{_ELEMENT})*|[0-9#*]\ufe0f\u20e3"
_JOINER: Final = f"(?<=[{JOINED.inside}])[\u200c\u200d](?=[{JOINED.inside}])"
_SEQUENCES: Final = re.compile(f"{_EMOJI}|{_JOINER}")

# Letters with the shape of another script's, as written: capitals and small letters each for themselves, so
# that the Cyrillic for "that" is taken for "TOT" in capitals and for nothing in small letters. From UTS 39's
# confusables.txt, version 14.0.0: one letter for one, of alphabets that are in use; by their codes, since
# nobody could read the letters. Left out are what people tell apart (sigma and o) and what folding would
# tear apart (beta and the sharp s, which is folded to "ss").
_CYRILLIC: Final = (
    "430=a 435=e 43E=o 440=p 441=c 443=y 445=x 456=i 458=j 455=s 4BB=h 501=d 51B=q 51D=w 475=v 4AF=y 4CF=l "
    "433=r 431=6 461=w 4BD=e 410=A 412=B 415=E 41A=K 41C=M 41D=H 41E=O 420=P 421=C 422=T 423=Y 425=X 406=I "
    "408=J 405=S 500=D 51A=Q 51C=W 4AE=Y 4C0=I 417=3 42C=b 474=V 4E0=3 50C=G"
)
_GREEK: Final = (
    "3B1=a 3BD=v 3BF=o 3C1=p 3B9=i 3B3=y 3C5=u 3F3=j 391=A 392=B 395=E 396=Z 397=H 399=I 39A=K 39C=M 39D=N "
    "39F=O 3A1=P 3A4=T 3A5=Y 3A7=X 37F=J"
)
_LATIN: Final = "251=a 261=g"  # the phonetic alphabet's
# Dashes, the minus sign and quotation marks, which programs put in each other's place.
_MARKS_ALIKE: Final = "2010=- 2011=- 2013=- 2212=- 2018=' 2019=' 201B=' 2032=' 201C=\" 201D=\""
# Greek ones for Cyrillic ones; and Cyrillic ones for those that Latin alphabets have beside the English.
_OTHERS: Final = (
    "393=413 3A0=41F 3A6=424 39B=41B 398=4E8 3C0=43F 3BA=43A 3C4=442 3C6=444 3B5=454 "
    "4D4=C6 4D5=E6 4D8=18F 4D9=259 4E1=292 45B=127"
)
_TWINS: Final = {
    int(code, 16): letter
    for code, letter in (
        each.split("=") for each in f"{_CYRILLIC} {_GREEK} {_LATIN} {_MARKS_ALIKE}".split()
    )
} | {
    int(code, 16): chr(int(other, 16))
    for code, other in (each.split("=") for each in _OTHERS.split())
}
# Signs of one script that are taken for each other: whatever their case, and only as they are written (a
# capital I looks like an l, and "fail" is not "fall").
_ALIKE: Final = str.maketrans({"0": "o", "m": "rn"})
_ALIKE_AS_WRITTEN: Final = str.maketrans({"0": "O", "m": "rn", "1": "l", "I": "l", "|": "l"})
# Whose own letters are told apart by those who write it, though both have the shape of one Latin letter, as
# two of Mongolian's have that of y. Not the palochka, which looks like the I of its own script.
_SCRIPTS: Final = (
    re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    re.compile("[\u0400-\u04bf\u04c1-\u04ce\u04d0-\u052f]"),
)

_REMOVE: Final = "Remove it."
_LINES: Final = (
    "Put it on one line; where several are allowed, end each with a plain newline (U+000A)."
)
_KINDS: Final = (
    (0x0A, 0x0A, "a new line", _LINES),
    (0x0D, 0x0D, "a carriage return", _LINES),
    (0x00, 0x1F, "a control character", _REMOVE),
    (0x7F, 0x9F, "a control character", _REMOVE),
    (0x2028, 0x2029, "a line separator", _LINES),
    (0x202A, 0x202E, "a sign that turns the direction of what follows", _REMOVE),
    (0x2066, 0x2069, "a sign that turns the direction of what follows", _REMOVE),
    (0xD800, 0xDFFF, "half of a character (a surrogate)", "Save it as UTF-8 again."),
    (0xE000, 0xF8FF, "a private character, different on every machine", "Use another one."),
    (0xF0000, 0x10FFFF, "a private character, different on every machine", "Use another one."),
    (0xFDD0, 0xFDEF, "a code that is never a character", _REMOVE),
    (0xFFFC, 0xFFFD, "the sign of a character that was lost", "Look up what stood there."),
)


def _wrong_length(what: str, count: int, chars_max: int) -> str:
    return f"{what} has {count} characters, not 1 to {chars_max}" if count else f"{what} is empty"


def check_name(name: str, what: str, chars_max: int = NAME_CHARS_MAX) -> None:
    """Raises Reject unless `name` is 1 to `chars_max` characters in their one plain spelling.

    `what` is what the name names ("label 3"); messages begin with it.
    """
    if not 0 < len(name) <= chars_max:
        advice = "Shorten it." if name else "Write a name."
        raise Reject(_wrong_length(what, len(name), chars_max), advice)
    if name.isascii() and name.isprintable():
        _check_blanks(name, what)
        return
    _check_assigned(name, what)
    if found := _NAME_FORBIDS.search(name):
        raise _refusal(name, what, found.start())
    _check_blanks(name, what)
    _check_unseen_in_name(name, what)
    if _FIRST_MARK.match(name):
        raise _refusal(name, what, 0, "a combining mark with no letter before it")
    _check_spelling(name, what)


def check_text(text: str, what: str, chars_max: int, lines: bool = False) -> None:
    """Raises Reject unless `text` is 1 to `chars_max` characters that people can read.

    With `lines` it may hold newlines and tabs. Unlike a name it may hold single invisible characters that
    some languages need (never two in a row, in which a message could hide), and blanks of any width.
    """
    if not 0 < len(text) <= chars_max:
        advice = "Shorten it." if text else "Write something."
        raise Reject(_wrong_length(what, len(text), chars_max), advice)
    _check_assigned(text, what)
    for found in _TEXT_FORBIDS.finditer(text):
        if not (lines and found[0] in "\n\t"):
            raise _refusal(text, what, found.start())
    _check_unseen_in_text(text, what)
    if not _skip_unseen(_BLANKS.sub("", text)).strip("\n\t"):
        raise Reject(f"{what} holds nothing that can be seen", "Write something.")
    _check_spelling(text, what)


def skeleton(name: str) -> str:
    """What two names share that people would take for the same.

    The name without case, widths and styles (NFKD), invisible characters and outer or repeated blanks, its
    letters replaced by those of the same shape (Greek and Cyrillic ones by Latin ones, 0 by o, m by rn). It
    is stable for the characters that `check_name` accepts; it is for comparing and not for showing.
    """
    shape = _plain(name)
    for _ in range(2):  # folding may bring forth a letter that has a twin
        shape = _plain(shape.translate(_TWINS).casefold())
    return shape.translate(_ALIKE)


def same_shape(text: str) -> str:
    """The text without case, its letters replaced by those of the same shape in another script. For texts,
    in which 0 and o, or m and rn, are too common to be made one."""
    for _ in range(2):  # folding may bring forth a letter that has a twin
        text = text.translate(_TWINS).casefold()
    return text


def check_distinct(names: Sequence[str], what: str) -> None:
    """Raises Reject if two of the names, which `what` are ("labels"), are the same, look alike, or differ
    only in case."""
    raise_all(twins(names, what))


def twins(names: Sequence[str], what: str) -> Iterator[Reject]:
    """The names that are another one's twin, each once."""
    seen: dict[tuple[Callable[[str], str], str], int] = {}
    for at, name in enumerate(names):
        firsts = [
            (view, seen.setdefault((view, view(name)), at))
            for view in (_folded, skeleton, _as_written)
        ]
        for view, first in firsts:
            if first != at and (view is _folded or not _told_apart(names[first], name)):
                yield _twins(names, first, at, what)
                break


def _folded(name: str) -> str:
    """What names share that differ only in case, width or what cannot be seen."""
    return _plain(_plain(name).casefold())


def _as_written(name: str) -> str:
    """What names share that look alike as they are written, without another case."""
    return _plain(name).translate(_TWINS).translate(_ALIKE_AS_WRITTEN)


def _told_apart(one: str, other: str) -> bool:
    """Whether two names of one shape differ only in letters of one script that its readers tell apart."""
    pairs = list(zip(_plain(one), _plain(other), strict=False))
    differing = [(a, b) for a, b in pairs if a.casefold() != b.casefold()]
    return len(_plain(one)) == len(_plain(other)) and all(
        any(script.match(a) and script.match(b) for script in _SCRIPTS) for a, b in differing
    )


def _twins(names: Sequence[str], first: int, at: int, what: str) -> Reject:
    one, other = names[first], names[at]
    if one == other:
        return Reject(
            f"{what} {first + 1} and {at + 1} are the same: {quoted(one)}",
            "Leave one of them out, or give it another name.",
        )
    return Reject(
        f"{what} {first + 1} and {at + 1} look alike: "
        f"{quoted(one)} and {quoted(other)}{_difference(one, other)}",
        "Give them names that nobody takes for each other.",
    )


def id_skeleton(id_: str) -> str:
    """What two ids share that people would take for the same: cat1 and catl, o0 and 0o, rn and m."""
    return skeleton(_as_written(id_))


def is_id(text: str, chars_max: int = NAME_CHARS_MAX) -> bool:
    """Whether a text may be the id of a campaign, a licence or a job: a-z, 0-9 and -."""
    return 0 < len(text) <= chars_max and all(
        "a" <= c <= "z" or "0" <= c <= "9" or c == "-" for c in text
    )


def quoted(text: str) -> str:
    """Somebody else's text, in quotes and shortened, with everything that cannot be seen spelt out."""
    start = text[:_QUOTED_CHARS_MAX]
    shown = "".join(c if _is_plain(c) else f"<{_code(c)}>" for c in start)
    return f'"{shown}{"…" if len(start) < len(text) else ""}"'


def _check_blanks(name: str, what: str) -> None:
    if name.strip(" ") != name:
        raise Reject(f"{what}, {quoted(name)}, begins or ends with a space", "Remove that space.")
    if (at := name.find("  ")) >= 0:
        raise _refusal(name, what, at + 1, "a second space in a row", "Leave one of them.")


def _check_assigned(text: str, what: str) -> None:
    if found := _NOT_ASSIGNED.search(text):
        raise _refusal(text, what, found.start())


def _check_unseen_in_name(name: str, what: str) -> None:
    if not _UNSEEN.search(name):
        return
    spelt = places_in_sequences(name)
    for found in _UNSEEN.finditer(name):
        if found.start() not in spelt:
            raise _refusal(name, what, found.start())


def _check_unseen_in_text(text: str, what: str) -> None:
    if not _UNSEEN.search(text):
        return
    spelt, previous = places_in_sequences(text), -2
    for found in _UNSEEN.finditer(text):
        at = found.start()
        if at in spelt:
            continue
        if not _USEFUL.match(found[0]):
            raise _refusal(text, what, at)
        if at == previous + 1:
            raise _refusal(text, what, at, "a second character in a row that cannot be seen")
        previous = at


def places_in_sequences(text: str) -> set[int]:
    """Where emoji and joined letters stand, which may hold what is invisible elsewhere."""
    return {at for found in _SEQUENCES.finditer(text) for at in range(*found.span())}


def _check_spelling(text: str, what: str) -> None:
    if found := _MARKS_HEAP.search(text):
        raise _refusal(
            text, what, found.end() - 1, f"more than {MARKS_IN_A_ROW_MAX} combining marks in a row"
        )
    if not unicodedata.is_normalized("NFC", text):
        at = _first_difference(text, unicodedata.normalize("NFC", text))
        raise Reject(
            f"{what} is not in Unicode's composed spelling (NFC), from character {at + 1} on: {quoted(text)}",
            'Normalise it, as Python\'s unicodedata.normalize("NFC", text) does, or type it anew.',
        )


def _plain(text: str) -> str:
    """Decomposed, compatible characters made one, without what cannot be seen; single inner spaces."""
    seen = _skip_unseen(unicodedata.normalize("NFKD", text))
    return _BLANKS.sub(" ", unicodedata.normalize("NFKD", seen)).strip(" ")


def _skip_unseen(text: str) -> str:
    return _UNSEEN.sub("", text)


def _refusal(text: str, what: str, at: int, problem: str = "", advice: str = "") -> Reject:
    kind, remedy = _kind_of(text[at])
    return Reject(
        f"{what} holds {_code(text[at])} at character {at + 1}: {problem or kind}", advice or remedy
    )


def _kind_of(character: str) -> tuple[str, str]:
    """What may be wrong with a character, and the advice."""
    code = ord(character)
    for first, last, kind, advice in _KINDS:
        if first <= code <= last:
            return kind, advice
    if code & 0xFFFE == 0xFFFE:
        return "a code that is never a character", _REMOVE
    if _BLANKS.match(character):
        return "a blank that is not a plain space", "Write a plain space."
    if _UNSEEN.match(character):
        return "a character that cannot be seen", _REMOVE
    if _NOT_ASSIGNED.match(character):
        return (
            f"a character newer than Unicode {VERSION}",
            f"Nodes know the characters of Unicode {VERSION} (2021); write it with those.",
        )
    return "not allowed here", _REMOVE


def _is_plain(character: str) -> bool:
    return not (
        _NOT_ASSIGNED.match(character) or _NAME_FORBIDS.match(character) or _UNSEEN.match(character)
    )


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _first_difference(one: str, other: str) -> int:
    """The first place of `one`, which is not `other`, where they differ."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one) - 1, len(other)))


def _difference(one: str, other: str) -> str:
    """Where two names of one length differ, in numbers: look-alikes do not show it."""
    if one == other or len(one) != len(other):
        return ""
    at = _first_difference(one, other)
    return f" (character {at + 1} is {_code(one[at])} and {_code(other[at])})"
