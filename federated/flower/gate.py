"""What stands before Flower's server: which API a port has, what is read of a request, who waits for what.

    doors     partners get the Fleet API and nothing else; Control wants a secret
    bells     whoever asks for messages in vain is answered when there is something, so that nobody polls
    takeover  of two processes with one transport key the newer one is the partner; the older is told why

Flower leases a partner its place for a minute, and takes a process that was killed for alive until then.
Here a process that connects takes the place at once: it has proven that it holds the key.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final

from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federated.flower.layout import BODY_BYTES_MAX, PROCESS_HEADER, SECRET_HEADER

FLEET: Final = "/v1/fleet/"
CONTROL: Final = "/v1/control/"
RUNTIME: Final = "/v1/runtime/"
# A partner that waits asks again within Flower's own 30 s, and notices by then that the job is over.
PARTNER_HOLD_SECONDS: Final = 5.0
# The ServerApp has deadlines to keep.
SERVER_HOLD_SECONDS: Final = 0.5
# Of 256 partners each has one request that waits; beyond these nobody is made to wait.
HELD_MAX: Final = 1_024
# A name of a process is half as long.
PROCESS_BYTES_MAX: Final = 64

_ACTIVATE: Final = FLEET + "activate-node"
_PULLS: Final = {
    FLEET + "pull-messages": PARTNER_HOLD_SECONDS,
    RUNTIME + "pull-messages": SERVER_HOLD_SECONDS,
}
_PUTS: Final = ("push-messages", "push-object", "activate-node", "deactivate-node")


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
        if scope["server"][1] == self._fleet_port and not path.startswith(FLEET):
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
        hold_seconds = _PULLS.get(path, 0.0)
        rung = self._bells[FLEET if path.startswith(FLEET) else RUNTIME].next()
        answer = _Answer(send, hold_seconds > 0)
        await self._app(scope, receive, answer)
        if answer.status != 200:
            await answer.release()
            return
        if path == _ACTIVATE:
            key, process = _claim(headers)
            self._processes[key] = process
        if answer.is_empty and self._held < HELD_MAX:
            self._held += 1
            try:
                async with asyncio.timeout(hold_seconds):
                    await rung.wait()
            except (TimeoutError, asyncio.CancelledError):
                pass  # the server ends, and answers what it still has
            finally:
                self._held -= 1
        await answer.release()
        side, _, call = path.rpartition("/")
        if call in _PUTS:
            self._bells[RUNTIME if side + "/" == FLEET else FLEET].ring()


class _Answer:
    """Flower's answer on its way; one to a question for messages is kept back until `release`."""

    def __init__(self, send: Send, is_kept: bool) -> None:
        self._send, self._is_kept = send, is_kept
        self._kept: list[Message] = []
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if self._is_kept:
            self._kept.append(message)
        else:
            await self._send(message)

    @property
    def is_empty(self) -> bool:
        """Whether it was kept and holds no message: a Protobuf message without a field has no bytes."""
        return self._is_kept and not any(each.get("body") for each in self._kept)

    async def release(self) -> None:
        """Sends what was kept back."""
        kept, self._kept = self._kept, []
        for message in kept:
            await self._send(message)


def _claim(headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """The transport key that a request names, and the process that it says it is of."""
    key = headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER.encode().lower(), b"")
    return key, headers.get(PROCESS_HEADER.encode(), b"")[:PROCESS_BYTES_MAX]
