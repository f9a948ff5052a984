"""Who is connected to the API: every socket by its network, and which of them have shown to be a member's.

gRPC takes whoever comes, up to one number for all, and tells nobody of a connection on which nothing is
asked. So we ask the kernel: several times a second we go through this process's own descriptors, and end
what is over a limit with shutdown(2), which gRPC sees as the other side hanging up. Nothing is copied and
nothing is in the way of a call; descriptors cannot run out in between, since gRPC's own number is below
theirs.

A network is an IPv4 address, or the /64 that one subscriber of IPv6 has. A connection is a member's once
something new that a member signed has come over it: what the log shows to everybody proves nothing.
Strangers are ended first, of the network that has most of them; of these whoever was refused most often, and
then the one that was idle longest. So a newcomer finds a place beside ten thousand who hold theirs and ask
nothing, and beside those who call without end.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from commonground.networks import network_of, plain_address
from protocol.identity import KeyId

# A newcomer needs milliseconds to show that it is a member: it is safe among so many who come after it.
STRANGERS_PER_NETWORK: Final = 128
# A university's nodes behind one address; their connections idle most of the time.
MEMBERS_PER_NETWORK: Final = 1_024
# Some 100 KiB each with TLS: more than a gigabyte would go to connections alone.
CONNECTIONS_MAX: Final = 8_192
# Above what the sweep leaves, so that newcomers are taken between two sweeps.
_HEADROOM: Final = 8
# Refused so often, a connection is not one of a client that waits when it is asked to.
REFUSED_MAX: Final = 128
# Its network is then looked at less patiently for a while: each of its connections may have dozens of calls
# in the queue before anybody can look at them, and everybody waits behind these.
REFUSED_MAX_OF_DEAF: Final = 8
DEAF_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 0.25
# The same while there are many, so that no burst of them reaches gRPC's own limit, which shuts everybody out.
CROWDED_SECONDS: Final = 0.02
_CROWDED_PART: Final = 8
# A sweep of n sockets takes some 5 n microseconds: it rests five times as long, whatever n is.
_SWEEP_SHARE: Final = 5
# For the ledger, files and threads; HTTP has a quarter of all.
_OTHER_DESCRIPTORS: Final = 128
_WANTED: Final = 16_384  # room for all of these
_HTTP_CONNECTIONS_MAX: Final = 512

Peer = tuple[str, int]
"""Address and port of the other side of a socket."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """How many connections this process may have, by what it may open."""

    api: int
    http: int


def share_descriptors() -> Descriptors:
    """Raises the soft limit of open files as far as it may be, and divides what there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft == resource.RLIM_INFINITY:
        soft = ceiling
    elif soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
        soft = ceiling
    http = min(_HTTP_CONNECTIONS_MAX, soft // 4)
    return Descriptors(max(16, min(CONNECTIONS_MAX, soft - http - _OTHER_DESCRIPTORS)), http)


@dataclass(slots=True, eq=False)
class Connection:
    """One socket of the API, or one peer without an address."""

    network: str
    used: float  # when a call last began or ended, or it was seen first, in seconds of our clock
    calls: int = 0
    active: int = 0  # of these, under way
    refused: int = 0
    member: KeyId | None = None

    @property
    def payer(self) -> str | KeyId:
        """Whose calls its calls are."""
        return self.member or self.network


@dataclass(slots=True)
class Connections:
    """All of them; belongs to the event loop. `most` is as many as gRPC takes."""

    most: int
    clock: Callable[[], float] = time.monotonic
    ended: Callable[[int], None] = lambda count: None
    _by_peer: dict[Peer, Connection] = field(default_factory=dict)
    _deaf_until: dict[str, float] = field(default_factory=dict)  # by network
    _sockets: dict[tuple[int, int], Peer | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_peer)

    def of(self, peer: str) -> Connection:
        """The connection of what gRPC calls a peer: `ipv4:127.0.0.1:50412`."""
        return self._at(peer_of(peer))

    def _at(self, peer: Peer) -> Connection:
        known = self._by_peer.get(peer)
        if known is None:
            known = self._by_peer[peer] = Connection(network_of(peer[0]), self.clock())
        return known

    async def keep_swept(self, port: int) -> None:
        """Sweeps for ever."""
        while True:
            began = time.perf_counter()
            self.sweep(port)
            seconds = time.perf_counter() - began
            is_crowded = _CROWDED_PART * len(self) > self.most
            pause = CROWDED_SECONDS if is_crowded else SWEEP_SECONDS
            await asyncio.sleep(max(pause, _SWEEP_SHARE * seconds))

    def sweep(self, port: int) -> None:
        """Looks who is connected to our `port`, forgets who has gone, and ends what is too much."""
        self._sockets = dict(_sockets(port, self._sockets))
        open_now = {peer: at for at, peer in self._sockets.items() if peer is not None}
        # What has a call under way is there, even if its socket was opened after we looked.
        self._by_peer = {
            peer: each for peer, each in self._by_peer.items() if peer in open_now or each.active
        }
        found = {self._at(peer): at for peer, at in open_now.items()}
        gone = surplus(found, self.most - self.most // _HEADROOM, self._deaf_networks(found))
        for each in gone:
            _hang_up(*found[each])
        if gone:
            self.ended(len(gone))

    def _deaf_networks(self, found: Iterable[Connection]) -> Set[str]:
        """The networks of strangers that were deaf a moment ago."""
        now = self.clock()
        self._deaf_until = {network: t for network, t in self._deaf_until.items() if t > now}
        deaf = (c.network for c in found if c.refused > REFUSED_MAX and c.member is None)
        self._deaf_until.update(dict.fromkeys(deaf, now + DEAF_SECONDS))
        return self._deaf_until.keys()


def surplus(
    connections: Collection[Connection], most: int, deaf_networks: Set[str] = frozenset()
) -> list[Connection]:
    """Which connections are to be ended, that are too many of a network or of all, or deaf."""
    gone = []
    crowds: defaultdict[tuple[str, bool], list[Connection]] = defaultdict(list)
    for each in connections:
        is_member = each.member is not None
        patience = REFUSED_MAX_OF_DEAF if each.network in deaf_networks else REFUSED_MAX
        if each.refused > (REFUSED_MAX if is_member else patience):
            gone.append(each)
        else:
            crowds[each.network, is_member].append(each)
    for (_, is_member), crowd in crowds.items():
        limit = MEMBERS_PER_NETWORK if is_member else STRANGERS_PER_NETWORK
        crowd.sort(key=_place)
        surplus_here = max(0, len(crowd) - limit)
        gone += crowd[:surplus_here]
        del crowd[:surplus_here]
    too_many = sum(map(len, crowds.values())) - most
    if too_many > 0:
        by_size = sorted(crowds, key=lambda each: (each[1], -len(crowds[each])))
        gone += [each for key in by_size for each in crowds[key]][:too_many]
    return gone


def _place(connection: Connection) -> tuple[int, bool, float]:
    """Sorts those who go first to the front: often refused, asking nothing, silent for longest."""
    return -connection.refused, connection.active > 0, connection.used


# ---- sockets ----


def _sockets(
    port: int, known: dict[tuple[int, int], Peer | None]
) -> Iterator[tuple[tuple[int, int], Peer | None]]:
    """Our sockets by descriptor and inode, with the peers of those that are connected to `port`."""
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        try:
            status = os.fstat(descriptor)
        except OSError:  # closed meanwhile
            continue
        if stat.S_ISSOCK(status.st_mode):
            at = (descriptor, status.st_ino)
            yield at, known[at] if at in known else _peer_at(descriptor, port)


def _peer_at(descriptor: int, port: int) -> Peer | None:
    try:
        borrowed = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        if borrowed.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        if borrowed.getsockname()[1] != port:
            return None
        host, peer_port, *_ = borrowed.getpeername()
        return plain_address(host), peer_port
    except OSError:  # it listens, or has gone
        return None
    finally:
        borrowed.detach()  # gRPC owns it


def _hang_up(descriptor: int, inode: int) -> None:
    """Ends a connection, if the descriptor is still what it was. Only its owner ever closes it."""
    try:
        if os.fstat(descriptor).st_ino != inode:
            return
        borrowed = socket.socket(fileno=descriptor)
    except OSError:
        return
    try:
        borrowed.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has gone by itself
    finally:
        borrowed.detach()


@lru_cache(CONNECTIONS_MAX)
def peer_of(text: str) -> Peer:
    """Address and port of what gRPC calls a peer; whatever has none keeps its name."""
    scheme, _, rest = unquote(text).partition(":")
    host, _, port = rest.rpartition(":")
    if scheme not in ("ipv4", "ipv6") or not port.isascii() or not port.isdecimal():
        return text, 0
    return plain_address(host.strip("[]")), int(port[:5])
