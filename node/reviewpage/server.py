"""The page on a socket that this machine alone can reach; for a phone, one on the local network, over TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonground.web import server
from commonground.web.connections import Visitors
from commonground.web.gate import Gate, Secrets
from node.reviewpage.address import ADVICE, Address, read_address
from node.reviewpage.app import build_app, guarded
from node.reviewpage.asked import Hand
from node.reviewpage.certificate import fingerprint_of
from node.reviewpage.desk import Desk
from node.reviewpage.gate import PhoneGate
from node.reviewpage.pairing import Pairing
from node.reviewpage.session import Session, Sitting, save
from protocol.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reviews.
CONNECTIONS_MAX: Final = 64
_COMMAND: Final = "commonhold node review --web"
_ADVICE: Final = "stop what listens there, or choose another one with --port"
_PURPOSE: Final = "serve the review page"
# Of a network for documentation: asking which way leads there sends nothing.
_FAR: Final = ("192.0.2.1", 9)


@dataclass(frozen=True, slots=True)
class Way:
    """Where the page is kept and served."""

    session: Path  # what keeps the session
    certificate: Path  # for a phone
    port: int = 0  # on loopback; 0: as last time, which a browser that waits knows, or any free one
    phone: str = (
        ""  # the address or name in the local network where a phone may come; empty: nowhere
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A page that is being served."""

    url: str  # what opens it on this machine
    pairing: Pairing | None  # how a phone comes in
    before: int = (
        0  # the port where it was before, if that is another one: browsers may keep answers there
    )
    phone_before: int = 0  # the same of the phone's page, whose port somebody else has


@asynccontextmanager
async def serving(desk: Desk, session: Session, way: Way) -> AsyncIterator[Served]:
    """Serves the page while the block runs.

    Raises ConfigError when a port is taken or an address is not ours, StoreError when a file cannot be kept.
    """
    hand, known = Hand(), Secrets()
    try:
        async with AsyncExitStack() as stack:
            bound = stack.enter_context(
                server.listening(LOOPBACK, way.port or session.port, _ADVICE, _PURPOSE)
            )
            port = _port(bound)
            before = session.port if session.port not in (0, port) else 0
            session = replace(session, port=port)
            pairing, phone_before = None, 0
            if way.phone:
                pairing, phone_before = await _serve_phone(stack, desk, hand, session, way)
            else:
                await asyncio.to_thread(save, session, way.session)
            app = build_app(desk, hand, Sitting(known, session.name, before), pairing)
            gate = Gate(app, known, f"{LOOPBACK}:{port}", _COMMAND, takes_forms=True)
            await stack.enter_async_context(server.serving(guarded(gate), bound, _visitors()))
            yield Served(known.url(port), pairing, before, phone_before)
    finally:
        hand.close()


async def _serve_phone(
    stack: AsyncExitStack, desk: Desk, hand: Hand, session: Session, way: Way
) -> tuple[Pairing, int]:
    """Serves the page where a phone may come, and keeps the session. Gives its kept port too, if somebody
    else has that: it stays the one to try first, since the phone's browser may keep answers there."""
    address = read_address(way.phone)
    bound = _listen_for_phone(stack, address, session.phone_port)
    port = _port(bound)
    session = replace(session, phone_port=session.phone_port or port)
    before = session.phone_port if session.phone_port != port else 0
    await asyncio.to_thread(save, session, way.session)
    print_ = await asyncio.to_thread(fingerprint_of, way.certificate, address)
    host, known = address.at(port), Secrets(room=session.phone_room)
    pairing = Pairing(session, way.session, f"https://{host}/", print_)
    inside = build_app(desk, hand, Sitting(known, session.name), None)
    gate = guarded(PhoneGate(inside, known, host, pairing))
    await stack.enter_async_context(server.serving(gate, bound, _visitors(), way.certificate))
    return pairing, before


def _listen_for_phone(stack: AsyncExitStack, address: Address, kept: int) -> socket.socket:
    """On the kept port, or on any free one: no option names another. Raises ConfigError."""
    if kept:
        with suppress(ConfigError):
            return stack.enter_context(server.listening(address.host, kept, ADVICE, _PURPOSE))
    return stack.enter_context(server.listening(address.host, 0, ADVICE, _PURPOSE))


def local_address() -> str:
    """This machine's address in the network that it reaches others by. Raises ConfigError."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_FAR)
            return str(probe.getsockname()[0])
    except OSError:
        raise ConfigError("this machine is in no network", ADVICE) from None


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _visitors() -> Visitors:
    return Visitors(CONNECTIONS_MAX, CONNECTIONS_MAX)
