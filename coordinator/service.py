"""The API of protos/api.proto: reads a message, asks the book, answers. All rules are elsewhere."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from coordinator.book import Book, Forbidden
from coordinator.conductor import Conductor
from coordinator.directory import LOOKUP_MAX, Directory
from coordinator.metrics import Metrics
from coordinator.sealed import Opening
from coordinator.sequencer import Busy
from coordinator.traffic import Traffic, address_of
from protocol.envelope import parse_envelope, verify_signature
from protocol.errors import CommonholdError, Ignore, Reject, RemoteError
from protocol.limits import OPERATOR_LEAVES_MAX
from protocol.rules.record import require
from protos.gen import api_pb2, api_pb2_grpc

_log = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Message)
A = TypeVar("A")
Context = grpc.aio.ServicerContext[Any, Any]

# Below the 8 MiB that clients accept, unless one entry alone has more beside it.
FOLLOW_BYTES_MAX: Final = 4 * 1024 * 1024
FOLLOW_ENTRIES_MAX: Final = 1_024
# An append may have to wait for a verdict over a full round, which takes seconds; a client that
# waited longer has given up and retries.
CALL_SECONDS_MAX: Final = 60.0

# The first match decides. What is not ours is a defect: INTERNAL, and only the log has the details.
STATUS_OF: Final[tuple[tuple[type[CommonholdError], grpc.StatusCode], ...]] = (
    (Busy, grpc.StatusCode.RESOURCE_EXHAUSTED),  # nothing happened: retry with backoff
    (Ignore, grpc.StatusCode.ALREADY_EXISTS),  # late or repeated: nothing to do
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (RemoteError, grpc.StatusCode.INVALID_ARGUMENT),  # Reject: do not retry
    (CommonholdError, grpc.StatusCode.UNAVAILABLE),  # our disk, our shutdown: retry later
)


def status_of(error: CommonholdError) -> grpc.StatusCode:
    """The status code that an error travels as."""
    return next(code for kind, code in STATUS_OF if isinstance(error, kind))


class CoordinatorService(api_pb2_grpc.CoordinatorServicer):
    """The servicer. It runs on the event loop and blocks it for no longer than a small record takes."""

    def __init__(
        self,
        book: Book,
        conductor: Conductor,
        directory: Directory,
        traffic: Traffic,
        metrics: Metrics,
    ) -> None:
        self._book = book
        self._conductor = conductor
        self._directory = directory
        self._traffic = traffic
        self._metrics = metrics

    async def Append(self, request: api_pb2.AppendRequest, context: Context) -> api_pb2.Receipt:
        """Logs one record."""
        return await self._answer("Append", request, context, self._append)

    async def Announce(
        self, request: api_pb2.AnnounceRequest, context: Context
    ) -> api_pb2.AnnounceResponse:
        """Keeps where a member can be reached."""
        return await self._answer("Announce", request, context, self._announce)

    async def Lookup(
        self, request: api_pb2.LookupRequest, context: Context
    ) -> api_pb2.LookupResponse:
        """Finds where members can be reached."""
        return await self._answer("Lookup", request, context, self._lookup)

    async def CloseEpoch(
        self, request: api_pb2.CloseEpochRequest, context: Context
    ) -> api_pb2.CloseEpochResponse:
        """Starts the end of an epoch; its first record is on disk when this answers."""
        return await self._answer("CloseEpoch", request, context, self._close_epoch)

    async def Follow(
        self, request: api_pb2.FollowRequest, context: Context
    ) -> AsyncIterator[api_pb2.FollowResponse]:
        """Streams committed entries. Each is read from the ledger, so a slow follower holds no queue."""
        address = address_of(context.peer())
        async with self._guarded("Follow", request, context):  # no deadline: it may last for days
            with self._traffic.stream(address), self._metrics.followers.track_inprogress():
                position = request.start
                while True:
                    head = await self._book.wait_beyond(position)
                    stop = min(head.size, position + FOLLOW_ENTRIES_MAX)
                    page = await self._book.read(position, stop, FOLLOW_BYTES_MAX)
                    position += len(page)
                    entries = [
                        api_pb2.LoggedEntry(index=e.index, envelope=e.envelope, bundle=e.bundle)
                        for e in page
                    ]
                    yield api_pb2.FollowResponse(entries=entries, checkpoint=head.checkpoint)

    # ---- what each call does ----

    async def _append(self, request: api_pb2.AppendRequest) -> api_pb2.Receipt:
        # Counted before they are touched: a message of 8 MiB could hold millions of empty ones.
        require(len(request.leaves) <= OPERATOR_LEAVES_MAX, "the record has too many leaves")
        require(len(request.openings) <= len(request.leaves), "more openings than leaves")
        openings = [Opening(o.item_id, o.salt, o.label) for o in request.openings]
        with self._metrics.append_seconds.time():
            receipt = await self._book.append(request.envelope, list(request.leaves), openings)
        return api_pb2.Receipt(
            index=receipt.index, checkpoint=receipt.checkpoint, proof=receipt.proof
        )

    async def _announce(self, request: api_pb2.AnnounceRequest) -> api_pb2.AnnounceResponse:
        async with self._book.reading() as state:
            self._directory.announce(request.envelope, state.members.__contains__)
        self._metrics.peers.set(len(self._directory))
        return api_pb2.AnnounceResponse()

    async def _lookup(self, request: api_pb2.LookupRequest) -> api_pb2.LookupResponse:
        require(len(request.identities) <= LOOKUP_MAX, f"at most {LOOKUP_MAX} at once")
        return api_pb2.LookupResponse(envelopes=self._directory.lookup(request.identities))

    async def _close_epoch(self, request: api_pb2.CloseEpochRequest) -> api_pb2.CloseEpochResponse:
        await self._conductor.close_epoch(self._parse_close(request.envelope))
        return api_pb2.CloseEpochResponse()

    def _parse_close(self, raw: bytes) -> int:
        envelope = parse_envelope(raw)
        require(envelope.kind == "close-epoch", "the envelope does not ask for a close")
        if envelope.author != self._book.operator:
            raise Forbidden("only the network's operator closes an epoch")
        verify_signature(envelope)
        try:
            body = api_pb2.CloseEpoch.FromString(envelope.payload)
        except DecodeError:
            raise Reject("the payload is not a protobuf CloseEpoch") from None
        require(body.network == self._book.keys.network, "the request is for another network")
        return body.epoch

    # ---- what all calls share ----

    async def _answer(
        self, method: str, request: Q, context: Context, handle: Callable[[Q], Awaitable[A]]
    ) -> A:
        async with self._guarded(method, request, context):
            async with asyncio.timeout(CALL_SECONDS_MAX):
                return await handle(request)
        raise AssertionError("an aborted call goes on")

    @asynccontextmanager
    async def _guarded(
        self,
        method: str,
        request: Message,
        context: Context,
    ) -> AsyncIterator[None]:
        """Counts the call, and turns what it raises into a status."""
        address, code = address_of(context.peer()), grpc.StatusCode.OK
        try:
            self._traffic.take(address, request.ByteSize())
            yield
        except CommonholdError as error:
            if isinstance(error, Reject):
                self._traffic.penalise(address)
            code = status_of(error)
            await context.abort(code, "\n".join(filter(None, (str(error), error.advice))))
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            await context.abort(code, "the coordinator is busy; retry the same call")
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


def now_ms() -> int:
    """The time of day, for announcements."""
    return time.time_ns() // 1_000_000
