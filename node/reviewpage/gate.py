"""Who may see and change the review: its owner's browser, or the phone that they let in, and no web site.

As the contributor's page (node/page/gate.py), and beyond it, since this page takes answers: a change comes
from this very origin (Origin), and shows a secret that only our pages hold (`Session.csrf`). So no form and
no script of another site can make one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from node.page.gate import COOKIE, STRANGERS, TOKEN_FIELD, Secrets, cookie_of, same

_METHODS: Final = frozenset({"GET", "HEAD", "POST"})

_CLOSED: Final = (
    "This page is its owner's. `commonhold node review --web` prints the address that opens it.\n"
)

Door = Callable[[Request], Awaitable[Response | None]]
"""Answers whoever has no cookie; None: it is not their door."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """One way in: the only origin that is served, "http://127.0.0.1:PORT", and who may enter."""

    origin: str
    opens: Callable[[str], bool]  # whether a cookie does
    door: Door


class Gate:
    """Lets requests to `app` pass when they come through the entrance, and show a cookie."""

    def __init__(self, app: ASGIApp, path: str, entrance: Entrance) -> None:
        """All pages are below `path`."""
        self._app, self._path, self._entrance = app, path, entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._refusal(scope)
        if answer is None and not self._is_known(scope):
            answer = await self._entrance.door(Request(scope, receive)) or PlainTextResponse(
                _CLOSED, 403
            )
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, origin = Headers(scope=scope), self._entrance.origin
        if headers.get("host") != origin.partition("://")[2]:
            return PlainTextResponse("this is not the host that you asked for\n", 421)
        if scope["method"] not in _METHODS:
            return PlainTextResponse("only GET and POST\n", 405, headers={"allow": "GET, POST"})
        if headers.get("sec-fetch-site") in STRANGERS:
            return PlainTextResponse("not for other sites\n", 403)
        if scope["method"] == "POST" and headers.get("origin") != origin:
            return PlainTextResponse("not for other sites\n", 403)
        return None

    def _is_known(self, scope: Scope) -> bool:
        has_token = f"{TOKEN_FIELD}=".encode() in scope["query_string"]
        inside = scope["path"].startswith(self._path) and not has_token
        return inside and self._entrance.opens(cookie_of(scope))


def door_of(known: Secrets) -> Door:
    """The exchange of the token for a cookie, after which the browser is sent on without it."""

    async def door(request: Request) -> Response | None:
        token = request.query_params.get(TOKEN_FIELD, "")
        if request.url.path != known.path or not same(token, known.token):
            return None
        answer = RedirectResponse(known.path, 303)
        answer.set_cookie(COOKIE, known.cookie, path=known.path, httponly=True, samesite="strict")
        return answer

    return door
