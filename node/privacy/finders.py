"""All that is looked for in a text, and the text without it.

A finder looks for one kind, by its form and, where it has one, its check digit; what it is, is decided there.
Here is only what follows: of finds that overlap one is told, and what is redacted is looked at again until
nothing is found, so that redacting twice is redacting once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final

from node.privacy.accounts import find_cards, find_ibans
from node.privacy.contact import find_emails, find_phones
from node.privacy.found import RANK, Finder, Found, Kind, folded
from node.privacy.ids import find_national_ids
from node.privacy.keys import find_keys, find_passwords, find_phrases, find_private_keys
from node.privacy.network import (
    find_ip_addresses,
    find_logins,
    find_mac_addresses,
    find_places,
)
from protocol.errors import Reject

_FINDERS: Final[tuple[Finder, ...]] = (
    find_private_keys,
    find_phrases,
    find_logins,
    find_keys,
    find_passwords,
    find_emails,
    find_ibans,
    find_cards,
    find_national_ids,
    find_ip_addresses,
    find_mac_addresses,
    find_places,
)

_PLACEHOLDERS: Final = re.compile("|".join(re.escape(kind.placeholder) for kind in Kind))

#: In one text. Whoever has more submits a directory of people, and redacts nothing of use.
FOUND_MAX: Final = 10_000
#: How often redacted text is looked at again. What is left after that was made to be so.
PASSES_MAX: Final = 8

#: What to say wherever results are shown.
NOT_FOUND: Final = (
    "not looked for: names, postal addresses, dates of birth, faces, voices, and what only a reader"
    " understands; look at the content yourself"
)


class TextFinder:
    """Finds personal data in texts. `more`: further finders, which get the text as it is."""

    def __init__(self, regions: Sequence[str] = (), more: Iterable[Finder] = ()) -> None:
        """`regions`: where phone numbers without a country's code may be from, as GB."""
        self._regions = tuple(regions)
        self._more = tuple(more)

    def find(self, text: str, regions: Sequence[str] = ()) -> list[Found]:
        """In order, none in another; `regions` are this text's own. Raises Reject for more than FOUND_MAX."""
        plain = folded(text)
        phones = partial(find_phones, regions=tuple(dict.fromkeys((*self._regions, *regions))))
        found: list[Found] = []
        ours: tuple[Finder, ...] = (*_FINDERS, phones)
        for each in chain(*(finder(plain) for finder in ours), self._found_by_others(text)):
            if len(found) == FOUND_MAX:
                raise Reject(
                    f"it holds more than {FOUND_MAX:,} pieces of personal data", "Leave it out."
                )
            found.append(each)
        return merged(found)

    def _found_by_others(self, text: str) -> Iterator[Found]:
        """What is a placeholder already is no find: to a program it may look like a name."""
        if not self._more:
            return
        placed = [match.span() for match in _PLACEHOLDERS.finditer(text)]
        for each in chain.from_iterable(finder(text) for finder in self._more):
            at = bisect_right(placed, each.start, key=lambda span: span[0]) - 1
            if at < 0 or placed[at][1] < each.end:
                yield each

    def redact(self, text: str, regions: Sequence[str] = ()) -> str:
        """The text with placeholders; all else stays as it is. Raises Reject."""
        for _ in range(PASSES_MAX):
            found = self.find(text, regions)
            if not found:
                return text
            text = replaced(text, found)
        raise Reject("it shows new personal data wherever some is taken out", "Leave it out.")


def merged(found: Iterable[Found]) -> list[Found]:
    """What overlaps is one: called as the weightiest of them is, and as long as all together."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda f: (f.start, f.end)):
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
            continue
        last = kept[-1]
        chief = min(last, each, key=lambda f: RANK[f.kind])
        kept[-1] = Found(chief.kind, last.start, max(last.end, each.end), chief.what)
    return kept


def replaced(text: str, found: Sequence[Found]) -> str:
    """Placeholders for what was found, which is in order and does not overlap."""
    pieces: list[str] = []
    at = 0
    for each in found:
        pieces += (text[at : each.start], each.kind.placeholder)
        at = each.end
    return "".join((*pieces, text[at:]))
