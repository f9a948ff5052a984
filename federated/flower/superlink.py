"""Flower's SuperLink as a process of its own: `python -m federated.flower.superlink FOLDER HOST PORT BYTES`.

Stock, one port serves three APIs, and whoever reaches it may start a run: code of theirs on the
operator's machine. Here partners get a port that knows the Fleet API alone, where every call is signed
with a key that the operator admitted. Control and Runtime listen on loopback, and want a secret that
only the operator's own account can read.

    FOLDER/tls.crt, tls.key   made by whoever starts the process
    FOLDER/secret             32 bytes: lets a caller control runs and take their tasks
    FOLDER/ready.json         both ports, written when it serves

It ends with SIGTERM, and by itself when the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
from flwr.supercore.routers.runtime.tracing import RuntimeTracingMiddleware
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from flwr.superlink.routers.control.middlewares import (
    ControlEventLogMiddleware,
    ControlLicenseMiddleware,
    ControlSensitiveResponseMiddleware,
)
from flwr.superlink.routers.fleet.middlewares import FleetEventLogMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from commonground.files import replace_file
from federated.flower.layout import (
    BODY_BYTES_MAX,
    CERTIFICATE_FILE,
    KEY_FILE,
    READY_FILE,
    SECRET_FILE,
    SECRET_HEADER,
)

FLEET: Final = "/v1/fleet/"
CONTROL: Final = "/v1/control/"
# Partners poll: a connection is kept over the pause between two rounds.
KEEP_ALIVE_SECONDS: Final = 120
BACKLOG: Final = 256


# Wrappers around every request that do nothing without Flower's commercial packages, or only for a user
# interface. They take a third of the time that a round spends in this process.
_IDLE: Final[tuple[object, ...]] = (
    ControlEventLogMiddleware,
    ControlLicenseMiddleware,
    ControlSensitiveResponseMiddleware,
    FleetEventLogMiddleware,
    RuntimeTracingMiddleware,
)


class Gate:
    """Stands before Flower: says which API a port has, and bounds what is read of a request."""

    def __init__(
        self, app: ASGIApp, fleet_port: int, secret: str, body_bytes_max: int = BODY_BYTES_MAX
    ) -> None:
        self._app, self._fleet_port, self._secret = app, fleet_port, secret
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is not allowed; all else goes on to Flower."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is not None:
            await refused(scope, receive, send)
        elif scope["type"] in ("http", "lifespan"):
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = dict(scope["headers"])
        path: str = scope["path"]
        if scope["server"][1] == self._fleet_port and not path.startswith(FLEET):
            return PlainTextResponse("not found", 404)
        if path.startswith(CONTROL):
            given = headers.get(SECRET_HEADER.encode(), b"")
            if not hmac.compare_digest(given, self._secret.encode()):
                return PlainTextResponse("forbidden", 403)
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit():
            return PlainTextResponse("a request says how long it is", 411)
        if int(length) > self._body_bytes_max:
            return PlainTextResponse("too large", 413)
        return None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        yield listener


def _settings(folder: Path, port: int, secret: bytes) -> SuperLinkLifespanConfig:
    """What Flower's command line would have made of its options."""
    certificate = (folder / CERTIFICATE_FILE).read_bytes()
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host="127.0.0.1",
        port=port,
        insecure=False,
        certificates=(certificate, certificate, (folder / KEY_FILE).read_bytes()),
        superexec_auth_secret=secret,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,  # nobody registers himself
        fleet_api_type="grpc-rere",
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=str(folder / CERTIFICATE_FILE),
        ssl_certfile=str(folder / CERTIFICATE_FILE),
        ssl_keyfile=str(folder / KEY_FILE),
        # What has to last is in the log. Flower cannot resume a run, so a file would keep only noisy
        # updates that nobody needs any more, at the price of some fsyncs for each message.
        database=FLWR_IN_MEMORY_DB_NAME,
        isolation="process",  # we start the ServerApp ourselves
        runtime_dependency_install=False,
    )


async def serve(folder: Path, host: str, port: int, body_bytes_max: int) -> None:
    """Serves until a signal comes. `port` 0 takes any free one."""
    secret = (folder / SECRET_FILE).read_bytes()
    with _listening(host, port) as fleet, _listening("127.0.0.1", 0) as private:
        ports = {"fleet": fleet.getsockname()[1], "private": private.getsockname()[1]}
        app = create_app(_settings(folder, ports["private"], secret), SuperLinkLifespan)
        app.user_middleware = [each for each in app.user_middleware if each.cls not in _IDLE]
        server = uvicorn.Server(
            uvicorn.Config(
                Gate(app, ports["fleet"], secret.hex(), body_bytes_max),
                ssl_certfile=folder / CERTIFICATE_FILE,
                ssl_keyfile=str(folder / KEY_FILE),
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        announcing = asyncio.create_task(_announce(server, folder / READY_FILE, ports))
        await server.serve([fleet, private])
        announcing.cancel()


async def _announce(server: uvicorn.Server, path: Path, ports: dict[str, int]) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    replace_file(path, json.dumps(ports))


def main() -> None:
    """Entry point of the process."""
    folder, host, port, body_bytes_max = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    start_parent_process_monitor(os.getppid())
    asyncio.run(serve(folder, host, port, body_bytes_max))


if __name__ == "__main__":
    main()
