"""Those who flood a coordinator from one address, without a key: each goes on until it is cancelled.

For adversarial tests in small, and for `python -m benchmarks.flood` in a process of their own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any, Final

import grpc

from commonground.client import TLS_NAME
from protocol.limits import MESSAGE_BYTES_MAX
from protos.gen import api_pb2

# A client opens no more calls than this on one connection, whatever the server allows.
CALLS_PER_CONNECTION: Final = 100
_COORDINATOR: Final = "/commonhold.v1.Coordinator"
_AGAIN_SECONDS: Final = 0.05
_GIVE_UP: Final = (OSError, EOFError, grpc.RpcError, ssl.SSLError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Target:
    """A coordinator on loopback."""

    grpc_port: int
    http_port: int
    certificate: bytes  # PEM

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own, opened when it is used first."""
        options = [
            ("grpc.ssl_target_name_override", TLS_NAME),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        trust = grpc.ssl_channel_credentials(self.certificate)
        return grpc.aio.secure_channel(f"127.0.0.1:{self.grpc_port}", trust, options=options)


async def _again_and_again(act: Callable[[], Awaitable[object]]) -> None:
    """For ever, however it ends."""
    while True:
        with suppress(*_GIVE_UP):
            await act()
        await asyncio.sleep(_AGAIN_SECONDS)


async def hold_connections(target: Target, count: int) -> None:
    """TLS connections on which nothing is asked."""
    context = ssl.create_default_context(cadata=target.certificate.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])

    async def hold() -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", target.grpc_port, ssl=context, ssl_handshake_timeout=60
        )
        try:
            while await reader.read(4_096):
                pass
        finally:
            writer.close()

    await asyncio.gather(*(_again_and_again(hold) for _ in range(count)))


async def call_without_end(target: Target, count: int) -> None:
    """So many calls of every kind under way at any time."""
    junk = api_pb2.AppendRequest(envelope=b"junk").SerializeToString()
    known = api_pb2.LookupRequest(keys=[b"k" * 32]).SerializeToString()
    kinds = cycle(
        [
            (f"{_COORDINATOR}/Lookup", known),
            (f"{_COORDINATOR}/Append", junk),
            (f"{_COORDINATOR}/Nothing", b""),
            ("/grpc.health.v1.Health/Check", b""),
            ("/grpc.health.v1.Health/Watch", b""),
        ]
    )
    channels = cycle([target.channel() for _ in range(-(-count // CALLS_PER_CONNECTION))])

    def calling(channel: Any, path: str, message: bytes) -> Callable[[], Awaitable[object]]:
        return partial(channel.unary_unary(path), message)

    await asyncio.gather(
        *(
            _again_and_again(calling(channel, *kind))
            for channel, kind in islice(zip(channels, kinds, strict=False), count)
        )
    )


async def begin_calls(target: Target, count: int) -> None:
    """Calls whose message never comes."""
    channels = cycle([target.channel() for _ in range(-(-count // CALLS_PER_CONNECTION))])

    async def begin(channel: Any) -> None:
        await channel.stream_unary(f"{_COORDINATOR}/Append")()

    await asyncio.gather(
        *(_again_and_again(partial(begin, each)) for each in islice(channels, count))
    )


async def follow_unread(target: Target, count: int) -> None:
    """Streams of the whole log that nobody reads."""
    channels = cycle([target.channel() for _ in range(10)])

    async def follow(channel: Any) -> None:
        await channel.unary_stream(f"{_COORDINATOR}/Follow")(b"").code()

    await asyncio.gather(
        *(_again_and_again(partial(follow, each)) for each in islice(channels, count))
    )


async def begin_requests(target: Target, count: int) -> None:
    """HTTP requests that never end."""

    async def begin() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.http_port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: here\r\nx: ")
            while not reader.at_eof():
                writer.write(b"x")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 1)
        finally:
            writer.close()

    await asyncio.gather(*(_again_and_again(begin) for _ in range(count)))


async def fetch_unread(target: Target, count: int, path: str) -> None:
    """Files over HTTP that nobody reads."""

    async def fetch() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", target.http_port, limit=1_024)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
            await asyncio.Event().wait()  # the reader takes its limit, and no more
        finally:
            writer.close()

    await asyncio.gather(*(_again_and_again(fetch) for _ in range(count)))


async def send_messages(target: Target, count: int) -> None:
    """Messages of the largest size: full of nothing, a little larger, or with leaves of no record."""
    empty = b"\x1a\x00" * (MESSAGE_BYTES_MAX // 2)
    leaves = api_pb2.AppendRequest(envelope=b"junk", leaves=[bytes(10_000)] * 800)

    async def send(channel: Any, message: bytes) -> None:
        await channel.unary_unary(f"{_COORDINATOR}/Append")(message)

    messages = islice(cycle([empty, empty + b"\x1a\x00", leaves.SerializeToString()]), count)
    await asyncio.gather(
        *(_again_and_again(partial(send, target.channel(), each)) for each in messages)
    )
