"""Whom an address stands for: what one subscriber can have many of counts as one."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final

# What one subscriber of IPv6 has; within it, addresses cost nothing.
_PREFIX_BITS: Final = 64


def plain_address(host: str) -> str:
    """One spelling for each address; an IPv4 address that came over an IPv6 socket is one."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def network_of(host: str) -> str:
    """The IPv4 address, or the /64 of an IPv6 address; what is neither stands for itself."""
    try:
        address = ip_address(plain_address(host))
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        prefix = int(address) >> (128 - _PREFIX_BITS) << (128 - _PREFIX_BITS)
        return f"{IPv6Address(prefix)}/{_PREFIX_BITS}"
    return str(address)
