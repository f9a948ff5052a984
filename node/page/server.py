"""The page on a socket that this machine alone can reach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from commonground.files import replace_file
from commonground.web import server
from commonground.web.connections import Visitors
from commonground.web.gate import Secrets
from node.page.app import build_app
from node.page.sources import Sources
from protocol.errors import StoreError

LOOPBACK: Final = "127.0.0.1"
# A browser opens six at once; more than some of them are nobody's who reads a page.
CONNECTIONS_MAX: Final = 64
_ADVICE: Final = "stop what listens there, or change page_port in node.toml (0: any free port)"


@asynccontextmanager
async def serving(sources: Sources, file: Path, port: int = 0) -> AsyncIterator[str]:
    """Serves the page while the block runs; gives the address that opens it, which `file` holds, too.

    Raises ConfigError when the port is taken, StoreError when the file cannot be written.
    """
    known = Secrets()
    with server.listening(LOOPBACK, port, _ADVICE, "serve your page") as bound:
        chosen = bound.getsockname()[1]
        app = build_app(sources, known, f"{LOOPBACK}:{chosen}")
        async with server.serving(app, bound, Visitors(CONNECTIONS_MAX, CONNECTIONS_MAX)):
            with _announced(known.url(chosen), file):
                yield known.url(chosen)


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
