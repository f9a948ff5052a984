"""/commonhold/blob/1: the content of an item's parts, to whom it was granted, checked while it streams.

The serving side asks `authorise(item, part, peer's key)` before it looks whether the item exists; the
key is the one that the Noise handshake proved. The fetching side trusts neither the end of the stream
nor the sender: the length is announced, bounded by the caller, and the commitment
`SHA-256("commonhold/v1/content\\0" || salt || content)` decides.

If we crash while fetching, a `*.part` file is left and nothing else; whoever owns the directory
sweeps it. A resumed transfer continues the hash that was running, so that it is resumed only within
one `fetch`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio
from libp2p.abc import INetStream
from libp2p.io.exceptions import IOException
from libp2p.network.stream.exceptions import StreamEOF

from commonground.backoff import Backoff
from commonground.files import new_file, part_of, publish
from commonground.p2p import limits
from commonground.p2p.api import Authorise, BlobSource, Denial, Fetched, OpenBlob, PeerPolicy
from commonground.p2p.bridge import TrioBridge
from commonground.p2p.guards import peer_key, reset_quietly
from commonground.p2p.kept import KeptStreams
from commonground.p2p.penalties import Busy, Interrupted, Offence, Slots
from commonground.p2p.wire import (
    REQUEST_BYTES,
    RESPONSE_BYTES,
    BlobRequest,
    BlobResponse,
    Status,
    parse_name_length,
)
from commonground.rates import Buckets
from protocol.errors import Ignore, Misbehaviour, Reject, StoreError, Unreachable
from protocol.identity import KeyId, peer_id_of, short_key
from protocol.log.commitments import CONTENT_DOMAIN

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OpenStream = Callable[[], Awaitable[INetStream]]


async def read_some(stream: INetStream, size_max: int) -> bytes:
    """Read what is there, at most `size_max` bytes and at least one."""
    try:
        piece: bytes = await stream.read(size_max)
    except StreamEOF:
        piece = b""
    if not piece:
        raise Interrupted("the stream ended early")
    return piece


async def read_exactly(stream: INetStream, size: int) -> bytes:
    """Read `size` bytes; raises Interrupted when the stream ends before."""
    data = bytearray()
    while len(data) < size:
        data += await read_some(stream, size - len(data))
    return bytes(data)


class RequestReader:
    """Reads one request within a time. Raises Offence for one that comes in drops, holding its slot.

    Raises Interrupted where the peer ends it early or sends nothing at all: it was stopped, gave the
    request up, or is on a line that broke. A request is written at once, as one frame of the
    connection, so that an honest peer's is there whole or not at all.
    """

    def __init__(self, stream: INetStream, seconds: float) -> None:
        self._stream, self._deadline = stream, trio.current_time() + seconds
        self.has_begun = False

    async def read(self, size: int) -> bytes:
        """The next `size` bytes; one time is for all of them, however many calls ask."""
        data = bytearray()
        with trio.move_on_at(self._deadline):
            while len(data) < size:
                data += await read_some(self._stream, size - len(data))
                self.has_begun = True
            return bytes(data)
        if self.has_begun:
            raise Offence("a request that was never completed")
        raise Interrupted("a request that never began")


def seconds_allowed(size: int) -> float:
    """The longest that moving `size` bytes may take before we call it a stalled transfer."""
    return limits.TRANSFER_GRACE_SECONDS + size / limits.TRANSFER_BYTES_PER_SECOND_MIN


class RequestRates:
    """Token buckets of requests for each peer, shared by every protocol that answers."""

    def __init__(self, policy: PeerPolicy) -> None:
        rate, burst = policy.requests_per_second, policy.requests_burst
        self._buckets = Buckets[bytes](rate, burst, trio.current_time)
        many = limits.FLOOD_FACTOR
        self._floods = Buckets[bytes](many * rate, many * burst, trio.current_time)

    def check(self, peer: KeyId) -> None:
        """Count one request; raises Busy above the rate, and Offence where that does not help."""
        if not self._floods[peer].take():
            raise Offence("a flood of requests")
        if not self._buckets[peer].take():
            raise Busy("too many requests at once")


async def ask_owner(bridge: TrioBridge, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Ask one of the node's own callbacks; raises StoreError when it fails or takes too long.

    A StoreError is our fault, so that the guard does not punish the peer for it. Ignore is an answer.
    """

    async def answer() -> T:
        return await function(*args)

    try:
        with trio.fail_after(limits.ANSWER_SECONDS):
            return await bridge.ask(answer)
    except trio.TooSlowError:
        raise StoreError("an answer of our own took too long") from None
    except Ignore:
        raise
    except Exception as error:
        # The message stays out: it may quote what the callback was reading.
        raise StoreError(f"a callback of ours failed with {type(error).__name__}") from error


class BlobServer:
    """Answers blob requests; one instance per host, used in the trio thread only."""

    def __init__(
        self,
        bridge: TrioBridge,
        authorise: Authorise,
        source: BlobSource,
        policy: PeerPolicy,
        rates: RequestRates,
    ) -> None:
        self._bridge, self._authorise, self._source = bridge, authorise, source
        self._policy, self._rates = policy, rates
        self._slots = Slots(limits.TRANSFERS_PER_PEER_MAX, limits.TRANSFERS_MAX)
        rate = policy.served_bytes_per_second_per_peer
        self._served = Buckets[bytes](rate, rate, trio.current_time)

    async def handle(self, stream: INetStream) -> None:
        """Serve requests on an inbound stream, one after the other, until one gets no content or no other
        one comes. Offence and I/O errors go to the guard."""
        peer = peer_key(stream)
        self._rates.check(peer)
        request: BlobRequest | None = await _read_request(self._reader(stream))
        while request is not None:
            status = await self._serve(stream, peer, request)
            if status is not Status.OK:
                with trio.fail_after(limits.CHUNK_IDLE_SECONDS):
                    await stream.write(BlobResponse(status).encode())
                return
            request = await self._another(stream, peer)

    async def _another(self, stream: INetStream, peer: KeyId) -> BlobRequest | None:
        """What a peer that got its answer asks next; None where it asks nothing, or has ended its side."""
        reader = self._reader(stream)
        try:
            request = await _read_request(reader)
        except Interrupted:
            if reader.has_begun:
                raise
            return None
        self._rates.check(peer)
        return request

    async def _serve(self, stream: INetStream, peer: KeyId, request: BlobRequest) -> Status:
        """Answer one request with content; anything but OK is still to be said."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._slots.hold(peer))
            except Busy:
                return Status.BUSY
            asked = (request.item_id, request.part)
            verdict = await ask_owner(self._bridge, self._authorise, *asked, peer)
            if isinstance(verdict, Denial):
                log.info("refused an item to %s: %s", short_key(peer), verdict.reason)
                return Status.REFUSED
            blob = await ask_owner(self._bridge, self._source.open, *asked)
            if blob is None:
                return Status.MISSING
            stack.callback(blob.file.close)
            if request.offset > blob.length:
                return Status.BAD_OFFSET
            with trio.fail_after(seconds_allowed(blob.length - request.offset)):
                await self._send(stream, peer, blob, request.offset)
        return Status.OK

    def _reader(self, stream: INetStream) -> RequestReader:
        return RequestReader(stream, self._policy.request_read_seconds)

    async def _send(self, stream: INetStream, peer: KeyId, blob: OpenBlob, offset: int) -> None:
        await stream.write(BlobResponse(Status.OK, blob.salt, blob.length).encode())
        await trio.to_thread.run_sync(blob.file.seek, offset)
        left = blob.length - offset
        while left:
            chunk = await trio.to_thread.run_sync(blob.file.read, min(left, limits.CHUNK_BYTES))
            if not chunk:
                raise StoreError("a blob is shorter than its recorded length")
            await trio.sleep(self._served[peer].borrow(len(chunk)))
            with trio.fail_after(limits.CHUNK_IDLE_SECONDS):
                await stream.write(chunk)
            left -= len(chunk)


async def _read_request(reader: RequestReader) -> BlobRequest:
    head = await reader.read(REQUEST_BYTES)
    return BlobRequest.parse(head + await reader.read(parse_name_length(head)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fetch asks for and will accept."""

    peer: KeyId
    item_id: bytes
    part: str
    size_max: int
    commitment: bytes
    path: Path


class Download:
    """A running fetch: the temporary file and the hash of what is in it."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.salt: bytes | None = None
        self.length = 0
        self.received = 0
        self._began: float | None = None
        self._hash = hashlib.sha256(CONTENT_DOMAIN)
        self._part = part_of(wanted.path)
        self._file = new_file(self._part)

    @property
    def due(self) -> float:
        """When the next byte has to be here, at the least rate since the first question."""
        if self._began is None:
            self._began = trio.current_time()
        earned = self.received / limits.TRANSFER_BYTES_PER_SECOND_MIN
        return self._began + limits.SENDER_GRACE_SECONDS + earned

    def begin(self, response: BlobResponse) -> None:
        """Take the first header, or check that a later one tells the same story."""
        if self.salt is not None:
            if (response.salt, response.length) != (self.salt, self.length):
                raise self._accuse("changed a part's salt or length between two answers")
            return
        if response.length > self.wanted.size_max:
            raise self._accuse(
                f"offers {response.length} bytes for a part of at most {self.wanted.size_max}"
            )
        self.salt, self.length = response.salt, response.length
        self._hash.update(response.salt)

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)
        self.received += len(data)

    def finish(self) -> Fetched:
        """Check the commitment, then make the file durable under its name."""
        if self.salt is None or self._hash.digest() != self.wanted.commitment:
            raise self._accuse("served content that does not match its commitment")
        publish(self._file, self.wanted.path)
        return Fetched(self.salt, self.length, self.wanted.path)

    def discard(self) -> None:
        """Drop what is left of an unfinished download; nothing after `finish`."""
        self._part.unlink(missing_ok=True)
        self._file.close()  # last: on a full disk this fails once more

    def _accuse(self, deed: str) -> Misbehaviour:
        return Misbehaviour(f"peer {peer_id_of(self.wanted.peer)} {deed}")


async def fetch(wanted: Wanted, open_stream: OpenStream, kept: KeptStreams) -> Fetched:
    """Fetch, resuming after broken connections; `open_stream` connects again when it must.

    Raises Reject (refused), Misbehaviour (wrong length, salt or hash), Unreachable (all attempts
    failed, or the peer does not have it) and StoreError (our disk).
    """
    try:
        download = await trio.to_thread.run_sync(Download, wanted)
    except OSError as error:
        raise StoreError(f"cannot write {wanted.path}: {error.strerror}") from error
    try:
        await _attempts(download, open_stream, kept)
        return await trio.to_thread.run_sync(download.finish)
    except OSError as error:
        raise StoreError(f"cannot write {wanted.path}: {error.strerror}") from error
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(download.discard)


async def _attempts(download: Download, open_stream: OpenStream, kept: KeptStreams) -> None:
    """Try until everything announced has arrived. An attempt that made progress costs nothing."""
    backoff = Backoff(limits.FETCH_BACKOFF_SECONDS, limits.FETCH_BACKOFF_SECONDS_MAX)
    failures = 0
    why: Exception | None = None
    while failures < limits.FETCH_ATTEMPTS_MAX:
        before = download.received
        try:
            await _attempt(download, open_stream, kept)
            return
        except (Interrupted, IOException, trio.TooSlowError) as error:
            why = error
        if trio.current_time() >= download.due:
            why = Interrupted("it sends too slowly")
            break
        if download.received - before >= limits.CHUNK_BYTES:
            failures = 0
        failures += 1
        if failures < limits.FETCH_ATTEMPTS_MAX:
            await trio.sleep(backoff.delay(failures - 1))
    raise Unreachable(
        f"peer {peer_id_of(download.wanted.peer)} did not deliver the content ({why})",
        "it is worth trying again later, or from another peer",
    )


async def _attempt(download: Download, open_stream: OpenStream, kept: KeptStreams) -> None:
    """One attempt, on a kept stream if there is one: where the peer has ended that, nothing was tried yet."""
    peer, before = download.wanted.peer, download.received
    stream = await kept.take(peer)
    if stream is not None:
        try:
            await _use(download, stream, kept)
            return
        except (Interrupted, IOException):
            if download.received > before:
                raise
    await _use(download, await open_stream(), kept)


async def _use(download: Download, stream: INetStream, kept: KeptStreams) -> None:
    """Receive on a stream, which is kept if all went well, and reset otherwise."""
    is_whole = False
    try:
        await _receive(download, stream)
        is_whole = True
    finally:
        if not is_whole:
            await reset_quietly(stream)
    await kept.keep(download.wanted.peer, stream)


async def _receive(download: Download, stream: INetStream) -> None:
    """One attempt: ask from where we are, then read exactly what was announced."""
    request = BlobRequest(download.wanted.item_id, download.wanted.part, download.received)
    with _in_time(download):
        await stream.write(request.encode())
        raw = await read_exactly(stream, RESPONSE_BYTES)
    try:
        response = BlobResponse.parse(raw)
    except Offence as offence:
        raise Misbehaviour(str(offence)) from offence
    if response.status is Status.REFUSED:
        raise Reject(
            f"peer {peer_id_of(download.wanted.peer)} refuses the item",
            "only an assigned reviewer may read it while the assignment runs",
        )
    if response.status is Status.MISSING:
        raise Unreachable("the peer does not have the content", "ask another peer for it")
    if response.status is not Status.OK:
        raise Interrupted(f"the peer answers {response.status.name.lower()}")
    download.begin(response)
    while download.received < download.length:
        await _receive_chunk(download, stream)


def _in_time(download: Download, gathered: int = 0) -> AbstractContextManager[object]:
    """Raises TooSlowError for a sender that went silent, or that sends less than the least rate."""
    earned = gathered / limits.TRANSFER_BYTES_PER_SECOND_MIN
    silent = trio.current_time() + limits.CHUNK_IDLE_SECONDS
    return trio.fail_at(min(silent, download.due + earned))


async def _receive_chunk(download: Download, stream: INetStream) -> None:
    """Gather up to a chunk and write it; on a break, keep what has arrived."""
    size = min(limits.CHUNK_BYTES, download.length - download.received)
    chunk = bytearray()
    try:
        while len(chunk) < size:
            with _in_time(download, len(chunk)):
                chunk += await read_some(stream, size - len(chunk))
    finally:
        if chunk:
            # Shielded, because hash, file and count must stay in step even when we are cancelled.
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(download.write, bytes(chunk))
