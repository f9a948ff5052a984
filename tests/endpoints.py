"""Endpoints that misbehave: a real HTTP server in front of a real chain, and a clock to wait with."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from contracts.endpoint import Clock


@dataclass(frozen=True)
class Reply:
    """What to answer in place of the chain. `promised`: the length to announce, if it is not the body's."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None


@dataclass(frozen=True)
class Result:
    """A result to answer in place of the chain's."""

    value: Any


@dataclass(frozen=True)
class Error:
    """A JSON-RPC error to answer, under an HTTP status."""

    code: int
    message: str
    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Reply | Result | Error
Rule = Callable[[str, list[Any]], Answer | None]


class Proxy:
    """Forwards requests to a chain, unless `rule` has an answer of its own."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.rule: Rule = lambda method, params: None
        self.seen: list[tuple[str, list[Any]]] = []
        self._client = httpx.Client(timeout=30, trust_env=False)

    def ask(self, method: str, *params: Any) -> Any:
        """Ask the chain itself; raise AssertionError where it answers with an error."""
        answer = self._forward({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert "error" not in answer, answer
        return answer["result"]

    def close(self) -> None:
        """Let go of the chain."""
        self._client.close()

    def asked(self, method: str) -> list[list[Any]]:
        """The parameters of all requests for a method so far."""
        return [params for each, params in self.seen if each == method]

    def answer(self, request: dict[str, Any]) -> Reply:
        """What one request gets."""
        method, params = request["method"], request["params"]
        self.seen.append((method, params))
        found = self.rule(method, params)
        if isinstance(found, Reply):
            return found
        head = {"jsonrpc": "2.0", "id": request["id"]}
        if isinstance(found, Error):
            error = {"code": found.code, "message": found.message, "data": found.data}
            return Reply(found.status, json.dumps(head | {"error": error}).encode(), found.headers)
        if isinstance(found, Result):
            return Reply(body=json.dumps(head | {"result": found.value}).encode())
        return Reply(body=json.dumps(self._forward(request)).encode())

    def _forward(self, request: Mapping[str, Any]) -> Any:
        return self._client.post(self.upstream, json=request).json()


@contextmanager
def misbehaving(upstream: str, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy on loopback; its `url` has no path, and it answers on every one."""
    proxy = Proxy(upstream)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # else each answer waits for the client to say that it got the head
        )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = proxy.answer(json.loads(body))
            length = len(reply.body) if reply.promised is None else reply.promised
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(length)} | dict(reply.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = length != len(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        proxy.url = f"http{'s' * (tls is not None)}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            proxy.close()


class HurriedClock(Clock):
    """Time passes by waiting alone, and at once. `meanwhile` is called with each pause, after it."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda _: None) -> None:
        self.meanwhile = meanwhile
        self.pauses: list[float] = []
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self.pauses.append(seconds)
        self.meanwhile(seconds)
