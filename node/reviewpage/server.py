"""The page on a socket that this machine alone can reach; for a phone, one on the local network, over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from commonground.web import server
from commonground.web.connections import Visitors
from node.page.gate import same
from node.reviewpage.app import build_app
from node.reviewpage.asked import Hand
from node.reviewpage.desk import Desk
from node.reviewpage.gate import Entrance, door_of
from node.reviewpage.session import Session, save

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reviews.
CONNECTIONS_MAX: Final = 64
_ADVICE: Final = "stop what listens there, or choose another one with --port"


@asynccontextmanager
async def serving(desk: Desk, session: Session, file: Path, port: int = 0) -> AsyncIterator[str]:
    """Serves the page while the block runs; gives the address that opens it. `file` keeps the session.

    `port` 0: the one of last time, which a browser that waits knows, or any free one. Raises ConfigError
    when it is taken, StoreError when the session cannot be kept.
    """
    hand = Hand()
    try:
        with server.listening(
            LOOPBACK, port or session.port, _ADVICE, "serve the review page"
        ) as bound:
            session = replace(session, port=bound.getsockname()[1])
            await asyncio.to_thread(save, session, file)
            known = session.secrets
            entrance = Entrance(
                f"http://{LOOPBACK}:{session.port}",
                lambda cookie: same(cookie, known.cookie),
                door_of(known),
            )
            app = build_app(desk, hand, session, entrance)
            async with server.serving(app, bound, Visitors(CONNECTIONS_MAX, CONNECTIONS_MAX)):
                yield known.url(session.port)
    finally:
        hand.close()
