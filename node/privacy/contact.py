"""E-mail addresses and phone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from node.privacy.found import UNSEEN, Found, Kind, is_announced

_LOCAL_CHARS_MAX: Final = 64  # RFC 5321, 4.5.3.1.1
_AT_LABELS: Final = re.compile(
    r"@(?:[^\W_](?:[^\W_]|-){0,62}\.){0,8}[^\W_](?:[^\W_]|-){0,62}", re.IGNORECASE
)
_LOCAL: Final = frozenset(".!#$%&'*+/=?^_`{|}~-")
# What a name of a file ends in, as icon@2x.png does.
_SUFFIXES: Final = frozenset(
    ("css", "gif", "html", "jpeg", "jpg", "js", "json", "pdf", "png", "py", "svg", "ts", "webp")
)


def find_emails(text: str) -> Iterator[Found]:
    """What RFC 5321 allows without quotes, at a domain with a dot."""
    end = 0
    for match in _AT_LABELS.finditer(text):
        at = match.start()
        start = at
        while start > max(end, at - _LOCAL_CHARS_MAX) and _is_local(text[start - 1]):
            start -= 1
        while start < at and text[start] in ".'*/=|`{&?!":
            start += 1  # what stands around it: a quote, an emphasis, a parameter's name
        stop = _domain_end(match[0])
        if start == at or text[at - 1] == "." or not stop:
            continue
        if text[start:at] == "git" and text[at + stop : at + stop + 1] == ":":
            continue  # an address of a repository
        end = at + stop
        yield Found(Kind.E_MAIL, start, end)


def _is_local(character: str) -> bool:
    return character.isalnum() or character in _LOCAL


def _domain_end(name: str) -> int:
    """Where the domain ends in "@name", which may go on with what is none; 0 where there is none."""
    labels = name[1:].split(".")
    while len(labels) > 1:
        top = labels[-1]
        is_top = top.lower().startswith("xn--") or (top.isalpha() and 2 <= len(top) <= 24)
        if is_top and top.lower() not in _SUFFIXES:
            return 1 + len(".".join(labels))
        labels.pop()
    return 0


# ---- phone numbers ----

_BETWEEN: Final = rf"[ .()/{UNSEEN}-]{{0,3}}"
# Fifteen digits are the most (ITU-T E.164), and two are dialled to leave a country.
_NUMBER: Final = re.compile(
    rf"(?<![0-9a-fA-F_#$%.,+])(?<![0-9a-fA-F_.][:/-])(?:\(?\+ ?)?\(?\d(?:{_BETWEEN}\d){{6,16}}+",
    re.ASCII,
)
_GROUP_END: Final = re.compile(r"\d(?![0-9a-fA-F_%])", re.ASCII)
_GOES_ON: Final = re.compile(r"[ .,:/-]?\d", re.ASCII)
_CUT_AT: Final = " (/"
_CUTS_MAX: Final = (
    4  # groups behind a number, which are no part of it: an age, a price, another number
)
_DATE: Final = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{4}[./-]\d{1,2}[./-]\d{1,2}\b")
_ANNOUNCED: Final = re.compile(
    r"\b(?:(?:tele)?phone|t[eé]l|fax|mob|cell|whatsapp|handy|ruf|telefon|téléphone|portable|m[oó]vil|celular"
    r"|tlf|tfno|cellulare|telefoon|komórka|тел|电话|手机|電話|전화|फ़ोन|هاتف|تلفن)"
    r"|\b(?:call|ring|dial|text|txt|sms|contact|help|stop|llama|bel|звони)(?:s|ing)?"
    r"(?: (?:me|us|him|her|free|now))?(?: (?:on|at|to))?[ :.-]{0,3}$",
    re.IGNORECASE,
)
# What has separators, and is another number.
_OTHER: Final = re.compile(r"\d{1,4}\.\d+|\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_NATIONAL_DIGITS_MAX: Final = 13  # with the zero; Austria has the longest
_BARE_DIGITS_MIN: Final = 9  # in one piece: shorter ones are orders and dates far more often
_NORTH_AMERICA: Final = 1
_AMERICAN: Final = re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}", re.ASCII)
# Links to somebody's messenger hold the whole number, without its sign.
_LINK: Final = re.compile(
    r"\b(?:wa\.me/|whatsapp\.com/send/?\?phone=)\+?(\d{7,15})(?!\d)", re.ASCII | re.IGNORECASE
)
# Where a number without a country's code may be from, by the language around it.
_REGIONS: Final = {
    "ar": ("EG", "SA", "AE", "MA"), "bn": ("BD", "IN"), "cs": ("CZ",), "da": ("DK",),
    "de": ("DE", "AT", "CH"), "el": ("GR",), "en": ("GB", "US", "IN", "AU"),
    "es": ("ES", "MX", "AR", "CO"), "fa": ("IR",), "fi": ("FI",), "fr": ("FR", "BE", "CH"),
    "he": ("IL",), "hi": ("IN",), "hu": ("HU",), "id": ("ID",), "it": ("IT", "CH"),
    "ja": ("JP",), "ko": ("KR",), "nb": ("NO",), "nl": ("NL", "BE"), "no": ("NO",),
    "pl": ("PL",), "pt": ("BR", "PT"), "ro": ("RO",), "ru": ("RU", "KZ"), "sv": ("SE", "FI"),
    "th": ("TH",), "tr": ("TR",), "uk": ("UA",), "ur": ("PK",), "vi": ("VN",), "zh": ("CN", "TW"),
}  # fmt: skip
_LOCALE: Final = re.compile(r"[a-z]{2,3}_([A-Z]{2})(?:[.@]|$)")
REGIONS_MAX: Final = 8  # each number is tried in each


def regions_of(language: str) -> tuple[str, ...]:
    """Where a text in this language may be from; nowhere, if that is not known."""
    return _REGIONS.get(language, ())


def region_of_locale(name: str) -> tuple[str, ...]:
    """Where a machine is set up to be: GB, of en_GB.UTF-8."""
    found = _LOCALE.match(name)
    return (found[1],) if found else ()


def find_phones(text: str, regions: Sequence[str]) -> Iterator[Found]:
    """Numbers that are in use: with their country's code, or as they are dialled in one of `regions`."""
    for link in _LINK.finditer(text):
        if region := _in_use("+" + link[1], None):
            yield Found(Kind.PHONE, *link.span(1), region)
    at = 0
    while match := _NUMBER.search(text, at):
        start, at = match.span()
        announced = is_announced(text, start, _ANNOUNCED)
        is_glued = start > 0 and (text[start - 1].isalpha() or text[start - 1] in "-/")
        if _DATE.match(match[0]) or (is_glued and not announced):
            continue
        for end in _ends(text, start, at):
            region = _region_of(text[start:end], regions, announced)
            if region:
                yield Found(Kind.PHONE, start, end, region)
                at = end
                break


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where a number may end, the longest first. One that begins as numbers are dialled may be shorter."""
    ends = [match.end() for match in _GROUP_END.finditer(text, start, end)]
    if text[start] not in "+(0":
        ends = ends[-1:] if ends[-1:] == [end] and not _GOES_ON.match(text, end) else []
    else:
        ends = [each for each in ends if each == end or text[each] in _CUT_AT]
    return reversed(ends[-_CUTS_MAX:])


def _region_of(number: str, regions: Sequence[str], announced: bool) -> str:
    """The region or, where several share a code, the code; nothing if it is no number."""

    number = number.replace(UNSEEN, "")
    if _OTHER.fullmatch(number):
        return ""
    has_groups = not number.lstrip("+").isdigit()
    if number.startswith(("+", "(+")):
        return _in_use("+" + number.lstrip("(+ "), None)
    # Numbers of goods and orders begin with zeros, too.
    if number.startswith("00") and (has_groups or announced):
        return _in_use("+" + number[2:], None)
    for region in regions[:REGIONS_MAX]:
        if (announced or _is_dialled(number, region, has_groups)) and _in_use(number, region):
            return region
    return ""


def _is_dialled(number: str, region: str, has_groups: bool) -> bool:
    """Whether it is written as numbers are there: with what is dialled first, or in groups."""
    import phonenumbers

    digits = sum(map(str.isdigit, number))
    if digits > _NATIONAL_DIGITS_MAX or (not has_groups and digits < _BARE_DIGITS_MIN):
        return False
    if phonenumbers.ndd_prefix_for_region(region, True) == "0":
        return number.startswith(("0", "("))  # a code in brackets is one of an area
    if phonenumbers.country_code_for_region(region) == _NORTH_AMERICA:
        return _AMERICAN.fullmatch(number) is not None
    return has_groups


def _in_use(number: str, region: str | None) -> str:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    return found if found and phonenumbers.is_valid_number(parsed) else ""
