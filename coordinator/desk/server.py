"""The desk on a socket that this machine alone can reach."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from commonground.web import server
from commonground.web.connections import Visitors
from commonground.web.gate import Secrets
from coordinator.config import Home
from coordinator.desk.app import build_app
from coordinator.desk.desk import Desk
from coordinator.desk.forms import UPLOAD_BYTES_MAX

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reads a page.
CONNECTIONS_MAX: Final = 64
# What a form has beside its file.
_FORM_BYTES: Final = 64 * 1024
_ADVICE: Final = "stop what listens there, or give --port 0: any free port"


async def serve(home: Home, port: int, on_ready: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; `on_ready` gets the address that opens the desk.

    Raises:
        ConfigError: there is no coordinator here, or the port is taken; StoreError: our disk failed.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        with await asyncio.to_thread(Desk, home) as desk:
            async with serving(desk, port) as url:
                on_ready(url)
                await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def serving(desk: Desk, port: int = 0) -> AsyncIterator[str]:
    """Serves while the block runs; gives the address that opens the desk. Raises ConfigError: the port is
    taken."""
    known = Secrets()
    with server.listening(LOOPBACK, port, _ADVICE, "serve the desk") as bound:
        chosen = bound.getsockname()[1]
        app = build_app(desk, known, f"{LOOPBACK}:{chosen}")
        visitors = Visitors(
            CONNECTIONS_MAX, CONNECTIONS_MAX, request_bytes_max=UPLOAD_BYTES_MAX + _FORM_BYTES
        )
        async with server.serving(app, bound, visitors):
            yield known.url(chosen)
