"""From where an address can be reached: what carries another one inside is judged by that."""

from __future__ import annotations

import ipaddress

import pytest

from commonground.places import Reach, reach_of, read_networks
from protocol.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1", Reach.PUBLIC),
        ("192.168.1.4", Reach.PRIVATE),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd00::1", Reach.PRIVATE),
        ("169.254.169.254", Reach.LINK),
        ("fe80::1", Reach.LINK),
        ("127.8.8.8", Reach.MACHINE),
        ("::1", Reach.MACHINE),
        ("0.0.0.0", Reach.NOWHERE),
        ("::", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("255.255.255.255", Reach.NOWHERE),
        ("240.0.0.1", Reach.NOWHERE),
        ("192.0.2.1", Reach.NOWHERE),
        ("2001:db8::1", Reach.NOWHERE),
        ("::ffff:127.0.0.1", Reach.MACHINE),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
        ("64:ff9b::a9fe:a9fe", Reach.LINK),
        ("2002:7f00:1::", Reach.MACHINE),
    ],
)
def test_from_where_it_can_be_reached(address: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(address)) is reach


def test_networks_are_read_and_what_is_none_is_refused() -> None:
    [network] = read_networks(["192.168.0.0/16"])
    assert ipaddress.ip_address("192.168.7.7") in network
    for text in ("192.168.0.1/16", "everything", ""):
        with pytest.raises(ConfigError, match="no network"):
            read_networks([text])
