"""The addresses of a served model.

    GET  /          what it is: title, labels, what it takes, licence, what it cost in privacy
    POST /predict   {"inputs": [example, …]} or {"rows": [{column: value}, …]} -> scores, labels, sureness
    GET  /health    whether it answers
    GET  /metrics   counts, for Prometheus

One request is computed at a time, on one core; some wait, and more than those are told to come again. Pages
of other sites cannot ask: they may not send JSON here, and a name that leads here from elsewhere is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from commonground.web.headers import SecurityHeaders
from federated.onnx_run import Model
from federated.serving.asked import BODY_BYTES_MAX, NO_ROWS, Refused, answer, examples_in
from federated.serving.counts import Counts
from federated.serving.rows import Rows

# Who waits behind so many would wait for seconds.
WAITING_MAX: Final = 32
_JSON: Final = "application/json"
_OWN: Final = {"cache-control": "no-store"}

Answer = Callable[[Request], Awaitable[Response]]


class Served:
    """One model, and who waits for it."""

    def __init__(
        self,
        model: Model,
        description: dict[str, Any],
        counts: Counts,
        rows: Rows | str = NO_ROWS,
    ) -> None:
        """`rows` makes examples of rows, or says why it cannot."""
        self._model, self._description, self._counts = model, description, counts
        self._rows = rows
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def describe(self, _: Request) -> Response:
        """What it is."""
        return JSONResponse(self._description)

    async def health(self, _: Request) -> Response:
        """That it answers."""
        return JSONResponse({"status": "ok"})

    async def metrics(self, _: Request) -> Response:
        """What it has done."""
        return PlainTextResponse(self._counts.text())

    async def predict(self, request: Request) -> Response:
        """What it says of examples."""
        body = await _body(request)
        if self._waiting >= WAITING_MAX:
            raise Refused(503, "too many wait already", "ask again in a second")
        self._waiting += 1
        try:
            async with self._turn:
                told, seconds = await asyncio.to_thread(self._answered, body)
        finally:
            self._waiting -= 1
        self._counts.count(200, seconds, len(told["scores"]))
        self._counts.say(told.get("labels", ()))
        return JSONResponse(told)

    def _answered(self, body: bytes) -> tuple[dict[str, Any], float]:
        """What is told of a request's examples, and the seconds that the model took. To read a megabyte of
        digits takes far longer than that, or features of long texts, so it waits for its turn as well."""
        examples = examples_in(body, self._model.takes, self._rows)
        start = time.perf_counter()
        scores = self._model.scores(examples)
        return answer(scores, self._model.labels), time.perf_counter() - start

    def refuse(self, error: Refused) -> Response:
        """The answer to what cannot be answered."""
        self._counts.count(error.status)
        headers = {"retry-after": "1"} if error.status == 503 else None
        told = {"error": error.error, "advice": error.advice}
        return JSONResponse(told, error.status, headers)


async def _body(request: Request) -> bytes:
    """The whole request. Raises Refused before it is read where it says that it is too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise Refused(415, f"the content type is {kind or 'missing'}", f"send {_JSON}")
    said = request.headers.get("content-length", "")
    large = Refused(
        413, "the request is too large", f"send at most {BODY_BYTES_MAX:,} bytes at once"
    )
    if said.isdecimal() and int(said) > BODY_BYTES_MAX:
        raise large
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                raise large
    except ClientDisconnect as error:
        raise Refused(400, "the request ended early", "send it again") from error
    return bytes(body)


def build_app(served: Served, hosts: frozenset[str]) -> SecurityHeaders:
    """The application, for requests whose Host is one of `hosts`."""

    def guarded(found: Answer) -> Answer:
        async def answered(request: Request) -> Response:
            try:
                if request.headers.get("host", "").lower() not in hosts:
                    raise Refused(421, "this address is another's", f"ask {min(hosts)}")
                return await found(request)
            except Refused as error:
                return served.refuse(error)

        return answered

    async def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return served.refuse(
            Refused(status, f"there is no {request.method} {request.url.path}", "see GET /")
        )

    async def failed(_: Request, __: Exception) -> Response:
        return served.refuse(
            Refused(500, "the model failed", "see the log of the command that serves it")
        )

    routes = [
        Route("/", guarded(served.describe)),
        Route("/predict", guarded(served.predict), methods=["POST"]),
        Route("/health", guarded(served.health)),
        Route("/metrics", guarded(served.metrics)),
    ]
    handlers: Any = {404: missing, 405: missing, 500: failed}
    return SecurityHeaders(Starlette(routes=routes, exception_handlers=handlers), _OWN)
