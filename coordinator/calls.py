"""What all calls of the API share: who may call now, a message of bounded size, a status, a count.

To gRPC every call is a stream of requests, whatever it is to a client: so it is counted before its message
is read, and one that sends no message ends after a while. Messages arrive as bytes and are parsed here: a
peer who sends junk is then answered and charged like one who breaks a rule, instead of filling the log with
traces. What is not small is counted before it is parsed, and parsed beside the event loop.

A method that nobody has is refused in the same way, so that no call is free.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any, Final, Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from commonground.status import Busy, NoMethod, details_of, metadata_of, status_of
from coordinator.connections import Connection, Connections
from coordinator.metrics import Metrics
from coordinator.traffic import Traffic
from protocol.errors import CommonholdError, Reject
from protocol.log.strict import require_few_fields

_log = logging.getLogger(__name__)

Q = TypeVar("Q")
M = TypeVar("M", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

# An append may have to wait for a verdict over a full round, which takes seconds; a client that
# waited longer has given up and retries.
CALL_SECONDS_MAX: Final = 60.0
# Parsed in a moment, whatever they hold; larger ones would hold up the event loop.
INLINE_BYTES_MAX: Final = 16 * 1024
# Parsing holds the interpreter's lock: more threads than this gain nothing, and each needs memory.
PARSER_THREADS: Final = 2
# A refused call stays in a cycle of gRPC's, and with it what has come of its message, up to 8 MiB. Seldom as
# the collector looks (commonground.collecting), many would be held; looking at what is new is quick.
REFUSED_PER_LOOK: Final = 8
LOOKS_PER_LONGER: Final = 8  # which takes along those that were still under way
_UNKNOWN: Final = "unknown"  # in metrics: what a stranger calls it is not ours to repeat


@dataclass(frozen=True, slots=True)
class Method(Generic[Q]):
    """How one method reads its message: at most `bytes_max`, and what `parse` makes of it or refuses."""

    name: str
    bytes_max: int
    parse: Callable[[bytes], Q]


class Calls(grpc.GenericRpcHandler):
    """The handlers of all methods; give it to `Server.add_generic_rpc_handlers`."""

    def __init__(self, connections: Connections, traffic: Traffic, metrics: Metrics) -> None:
        self._connections, self._traffic, self._metrics = connections, traffic, metrics
        self._parsers = ThreadPoolExecutor(PARSER_THREADS, "parser")
        self._refused = 0
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._unknown: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
            self._refuse_unknown
        )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of any method."""
        return self._handlers.get(handler_call_details.method, self._unknown)

    def answer(
        self,
        service: str,
        method: Method[Q],
        handle: Callable[[Q, Connection], Awaitable[Message]],
    ) -> None:
        """Has `handle` answer a method that has one message and one answer."""

        async def call(_: object, context: Context) -> bytes:
            async with self._guarded(method.name, context) as connection:
                with self._traffic.calling(connection):
                    async with self._reading(method, connection, context) as request:
                        async with asyncio.timeout(CALL_SECONDS_MAX):
                            return (await handle(request, connection)).SerializeToString()
            raise AssertionError("an aborted call goes on")

        self._handlers[f"/{service}/{method.name}"] = grpc.stream_unary_rpc_method_handler(call)

    def stream(
        self,
        service: str,
        method: Method[Q],
        pages: Callable[[Q, Connection, Callable[[bytes], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        """Has `pages` answer a method with one message and many answers, each as its bytes.

        It gets a function that sends one, and returns when the other side has taken it.
        """

        async def call(_: object, context: Context) -> None:
            async with self._guarded(method.name, context) as connection:
                with self._traffic.calling(connection):
                    async with self._reading(method, connection, context) as request:
                        pass
                with self._traffic.streaming(connection):
                    await pages(request, connection, context.write)

        self._handlers[f"/{service}/{method.name}"] = grpc.stream_stream_rpc_method_handler(call)

    def counted(
        self,
        path: str,
        talk: Callable[[Any, Any], AsyncIterator[Any]],
        request_type: type[Message],
    ) -> None:
        """Has a library's `talk` answer a method; a conversation lasts no longer than a call may."""

        async def call(requests: Any, context: Context) -> AsyncIterator[Any]:
            async with self._guarded(path.rpartition("/")[2], context) as connection:
                with self._traffic.calling(connection):
                    async with asyncio.timeout(CALL_SECONDS_MAX):
                        async for each in talk(requests, context):
                            yield each

        self._handlers[path] = grpc.stream_stream_rpc_method_handler(
            call, request_type.FromString, lambda answer: answer.SerializeToString()
        )

    @asynccontextmanager
    async def _reading(
        self, method: Method[Q], connection: Connection, context: Context
    ) -> AsyncIterator[Q]:
        messages: list[bytes] = []

        async def read() -> int:
            received = await context.read()
            if not isinstance(received, bytes):
                raise Reject("the call has no message, or one that is too large")
            if len(received) > method.bytes_max:
                raise Reject(f"a {method.name} has at most {method.bytes_max:,} bytes")
            messages.append(received)
            return len(received)

        async with self._traffic.message(connection, read):
            yield await self._parsed(method, messages)

    async def _parsed(self, method: Method[Q], messages: list[bytes]) -> Q:
        """What the message says, which is taken from the list: nothing else shall keep its bytes."""
        if len(messages[0]) <= INLINE_BYTES_MAX:
            return method.parse(messages.pop())
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parsers, method.parse, messages.pop())

    @asynccontextmanager
    async def _guarded(self, method: str, context: Context) -> AsyncIterator[Connection]:
        """Counts the call, and turns what it raises into a status."""
        connection, code = self._connections.of(context.peer()), grpc.StatusCode.OK
        try:
            yield connection
        except CommonholdError as error:
            _forget_frames(error)
            self._collect_refused()
            if isinstance(error, Reject):
                self._traffic.penalise(connection)
            if isinstance(error, Busy):
                connection.refused += 1
                self._metrics.refused.labels(error.limit).inc()
            code = status_of(error)
            await context.abort(code, details_of(error), metadata_of(error))
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            self._metrics.refused.labels("time").inc()
            slow = Busy("it has not come to this call in time; the same call may be repeated")
            await context.abort(code, details_of(slow), metadata_of(slow))
        except (
            asyncio.CancelledError
        ):  # the client has gone; what it appended is logged all the same
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            _log.exception("%s failed", method)
            await context.abort(code, "internal error; the operator's log has the details")
        finally:
            self._metrics.calls.labels(method, code.name).inc()

    def _collect_refused(self) -> None:
        self._refused += 1
        if self._refused % REFUSED_PER_LOOK == 0:
            gc.collect(int(self._refused % (REFUSED_PER_LOOK * LOOKS_PER_LONGER) == 0))

    async def _refuse_unknown(self, _: object, context: Context) -> bytes:
        async with self._guarded(_UNKNOWN, context) as connection:
            with self._traffic.calling(connection):
                raise NoMethod("there is no such method")
        raise AssertionError("an aborted call goes on")


def _forget_frames(error: BaseException | None) -> None:
    """Empties the frames that an error has passed: they hold the message, which may have megabytes, and
    themselves stay until the interpreter looks for cycles."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


def message_of(message: type[M], fields_max: int) -> Callable[[bytes], M]:
    """Parses a message that has at most so many fields. The parser raises Reject."""
    name = message.DESCRIPTOR.name

    def parse(raw: bytes) -> M:
        if len(raw) > INLINE_BYTES_MAX:
            require_few_fields(raw, fields_max, f"the {name}")
        try:
            return message.FromString(raw)
        except DecodeError:
            raise Reject(f"the bytes are not a protobuf {name}") from None

    return parse
