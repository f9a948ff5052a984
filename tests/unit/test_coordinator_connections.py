"""Who is connected, and who has to go: each limit, and what stays just below it."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonground.networks import network_of
from coordinator import connections
from coordinator.connections import (
    REFUSED_MAX,
    Connection,
    Connections,
    Descriptors,
    peer_of,
    share_descriptors,
    surplus,
)
from protocol.identity import KeyId

KEY = KeyId(b"k" * 32)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STRANGERS_PER_NETWORK", 3)
    monkeypatch.setattr(connections, "MEMBERS_PER_NETWORK", 4)


def crowd(count: int, network: str = "192.0.2.1", **values: object) -> list[Connection]:
    """Connections of one network, the longest silent first."""
    made = [Connection(network, used=float(number)) for number in range(count)]
    for each in made:
        for name, value in values.items():
            setattr(each, name, value)
    return made


def test_of_one_network_those_that_ask_nothing_for_longest_are_ended() -> None:
    assert surplus(crowd(3), 100) == []
    many = crowd(5)
    many[0].active = 1
    assert surplus(many, 100) == [many[1], many[2]]


def test_members_have_a_limit_of_their_own() -> None:
    members = crowd(4, member=KEY)
    assert surplus(members + crowd(3), 100) == []
    more = crowd(5, member=KEY)
    assert surplus(more, 100) == [more[0]]


def test_when_there_are_too_many_the_largest_crowd_of_strangers_goes_first_and_members_last() -> (
    None
):
    single, members = crowd(1, "198.51.100.1"), crowd(4, "203.0.113.1", member=KEY)
    strangers = crowd(3)
    everybody = members + single + strangers
    assert surplus(everybody, 8) == []
    assert surplus(everybody, 7) == [strangers[0]]
    assert surplus(everybody, 5) == strangers
    assert surplus(everybody, 4) == [*strangers, *single]


def test_a_connection_that_calls_on_however_often_it_is_asked_to_wait_is_ended() -> None:
    assert surplus(crowd(1, refused=REFUSED_MAX), 100) == []
    [deaf] = crowd(1, refused=REFUSED_MAX + 1, member=KEY)
    assert surplus([deaf], 100) == [deaf]


# ---- names ----


@pytest.mark.parametrize(
    ("text", "peer", "network"),
    [
        ("ipv4:127.0.0.1:50412", ("127.0.0.1", 50412), "127.0.0.1"),
        ("ipv6:%5B::1%5D:50412", ("::1", 50412), "::/64"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:1", ("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        ("ipv6:[::ffff:192.0.2.7]:1", ("192.0.2.7", 1), "192.0.2.7"),
        ("unix:/somewhere", ("unix:/somewhere", 0), "unix:/somewhere"),
    ],
)
def test_what_grpc_calls_a_peer_has_an_address_and_a_network(
    text: str, peer: tuple[str, int], network: str
) -> None:
    assert peer_of(text) == peer
    assert network_of(peer[0]) == network


def test_two_addresses_of_one_subscriber_are_one_network_and_neighbours_are_not() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")


@given(st.text(max_size=80))
def test_any_peer_string_gives_some_network(text: str) -> None:
    network_of(peer_of(text)[0])


# ---- sockets ----


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as bound:
        yield bound


def accepted(listener: socket.socket, owned: ExitStack) -> tuple[socket.socket, socket.socket]:
    """A client's socket and ours."""
    client = owned.enter_context(socket.create_connection(listener.getsockname()))
    server, _ = listener.accept()
    return client, owned.enter_context(server)


def hangs_up(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_sockets_beyond_the_limit_are_ended_and_descriptors_stay_their_owners(
    listener: socket.socket,
) -> None:
    told: list[int] = []
    ticks = iter(range(1_000))
    watched = Connections(100, lambda: float(next(ticks)), told.append)
    port = listener.getsockname()[1]
    with ExitStack() as owned:
        pairs = [accepted(listener, owned) for _ in range(3)]
        watched.sweep(port)
        assert (len(watched), told) == (3, [])
        pairs += [accepted(listener, owned) for _ in range(2)]
        watched.of(f"ipv4:127.0.0.1:{pairs[0][0].getsockname()[1]}").member = KEY
        watched.sweep(port)
        assert told == [1]
        assert [hangs_up(client) for client, _ in pairs].count(True) == 1
        assert not hangs_up(pairs[0][0])
        assert all(os.fstat(server.fileno()) for _, server in pairs)
    watched.sweep(port)
    assert len(watched) == 0


async def test_the_sweep_goes_on(listener: socket.socket) -> None:
    watched = Connections(100)
    sweeping = asyncio.create_task(watched.keep_swept(listener.getsockname()[1]))
    with ExitStack() as owned:
        accepted(listener, owned)
        async with asyncio.timeout(10):
            while not len(watched):
                await asyncio.sleep(0.01)
    sweeping.cancel()


# ---- descriptors ----


@pytest.mark.parametrize(
    ("limits", "raised", "shares"),
    [
        ((256, 1_024), 1_024, Descriptors(640, 256)),
        ((1_024, 1_048_576), 16_384, Descriptors(8_192, 512)),
        ((1_024, resource.RLIM_INFINITY), 16_384, Descriptors(8_192, 512)),
        ((20_000, 20_000), None, Descriptors(8_192, 512)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, Descriptors(8_192, 512)),
        ((64, 64), None, Descriptors(16, 16)),
    ],
)
def test_descriptors_are_raised_as_far_as_they_may_be_and_shared(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    raised: int | None,
    shares: Descriptors,
) -> None:
    soft, hard = limits
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert share_descriptors() == shares
    assert asked == ([(raised, hard)] if raised else [])
