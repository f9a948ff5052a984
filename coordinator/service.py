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

from commonground.status import Busy, Forbidden, details_of, metadata_of, status_of
from coordinator.book import Book
from coordinator.conductor import Conductor
from coordinator.directory import LOOKUP_MAX, Directory
from coordinator.metrics import Metrics
from coordinator.sealed import Opening
from coordinator.traffic import Traffic, address_of
from protocol.errors import CommonholdError, Reject
from protocol.limits import OPERATOR_LEAVES_MAX, SALT_BYTES
from protocol.log.envelope import parse_envelope, verify_signature
from protocol.log.strict import strict_parse
from protocol.rows import ItemId
from protocol.rules.record import require
from protos.gen import api_pb2

_log = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

SERVICE_NAME: Final[str] = api_pb2.DESCRIPTOR.services_by_name["Coordinator"].full_name

# Below the 8 MiB that clients accept, unless one entry alone has more beside it.
FOLLOW_BYTES_MAX: Final = 4 * 1024 * 1024
FOLLOW_ENTRIES_MAX: Final = 1_024
# An append may have to wait for a verdict over a full round, which takes seconds; a client that
# waited longer has given up and retries.
CALL_SECONDS_MAX: Final = 60.0


class CoordinatorService:
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

    def handler(self) -> grpc.GenericRpcHandler:
        """The calls of the service, for `Server.add_generic_rpc_handlers`.

        Messages arrive as bytes and are parsed here, not by gRPC: a peer who sends junk is then
        answered and charged like one who breaks a rule, instead of filling the log with traces.
        """
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "Append": self._unary("Append", api_pb2.AppendRequest, self._append),
                "Announce": self._unary("Announce", api_pb2.AnnounceRequest, self._announce),
                "Lookup": self._unary("Lookup", api_pb2.LookupRequest, self._lookup),
                "CloseEpoch": self._unary(
                    "CloseEpoch", api_pb2.CloseEpochRequest, self._close_epoch
                ),
                "ImportGold": self._unary(
                    "ImportGold", api_pb2.ImportGoldRequest, self._import_gold
                ),
                "Follow": grpc.unary_stream_rpc_method_handler(
                    self._follow, response_serializer=_serialize
                ),
            },
        )

    def _unary(
        self, method: str, request_type: type[Q], handle: Callable[[Q], Awaitable[Message]]
    ) -> grpc.RpcMethodHandler[bytes, Message]:
        async def answer(raw: bytes, context: Context) -> Message:
            async with self._guarded(method, len(raw), context):
                request = _parse(request_type, raw)
                async with asyncio.timeout(CALL_SECONDS_MAX):
                    return await handle(request)
            raise AssertionError("an aborted call goes on")

        return grpc.unary_unary_rpc_method_handler(answer, response_serializer=_serialize)

    # ---- what each call does ----

    async def _append(self, request: api_pb2.AppendRequest) -> api_pb2.Receipt:
        # Counted before they are touched: a message of 8 MiB could hold millions of empty ones.
        require(len(request.leaves) <= OPERATOR_LEAVES_MAX, "the record has too many leaves")
        require(len(request.openings) <= len(request.leaves), "more openings than leaves")
        openings = [Opening(o.item_id, o.salt, o.answer) for o in request.openings]
        require(all(len(o.salt) == SALT_BYTES for o in openings), "an opening has no whole salt")
        with self._metrics.append_seconds.time():
            receipt = await self._book.append(request.envelope, list(request.leaves), openings)
        return api_pb2.Receipt(
            index=receipt.index, checkpoint=receipt.checkpoint, proof=receipt.proof
        )

    async def _announce(self, request: api_pb2.AnnounceRequest) -> api_pb2.AnnounceResponse:
        async with self._book.reading() as state:
            self._directory.announce(request.envelope, state.keys.__contains__)
        self._metrics.peers.set(len(self._directory))
        return api_pb2.AnnounceResponse()

    async def _lookup(self, request: api_pb2.LookupRequest) -> api_pb2.LookupResponse:
        require(len(request.keys) <= LOOKUP_MAX, f"at most {LOOKUP_MAX} at once")
        return api_pb2.LookupResponse(envelopes=self._directory.lookup(request.keys))

    async def _close_epoch(self, request: api_pb2.CloseEpochRequest) -> api_pb2.CloseEpochResponse:
        body = self._operators(request.envelope, "close-epoch", api_pb2.CloseEpoch)
        index = await self._conductor.close_epoch(body.epoch)
        return api_pb2.CloseEpochResponse(index=index)

    async def _import_gold(self, request: api_pb2.ImportGoldRequest) -> api_pb2.ImportGoldResponse:
        body = self._operators(request.envelope, "import-gold", api_pb2.ImportGold)
        answers = {ItemId(each.item_id): each.answer for each in body.answers}
        require(len(answers) == len(body.answers), "an item is answered twice")
        await self._book.keep_known(answers)
        return api_pb2.ImportGoldResponse()

    async def _follow(self, raw: bytes, context: Context) -> AsyncIterator[api_pb2.FollowResponse]:
        """Streams committed entries. Each is read from the ledger, so a slow follower holds no queue.

        So is the checkpoint beside them. The book's own head is a moment older than the disk: with it,
        a leaf could be shown erased under a checkpoint that does not cover its withdrawal yet, and
        followers would take us for liars.
        """
        address = address_of(context.peer())
        async with self._guarded("Follow", len(raw), context):  # no deadline: it may last for days
            position = _parse(api_pb2.FollowRequest, raw).start
            with self._traffic.stream(address), self._metrics.followers.track_inprogress():
                while True:
                    await self._book.wait_beyond(position)
                    page, head = await self._book.read(
                        position, FOLLOW_ENTRIES_MAX, FOLLOW_BYTES_MAX
                    )
                    position += len(page)
                    entries = [
                        api_pb2.LoggedEntry(index=e.index, envelope=e.envelope, bundle=e.bundle)
                        for e in page
                    ]
                    yield api_pb2.FollowResponse(entries=entries, checkpoint=head.checkpoint)

    def _operators(self, raw: bytes, kind: str, message: type[Q]) -> Any:
        """What the operator asks for: the payload of an envelope that is not logged."""
        envelope = parse_envelope(raw)
        require(envelope.kind == kind, f"the envelope is not of kind {kind!r}")
        if envelope.key != self._book.operator_key:
            raise Forbidden(f"only the network's operator signs a {kind}")
        verify_signature(envelope)
        body: Any = strict_parse(message, envelope.payload, f"the {kind}")
        require(body.network == self._book.keys.network, "the request is for another network")
        return body

    # ---- what all calls share ----

    @asynccontextmanager
    async def _guarded(
        self, method: str, message_bytes: int, context: Context
    ) -> AsyncIterator[None]:
        """Counts the call, and turns what it raises into a status."""
        address, code = address_of(context.peer()), grpc.StatusCode.OK
        try:
            self._traffic.take(address, message_bytes)
            yield
        except CommonholdError as error:
            if isinstance(error, Reject):
                self._traffic.penalise(address)
            code = status_of(error)
            await context.abort(code, details_of(error), metadata_of(error))
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
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


def _parse(message: type[Q], raw: bytes) -> Q:
    try:
        return message.FromString(raw)
    except DecodeError:
        raise Reject(f"the bytes are not a protobuf {message.DESCRIPTOR.name}") from None


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def now_ms() -> int:
    """The time of day, for announcements."""
    return time.time_ns() // 1_000_000
