"""uvicorn beside the rest of a process, on a socket that listens before anybody is told of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from commonground.web.connections import Visitors
from protocol.errors import ConfigError

# An answer is made in milliseconds: whoever still reads when the process ends asks again.
GRACE_SECONDS: Final = 1
KEEP_ALIVE_SECONDS: Final = 5
# Newcomers whom the system keeps until we come to them; beyond, each tries again a second later.
BACKLOG: Final = 256


@contextmanager
def listening(
    host: str, port: int, advice: str, purpose: str = "listen"
) -> Iterator[socket.socket]:
    """A socket that listens already; `port` 0 takes any free one.

    Raises ConfigError: cannot `purpose` on this port, with the advice.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: with it, an
    # answer's second segment waits 40 ms for the other side's delayed acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen()
        except (OSError, TypeError, UnicodeError) as error:  # the latter two: it is no name
            reason = error.strerror if isinstance(error, OSError) else "that is no address"
            raise ConfigError(f"cannot {purpose} on {host}:{port}: {reason}", advice) from error
        yield bound


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, bound: socket.socket, visitors: Visitors, pem: Path | None = None
) -> AsyncIterator[None]:
    """Serves while the block runs; over TLS, if there is a file with a key and a certificate."""
    server = _Server(
        uvicorn.Config(
            app,
            http=visitors.protocol,  # type: ignore[arg-type]  # called as a class would be
            ws="none",  # no WebSockets here; looking for a library imports deprecated ones
            log_config=None,
            log_level="error",  # what strangers send is no news
            access_log=False,
            backlog=BACKLOG,
            server_header=False,
            proxy_headers=False,  # nothing depends on who asks
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=pem,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    watch = asyncio.create_task(visitors.keep_moving(), name="visitors")
    try:
        yield
    finally:
        watch.cancel()
        server.should_exit = True
        await task
