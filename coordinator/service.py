"""The API of protos/api.proto: takes a message, asks the book, answers. All rules are elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from commonground.status import Busy, Forbidden, Missing
from coordinator.assurances import Assurances
from coordinator.book import Book
from coordinator.calls import Calls, Method, message_of
from coordinator.conductor import Conductor
from coordinator.connections import Connection
from coordinator.directory import LOOKUP_MAX, Directory
from coordinator.metrics import Metrics
from coordinator.pages import PAGE_BYTES, Pages
from coordinator.refill import missing_rows
from coordinator.sealed import Opening, validate_known
from coordinator.traffic import Traffic
from protocol.limits import (
    ENTRY_BYTES_MAX,
    KEY_BYTES,
    MESSAGE_BYTES_MAX,
    OPERATOR_LEAVES_MAX,
    SALT_BYTES,
)
from protocol.log.envelope import parse_envelope, verify_signature
from protocol.log.strict import strict_parse
from protocol.rows import ItemId
from protocol.rules.record import require
from protocol.state import State
from protos.gen import api_pb2

Q = TypeVar("Q", bound=Message)

SERVICE_NAME: Final[str] = api_pb2.DESCRIPTOR.services_by_name["Coordinator"].full_name
HEALTH_NAME: Final[str] = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# How long a follower may take to read a page, and how slow its line may be: 128 kbit/s.
STALL_SECONDS: Final = 20.0
SLOWEST_BYTES_PER_SECOND: Final = 16 * 1024
# Whoever wants to hear more seldom had better ask anew.
GATHER_MS_MAX: Final = 10_000
_ENVELOPE_BYTES_MAX: Final = ENTRY_BYTES_MAX + 16  # one field
_LOOKUP_BYTES_MAX: Final = LOOKUP_MAX * (KEY_BYTES + 2)
_SMALL_BYTES_MAX: Final = 1_024  # of a service's name
# A checkpoint of ours, signed by as many keys as the log ever had.
_HELD_BYTES_MAX: Final = 8 * 1_024


@dataclass(frozen=True, slots=True)
class Appended:
    """What an Append carries."""

    envelope: bytes
    leaves: list[bytes]
    openings: list[Opening]


class CoordinatorService:
    """The servicer. It runs on the event loop and blocks it for no longer than a small record takes."""

    def __init__(
        self,
        book: Book,
        assurances: Assurances,
        conductor: Conductor,
        directory: Directory,
        *,
        traffic: Traffic,
        metrics: Metrics,
    ) -> None:
        self._book = book
        self._assurances = assurances
        self._conductor = conductor
        self._directory = directory
        self._traffic = traffic
        self._metrics = metrics
        self._pages = Pages(book)
        self._leaving = False

    def add_to(self, calls: Calls) -> None:
        """Has it answer the methods of the service, and the health check that is about it."""
        one = _ENVELOPE_BYTES_MAX
        announce = Method("Announce", one, message_of(api_pb2.AnnounceRequest, 1))
        lookup = Method("Lookup", _LOOKUP_BYTES_MAX, message_of(api_pb2.LookupRequest, LOOKUP_MAX))
        close = Method("CloseEpoch", one, message_of(api_pb2.CloseEpochRequest, 1))
        gold = Method("ImportGold", one, message_of(api_pb2.ImportGoldRequest, 1))
        follow = Method("Follow", _HELD_BYTES_MAX, message_of(api_pb2.FollowRequest, 3))
        check = Method("Check", _SMALL_BYTES_MAX, message_of(health_pb2.HealthCheckRequest, 1))
        calls.answer(SERVICE_NAME, Method("Append", MESSAGE_BYTES_MAX, _appended), self._append)
        calls.answer(SERVICE_NAME, announce, self._announce)
        calls.answer(SERVICE_NAME, lookup, self._lookup)
        calls.answer(SERVICE_NAME, close, self._close_epoch)
        calls.answer(SERVICE_NAME, gold, self._import_gold)
        calls.stream(SERVICE_NAME, follow, self._follow)
        calls.answer(HEALTH_NAME, check, self._check_health)

    @staticmethod
    def reflect_in(calls: Calls) -> None:
        """Lets anybody ask which methods there are."""
        servicer = reflection.aio.ReflectionServicer((SERVICE_NAME, HEALTH_NAME))
        path = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
        calls.counted(path, servicer.ServerReflectionInfo, reflection_pb2.ServerReflectionRequest)

    def leave(self) -> None:
        """Tells health checks that the server is about to stop."""
        self._leaving = True

    # ---- what each call does ----

    async def _append(self, request: Appended, connection: Connection) -> api_pb2.Receipt:
        is_new = not self._book.holds(
            request.envelope
        )  # what the log shows to everybody proves nothing
        with self._metrics.append_seconds.time():
            receipt = await self._book.append(request.envelope, request.leaves, request.openings)
        if is_new:
            self._prove(connection, request.envelope)
        elif (
            request.openings
        ):  # as whoever repeats a call sends them, and whoever helps after a loss
            await self._book.keep_sealed(partial(self._missing, receipt.index, request))
        return api_pb2.Receipt(
            index=receipt.index, checkpoint=receipt.checkpoint, proof=receipt.proof
        )

    def _missing(self, index: int, sent: Appended, state: State) -> Mapping[bytes, bytes]:
        return missing_rows(
            self._book.ledger,
            state,
            index,
            raw=sent.envelope,
            leaves=sent.leaves,
            openings=sent.openings,
        )

    async def _announce(
        self, request: api_pb2.AnnounceRequest, connection: Connection
    ) -> api_pb2.AnnounceResponse:
        async with self._book.reading() as state:
            if self._directory.announce(request.envelope, state.keys.__contains__):
                self._prove(connection, request.envelope)
        self._metrics.peers.set(len(self._directory))
        return api_pb2.AnnounceResponse()

    async def _lookup(
        self, request: api_pb2.LookupRequest, _: Connection
    ) -> api_pb2.LookupResponse:
        require(len(request.keys) <= LOOKUP_MAX, f"at most {LOOKUP_MAX} at once")
        return api_pb2.LookupResponse(envelopes=self._directory.lookup(request.keys))

    async def _close_epoch(
        self, request: api_pb2.CloseEpochRequest, _: Connection
    ) -> api_pb2.CloseEpochResponse:
        body = self._operators(request.envelope, "close-epoch", api_pb2.CloseEpoch)
        index = await self._conductor.close_epoch(body.epoch)
        return api_pb2.CloseEpochResponse(index=index)

    async def _import_gold(
        self, request: api_pb2.ImportGoldRequest, _: Connection
    ) -> api_pb2.ImportGoldResponse:
        body = self._operators(request.envelope, "import-gold", api_pb2.ImportGold)
        answers = {ItemId(each.item_id): each.answer for each in body.answers}
        require(len(answers) == len(body.answers), "an item is answered twice")
        await self._book.keep_sealed(lambda state: validate_known(state, answers))
        return api_pb2.ImportGoldResponse()

    async def _follow(
        self,
        request: api_pb2.FollowRequest,
        connection: Connection,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Says where the log is, then streams committed entries, a page at a time, for as long as they are
        read. It may last for days.

        A follower that waits for its turn holds no page.
        """
        position, room_bytes = request.start, PAGE_BYTES
        level_since: float | None = None
        gather_seconds = min(request.gather_ms, GATHER_MS_MAX) / 1_000
        with self._metrics.followers.track_inprogress():
            present = (await self._assurances.answer(request.held)).SerializeToString()
            await _sent(send(present), len(present))
            while True:
                await self._pages.beyond(
                    position, level_since=level_since, gather_seconds=gather_seconds
                )
                async with self._traffic.sending(connection, room_bytes):
                    page = await self._pages.at(position)
                    size = len(page.message)
                    if size > room_bytes + PAGE_BYTES:  # a large bundle: wait for as much room
                        room_bytes = size
                        continue
                    position, room_bytes = page.stop, PAGE_BYTES
                    await _sent(send(page.message), size)
                    level_since = self._pages.now() if page.is_last else None
                    del page

    async def _check_health(
        self, request: health_pb2.HealthCheckRequest, _: Connection
    ) -> health_pb2.HealthCheckResponse:
        """Of the server or of its one service."""
        if request.service not in ("", SERVICE_NAME):
            raise Missing("there is no such service here")
        word = "NOT_SERVING" if self._leaving else "SERVING"
        return health_pb2.HealthCheckResponse(status=word)

    def _prove(self, connection: Connection, raw: bytes) -> None:
        """Takes the connection for that of the member who signed something new that came over it."""
        key = parse_envelope(raw).key
        if self._book.is_member(key):
            connection.member = key

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


async def _sent(sending: Awaitable[None], size: int) -> None:
    """Waits until a page was taken. Raises Busy when its reader stands still."""
    try:
        async with asyncio.timeout(STALL_SECONDS + size / SLOWEST_BYTES_PER_SECOND):
            await sending
    except TimeoutError:
        raise Busy("the stream was not read for too long; follow again", limit="stall") from None


_parse_append: Final = message_of(api_pb2.AppendRequest, 1 + 2 * OPERATOR_LEAVES_MAX)


def _appended(raw: bytes) -> Appended:
    """The message of an Append; raises Reject."""
    request = _parse_append(raw)
    require(len(request.leaves) <= OPERATOR_LEAVES_MAX, "the record has too many leaves")
    require(len(request.openings) <= len(request.leaves), "more openings than leaves")
    openings = [Opening(o.item_id, o.salt, o.answer) for o in request.openings]
    require(all(len(o.salt) == SALT_BYTES for o in openings), "an opening has no whole salt")
    return Appended(request.envelope, list(request.leaves), openings)


def now_ms() -> int:
    """The time of day, for announcements."""
    return time.time_ns() // 1_000_000
