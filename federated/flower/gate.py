"""What stands before Flower's server: which API a port has, what is read of a request, who waits for what.

    doors     partners get the Fleet API and nothing else; Control wants a secret
    bells     whoever asks for messages in vain is answered when there are some, so that nobody polls
    takeover  of two processes with one transport key the newer one is the partner; the older is told why

Flower leases a partner its place for a minute, and takes a process that was killed for alive until then.
Here a process that connects takes the place at once: it has proven that it holds the key.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from typing import Final

from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federated.flower.layout import (
    BODY_BYTES_MAX,
    FLEET,
    FLEET_GIVE,
    FLEET_TAKE,
    PROCESS_HEADER,
    RUNTIME,
    RUNTIME_GIVE,
    RUNTIME_TAKE,
    SECRET_HEADER,
)

CONTROL: Final = "/v1/control/"
# A partner that waits asks again within Flower's own 30 s, and notices by then that the job is over.
PARTNER_HOLD_SECONDS: Final = 5.0
# The ServerApp has deadlines to keep.
SERVER_HOLD_SECONDS: Final = 0.5
# Of 256 partners each has one request that waits; beyond these nobody is made to wait.
HELD_MAX: Final = 1_024
# A name of a process is half as long.
PROCESS_BYTES_MAX: Final = 64

_ACTIVATE: Final = FLEET + "activate-node"
_TAKES: Final = {FLEET_TAKE: PARTNER_HOLD_SECONDS, RUNTIME_TAKE: SERVER_HOLD_SECONDS}
_GIVES: Final = (FLEET_GIVE, RUNTIME_GIVE, _ACTIVATE, FLEET + "deactivate-node")
# Flower's own calls that move messages in pieces, of which nobody makes use here.
_IN_PIECES: Final = (
    *("pull-messages", "push-messages", "pull-object", "push-object"),
    "confirm-message-received",
)


class Bell:
    """Rings when one side has put something down for the other."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wakes all who wait."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    def next(self) -> asyncio.Event:
        """What is set at the next ring; taken before one looks, nothing is missed in between."""
        return self._rung


class Gate:
    """An ASGI app around Flower's."""

    def __init__(
        self, app: ASGIApp, fleet_port: int, secret: str, body_bytes_max: int = BODY_BYTES_MAX
    ) -> None:
        self._app, self._fleet_port, self._secret = app, fleet_port, secret
        self._body_bytes_max = body_bytes_max
        self._bells = {FLEET: Bell(), RUNTIME: Bell()}  # by who waits for it
        self._processes: dict[bytes, bytes] = {}  # by admitted key: who proved last to hold it
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is not allowed; all else goes on to Flower."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = dict(scope["headers"])
            refused = self._refusal(scope, headers)
            if refused is not None:
                await refused(scope, receive, send)
            else:
                await self._pass(scope, headers, receive, send)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> PlainTextResponse | None:
        path: str = scope["path"]
        is_outside = scope["server"][1] == self._fleet_port and not path.startswith(FLEET)
        if is_outside or path.rpartition("/")[2] in _IN_PIECES:
            return PlainTextResponse("not found", 404)
        if path.startswith(CONTROL):
            given = headers.get(SECRET_HEADER.encode(), b"")
            if not hmac.compare_digest(given, self._secret.encode()):
                return PlainTextResponse("forbidden", 403)
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit():
            return PlainTextResponse("a request says how long it is", 411)
        if int(length) > self._body_bytes_max:
            return PlainTextResponse("too large", 413)
        if path.startswith(FLEET) and path != _ACTIVATE and self._is_superseded(headers):
            return PlainTextResponse("another process has taken this partner's place", 409)
        return None

    def _is_superseded(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a newer process holds the key. Who lies about it is refused by Flower, or by us."""
        key, process = _claim(headers)
        return self._processes.get(key, process) != process

    async def _pass(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        path: str = scope["path"]
        if path in _TAKES:
            await self._take(scope, headers, receive, send)
            return
        answer = _Answer(send)
        await self._app(scope, receive, answer)
        if answer.status != 200:
            return
        if path == _ACTIVATE:
            key, process = _claim(headers)
            self._processes[key] = process
        if path in _GIVES:
            self._bells[RUNTIME if path.startswith(FLEET) else FLEET].ring()
            if path == _ACTIVATE:  # an older process that waits is told
                self._bells[FLEET].ring()

    async def _take(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Asks again at each ring, until there is something or the time is up."""
        path: str = scope["path"]
        deadline = time.monotonic() + _TAKES[path]
        bell = self._bells[FLEET if path.startswith(FLEET) else RUNTIME]
        body = await Request(scope, receive).body()

        async def again() -> Message:
            return {"type": "http.request", "body": body}

        while True:
            rung, answer = bell.next(), _Answer()
            await self._app(scope, again, answer)
            if not answer.is_empty or not await self._wait(rung, deadline):
                await answer.release(send)
                return
            refused = self._refusal(scope, headers)  # its place may be another's by now
            if refused is not None:
                await refused(scope, receive, send)
                return
            if await Request(scope, receive).is_disconnected():
                return  # whoever is gone takes nothing with him

    async def _wait(self, rung: asyncio.Event, deadline: float) -> bool:
        """Whether the bell rings in time; nobody waits where too many do, or when the server ends."""
        if self._held >= HELD_MAX:
            return False
        self._held += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await rung.wait()
        except (TimeoutError, asyncio.CancelledError):
            return False
        finally:
            self._held -= 1
        return True


class _Answer:
    """An answer on its way: sent on, or where nobody is given kept back until `release`."""

    def __init__(self, send: Send | None = None) -> None:
        self._send = send
        self._kept: list[Message] = []
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if self._send is None:
            self._kept.append(message)
        else:
            await self._send(message)

    @property
    def is_empty(self) -> bool:
        """Whether it says that there is nothing: a parcel without a message has no bytes."""
        return self.status == 200 and not any(each.get("body") for each in self._kept)

    async def release(self, send: Send) -> None:
        """Sends what was kept back."""
        for message in self._kept:
            await send(message)


def _claim(headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """The transport key that a request names, and the process that it says it is of."""
    key = headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER.encode().lower(), b"")
    return key, headers.get(PROCESS_HEADER.encode(), b"")[:PROCESS_BYTES_MAX]
