"""Who may see and change the review from a phone: the one that its owner let in by a code (pairing.py).

On this machine the gate is the one of every page of one's own (commonground/web/gate.py). This one stands on
the local network, so it is reached by TLS only, its door is a form for the code, and its cookie is another
one, which the owner can make worthless at any time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from commonground.web.gate import COOKIE, Gate, Secrets, cookies_of
from commonground.web.pages import environment
from node.reviewpage.pairing import Pairing

_HERE: Final = Path(__file__).parent
DOOR: Final = "/"  # an address that can be typed
_LOOKS: Final = "/static/"  # of the door's page, too
# Where a person may be led to the door; what scripts ask for is refused.
_PAGES: Final = frozenset({"", "item", "answers"})
# A code with blanks between its digits, as a form has it.
_FORM_BYTES_MAX: Final = 256
# A phone's browser keeps its cookie between two sittings.
PHONE_SECONDS: Final = 30 * 24 * 3_600
_COMMAND: Final = "commonhold node review --web --phone"


class PhoneGate(Gate):
    """Lets the phone in that knows the code, and after that the one that has its cookie."""

    def __init__(self, app: ASGIApp, known: Secrets, host: str, pairing: Pairing) -> None:
        """`host` is "ADDRESS:PORT"."""
        super().__init__(app, known, host, _COMMAND, takes_forms=True)
        self._pairing = pairing
        self._templates = environment(_HERE / "templates", _LOOKS.rstrip("/"))

    @property
    def _origin(self) -> str:
        return f"https://{self._host}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._refusal(scope) or await self._welcome(Request(scope, receive))
        await (answer or self._app)(scope, receive, send)

    async def _welcome(self, request: Request) -> Response | None:
        """The door, or a refusal; None for the phone."""
        path, inside = request.url.path, self._known.path
        is_inside = path.startswith(inside)
        is_phone = is_inside and any(map(self._pairing.opens, cookies_of(request.scope)))
        if is_phone or path.startswith(_LOOKS):
            return None
        if path == DOOR:
            return await self._enter(request) if request.method == "POST" else self._door()
        if is_inside and path.removeprefix(inside).partition("/")[0] not in _PAGES:
            return PlainTextResponse("this phone is not let in\n", 401)
        return RedirectResponse(DOOR, 303)

    async def _enter(self, request: Request) -> Response:
        """The cookie, for the code."""
        cookie = self._pairing.take(await _code(request))
        if cookie is None:
            return self._door(403)
        answer = RedirectResponse(self._known.path, 303)
        answer.set_cookie(
            *(COOKIE, cookie, PHONE_SECONDS),
            path=self._known.path,
            secure=True,
            httponly=True,
            samesite="strict",
        )
        return answer

    def _door(self, code: int = 200) -> Response:
        page = self._templates.get_template("door.html").render(
            here="door",
            base=DOOR,
            csrf="",
            phone=False,
            node="",
            before=0,
            is_wrong=code != 200,
            waits=self._pairing.waits,
            fingerprint=self._pairing.fingerprint,
        )
        return HTMLResponse(page, code)


async def _code(request: Request) -> str:
    """What was typed at the door; empty for anything that its form does not send."""
    sent = b""
    try:
        async for chunk in request.stream():
            sent += chunk
            if len(sent) > _FORM_BYTES_MAX:
                return ""
        return parse_qs(sent.decode(), max_num_fields=2).get("code", [""])[0]
    except (ValueError, ClientDisconnect):
        return ""
