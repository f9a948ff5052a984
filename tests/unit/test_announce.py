"""What a node says of where it is: its owner's word, or its interfaces'."""

from __future__ import annotations

import pytest

from commonground.places import parse_place, read_place
from node.announce import own_ips_towards, reachable, with_ports
from protocol.errors import ConfigError

LISTENING = [parse_place("/ip4/0.0.0.0/tcp/4001"), parse_place("/ip6/::/tcp/4002")]


def test_any_interface_is_announced_as_one_that_others_can_dial() -> None:
    loopback = parse_place("/ip4/127.0.0.1/tcp/4003")
    own = {"ip4": "192.0.2.7", "ip6": "2001:db8::7"}
    assert [str(each) for each in reachable([*LISTENING, loopback], own)] == [
        "/ip4/192.0.2.7/tcp/4001",
        "/ip6/2001:db8::7/tcp/4002",
        "/ip4/127.0.0.1/tcp/4003",
    ]
    assert [each.form for each in reachable(LISTENING, {"ip4": "192.0.2.7"})] == ["ip4"]


@pytest.mark.parametrize(
    ("text", "announced"),
    [
        ("node.example:4001", ["/dns/node.example/tcp/4001"]),
        ("203.0.113.5:7", ["/ip4/203.0.113.5/tcp/7"]),
        ("[2001:db8::5]:7", ["/ip6/2001:db8::5/tcp/7"]),
        ("2001:db8::5", ["/ip6/2001:db8::5/tcp/4002"]),
        ("203.0.113.5", ["/ip4/203.0.113.5/tcp/4001"]),
        ("node.example", ["/dns/node.example/tcp/4001", "/dns/node.example/tcp/4002"]),
        ("/dns6/node.example/tcp/9", ["/dns6/node.example/tcp/9"]),
    ],
)
def test_what_an_owner_writes(text: str, announced: list[str]) -> None:
    assert [str(each) for each in with_ports(read_place(text), LISTENING)] == announced


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node.example:",
        "node.example:70000",
        "a b:1",
        "[::1",
        "[::1]4001",
        "/ip4/1.2.3.4/udp/1",
        "/dns/x/tcp/1/p2p/y",
        "fe80::1%eth0",
        "/ip4/::1/tcp/1",
        "x" * 300,
        "http://node.example:1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no address to announce"):
        read_place(text)


def test_our_own_address_towards_this_machine_is_of_this_machine() -> None:
    assert own_ips_towards("127.0.0.1", 9)["ip4"] == "127.0.0.1"
