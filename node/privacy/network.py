"""What names a machine, opens one, or says where somebody was: addresses, logins, coordinates."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from node.privacy.found import Found, Kind, is_announced

_IPV4: Final = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d|-\w)", re.ASCII)
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-f:]{6,39}(?![\w:])", re.ASCII | re.IGNORECASE)
_VERSION: Final = re.compile(
    r"(?:\bv|version|release|build|firmware|section|chapter|§)\W{0,3}$", re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"\b(?:ip|host|addr|server|client|from|login|inet)", re.IGNORECASE)
_GROUPS_MIN: Final = 3  # of an IPv6 address: a::b is also an expression of code
_MAC: Final = re.compile(
    r"(?<![\w:-])[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:-])"
    r"|(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])",
    re.ASCII | re.IGNORECASE,
)
_LOGIN: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/?#@:\"'<>]{0,128}:[^\s/?#@\"'<>]{1,256}@[^\s/?#\"'<>]{1,253}",
    re.IGNORECASE,
)


def find_ip_addresses(text: str) -> Iterator[Found]:
    """Not those that name no machine: of one's own, of nobody, of many, masks, versions of programs."""
    for match in _IPV4.finditer(text):
        small = all(int(each) < 10 for each in match[0].split("."))
        is_version = _VERSION.search(text[max(0, match.start() - 16) : match.start()]) or (
            small and not is_announced(text, match.start(), _ADDRESS)
        )
        if not is_version and _is_machine(match[0]):
            yield Found(Kind.IP_ADDRESS, *match.span())
    for match in _IPV6.finditer(text):
        groups = [each for each in match[0].split(":") if each]
        if match[0].count(":") >= 2 and len(groups) >= _GROUPS_MIN and _is_machine(match[0]):
            yield Found(Kind.IP_ADDRESS, *match.span())


def _is_machine(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    is_mask = address.version == 4 and address.packed[0] in (0, 255)
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or is_mask)


def find_mac_addresses(text: str) -> Iterator[Found]:
    """Of network cards; not the one of all, nor of none."""
    for match in _MAC.finditer(text):
        digits = set(match[0].lower()) - set(":-.")
        if len(digits) > 1:
            yield Found(Kind.MAC_ADDRESS, *match.span())


def find_logins(text: str) -> Iterator[Found]:
    """Addresses with a name and a password in them (RFC 3986, 3.2.1)."""
    return (Found(Kind.LOGIN, *match.span()) for match in _LOGIN.finditer(text))


# ---- coordinates ----

# Four decimals are eleven metres: a house. Fewer name a village.
_PAIR: Final = re.compile(
    r"(?<![\w.,])[+-]?\d{1,2}\.\d{4,15}°?\s?[NS]?\s{0,2}[,;/ ]\s{0,2}[+-]?\d{1,3}\.\d{4,15}"
    r"(?:°?\s?[EWO]\b)?(?![\w.]|,\d)",
    re.ASCII,
)
_DEGREES: Final = re.compile(
    r"\d{1,2}\s?°\s?\d{1,2}\s?['\u2032\u2019]\s?(?:\d{1,2}(?:[.,]\d{1,6})?\s?[\"\u2033\u201d]\s?)?[NS]"
    r"[\s,;/]{0,3}\d{1,3}\s?°\s?\d{1,2}\s?['\u2032\u2019]\s?(?:\d{1,2}(?:[.,]\d{1,6})?\s?[\"\u2033\u201d]\s?)?[EWO]\b"
)
_NUMBER: Final = re.compile(r"[+-]?\d{1,3}\.\d+", re.ASCII)
_MORE: Final = re.compile(r"\s{0,2}[,; ]\s{0,2}[+-]?\d{1,20}\.\d", re.ASCII)
_BEFORE: Final = re.compile(r"\d\.\d{1,20}\s{0,2}[,; ]\s{0,2}$", re.ASCII)


def find_places(text: str) -> Iterator[Found]:
    """Two numbers that may be a latitude and a longitude, and no more than two: three are something else."""
    for match in _PAIR.finditer(text):
        latitude, longitude = (float(each) for each in _NUMBER.findall(match[0])[:2])
        alone = not _MORE.match(text, match.end()) and not _BEFORE.search(
            text[max(0, match.start() - 30) : match.start()]
        )
        # Numbers below one are shares and weights far more often than the sea off Africa.
        if alone and abs(latitude) <= 90 and abs(longitude) <= 180 and abs(latitude) >= 1:
            yield Found(Kind.PLACE, *match.span())
    for match in _DEGREES.finditer(text):
        yield Found(Kind.PLACE, *match.span())
