"""Who may see a page of one's own: its owner's browser, and nobody else on the machine or the web.

    address   http://127.0.0.1:PORT/ROOM/?token=TOKEN: printed for the owner, 0600 on disk
    entry     the token is exchanged for a cookie, and the browser is sent on without it
    after     every request shows the cookie

Another user of the machine can connect, and knows neither token nor cookie. Cookies ignore ports: a
server of that user's, on this same 127.0.0.1, would be sent ours. So the cookie belongs to a path that
nobody can guess, ROOM. A web site has no way in either: its requests carry no SameSite=Strict cookie,
say where they come from (Fetch Metadata, Origin), and name another host where DNS was made to point here.
A page that changes things has a fourth secret: its forms carry it, and `sent_form` takes no other ones.

All secrets are fresh at each start, so that an old address opens nothing.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_BYTES: Final = 32
ROOM_BYTES: Final = 16
COOKIE: Final = "commonhold"
# The largest form has a field for each item on its page, and some of its own.
FIELDS_MAX: Final = 500
TOKEN_FIELD: Final = "token"  # noqa: S105
FORM_FIELD: Final = "form"

_READS: Final = frozenset({"GET", "HEAD"})
_WRITES: Final = _READS | {"POST"}
# What a browser says of a request that another site, or another port of this host, made it send.
STRANGERS: Final = frozenset({"cross-site", "same-site"})


def _secret(size: int) -> str:
    return secrets.token_hex(size)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What opens the page during one life of its process. Never printed but in its address."""

    room: str = field(default_factory=lambda: _secret(ROOM_BYTES), repr=False)
    token: str = field(default_factory=lambda: _secret(TOKEN_BYTES), repr=False)
    cookie: str = field(default_factory=lambda: _secret(TOKEN_BYTES), repr=False)
    form: str = field(default_factory=lambda: _secret(TOKEN_BYTES), repr=False)

    @property
    def path(self) -> str:
        """Where the page is; ends with a slash."""
        return f"/{self.room}/"

    def url(self, port: int) -> str:
        """The address that lets its reader in."""
        return f"http://127.0.0.1:{port}{self.path}?{TOKEN_FIELD}={self.token}"


class Gate:
    """Lets requests to `app` pass when they are the owner's."""

    def __init__(
        self, app: ASGIApp, known: Secrets, host: str, command: str, *, takes_forms: bool = False
    ) -> None:
        """`host` is the only Host that is served, "127.0.0.1:PORT"; `command` prints the page's address."""
        self._app, self._known, self._host, self._command = app, known, host, command
        self._methods = _WRITES if takes_forms else _READS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._refusal(scope) or self._entry(scope)
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host") != self._host:
            return PlainTextResponse("this is not the host that you asked for\n", 421)
        if scope["method"] not in self._methods:
            allowed = ", ".join(sorted(self._methods))
            return PlainTextResponse(f"only {allowed}\n", 405, headers={"allow": allowed})
        # A browser names the origin of every form that it sends, and of no page that it only asks for.
        origin = headers.get("origin", "" if scope["method"] == "POST" else self._origin)
        if headers.get("sec-fetch-site") in STRANGERS or origin != self._origin:
            return PlainTextResponse("not for other sites\n", 403)
        return None

    @property
    def _origin(self) -> str:
        return f"http://{self._host}"

    def _entry(self, scope: Scope) -> Response | None:
        """The exchange of the token, or a refusal; None for who has the cookie."""
        known = self._known
        at_door = scope["path"] == known.path
        token = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN_FIELD, [""])[0]
        if at_door and same(token, known.token):
            answer = RedirectResponse(known.path, 303)
            answer.set_cookie(
                COOKIE, known.cookie, path=known.path, httponly=True, samesite="strict"
            )
            return answer
        inside = scope["path"].startswith(known.path)
        shown = any(same(each, known.cookie) for each in cookies_of(scope))
        if inside and not token and shown:
            return None
        return PlainTextResponse(
            f"This page is its owner's. `{self._command}` prints the address that opens it.\n", 403
        )


def cookies_of(scope: Scope) -> list[str]:
    """The values of our cookie that a request shows, among those of whoever else serves on this address:
    theirs may be of any shape, and of the same name."""
    shown = ";".join(Headers(scope=scope).getlist("cookie")).split(";")
    pairs = (each.strip().partition("=") for each in shown)
    return [value for name, _, value in pairs if name == COOKIE]


def same(given: str, known: str) -> bool:
    """Whether they are the same, in a time that does not tell how far."""
    return hmac.compare_digest(given.encode(), known.encode())


async def sent_form(request: Request, known: Secrets, *, files_max: int = 0) -> FormData:
    """The form that a page of ours sent.

    Raises HTTPException: 403, it is not of our page; 400, it is no form, or has too much in it.
    """
    form = await request.form(max_files=files_max, max_fields=FIELDS_MAX)
    given = form.get(FORM_FIELD)
    if not (isinstance(given, str) and same(given, known.form)):
        raise HTTPException(403)
    return form
