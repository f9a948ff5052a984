"""A server with the chat-completions API: says what it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", dict[str, Any]], None]
"""Writes the answer to one request."""


class Handler(BaseHTTPRequestHandler):
    """One connection; what it answers is for the test to say."""

    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = json.loads(body)
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.headers.append(dict(self.headers))
            self.server.asked.append(asked)
            at = min(len(self.server.asked), len(self.server.answers)) - 1
        self.server.answers[at](self, asked)

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


class Server(ThreadingHTTPServer):
    """Gives the answers in turn, and the last of them from then on."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.lock = threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()  # for those who never answer

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def argument(self) -> str:
        """What stands behind `chat:`."""
        return f"http://127.0.0.1:{self.port}/v1#tiny"

    def documents(self) -> list[dict[str, Any]]:
        """What the user's message of each request holds."""
        contents = [asked["messages"][1]["content"] for asked in self.asked]
        texts = [each if isinstance(each, str) else each[0]["text"] for each in contents]
        return [json.loads(text) for text in texts]

    def handle_error(self, request: object, client_address: object) -> None:
        return  # whoever asks may hang up


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """A running server, on loopback; ended with the block."""
    server = Server(*answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def saying(content: object) -> Answer:
    """The model says this: text, or an object as JSON."""
    words = content if isinstance(content, str) else json.dumps(content)

    def answer(handler: Handler, asked: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": words}
        reply = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
        handler.send(json.dumps(reply).encode(), content_type="application/json")

    return answer


def sending(body: bytes, status: int = 200, **headers: str) -> Answer:
    """These bytes."""
    return lambda handler, _: handler.send(body, status, **headers)


def never(handler: Handler, asked: dict[str, Any]) -> None:
    """Nothing, until the test is over."""
    handler.server.over.wait()


def dripping(handler: Handler, asked: dict[str, Any]) -> None:
    """A byte of a header now and then: no single read takes long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")


def flooding(handler: Handler, asked: dict[str, Any]) -> None:
    """Bytes without end."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(b" " * 65_536)
