"""The coordinator as a node sees it: calls with deadlines, over a channel pinned by the network link.

Nothing that comes back is believed because it came over TLS. A receipt is checked against the log's
present key before it counts, which is the caller's to know: the link's, until the log has named another.
Log entries are checked by node/follower.py, announcements by their readers.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import grpc
from grpc import StatusCode, aio

from commonground.addresses import now_ms
from commonground.receipts import Lie, Receipt, UnknownKey
from commonground.status import error_of
from protocol.errors import Misbehaviour, Reject, Unreachable
from protocol.identity import KeyId
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.log.link import NetworkLink
from protocol.log.merkle import hash_leaf, verify_inclusion
from protocol.log.note import Verifier, is_signed, read_checkpoint
from protocol.proxies import Proxy, grpc_proxy
from protos.gen import api_pb2 as api
from protos.gen.api_pb2_grpc import CoordinatorStub

CONNECT_SECONDS: Final = 10.0
# An append is answered after its commit to disk, and may carry 8 MiB over a slow line; a coordinator
# that does not come to it says so after a minute.
APPEND_SECONDS: Final = 75.0
QUERY_SECONDS: Final = 15.0
# A silent stream may be a dead one: after this long it is opened again, at the cost of one call.
FOLLOW_SECONDS: Final = 600.0
# The largest bundle of the log, its envelope, and as much again for other entries of the message.
RECEIVE_BYTES_MAX: Final = 2 * BUNDLE_BYTES_MAX
# The name in every coordinator's certificate, wherever it runs: the fingerprint is what counts.
TLS_NAME: Final = "commonhold"

_OPTIONS: Final = (
    ("grpc.ssl_target_name_override", TLS_NAME),
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    # gRPC would wait up to two minutes between attempts; our own callers back off already.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
_LOOK_SECONDS: Final = 0.5
_SILENT: Final = "check your connection; nothing is lost, try again later"


class CoordinatorClient:
    """Connects when it is first used, and again when it has to. `close` it, or use `async with`."""

    def __init__(self, link: NetworkLink, log_key: Callable[[], Verifier] | None = None) -> None:
        """Touches no network yet. `log_key` gives the key that signs the log now, as far as the caller has
        followed it; without it, the link's counts."""
        self._link = link
        self._log_key = log_key or (lambda: link.log_verifier)
        self._proxy = grpc_proxy(os.environ, link.host)
        self._silent = self._proxy.advice(link.host) if self._proxy else _SILENT
        self._channel: aio.Channel | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> CoordinatorClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands now."""
        ready = grpc.ChannelConnectivity.READY
        return self._channel is not None and self._channel.get_state() is ready

    async def pause(
        self, seconds: float, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """Sleeps so long; without a connection, at most until another call has made one. So whoever follows
        the log asks it for its assurance as soon as anybody of this node has reached it."""
        if self.is_connected:
            await sleep(seconds)
            return
        tasks = [asyncio.ensure_future(sleep(seconds)), asyncio.create_task(self._reached())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()

    async def _reached(self) -> None:
        while not self.is_connected:
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Ends all calls."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def connect(self) -> None:
        """Reaches the server and checks its certificate; other calls do this by themselves.

        Raises Unreachable, and Misbehaviour when it is another server than the link names.
        """
        channel = await self._connect()
        try:
            await asyncio.wait_for(channel.channel_ready(), CONNECT_SECONDS)
        except TimeoutError as error:
            raise self._unreachable("no connection in time") from error

    async def append(
        self, envelope: bytes, leaves: Sequence[bytes] = (), openings: Sequence[api.Opening] = ()
    ) -> Receipt:
        """Logs a record; repeating it is safe.

        Raises Unreachable (try again), UnknownKey (read the log, then try again), Ignore (superfluous),
        Reject (breaks a rule, in the coordinator's words) and Lie (the receipt does not hold).
        """
        request = api.AppendRequest(envelope=envelope, leaves=leaves, openings=openings)
        async with self._calling() as stub:
            receipt = await stub.Append(request, timeout=APPEND_SECONDS)
        return self._checked(envelope, receipt)

    async def follow(
        self, start: int, held: bytes, gather_ms: int = 0
    ) -> AsyncGenerator[api.FollowResponse, None]:
        """An assurance that the log extends `held`, a signed head or nothing; then entries from `start` on,
        and new ones: those of `gather_ms` together, unless they come alone. Nothing of it is checked. Ends
        after FOLLOW_SECONDS at the latest.

        Raises Unreachable and Reject.
        """
        async with self._calling() as stub:
            request = api.FollowRequest(start=start, held=held, gather_ms=gather_ms)
            call = stub.Follow(request, timeout=FOLLOW_SECONDS)
            try:
                async for response in call:
                    yield response
            except aio.AioRpcError as error:
                if error.code() is not StatusCode.DEADLINE_EXCEEDED:
                    raise
            finally:
                call.cancel()  # the caller may stop reading at any time

    async def announce(self, envelope: bytes) -> None:
        """Says where this node can be reached. Raises Unreachable, Ignore and Reject."""
        async with self._calling() as stub:
            await stub.Announce(api.AnnounceRequest(envelope=envelope), timeout=QUERY_SECONDS)

    async def lookup(self, keys: Sequence[KeyId]) -> list[bytes]:
        """Signed announcements of those keys that made one, unchecked. Raises Unreachable and Reject."""
        async with self._calling() as stub:
            request = api.LookupRequest(keys=keys)
            response = await stub.Lookup(request, timeout=QUERY_SECONDS)
        return list(response.envelopes)

    def _checked(self, envelope: bytes, receipt: api.Receipt) -> Receipt:
        log_key = self._log_key()
        try:
            checkpoint = read_checkpoint(receipt.checkpoint, log_key)
            verify_inclusion(
                hash_leaf(envelope),
                receipt.index,
                checkpoint.size,
                list(receipt.proof),
                checkpoint.root,
            )
        except (Reject, Misbehaviour) as error:
            raise Lie(
                "receipt",
                f"the coordinator gave a receipt that does not hold: {error}",
                (envelope, receipt.SerializeToString()),
            ) from error
        if not is_signed(receipt.checkpoint, log_key):
            raise UnknownKey
        return Receipt(receipt.index, receipt.checkpoint, receipt.SerializeToString())

    @asynccontextmanager
    async def _calling(self) -> AsyncIterator[Any]:
        """The stub, and its errors as ours."""
        try:
            yield CoordinatorStub(await self._connect())  # type: ignore[no-untyped-call]
        except aio.AioRpcError as error:
            raise error_of(error, _name(self._link), self._silent) from error

    async def _connect(self) -> aio.Channel:
        async with self._connecting:
            if self._channel is None:
                pem = await self._pinned_certificate()
                self._channel = aio.secure_channel(
                    f"{self._link.host}:{self._link.port}",
                    grpc.ssl_channel_credentials(root_certificates=pem.encode()),
                    options=(*_OPTIONS, ("grpc.enable_http_proxy", int(self._proxy is not None))),
                )
            return self._channel

    async def _pinned_certificate(self) -> str:
        """The server's certificate (PEM) if it is the one the link names.

        gRPC then trusts this certificate alone: a server that shows another one later cannot connect.
        """
        address = (self._link.host, self._link.port)
        try:
            pem = await asyncio.to_thread(_shown_certificate, address, self._proxy)
        except (OSError, ValueError, HTTPException) as error:  # ssl.SSLError is an OSError
            raise self._unreachable(str(error)) from error
        fingerprint = sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
        if not hmac.compare_digest(fingerprint, self._link.tls_fingerprint):
            raise Misbehaviour(
                f"the server at {self._link.host}:{self._link.port} is not the coordinator of the"
                " network link: its certificate is another one",
                "ask the operator for the present link; if it is unchanged, somebody is between you",
            )
        if not _is_in_time(pem):
            raise Unreachable(
                f"{_name(self._link)} shows a certificate that is not valid at {_now():%Y-%m-%d %H:%M} UTC,"
                " this machine's time: its clock is wrong, or the certificate ran out",
                "set this machine's clock (timedatectl, or its settings); if it is right, tell the operator",
            )
        return pem

    def _unreachable(self, details: str) -> Unreachable:
        return Unreachable(f"{_name(self._link)} does not answer: {details}", self._silent)


def _shown_certificate(address: tuple[str, int], proxy: Proxy | None) -> str:
    """The certificate (PEM) that a server shows, unchecked."""
    if proxy is None:
        return ssl.get_server_certificate(address, timeout=CONNECT_SECONDS)
    tunnel = HTTPConnection(proxy.host, proxy.port, timeout=CONNECT_SECONDS)
    tunnel.set_tunnel(*address, headers=proxy.credentials)
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    try:
        tunnel.connect()
        with unchecked.wrap_socket(tunnel.sock, server_hostname=address[0]) as secured:
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
    finally:
        tunnel.close()


def _is_in_time(pem: str) -> bool:
    """Whether a certificate is valid by our clock. gRPC would say no more than that nobody answers."""
    from cryptography import x509  # of which a command that connects to nobody has no need

    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.not_valid_before_utc <= _now() <= certificate.not_valid_after_utc


def _now() -> datetime:
    return datetime.fromtimestamp(now_ms() / 1_000, UTC)


def _name(link: NetworkLink) -> str:
    return f"the coordinator at {link.host}:{link.port}"
