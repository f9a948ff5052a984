"""The page on a socket that this machine alone can reach; for a phone, one on the local network, over TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonground.web import server
from commonground.web.connections import Visitors
from commonground.web.gate import Gate
from node.reviewpage.app import build_app, guarded
from node.reviewpage.asked import Hand
from node.reviewpage.certificate import fingerprint_of
from node.reviewpage.desk import Desk
from node.reviewpage.gate import PhoneGate
from node.reviewpage.pairing import Pairing
from node.reviewpage.session import Session, save
from protocol.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reviews.
CONNECTIONS_MAX: Final = 64
_COMMAND: Final = "commonhold node review --web"
_ADVICE: Final = "stop what listens there, or choose another one with --port"
_PHONE_ADVICE: Final = "say with --address which address this machine has in the local network"
# Of a network for documentation: asking which way leads there sends nothing.
_FAR: Final = ("192.0.2.1", 9)


@dataclass(frozen=True, slots=True)
class Way:
    """Where the page is kept and served."""

    session: Path  # what keeps the session
    certificate: Path  # for a phone
    port: int = 0  # on loopback; 0: as last time, which a browser that waits knows, or any free one
    phone: str = ""  # the address in the local network where a phone may come; empty: nowhere


@dataclass(frozen=True, slots=True)
class Served:
    """A page that is being served."""

    url: str  # what opens it on this machine
    pairing: Pairing | None  # how a phone comes in


@asynccontextmanager
async def serving(desk: Desk, session: Session, way: Way) -> AsyncIterator[Served]:
    """Serves the page while the block runs.

    Raises ConfigError when a port is taken or an address is not ours, StoreError when a file cannot be kept.
    """
    hand = Hand()
    try:
        async with AsyncExitStack() as stack:
            bound = stack.enter_context(
                server.listening(
                    LOOPBACK, way.port or session.port, _ADVICE, "serve the review page"
                )
            )
            session = replace(session, port=_port(bound))
            pairing = None
            if way.phone:
                outside = stack.enter_context(
                    server.listening(
                        way.phone, session.phone_port, _PHONE_ADVICE, "serve the review page"
                    )
                )
                session = replace(session, phone_port=_port(outside))
                print_ = await asyncio.to_thread(fingerprint_of, way.certificate, way.phone)
                host = f"{way.phone}:{session.phone_port}"
                pairing = Pairing(session, way.session, f"https://{host}/", print_)
                inside = build_app(desk, hand, session.secrets, None)
                gate = guarded(PhoneGate(inside, session.secrets, host, pairing))
                await stack.enter_async_context(
                    server.serving(gate, outside, _visitors(), way.certificate)
                )
            await asyncio.to_thread(save, session, way.session)
            app = build_app(desk, hand, session.secrets, pairing)
            host = f"{LOOPBACK}:{session.port}"
            gate = guarded(Gate(app, session.secrets, host, _COMMAND, takes_forms=True))
            await stack.enter_async_context(server.serving(gate, bound, _visitors()))
            yield Served(session.secrets.url(session.port), pairing)
    finally:
        hand.close()


def local_address() -> str:
    """This machine's address in the network that it reaches others by. Raises ConfigError."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_FAR)
            return str(probe.getsockname()[0])
    except OSError:
        raise ConfigError("this machine is in no network", _PHONE_ADVICE) from None


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _visitors() -> Visitors:
    return Visitors(CONNECTIONS_MAX, CONNECTIONS_MAX)
