"""The public face: the dashboard, the log as static files (C2SP tlog-tiles), and metrics.

Everything here is public and read-only. A file that can never change says so to caches; the checkpoint
and a bundle, whose leaves may be erased, say that they must be asked for again.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commonground.networks import network_of
from commonground.web.headers import SecurityHeaders
from commonground.web.pages import static_files
from coordinator.book import Book
from coordinator.connections import Connections
from coordinator.dashboard.site import Site
from coordinator.metrics import Metrics
from coordinator.rooms import Room
from coordinator.watching import ChainWatch
from protocol.errors import Reject
from protocol.log.link import NetworkLink
from protocol.log.tiles import TILE_WIDTH, EntryTile, encode_entries, is_in, parse_path, tile_data

_HERE: Final = Path(__file__).parent
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
# A partial tile never changes either, but nobody asks for it again once the log has grown.
_PARTIAL: Final = "public, max-age=60"
_ASK_AGAIN: Final = "no-cache"
_ROOT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEADERS: Final = {"cross-origin-resource-policy": "cross-origin"}  # log files are for everybody
# Files of the log that may have megabytes, at most 16 MiB, and how many of them may be under way.
_LARGE: Final = ("/batch/", "/tile/entries/")
FILES_MAX: Final = 32
FILES_PER_NETWORK_MAX: Final = 8
PIECE_BYTES: Final = 64 * 1024
_OCTETS: Final = "application/octet-stream"


class LargeAnswers:
    """Lets a network have a few large files under way at once, until they were taken; more wait their turn.

    A file is given to its connection in pieces, so that one that is not read costs its bytes once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._room = Room("files", FILES_MAX, FILES_PER_NETWORK_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("path", "").startswith(_LARGE):
            await self._app(scope, receive, send)
            return

        async def send_in_pieces(message: Message) -> None:
            body = message.get("body", b"")
            for at in range(
                0, len(body), PIECE_BYTES
            ):  # each waits until those before it have gone
                await send({**message, "body": body[at : at + PIECE_BYTES], "more_body": True})
            if body:
                message = {**message, "body": b""}
            await send(message)

        async with self._room.waiting(network_of((scope["client"] or ("", 0))[0])):
            await self._app(scope, receive, send_in_pieces)


class LogFiles:
    """One handler for each path that machines ask for."""

    def __init__(self, book: Book, metrics: Metrics, connections: Connections) -> None:
        self._book = book
        self._connections = connections
        self._metrics = metrics

    async def checkpoint(self, _: Request) -> Response:
        """The signed head of the log."""
        return PlainTextResponse(self._book.head.checkpoint, headers={"cache-control": _ASK_AGAIN})

    async def tile(self, request: Request) -> Response:
        """A tile, or a bundle of entries."""
        try:
            tile = parse_path(request.url.path.lstrip("/"))
        except Reject:
            raise HTTPException(404) from None
        if not is_in(tile, self._book.head.size):
            raise HTTPException(404)
        if isinstance(tile, EntryTile):
            content = await asyncio.to_thread(self._entries, tile)
        else:
            content = tile_data(self._book.tree, tile)
        caching = _IMMUTABLE if tile.width == TILE_WIDTH else _PARTIAL
        return Response(content, media_type=_OCTETS, headers={"cache-control": caching})

    def _entries(self, tile: EntryTile) -> bytes:
        indices = range(tile.start, tile.stop)
        found = self._book.ledger.envelopes(indices)
        return encode_entries([found[index] for index in indices])

    async def batch(self, request: Request) -> Response:
        """The leaves behind a batch's root, as protocol/log/batch.py encodes them."""
        root = request.path_params["root"]
        if not _ROOT.fullmatch(root):
            raise HTTPException(404)
        bundle = await asyncio.to_thread(self._book.ledger.bundle, bytes.fromhex(root))
        if bundle is None:
            raise HTTPException(404)
        return Response(bundle, media_type=_OCTETS, headers={"cache-control": _ASK_AGAIN})

    async def verifier(self, _: Request) -> Response:
        """The log's present verifier key: convenient, but only the link makes it trustworthy."""
        return PlainTextResponse(f"{self._book.log_verifier}\n")

    async def metrics(self, _: Request) -> Response:
        """For Prometheus."""
        self._metrics.log_entries.set(self._book.head.size)
        self._metrics.connections.set(len(self._connections))
        self._metrics.queued.set(self._book.queued)
        self._metrics.closed_epochs.set(self._book.closed_epoch)
        self._metrics.waiting_items.set(self._book.waiting_items)
        return Response(self._metrics.render(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def healthz(self, _: Request) -> Response:
        """Alive, and its loop not stuck."""
        return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


def build_app(
    book: Book,
    metrics: Metrics,
    connections: Connections,
    link: NetworkLink,
    home: Path,
    *,
    watch: ChainWatch | None = None,
) -> Starlette:
    """The application; it serves GET and HEAD and nothing else. `home` is the operator's directory."""
    files = LogFiles(book, metrics, connections)
    site = Site(book, link, home, checked=lambda: None if watch is None else watch.checked)

    async def missing(request: Request, _: Exception) -> Response:
        return site.missing(request, "No page has this address.")

    return Starlette(
        routes=[
            *site.routes(),
            Route("/checkpoint", files.checkpoint),
            Route("/tile/{rest:path}", files.tile),
            Route("/batch/{root}", files.batch),
            Route("/verifier", files.verifier),
            Route("/metrics", files.metrics),
            Route("/healthz", files.healthz),
            Mount("/static", static_files(_HERE / "static")),
        ],
        middleware=[Middleware(LargeAnswers), Middleware(SecurityHeaders, own=_HEADERS)],
        exception_handlers={404: missing, HTTPException: _plain_error, 500: _plain_error},
    )


async def _plain_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "only GET\n" if status == 405 else "internal error\n"
    return PlainTextResponse(text, status, headers={"cache-control": "no-store"})
