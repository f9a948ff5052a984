"""One process: book, gRPC, HTTP, conductor, tossing and sweep, started in this order and stopped in the
reverse."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc

from commonground.files import replace_file
from commonground.web.connections import Visitors
from commonground.web.server import listening, serving
from coordinator.allocation import give_back_large_blocks
from coordinator.assurances import Assurances
from coordinator.backup import require_complete
from coordinator.calls import Calls
from coordinator.conductor import Conductor
from coordinator.config import Config, Home
from coordinator.connections import Connections, share_descriptors
from coordinator.dataset.sweep import keep_swept
from coordinator.directory import Directory
from coordinator.heads import KeptHead
from coordinator.http import build_app
from coordinator.keys import Keys, load_keys
from coordinator.ledger import FatalStoreError
from coordinator.metrics import Metrics
from coordinator.policies import OPEN_WARNING
from coordinator.service import CoordinatorService, now_ms
from coordinator.start import open_book
from coordinator.tossing import Tossing
from coordinator.traffic import Traffic
from coordinator.watching import ChainWatch, idle
from protocol.errors import ConfigError
from protocol.limits import MESSAGE_BYTES_MAX
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.log.link import NetworkLink
from protos.gen import records_pb2 as pb

_log = logging.getLogger(__name__)

# Of all calls together, refused ones included while they are: more than coordinator/traffic.py ever lets in,
# so that it is that which decides.
CONCURRENT_CALLS_MAX: Final = 16_384
# Followers never finish by themselves; everybody else needs a group commit.
GRACE_SECONDS: Final = 1.0

_GRPC_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", BUNDLE_BYTES_MAX + MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),  # a silent connection is not kept for minutes
    # A client has more wait at its own side: so many of each connection can be in the queue below.
    ("grpc.max_concurrent_streams", 32),
    # With it, gRPC would also count calls that are answered already, and break off some of a busy client's.
    ("grpc.http.overload_protection", 0),
    # Calls that we have not looked at. Beyond that gRPC drops whichever it likes, members' too.
    ("grpc.server.max_pending_requests", 8_192),
    ("grpc.server.max_pending_requests_hard_limit", 8_192),
    ("grpc.max_connection_idle_ms", 5 * 60_000),  # nobody who only holds a place keeps it
    # Above what a client's stream lasts: connections are spread again, and a network that changed is.
    ("grpc.max_connection_age_ms", 2 * 3_600_000),
    ("grpc.max_connection_age_grace_ms", 15 * 60_000),
    # Or gRPC takes in megabytes of a message that nobody has begun to read. One that is read it still speeds.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.keepalive_time_ms", 60_000),  # notices followers whose machine has gone
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a second server on this port is a mistake, not a helper
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens; what `server.json` and the ready file hold."""

    pid: int
    grpc_port: int
    http_port: int
    link: str


async def serve(
    home: Home,
    ready_file: Path | None,
    on_ready: Callable[[Address], None],
    close_every: str | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. `close_every` takes the place of the setting of that name.

    Raises:
        ConfigError: settings, keys or ports are wrong.
        FatalStoreError: a commit failed; what is in memory no longer counts. Start again.
    """
    give_back_large_blocks()
    config = home.load()
    if close_every is not None:
        config = replace(config, close_every=close_every)
    keys = load_keys(home)
    stop = asyncio.Event()
    failures: list[FatalStoreError] = []

    def on_fatal(failure: FatalStoreError) -> None:
        failures.append(failure)
        stop.set()

    with _stop_on_signals(stop):
        async with running(home, config, keys, on_fatal) as address:
            files = [home.server_path, *([ready_file] if ready_file else [])]
            with announced(address, files):
                on_ready(address)
                await stop.wait()
    if failures:
        raise failures[0]


@asynccontextmanager
async def running(
    home: Home, config: Config, keys: Keys, on_fatal: Callable[[FatalStoreError], None]
) -> AsyncIterator[Address]:
    """A server that answers for as long as the context lasts."""
    metrics, descriptors = Metrics(), share_descriptors()
    connections = Connections(descriptors.api, ended=metrics.ended_connections.inc)
    traffic = Traffic(config.rate_limit, time.monotonic)
    require_complete(home)
    kept = KeptHead(home.head_path)
    async with open_book(home.ledger_url(config), kept, partial(load_keys, home), on_fatal) as book:
        async with book.reading() as state:
            if state.policy.admission == pb.ADMISSION_OPEN:
                _log.warning(OPEN_WARNING)
        conductor = Conductor(book, now_ms, config.close_every_ms, metrics.count_step)
        service = CoordinatorService(
            book,
            Assurances(book, kept.keep_for_good),
            conductor,
            Directory(keys.network, now_ms),
            traffic=traffic,
            metrics=metrics,
        )
        calls = Calls(connections, traffic, metrics)
        service.add_to(calls)
        if config.reflection:
            service.reflect_in(calls)
        watch = ChainWatch(book, config.rpc_url, metrics) if config.rpc_url else None
        with listening(
            config.http_listen, config.http_port, _advice("http_port", home), "serve the dashboard"
        ) as http_socket:
            async with _grpc(
                calls, service.leave, home, config, keys, connections_max=descriptors.api
            ) as grpc_port:
                http_port = http_socket.getsockname()[1]
                link = network_link(config, keys, grpc_port, http_port)
                async with (
                    serving(
                        build_app(book, metrics, connections, link, home.path, watch=watch),
                        http_socket,
                        Visitors(descriptors.http, descriptors.http // 2),
                    ),
                    _beside(connections.keep_swept(grpc_port), "door", on_fatal),
                    _beside(conductor.run(), "conductor", on_fatal),
                    _beside(Tossing(book, now_ms).run(), "tossing", on_fatal),
                    _beside(keep_swept(book, home), "sweep", on_fatal),
                    _beside(watch.run() if watch else idle(), "chain watch", on_fatal),
                ):
                    yield Address(os.getpid(), grpc_port, http_port, str(link))


def network_link(config: Config, keys: Keys, grpc_port: int, http_port: int) -> NetworkLink:
    """What newcomers are given."""
    http_url = config.http_url or f"http://{_bracketed(config.host)}:{http_port}"
    return NetworkLink(
        config.host, grpc_port, config.name, keys.tls_fingerprint, keys.log_verifier, http_url
    )


@asynccontextmanager
async def _grpc(
    calls: Calls,
    leave: Callable[[], None],
    home: Home,
    config: Config,
    keys: Keys,
    *,
    connections_max: int,
) -> AsyncIterator[int]:
    server = grpc.aio.server(
        options=(*_GRPC_OPTIONS, ("grpc.max_allowed_incoming_connections", connections_max)),
        maximum_concurrent_rpcs=CONCURRENT_CALLS_MAX,
    )
    server.add_generic_rpc_handlers((calls,))
    credentials = grpc.ssl_server_credentials([(keys.tls_key, keys.tls_certificate)])
    address = f"{_bracketed(config.listen)}:{config.grpc_port}"
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigError(
            f"cannot serve the API on {address}: something listens there already, or it is no address of"
            " this machine",
            _advice("grpc_port", home),
        ) from error
    await server.start()
    try:
        yield port
    finally:
        leave()
        await server.stop(GRACE_SECONDS)


@asynccontextmanager
async def _beside(
    work: Coroutine[Any, Any, None], name: str, on_fatal: Callable[[FatalStoreError], None]
) -> AsyncIterator[None]:
    """Work beside everything else. Its end is as fatal as that of the ledger."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the %s has failed", name, exc_info=error)
            on_fatal(_as_fatal(error, name))

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _as_fatal(error: BaseException, name: str) -> FatalStoreError:
    if isinstance(error, FatalStoreError):
        return error
    return FatalStoreError(f"the {name} has failed: {type(error).__name__}")


@contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def announced(address: Address, files: list[Path]) -> Iterator[None]:
    """Writes where we listen, whole or not at all, and takes it back at the end."""
    for path in files:
        replace_file(path, json.dumps(asdict(address)))
    try:
        yield
    finally:
        for path in files:
            path.unlink(missing_ok=True)


def _advice(setting: str, home: Home) -> str:
    return f"stop what listens there, or change {setting} in {home.config_path} (0: any free port)"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
