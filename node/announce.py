"""Where others are to dial this node: what its owner says, or what its interfaces say."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from commonground.addresses import ADDRESSES_MAX, LIFETIME_MS, now_ms, seal_announcement
from commonground.client import CoordinatorClient
from commonground.places import Place, parse_place, read_place
from node.follower import Follower
from node.keys import NodeKeys
from protocol.log.link import NetworkLink

log = logging.getLogger(__name__)

# The coordinator keeps announcements in memory: after its restart we are lost for this long at most.
ANNOUNCE_SECONDS: Final = 60.0
# Where a host has no address of one version, some other on the internet tells which interface leads there:
# addresses for documentation, which nobody has.
_SOMEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def reachable(listening: Sequence[Place], own_ips: Mapping[str, str]) -> list[Place]:
    """Listening places as others can dial them: "any interface" becomes our own address of that version.

    Left out where we have none. `own_ips` is by form: ip4, ip6.
    """
    found = []
    for place in listening:
        if not ipaddress.ip_address(place.host).is_unspecified:
            found.append(place)
        elif place.form in own_ips:
            found.append(replace(place, host=own_ips[place.form]))
    return found


def with_ports(own: Place, listening: Sequence[Place]) -> list[Place]:
    """A place as its owner gave it; without a port it has those that we listen on."""
    if own.port:
        return [own]
    fitting = [each for each in listening if own.is_name or each.form == own.form]
    ports = dict.fromkeys(each.port for each in fitting or listening)
    return [replace(own, port=port) for port in ports]


def own_ips_towards(host: str, port: int) -> dict[str, str]:
    """Our addresses (ip4, ip6) on the interfaces that lead to a host; no packet is sent."""
    found = {}
    for form, family in (("ip4", socket.AF_INET), ("ip6", socket.AF_INET6)):
        for towards in (host, _SOMEWHERE[family]):
            if (own := _own_ip_towards(towards, port, family)) is not None:
                found[form] = own
                break
    # No route at all: whoever can reach us then is on this machine.
    return found or {"ip4": "127.0.0.1", "ip6": "::1"}


def _own_ip_towards(host: str, port: int, family: socket.AddressFamily) -> str | None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            address: str = probe.getsockname()[0]
    except OSError:
        return None
    return address.partition("%")[0]


class Announcer:
    """Keeps the coordinator's directory up to date about where this node listens."""

    def __init__(
        self,
        keys: NodeKeys,
        link: NetworkLink,
        client: CoordinatorClient,
        follower: Follower,
        listening: Callable[[], Sequence[str]],
        *,
        announce: Sequence[str] = (),
        told: Callable[[Sequence[str]], None] = lambda addresses: None,
    ) -> None:
        """`listening` gives the present multiaddrs; they change when the peer host restarts.

        `announce` is what the owner says instead, as `read_place` takes it; `told` learns what was said.
        """
        self._keys, self._link, self._client = keys, link, client
        self._follower, self._listening = follower, listening
        self._told = told
        self._own = tuple(map(read_place, announce))

    async def run(self) -> None:
        """Announces now and then for ever, once the log knows our key; raises Unreachable and Reject."""
        while self._keys.key not in self._follower.state.keys:
            await self._follower.wait_beyond(self._follower.size)
        while True:
            await self.announce()
            await asyncio.sleep(ANNOUNCE_SECONDS)

    async def addresses(self) -> list[str]:
        """Where others are to dial us: what the owner says, or else what the interfaces say."""
        listening = [parse_place(each) for each in self._listening()]
        if self._own:
            found = [each for own in self._own for each in with_ports(own, listening)]
        else:
            own_ips = await asyncio.to_thread(own_ips_towards, self._link.host, self._link.port)
            found = reachable(listening, own_ips)
        return list(dict.fromkeys(map(str, found)))[:ADDRESSES_MAX]

    async def announce(self) -> None:
        """Says once where we are."""
        addresses = await self.addresses()
        expires = now_ms() + LIFETIME_MS
        network, key = self._link.network, self._keys.key
        await self._client.announce(
            seal_announcement(network, key, addresses, expires, self._keys.sign)
        )
        self._told(addresses)
        log.debug("announced %s", ", ".join(addresses))
