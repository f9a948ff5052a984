"""The pages and their addresses. Everything is read-only and made by the server; a small script keeps
what is open up to date, and without it the pages read the same.

State is read on the loop, where it is whole; disks are read in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from commonground.counting import plural
from commonground.web.gate import Gate, Secrets
from commonground.web.headers import SecurityHeaders
from commonground.web.pages import environment, static_files
from node.intake import PNG
from node.page.earnings import view_earnings
from node.page.entries import view_entry
from node.page.health import view_health
from node.page.items import STANDING_WORDS, describe, latest, view_items
from node.page.own import Standing
from node.page.pictures import picture_of, texts_of
from node.page.sources import Replay, Sources
from node.page.words import brief, quote, size
from node.page.work import TrainingView, view_reviews, view_training
from protocol.errors import CommonholdError
from protocol.lifecycle import GONE
from protocol.limits import HASH_BYTES

_HERE: Final = Path(__file__).parent
LATEST_ITEMS: Final = 6
# No page has a higher number: 50 items each, and a node that submits a thousand a day for a century.
PAGE_NUMBER_MAX: Final = 1_000_000
# Decoding takes the memory of some pictures at once; a browser asks for 50.
DECODERS_MAX: Final = 2
_HEADERS: Final = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

View = Callable[[Request], Awaitable[Response]]


class Pages:
    """One handler for each path."""

    def __init__(self, sources: Sources, base: str) -> None:
        """`base` is the path that every address begins with."""
        self._sources = sources
        self._decoding = asyncio.Semaphore(DECODERS_MAX)
        self._templates = environment(_HERE / "templates", f"{base}static")
        self._templates.filters["brief"] = brief
        self._templates.filters["size"] = size
        self._templates.filters["quote"] = quote
        self._templates.globals.update(
            base=base, Standing=Standing, standing_words=STANDING_WORDS, plural=plural
        )

    def _page(self, name: str, **views: Any) -> Response:
        """`name` is that of the template and of the place in the navigation."""
        html = self._templates.get_template(f"{name}.html").render(
            here=name,
            tag=self._tag(),
            health=view_health(self._sources),
            **views,
        )
        return HTMLResponse(html)

    def _tag(self) -> str:
        """Another one means another page."""
        return f'"{self._sources.version()}"'

    def unless_known(self, view: View) -> View:
        """Spares the script on the page, which asks all the time, the page that it shows already."""

        async def answer(request: Request) -> Response:
            if request.headers.get("if-none-match") == self._tag():
                return Response(status_code=304)
            return await view(request)

        return answer

    def _replay(self) -> Replay:
        """Raises 503, which shows how the node is, while there is no log to trust."""
        if self._sources.replay is None:
            raise HTTPException(503)
        return self._sources.replay

    async def overview(self, _: Request) -> Response:
        """The first look: what I gave, what I earned, what asks for my attention."""
        sources, replay = self._sources, self._replay()
        lines = await asyncio.to_thread(replay.own.lines)
        state = replay.follower.state
        return self._page(
            "overview",
            counts=replay.own.counts(),
            latest=latest(sources, replay, LATEST_ITEMS),
            earnings=view_earnings(sources, state, lines),
            reviews=view_reviews(sources, replay, lines),
            training=await self._training(replay),
        )

    async def items(self, request: Request) -> Response:
        """What I gave, by state."""
        try:
            wanted = request.query_params.get("state", "")
            standing = Standing(wanted) if wanted else None
        except ValueError:
            raise HTTPException(404) from None
        view = view_items(self._sources, self._replay(), standing, _page_number(request))
        return self._page("items", view=view)

    async def item(self, request: Request) -> Response:
        """One item, with how to withdraw it."""
        replay, item_id = self._replay(), _item_id(request)
        item = replay.follower.state.items.get(item_id)
        if item is None or item.author != self._sources.me:
            raise HTTPException(404)
        sources = self._sources
        texts: dict[str, str] = {}
        if item.status not in GONE:
            texts = await asyncio.to_thread(texts_of, sources.store, sources.blobs, item_id)
        [view] = describe(sources, replay, [item_id])
        return self._page("item", item=view, texts={} if not view.parts else texts)

    async def earnings(self, request: Request) -> Response:
        """What I earned, and why."""
        replay = self._replay()
        lines = await asyncio.to_thread(replay.own.lines)
        view = view_earnings(self._sources, replay.follower.state, lines, _page_number(request))
        return self._page("earnings", view=view)

    async def reviews(self, _: Request) -> Response:
        """What I reviewed, and how well."""
        replay = self._replay()
        lines = await asyncio.to_thread(replay.own.lines)
        return self._page("reviews", view=view_reviews(self._sources, replay, lines))

    async def training(self, _: Request) -> Response:
        """My jobs, and what they cost."""
        return self._page("training", view=await self._training(self._replay()))

    async def health(self, _: Request) -> Response:
        """The node; also while there is no log to trust."""
        return self._page("health")

    async def entry(self, request: Request) -> Response:
        """One entry of the log."""
        view = view_entry(self._sources, self._replay(), request.path_params["index"])
        if view is None:
            raise HTTPException(404)
        return self._page("entry", entry=view)

    async def picture(self, request: Request) -> Response:
        """A picture in an item of ours, unless that is gone: its file may still be here for a moment."""
        sources, item_id = self._sources, _item_id(request)
        item = self._replay().follower.state.items.get(item_id)
        if item is None or item.author != sources.me or item.status in GONE:
            raise HTTPException(404)
        async with self._decoding:
            picture = await asyncio.to_thread(
                picture_of, sources.store, sources.blobs, item_id, request.path_params["part"]
            )
        if picture is None:
            raise HTTPException(404)
        return Response(picture, media_type=PNG)

    async def error(self, _: Request, error: Exception) -> Response:
        """An error as a page with the way back; nothing of its cause but the number."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        page = self._page("error", status=status)
        page.status_code = status
        return page

    async def _training(self, replay: Replay) -> TrainingView:
        """A budget that cannot be read hides nothing else: the page says why."""
        state = replay.follower.state
        try:
            spending = await asyncio.to_thread(self._sources.read_spending)
        except CommonholdError as error:
            return view_training(self._sources, state, (), str(error))
        return view_training(self._sources, state, spending)


def _page_number(request: Request) -> int:
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(PAGE_NUMBER_MAX))):
        raise HTTPException(404)
    return int(text)


def _item_id(request: Request) -> bytes:
    text = request.path_params["item_id"]
    try:
        item_id = bytes.fromhex(text)
    except ValueError:
        raise HTTPException(404) from None
    if len(item_id) != HASH_BYTES:
        raise HTTPException(404)
    return item_id


def build_app(sources: Sources, known: Secrets, host: str) -> ASGIApp:
    """The application behind its gate; `host` is "127.0.0.1:PORT"."""
    pages = Pages(sources, known.path)
    views: dict[str, View] = {
        "/": pages.overview,
        "/items": pages.items,
        "/items/{item_id}": pages.item,
        "/earnings": pages.earnings,
        "/reviews": pages.reviews,
        "/training": pages.training,
        "/node": pages.health,
        "/log/{index:int}": pages.entry,
    }
    inside = [
        *(Route(path, pages.unless_known(view)) for path, view in views.items()),
        Route("/items/{item_id}/{part}/picture", pages.picture),
        Mount("/static", static_files(_HERE / "static")),
    ]
    app = Starlette(
        routes=[Mount(known.path.rstrip("/"), routes=inside)],
        exception_handlers={HTTPException: pages.error, 500: pages.error},
    )
    return SecurityHeaders(Gate(app, known, host, "commonhold node page"), _HEADERS)
