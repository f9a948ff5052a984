"""Bank accounts and payment cards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from node.privacy.checks import digits_of, is_luhn, is_mod97
from node.privacy.found import UNSEEN, Found, Kind

# Characters of an IBAN by country: the registry of ISO 13616, release 99.
IBAN_CHARS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_IBAN_CHARS_MAX: Final = 34
_IBAN: Final = re.compile(
    rf"(?<![^\W_])[A-Z]{{2}}[ {UNSEEN}-]?\d{{2}}(?:[ {UNSEEN}-]?[A-Z0-9]){{11,{_IBAN_CHARS_MAX}}}+",
    re.ASCII | re.IGNORECASE,
)
_ALPHANUMERIC: Final = re.compile("[A-Za-z0-9]")


def find_ibans(text: str) -> Iterator[Found]:
    """Those whose length is their country's, and whose check digits are right."""
    at = 0
    while match := _IBAN.search(text, at):
        end = _iban_end(match[0])
        at = match.start() + (end or 2)
        if end:
            yield Found(Kind.IBAN, match.start(), at, match[0][:2].upper())


def _iban_end(text: str) -> int:
    """Where it ends in what may go on with other words; 0 if it is none."""
    length = IBAN_CHARS.get(text[:2].upper(), _IBAN_CHARS_MAX + 1)
    places = [match.end() for match in _ALPHANUMERIC.finditer(text)]
    if len(places) < length:
        return 0
    end = places[length - 1]
    if text[end : end + 1].isalnum():
        return 0
    plain = "".join(_ALPHANUMERIC.findall(text[:end])).upper()
    return end if is_mod97(plain) else 0


# ---- cards ----

# First digits, from and to, and how many there may be: ISO/IEC 7812, as the schemes publish them.
_ISSUERS: Final = (
    ("American Express", 34, 34, (15,)),
    ("American Express", 37, 37, (15,)),
    ("Diners Club", 300, 305, (14, 16)),
    ("Diners Club", 36, 36, (14,)),
    ("Diners Club", 38, 39, (14, 16)),
    ("JCB", 3528, 3589, (16, 17, 18, 19)),
    ("Visa", 4, 4, (16, 19)),  # of 13 digits none are issued any more, and goods are numbered so
    ("Mastercard", 51, 55, (16,)),
    ("Mastercard", 2221, 2720, (16,)),
    ("Discover", 6011, 6011, (16, 19)),
    ("Discover", 644, 649, (16, 19)),
    ("Discover", 65, 65, (16, 19)),
    ("UnionPay", 62, 62, (16, 17, 18, 19)),
    ("Maestro", 5018, 5018, (16, 19)),
    ("Maestro", 6759, 6763, (16, 19)),
    ("Mir", 2200, 2204, (16, 17, 18, 19)),
    ("RuPay", 6521, 6522, (16,)),
)
_CARD: Final = re.compile(
    rf"(?<![\w.,:=/+-])\d(?:[ {UNSEEN}-]?\d){{12,18}}+(?![\w]|[.,:/-]\w)", re.ASCII
)
# As they are printed; other groups are other numbers.
_GROUPS: Final = frozenset(
    ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13), (4, 4, 5))
)
_NO_DIGIT: Final = re.compile(r"\D+")


def find_cards(text: str) -> Iterator[Found]:
    """Numbers of a scheme's range and length whose last digit is right."""
    for match in _CARD.finditer(text):
        groups = tuple(len(each) for each in _NO_DIGIT.split(match[0]))
        digits = digits_of(match[0])
        if (len(groups) > 1 and groups not in _GROUPS) or len(set(digits)) == 1:
            continue
        issuer = _issuer_of(digits)
        if issuer and is_luhn(digits):
            yield Found(Kind.CARD, *match.span(), issuer)


def _issuer_of(digits: list[int]) -> str:
    number = "".join(map(str, digits))
    for name, first, last, lengths in _ISSUERS:
        if len(number) in lengths and first <= int(number[: len(str(first))]) <= last:
            return name
    return ""
