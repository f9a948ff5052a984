"""Members who announce what is not theirs: who is dialled, how often, and in which networks."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from commonground.p2p import DialRule, dialling, limits
from commonground.p2p.dialling import DialRates, Target
from commonground.p2p.host import PeerHost
from commonground.places import read_networks
from protocol.errors import Unreachable
from tests.p2p_peer import HEAD, Setup, make_host, running

NAMES = 40
ADDRESSES_EACH = 8
IPV6 = "::1"


def host(number: int, **rules: Any) -> PeerHost:
    return make_host(Setup(content=os.devnull, seed=bytes([number]).hex() * 32), **rules)


def stranger(number: int) -> str:
    """The peer id of somebody who is nowhere."""
    return host(0x80 + number).peer_id


class Victim:
    """Listens on a port that is not ours, and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                self.visits += 1
                caller.close()

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def victim() -> Iterator[Victim]:
    found = Victim()
    yield found
    found.close()


async def is_reached(me: PeerHost, peer_id: str, addresses: list[str]) -> bool:
    try:
        await me.connect(peer_id, addresses)
        return True
    except Unreachable:
        return False


async def test_an_address_is_dialled_once_whoever_and_how_many_announce_it(victim: Victim) -> None:
    claimed = [f"/ip4/127.0.0.1/tcp/{victim.port}"] * ADDRESSES_EACH
    async with running(host(1)) as me:
        for number in range(NAMES):
            assert not await is_reached(me, stranger(number), claimed)
        assert victim.visits == 1


async def test_ports_of_one_host_are_dialled_as_a_household_and_an_honest_peer_beside_them(
    victim: Victim,
) -> None:
    closed = [f"/ip4/127.0.0.1/tcp/{port}" for port in range(1, 30)]
    async with running(host(1)) as me, running(host(2)) as honest:
        assert await is_reached(me, honest.peer_id, list(honest.addresses))  # before: it is there
        for number, address in enumerate(closed):
            assert not await is_reached(me, stranger(number), [address])
        assert not await is_reached(me, stranger(40), [f"/ip4/127.0.0.1/tcp/{victim.port}"])
        assert victim.visits == 0


async def test_a_peer_that_was_there_is_found_again_at_once() -> None:
    setup = Setup(content=os.devnull, seed="02" * 32)
    async with running(host(1)) as me:
        async with running(make_host(setup)) as peer:
            where = list(peer.addresses)
            assert await is_reached(me, peer.peer_id, where)
        assert not await is_reached(me, peer.peer_id, where)  # it restarts
        async with running(make_host(Setup(content=os.devnull, seed="02" * 32, listen=where[0]))):
            assert await is_reached(me, peer.peer_id, where)


async def test_liars_who_name_an_honest_peers_address_do_not_keep_us_from_it() -> None:
    async with running(host(1)) as me, running(host(2)) as peer:
        for number in range(NAMES):
            assert not await is_reached(me, stranger(number), list(peer.addresses))
        assert await is_reached(me, peer.peer_id, list(peer.addresses))


@pytest.mark.parametrize(("rule", "counts"), [(DialRule("127.0.0.1"), True), (DialRule(), False)])
async def test_who_comes_from_outside_is_told_and_who_comes_from_this_machine_is_not(
    rule: DialRule, counts: bool
) -> None:
    came = asyncio.Queue[bytes]()
    async with (
        running(host(1)) as visitor,
        running(host(2, dialling=rule, reached=came.put_nowait)) as me,
    ):
        me.set_head(HEAD)
        assert await visitor.fetch_head(me.peer_id, me.addresses) == HEAD
        if counts:
            assert await asyncio.wait_for(came.get(), 10) == visitor.key
        assert came.empty()


async def test_who_wants_one_peer_at_the_same_time_shares_one_dial() -> None:
    async with running(host(1)) as me, running(host(2)) as peer:
        peer.set_head(HEAD)
        heads = [me.fetch_head(peer.peer_id, peer.addresses) for _ in range(4)]
        assert await asyncio.gather(*heads) == [HEAD] * 4


@pytest.mark.parametrize(
    ("rule", "dials"),
    [
        (DialRule(), False),
        (DialRule("127.0.0.1"), True),
        (DialRule("localhost"), True),
        (DialRule("192.168.1.7"), False),
        (DialRule("8.8.8.8"), False),
        (DialRule("8.8.8.8", read_networks(["127.0.0.0/8"])), True),
        (DialRule("8.8.8.8", read_networks(["10.0.0.0/8"])), False),
    ],
)
async def test_what_the_internet_does_not_reach_is_dialled_where_it_was_said(
    rule: DialRule, dials: bool
) -> None:
    async with running(host(1, dialling=rule)) as me, running(host(2)) as peer:
        assert await is_reached(me, peer.peer_id, list(peer.addresses)) is dials


async def test_a_name_is_held_against_the_same_rule_and_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[str] = []

    async def look_up(name: str, family: int) -> list[Any]:
        looked_up.append(name)
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(dialling, "_look_up", look_up)
    async with running(host(2)) as peer:
        [port] = {each.rsplit("/", 1)[1] for each in peer.addresses}
        named = [f"/dns4/node.example/tcp/{port}"] * ADDRESSES_EACH
        async with running(host(1, dialling=DialRule())) as careful:
            assert not await is_reached(careful, peer.peer_id, named)
            assert looked_up == ["node.example"]
        async with running(host(3)) as near:
            assert await is_reached(near, peer.peer_id, named)


async def test_addresses_of_other_forms_and_too_many_of_them_are_not_dialled(
    victim: Victim,
) -> None:
    odd = [
        "/unix/tmp/x",
        "/ip4/127.0.0.1/udp/1/quic",
        "junk",
        "/ip4/127.0.0.1/tcp/99999",
        "/dns/../tcp/1",
    ]
    good = f"/ip4/127.0.0.1/tcp/{victim.port}"
    async with running(host(1)) as me:
        assert not await is_reached(me, stranger(1), [*odd, *odd, good])
        assert victim.visits == 0
        assert not await is_reached(me, stranger(1), [*odd, good])
        assert victim.visits == 1


def test_all_dials_in_vain_together_are_bounded() -> None:
    rates = DialRates(lambda: 0.0)
    targets = [
        Target(ipaddress.ip_address(f"8.8.{number // 256}.{number % 256}"), 1)
        for number in range(500)
    ]
    assert sum(rates.take(each, b"peer") for each in targets) == limits.FAILED_DIALS_PER_MINUTE


def test_a_dial_that_succeeds_costs_nothing_and_one_in_vain_a_minute() -> None:
    now = 0.0
    rates = DialRates(lambda: now)
    target = Target(ipaddress.ip_address("8.8.8.8"), 1)
    assert rates.take(target, b"liar")
    assert not rates.take(target, b"another liar")
    now = 61.0
    for number in range(100):
        assert rates.take(target, b"%d" % number)
        rates.succeeded(target, b"%d" % number)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((IPV6, 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6: ::1 cannot be listened on")
async def test_peers_find_each_other_over_ipv6() -> None:
    near = DialRule(IPV6)
    async with running(host(1, dialling=near)) as me:
        six = make_host(
            Setup(os.devnull, seed="02" * 32, listen=f"/ip6/{IPV6}/tcp/0"), dialling=near
        )
        async with running(six) as peer:
            peer.set_head(HEAD)
            assert [each.startswith(f"/ip6/{IPV6}/tcp/") for each in peer.addresses] == [True]
            assert await me.fetch_head(peer.peer_id, peer.addresses) == HEAD
