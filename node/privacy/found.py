"""What is looked for, what was found, and how it is shown: never whole."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias


class Kind(StrEnum):
    """Kinds of personal data, those first that say most of what they overlap with."""

    PRIVATE_KEY = "private key"
    SEED_PHRASE = "seed phrase"
    LOGIN = "login in an address"
    KEY = "key or token"
    PASSWORD = "password"  # noqa: S105 - a kind's name
    E_MAIL = "e-mail"
    IBAN = "IBAN"
    CARD = "payment card"
    NATIONAL_ID = "national id"
    PHONE = "phone"
    IP_ADDRESS = "IP address"
    MAC_ADDRESS = "MAC address"
    PLACE = "coordinates"
    OTHER = "found by your plug-in"

    @property
    def placeholder(self) -> str:
        """What stands in its place once it is redacted. JSON needs no escape for it."""
        words = "PERSONAL DATA" if self is Kind.OTHER else self.upper()
        return f"[{words}]"


RANK: Final = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of text, from character `start` up to `end`. `what` says more: of which country, by whom."""

    kind: Kind
    start: int
    end: int
    what: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """From where up to where."""
        return self.start, self.end


Finder: TypeAlias = Callable[[str], Iterator[Found]]
"""Looks at text that was `folded`, in time linear in its length."""


# ---- text ----

#: What `folded` makes of characters that cannot be seen: a separator that nobody types.
UNSEEN: Final = "\x1f"
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def folded(text: str) -> str:
    """Text of the same length, in which digits of any script, wide letters, dashes and spaces are those of
    ASCII: offsets in one are offsets in the other."""
    return text if text.isascii() else _BEYOND_ASCII.sub(lambda match: _fold(match[0]), text)


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if "\uff01" <= character <= "\uff5e":  # the wide forms of ASCII
        return chr(ord(character) - 0xFEE0)
    category = unicodedata.category(character)
    return {"Zs": " ", "Pd": "-", "Cf": UNSEEN}.get(
        category, "-" if character == "\u2212" else character
    )


CONTEXT_CHARS: Final = 40  # "my phone number at work is" and the like


def is_announced(text: str, start: int, words: re.Pattern[str]) -> bool:
    """Whether one of the words stands shortly before, on whichever line."""
    return words.search(text, max(0, start - CONTEXT_CHARS), start) is not None


_SHOWN_OF: Final = 12  # from this length on, two characters of each end


def masked(text: str) -> str:
    """A sample for terminals and reports: it tells its owner which it is, and others nothing of use."""
    if len(text) >= _SHOWN_OF:
        return f"{text[:2]}…{text[-2:]}"
    return f"{text[:1]}…"
