"""Whom we dial, and how often: members say where they are, and some say where somebody else is.

What anybody announces is dialled once a minute at most, whoever and how many announce it. An address at
which the key that was wanted has answered is not counted any more for that key, so that a peer which
restarts is found again. Addresses that the internet does not reach are dialled only where the owner said
so, or where the coordinator has one of the same kind: a laboratory on one machine, or in one house. Names
are looked up by us, and what they give is held against the same rule and dialled as it is, so that a name
cannot change in between.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

import trio
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from multiaddr import Multiaddr

from commonground.p2p import limits
from commonground.p2p.api import DialRule
from commonground.p2p.guards import GuardedSwarm
from commonground.p2p.penalties import Interrupted
from commonground.places import IpAddress, Place, Reach, parse_place, reach_of
from commonground.rates import Buckets, Clock, RecentlyUsed
from protocol.errors import Reject

log = logging.getLogger(__name__)

_MINUTE: Final = 60.0
# What a coordinator's own address may open. A public one opens nothing: everybody may dial that already.
_NEAR: Final = (Reach.PRIVATE, Reach.LINK, Reach.MACHINE)
_FAMILIES: Final = {"dns": 0, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Target:
    """An IP address and a TCP port."""

    address: IpAddress
    port: int

    def __str__(self) -> str:
        return f"/ip{self.address.version}/{self.address}/tcp/{self.port}"


class DialRates:
    """How often what may be dialled. What succeeded is given back: only failures cost."""

    def __init__(self, clock: Clock) -> None:
        per_host, in_all = limits.FAILED_DIALS_PER_HOST_MINUTE, limits.FAILED_DIALS_PER_MINUTE
        self._targets = Buckets[Target](1 / _MINUTE, 1, clock)
        self._hosts = Buckets[IpAddress](per_host / _MINUTE, per_host, clock)
        self._all = Buckets[None](in_all / _MINUTE, in_all, clock)
        again = limits.REDIALS_PER_MINUTE
        self._met = Buckets[tuple[Target, bytes]](again / _MINUTE, again, clock)

    def take(self, target: Target, peer: bytes) -> bool:
        """Whether `target` may be dialled now for a peer; counts it as a failure until `succeeded`."""
        if (target, peer) in self._met:
            return self._met[target, peer].take()
        buckets = (self._targets[target], self._hosts[target.address], self._all[None])
        if any(bucket.seconds_until(1) for bucket in buckets):
            return False
        return all(bucket.take() for bucket in buckets)

    def succeeded(self, target: Target, peer: bytes) -> None:
        """The peer is there, as it proved: dialling it was no mistake, and need not be the last time."""
        if (target, peer) in self._met:
            self._met[target, peer].borrow(-1)
            return
        self.met(target, peer)
        for bucket in (self._targets[target], self._hosts[target.address], self._all[None]):
            bucket.borrow(-1)

    def met(self, target: Target, peer: bytes) -> None:
        """The peer is at `target`, whoever was looked for there: it is not counted for what others claim."""
        self._met[target, peer]  # a look makes it


class Dialler:
    """Connects to peers where they say they are; used in the trio thread only."""

    def __init__(self, swarm: GuardedSwarm, rule: DialRule) -> None:
        self._swarm, self._rule = swarm, rule
        self._rates = DialRates(trio.current_time)
        self._near: tuple[Reach, ...] | None = None  # None: not looked up yet
        self._names: RecentlyUsed[Place, list[tuple[float, list[IpAddress]]]] = RecentlyUsed(list)
        self._turns: WeakValueDictionary[bytes, trio.Lock] = WeakValueDictionary()

    async def connect(self, peer: ID, addresses: Sequence[str]) -> None:
        """Use a live connection, or dial one address after the other; raises Interrupted.

        libp2p's own dial picks one address per transport from a store that keeps stale ones, and then
        refuses to dial a failed peer for a minute; ours dials what the caller said, within the rates.
        """
        turn = self._turns.setdefault(peer.to_bytes(), trio.Lock())
        async with turn:  # whoever wants the same peer at the same time waits for this dial
            if any(not each.is_closed for each in self._swarm.get_connections(peer)):
                return
            why = "no address is known"
            for text in addresses[: limits.ADDRESSES_PER_PEER_MAX]:
                try:
                    for target in await self._targets_of(text):
                        try:
                            await self._dial(target, peer)
                            return
                        except Exception as error:  # of any kind of badness: the next one
                            why = str(error) or type(error).__name__
                except Reject as refusal:
                    why = str(refusal)
            raise Interrupted(why)

    async def _dial(self, target: Target, peer: ID) -> None:
        if not await self.is_outside(target.address):
            raise Interrupted(f"{target} is on no network that this node dials")
        if not self._rates.take(target, peer.to_bytes()):
            raise Interrupted(f"{target} was dialled in vain less than a minute ago")
        try:
            with trio.fail_after(limits.DIAL_SECONDS):
                await self._swarm.dial_addr(Multiaddr(str(target)), peer)
        except SwarmException as error:
            # Or a liar, by naming an honest peer's address as his, would keep us from it for a minute.
            if (other := _who_answered(error)) is not None:
                self._rates.met(target, other.to_bytes())
            raise
        self._rates.succeeded(target, peer.to_bytes())

    async def is_outside(self, address: IpAddress) -> bool:
        """Whether the rule lets us dial an address; what comes from there comes from outside."""
        reach = reach_of(address)
        if reach is Reach.PUBLIC:
            return True
        if reach is Reach.NOWHERE:
            return False
        if any(address in network for network in self._rule.networks):
            return True
        return reach in await self._near_us()

    async def _near_us(self) -> tuple[Reach, ...]:
        """The kinds of addresses that the coordinator's host has, once it could be looked up."""
        if self._near is None:
            found = await _look_up(self._rule.near, 0) if self._rule.near else []
            if not found and self._rule.near:
                return ()  # not now: it is asked again
            kinds = {reach_of(each) for each in found}
            self._near = tuple(each for each in _NEAR if each in kinds)
        return self._near

    async def _targets_of(self, text: str) -> list[Target]:
        """What a multiaddr leads to, a name looked up once a minute. Raises Reject."""
        place = parse_place(text)
        if not place.is_name:
            return [Target(ipaddress.ip_address(place.host), place.port)]
        known, now = self._names[place], trio.current_time()
        if not known or known[0][0] < now - _MINUTE:
            known[:] = [(now, await _look_up(place.host, _FAMILIES[place.form]))]
        return [Target(each, place.port) for each in known[0][1]]


def _who_answered(error: BaseException | None) -> ID | None:
    """Who proved to be at an address where we looked for somebody else; the library tells it in words."""
    while error is not None and not isinstance(error, PeerIDMismatchesPubkey):
        error = error.__cause__ or error.__context__
    name = str(error).rpartition("remote_peer_id_from_pubkey=")[2]
    return ID.from_string(name) if error is not None and name else None


async def _look_up(host: str, family: int) -> list[IpAddress]:
    """The first addresses of a host; none when it has none, or nobody answers in time."""
    found: dict[IpAddress, None] = {}
    with trio.move_on_after(limits.LOOKUP_SECONDS):
        try:
            for *_, where in await trio.socket.getaddrinfo(host, None, family, socket.SOCK_STREAM):
                found[ipaddress.ip_address(str(where[0]))] = None
        except (OSError, UnicodeError, ValueError) as error:
            log.debug("a name was not found: %s", type(error).__name__)
    return list(found)[: limits.ADDRESSES_PER_NAME_MAX]
