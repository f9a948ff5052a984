"""Numbers by which countries know a person: their form, their check digits, and, where these are weak, a word
that announces them.

Sources are the offices that issue them; Wikipedia, under "national identification number", has references to
each. A number that companies have is none of these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from node.privacy.checks import digits_of, is_luhn, is_verhoeff, weighted
from node.privacy.found import Found, Kind, is_announced


@dataclass(frozen=True, slots=True)
class NationalId:
    """One country's. `words` has to stand before where form and check leave too much to chance; a number that
    `written` matches, as it is printed on paper, needs none."""

    country: str
    pattern: re.Pattern[str]
    is_right: Callable[[str], bool]
    words: re.Pattern[str] | None = None
    written: re.Pattern[str] | None = None


def _day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _short_day(digits: list[int]) -> bool:
    """YYMMDD in this century or the last."""
    year, month, day = (10 * digits[at] + digits[at + 1] for at in (0, 2, 4))
    return _day(1900 + year, month, day) or _day(2000 + year, month, day)


def _us(text: str) -> bool:
    digits = "".join(map(str, digits_of(text)))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    # 078-05-1120 was printed on a card in wallets.
    return (
        area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    ) and digits not in ("078051120", "123456789", "111111111")


def _gb(text: str) -> bool:
    prefix = text[:2].upper()
    return prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _fr(text: str) -> bool:
    plain = re.sub(r"[ .-]", "", text).upper()
    number = plain[:13].replace("2A", "19").replace("2B", "18")
    month = int(plain[3:5])
    return (
        number.isdigit()
        and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
        and (97 - int(number) % 97 == int(plain[13:]))
    )


_SPANISH: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def _es(text: str) -> bool:
    plain = re.sub(r"[ .-]", "", text).upper()
    number = plain[:-1].translate(str.maketrans("XYZ", "012"))
    return _SPANISH[int(number) % 23] == plain[-1]


_ITALIAN_ODD: Final = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18,
    20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
)  # fmt: skip


def _it(text: str) -> bool:
    values = [int(c, 36) if c.isdigit() else ord(c) - 65 for c in text.upper()]
    total = sum(
        _ITALIAN_ODD[value] if place % 2 == 0 else value for place, value in enumerate(values[:15])
    )
    return total % 26 == values[15]


def _nl(text: str) -> bool:
    return weighted(digits_of(text), (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _pl(text: str) -> bool:
    digits = digits_of(text)
    # The century is added to the month.
    month = (10 * digits[2] + digits[3]) % 20
    plain = [*digits[:2], *divmod(month, 10), *digits[4:6]]
    return _short_day(plain) and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _br(text: str) -> bool:
    digits = digits_of(text)
    if len(set(digits)) == 1:
        return False
    first = weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == [first, second]


def _in(text: str) -> bool:
    return is_verhoeff(digits_of(text))


def _cn(text: str) -> bool:
    digits = digits_of(text[:17])
    remainder = weighted(digits, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    born = _day(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    return born and text[6:8] in ("19", "20") and "10X98765432"[remainder] == text[17].upper()


def _se(text: str) -> bool:
    digits = digits_of(text)[-10:]
    # Of those without a number sixty is added to the day.
    day = (10 * digits[4] + digits[5]) % 60
    return _short_day([*digits[:4], *divmod(day, 10)]) and is_luhn(digits)


def _fi(text: str) -> bool:
    digits = digits_of(text[:6])
    born = _short_day([*digits[4:6], *digits[2:4], *digits[0:2]])
    number = int(text[:6] + text[7:10])
    return born and "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10].upper()


def _no(text: str) -> bool:
    digits = digits_of(text)
    day = (10 * digits[0] + digits[1]) % 40
    born = _short_day([*digits[4:6], *digits[2:4], *divmod(day, 10)])
    return (
        born
        and weighted(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def _de(text: str) -> bool:
    digits = digits_of(text)
    product = 10
    for digit in digits[:10]:
        product = 2 * ((digit + product) % 10 or 10) % 11
    repeated = [count for count in Counter(digits[:10]).values() if count > 1]
    return (11 - product) % 10 == digits[10] and repeated in ([2], [3])


def _be(text: str) -> bool:
    digits = "".join(map(str, digits_of(text)))
    number, check = digits[:9], int(digits[9:])
    return check in (97 - int(number) % 97, 97 - int("2" + number) % 97) and (
        int(digits[2:4]) % 20 <= 12 and int(digits[4:6]) <= 31
    )


def _kr(text: str) -> bool:
    digits = digits_of(text)
    check = (11 - weighted(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    # Of those who were registered since October 2020 the last six digits are drawn.
    is_drawn = digits[6] in (3, 4, 7, 8) and text[:6] >= "201005"
    return _short_day(digits[:6]) and (is_drawn or digits[12] == check)


_ALONE: Final = r"(?<![\w./+-])"
# Where one may begin: what comes first, and nine digits or letters with at most one sign between two. To
# try all of them at every character takes seconds for a text of some MiB.
_START: Final = re.compile(
    _ALONE
    + r"(?=\d{2}|[12] \d{2}|[A-Z]{2} ?\d|[XYZ]-?\d|[A-Z]{6}[A-Z0-9]{10})(?=(?:[ .+-]?[A-Z0-9]){9})",
    re.ASCII | re.IGNORECASE,
)


def _form(pattern: str) -> re.Pattern[str]:
    """Alone: not the middle of a longer number, word or path."""
    return re.compile(rf"{_ALONE}(?:{pattern})(?![\w/+]|[.-]\w)", re.ASCII | re.IGNORECASE)


def _said(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{words})", re.IGNORECASE)


NATIONAL_IDS: Final = (
    NationalId(
        "US", _form(r"\d{3}[- ]?\d{2}[- ]?\d{4}"), _us,
        _said(r"\bssn\b|social.?security"), _form(r"\d{3}-\d{2}-\d{4}"),
    ),
    NationalId("GB", _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"), _gb),
    NationalId(
        "FR", _form(r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"), _fr
    ),
    NationalId("ES", _form(r"(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZ]-?\d{7})[- ]?[A-HJ-NP-TV-Z]"), _es),
    NationalId(
        "IT",
        _form(r"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"),
        _it,
    ),
    NationalId("NL", _form(r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}"), _nl, _said(r"\bbsn\b|burgerservice|sofi")),
    NationalId("PL", _form(r"\d{11}"), _pl, _said("pesel")),
    NationalId(
        "BR", _form(r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}"), _br,
        _said(r"\bcpf\b"), _form(r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    ),
    NationalId(
        "IN", _form(r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}"), _in,
        _said("aadhaa?r|आधार|uidai"), _form(r"\d{4} \d{4} \d{4}"),
    ),
    NationalId("CN", _form(r"[1-9]\d{16}[\dX]"), _cn),
    NationalId(
        "SE", _form(r"(?:19|20)?\d{6}[-+]?\d{4}"), _se,
        _said(r"person(?:nummer|nr)|\bpnr\b"), _form(r"(?:19|20)?\d{6}[-+]\d{4}"),
    ),
    NationalId("FI", _form(r"\d{6}[-+ABCDEFUVWXY]\d{3}[0-9A-FHJ-NPR-Y]"), _fi),
    NationalId(
        "NO", _form(r"\d{6} ?\d{5}"), _no,
        _said("fødsels|personn|\bfnr\b"), _form(r"\d{6} \d{5}"),
    ),
    NationalId(
        "DE", _form(r"[1-9]\d \d{3} \d{3} \d{3}|[1-9]\d{10}"), _de,
        _said(r"steuer.?id|identifikationsn|\bidnr|\btin\b"),
    ),
    NationalId(
        "BE", _form(r"\d{2}\.?\d{2}\.?\d{2}[- ]?\d{3}[. ]?\d{2}"), _be,
        _said("rijksregister|registre national|national number|insz|niss"),
        _form(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"),
    ),
    NationalId("KR", _form(r"\d{6}-[1-8]\d{6}"), _kr),
)  # fmt: skip


def find_national_ids(text: str) -> Iterator[Found]:
    """Those that their office may have issued."""
    ends = dict.fromkeys(NATIONAL_IDS, 0)
    for start in (begun.start() for begun in _START.finditer(text)):
        for each, end in ends.items():
            match = each.pattern.match(text, start) if start >= end else None
            if match is None:
                continue
            ends[each] = match.end()
            if each.is_right(match[0]) and _is_meant(each, text, match):
                yield Found(Kind.NATIONAL_ID, *match.span(), each.country)


def _is_meant(each: NationalId, text: str, match: re.Match[str]) -> bool:
    return (
        each.words is None
        or (each.written is not None and each.written.fullmatch(match[0]) is not None)
        or is_announced(text, match.start(), each.words)
    )
