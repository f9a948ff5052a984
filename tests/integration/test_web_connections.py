"""HTTP connections over real sockets: each limit, and what stays just below it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from commonground.web import connections
from commonground.web.connections import ANSWER_SECONDS, REQUEST_SECONDS, Visitors
from commonground.web.server import listening, serving

HALF = b"GET / HTTP/1.1\r\nhost: here\r\nx-more: "
WHOLE = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Answers "ok", once `open` is set."""

    def __init__(self, visitors: Visitors, port: int, clock: Clock) -> None:
        self.visitors, self.port, self.clock = visitors, port, clock
        self.open = asyncio.Event()
        self.open.set()
        self.answering = self.asked = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that the server has, after it has read `data`."""
        before = len(self.visitors), self.asked
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(data)
        await until(lambda: (len(self.visitors), self.asked) != before or reader.at_eof())
        return reader, writer


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(
    most: int, each: int, request_bytes_max: int = connections.REQUEST_BYTES_MAX
) -> AsyncIterator[Server]:
    clock = Clock()
    visitors = Visitors(most, each, clock, request_bytes_max)

    async def answer(_: Request) -> Response:
        here.asked += 1
        here.answering += 1
        await here.open.wait()
        here.answering -= 1
        return PlainTextResponse("ok")

    with listening("127.0.0.1", 0, "") as bound:
        here = Server(visitors, bound.getsockname()[1], clock)
        async with serving(Starlette(routes=[Route("/", answer)]), bound, visitors):
            yield here
            for writer in here.writers:
                writer.close()


async def ended(read: Awaitable[bytes]) -> bool:
    try:
        return await asyncio.wait_for(read, 10) == b""
    except ConnectionResetError:
        return True


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Reads to the end."""
    while await reader.read(1_024):
        pass
    return b""


async def answered(reader: asyncio.StreamReader) -> bool:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert await reader.readexactly(2) == b"ok"
    return head.startswith(b"HTTP/1.1 200")


async def test_no_answer_waits_for_an_acknowledgement() -> None:
    with (
        listening("127.0.0.1", 0, "") as bound,
        socket.create_connection(bound.getsockname()),
    ):
        taken, _ = bound.accept()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, taken)
        mine = transport.get_extra_info("socket")
        assert mine.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()


async def test_a_newcomer_takes_the_place_of_whoever_waited_longest() -> None:
    async with served(most=8, each=3) as server:
        first = await server.connect(HALF)
        server.clock.now = 1.0
        others = [await server.connect(HALF) for _ in range(2)]
        newcomer, _ = await server.connect(WHOLE)
        assert await answered(newcomer)
        assert await ended(first[0].read())
        for reader, writer in others:  # in time, and not too many: it may go on
            writer.write(b"x\r\n\r\n")
            assert await answered(reader)


async def test_a_server_that_is_full_takes_a_newcomer_at_once() -> None:
    async with served(most=3, each=8) as server:
        first, _ = await server.connect(HALF)
        server.clock.now = 1.0
        for _ in range(2):
            await server.connect(HALF)
        newcomer, _ = await server.connect(WHOLE)
        assert await answered(newcomer)
        assert await ended(first.read())
        assert len(server.visitors) == 3


async def test_who_is_being_answered_is_never_sent_away() -> None:
    async with served(most=2, each=2) as server:
        server.open.clear()
        busy = [await server.connect(WHOLE) for _ in range(2)]
        await until(lambda: server.answering == 2)
        refused, _ = await server.connect()
        assert await ended(refused.read())
        server.open.set()
        for reader, _ in busy:
            assert await answered(reader)


async def test_a_request_has_to_arrive_in_time() -> None:
    async with served(most=8, each=8) as server:
        reader, writer = await server.connect(HALF)
        server.clock.now = REQUEST_SECONDS
        server.visitors.end_late()
        writer.write(b"x\r\n\r\n")
        assert await answered(reader)
        writer.write(HALF)
        server.clock.now += REQUEST_SECONDS + 0.1
        server.visitors.end_late()
        assert await ended(reader.read())


async def test_an_answer_has_to_be_read_in_time() -> None:
    async with served(most=8, each=8) as server:
        server.open.clear()
        reader, _ = await server.connect(WHOLE)
        await until(lambda: server.answering == 1)
        server.clock.now = ANSWER_SECONDS
        server.visitors.end_late()
        assert len(server.visitors) == 1
        server.clock.now += 0.1
        server.visitors.end_late()
        assert await ended(reader.read())
        server.open.set()


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"POST / HTTP/1.1\r\n"])
async def test_a_request_is_small(begin: bytes) -> None:
    async with served(most=8, each=8, request_bytes_max=512) as server:
        reader, writer = await server.connect(HALF + b"x" * 400 + b"\r\n\r\n")
        assert await answered(reader)
        writer.write(HALF + b"x" * 400 + b"\r\n\r\n")  # the next one is counted anew
        assert await answered(reader)
        reader, _ = await server.connect(begin + b"x" * 600)
        assert await ended(reader.read())


async def test_a_body_that_never_ends_is_not_waited_for() -> None:
    async with served(most=8, each=8) as server:
        head = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n"
        reader, writer = await server.connect(head)
        assert b" 405 " in await asyncio.wait_for(reader.readline(), 10)
        server.clock.now = REQUEST_SECONDS + 0.1
        writer.write(b"x")
        server.visitors.end_late()
        assert await ended(rest_of(reader))


async def test_the_watch_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.01)
    async with served(most=8, each=8) as server:
        reader, _ = await server.connect(HALF)
        server.clock.now = 1_000.0
        assert await ended(reader.read())
