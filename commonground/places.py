"""Where a machine listens: multiaddrs of TCP, and what kinds of IP addresses there are. Pure.

Five forms and no other: /ip4, /ip6, /dns4, /dns6 or /dns, a host, /tcp and a port.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from protocol.errors import ConfigError, Reject
from protocol.text import quoted

PORT_MAX: Final = 65_535
HOST_CHARS_MAX: Final = 253  # of a DNS name
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_NAMES: Final = ("dns", "dns4", "dns6")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """A host, by address (ip4, ip6) or name (dns, dns4, dns6), and its TCP port; 0: any."""

    form: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"/{self.form}/{self.host}/tcp/{self.port}"

    @property
    def is_name(self) -> bool:
        return self.form in _NAMES


def parse_place(multiaddr: str) -> Place:
    """The place that a multiaddr names. Raises Reject for one of another form."""
    match multiaddr.split("/"):
        case ["", form, host, "tcp", port]:
            pass
        case _:
            raise Reject(f"{quoted(multiaddr)} is not of the form /ip4/ADDRESS/tcp/PORT")
    if not _PORT.fullmatch(port) or int(port) > PORT_MAX:
        raise Reject(f"{quoted(multiaddr)} has no port from 0 to {PORT_MAX:,}")
    if not _fits(form, host):
        raise Reject(f"{quoted(multiaddr)} names no host that can be dialled")
    return Place(form, host, int(port))


def _fits(form: str, host: str) -> bool:
    if form in _NAMES:
        return len(host) <= HOST_CHARS_MAX and _NAME.fullmatch(host) is not None
    try:
        return form == f"ip{ipaddress.ip_address(host).version}" and "%" not in host
    except ValueError:
        return False


def read_place(text: str) -> Place:
    """What an owner writes: a multiaddr, HOST:PORT, [IPv6]:PORT or HOST. Without a port it is 0.

    Raises ConfigError.
    """
    advice = "write HOST:PORT, [IPv6 ADDRESS]:PORT, or /dns4/NAME/tcp/PORT"
    try:
        if text.startswith("/"):
            return parse_place(text)
        host, port = _split(text)
        try:
            form = f"ip{ipaddress.ip_address(host).version}"
        except ValueError:
            form = "dns"
        return parse_place(f"/{form}/{host}/tcp/{port}")
    except Reject as error:
        raise ConfigError(f"{quoted(text)} is no address to announce: {error}", advice) from None


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise Reject("a bracket is never closed, or no port follows it")
        return host, rest[1:] if rest else "0"
    if text.count(":") > 1:  # an IPv6 address by itself
        return text, "0"
    host, colon, port = text.partition(":")
    return host, port if colon else "0"


class Reach(Enum):
    """From where an IP address can be reached."""

    PUBLIC = auto()
    PRIVATE = auto()  # from one local network: 10/8, 192.168/16, fc00::/7, a provider's 100.64/10
    LINK = auto()  # from one cable
    MACHINE = auto()  # from this machine
    NOWHERE = auto()  # reserved, multicast, or no address at all


_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)


def reach_of(address: IpAddress) -> Reach:
    """From where an address can be reached; of one that carries another inside, from where that can."""
    address = _carried_by(address)
    if address.is_multicast or address.is_unspecified:
        return Reach.NOWHERE
    if address.is_loopback:
        return Reach.MACHINE
    if address.is_link_local:
        return Reach.LINK
    if any(address in network for network in _PRIVATE):
        return Reach.PRIVATE
    return Reach.PUBLIC if address.is_global else Reach.NOWHERE


def reach_of_place(place: Place) -> Reach | None:
    """From where a place can be reached; None for a name, which nobody has looked up."""
    return None if place.is_name else reach_of(ipaddress.ip_address(place.host))


def _carried_by(address: IpAddress) -> IpAddress:
    """The IPv4 address that a mapped, translated or tunnelled IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def read_networks(texts: Iterable[str]) -> tuple[IpNetwork, ...]:
    """Networks as an owner writes them (192.168.0.0/16). Raises ConfigError."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise ConfigError(
                f"{quoted(text)} is no network of IP addresses",
                "write it as 192.168.0.0/16, or fd00::/8",
            ) from None
    return tuple(found)
