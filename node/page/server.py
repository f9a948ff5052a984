"""The page on a socket that this machine alone can reach."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from commonground.files import replace_file
from node.page.app import build_app
from node.page.gate import Secrets
from node.page.sources import Sources
from protocol.errors import ConfigError, StoreError

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reads a page.
CONNECTIONS_MAX: Final = 64
# A page is made in milliseconds: whoever still reads when the node ends asks again.
GRACE_SECONDS: Final = 1


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the node has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(sources: Sources, file: Path, port: int = 0) -> AsyncIterator[str]:
    """Serves the page while the block runs; gives the address that opens it, which `file` holds, too.

    Raises ConfigError when the port is taken, StoreError when the file cannot be written.
    """
    known = Secrets()
    with _bound(port) as bound:
        chosen = bound.getsockname()[1]
        server = _Server(
            uvicorn.Config(
                build_app(sources, known, f"{LOOPBACK}:{chosen}"),
                ws="none",  # no WebSockets here; looking for a library imports deprecated ones
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody stands between the owner and this socket
                lifespan="off",
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        task = asyncio.create_task(server.serve(sockets=[bound]), name="page")
        try:
            with _announced(known.url(chosen), file):
                yield known.url(chosen)
        finally:
            server.should_exit = True
            await task


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """Listens already, so that whoever reads the address is served."""
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: with it, an
    # answer's second segment waits 40 ms for the other side's delayed acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((LOOPBACK, port))
            bound.listen()
        except OSError as error:
            raise ConfigError(
                f"cannot serve your page on {LOOPBACK}:{port}: {error.strerror}",
                "stop what listens there, or change page_port in node.toml (0: any free port)",
            ) from error
        yield bound


@contextmanager
def _announced(url: str, file: Path) -> Iterator[None]:
    """Keeps the address where its owner alone can read it. After a crash a file stays whose secrets
    open nothing any more."""
    try:
        replace_file(file, f"{url}\n")
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
