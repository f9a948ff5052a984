"""Flower's SuperLink as a process of its own: `python -m federated.flower.superlink`, then

    FOLDER HOST PORT BODY_BYTES_MAX PARENT

Stock, one port serves three APIs, and whoever reaches it may start a run: code of theirs on the
operator's machine. Here partners get a port that knows the Fleet API alone, where every call is signed
with a key that the operator admitted. Control and Runtime listen on loopback, and want a secret that
only the operator's own account can read.

    FOLDER/secret             32 bytes: lets a caller control runs and take their tasks
    FOLDER/ready.json         both ports, written when it serves
    beside FOLDER             tls.crt and tls.key: the job's own, the same when its server starts again

It ends with SIGTERM, and by itself when the process that started it is gone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import uvicorn
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse
from flwr.server.superlink.linkstate import LinkState
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
from flwr.superlink.servicer.fleet import fleet_handlers

from commonground.files import replace_file
from commonground.web.server import listening
from federated.flower.calls import Calls
from federated.flower.gate import Gate
from federated.flower.layout import (
    CERTIFICATE_FILE,
    KEY_FILE,
    READY_FILE,
    SECRET_FILE,
)
from federated.flower.logs import say_less
from federated.flower.parent import end_with
from protocol.errors import ConfigError

# A connection is kept over the pause between two rounds.
KEEP_ALIVE_SECONDS: Final = 120
BACKLOG: Final = 256
_ADVICE: Final = "--port 0 takes any free port"

_activate: Final = fleet_handlers.activate_node


# Wrappers around every request that do nothing without Flower's commercial packages, or only for a user
# interface. They take a third of the time that a round spends in this process.
_IDLE: Final[tuple[object, ...]] = (
    ControlEventLogMiddleware,
    ControlLicenseMiddleware,
    ControlSensitiveResponseMiddleware,
    FleetEventLogMiddleware,
    RuntimeTracingMiddleware,
)


def _settings(folder: Path, port: int, secret: bytes) -> SuperLinkLifespanConfig:
    """What Flower's command line would have made of its options."""
    certificate, key = folder.parent / CERTIFICATE_FILE, folder.parent / KEY_FILE
    pem = certificate.read_bytes()
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host="127.0.0.1",
        port=port,
        insecure=False,
        certificates=(pem, pem, key.read_bytes()),
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
        ssl_ca_certfile=str(certificate),
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        # What has to last is in the log. Flower cannot resume a run, so a file would keep only noisy
        # updates that nobody needs any more, at the price of some fsyncs for each message.
        database=FLWR_IN_MEMORY_DB_NAME,
        isolation="process",  # we start the ServerApp ourselves
        runtime_dependency_install=False,
    )


async def serve(folder: Path, host: str, port: int, body_bytes_max: int) -> None:
    """Serves until a signal comes. `port` 0 takes any free one."""
    secret = (folder / SECRET_FILE).read_bytes()
    # The handler takes no settings for this; its name is bound in its module.
    vars(fleet_handlers)["activate_node"] = _activate_at_once
    with listening(host, port, _ADVICE) as fleet, listening("127.0.0.1", 0, _ADVICE) as private:
        ports = {"fleet": fleet.getsockname()[1], "private": private.getsockname()[1]}
        app = create_app(_settings(folder, ports["private"], secret), SuperLinkLifespan)
        app.user_middleware = [each for each in app.user_middleware if each.cls not in _IDLE]
        server = uvicorn.Server(
            uvicorn.Config(
                Gate(Calls(app), ports["fleet"], secret.hex(), body_bytes_max),
                ssl_certfile=folder.parent / CERTIFICATE_FILE,
                ssl_keyfile=str(folder.parent / KEY_FILE),
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                lifespan="on",
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        announcing = asyncio.create_task(_announce(server, folder / READY_FILE, ports))
        await server.serve([fleet, private])
        announcing.cancel()


def _activate_at_once(request: ActivateNodeRequest, state: LinkState) -> ActivateNodeResponse:
    """Flower's `activate_node`, which otherwise keeps a killed partner out until its lease is over.

    Whoever asks has proven that it holds the key; the gate tells an older process of the same key.
    """
    node_id = state.get_node_id_by_public_key(request.public_key)
    if node_id is not None:
        state.deactivate_node(node_id)
    return _activate(request, state)


async def _announce(server: uvicorn.Server, path: Path, ports: dict[str, int]) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    replace_file(path, json.dumps(ports))


def main() -> None:
    """Entry point of the process."""
    folder, host = Path(sys.argv[1]), sys.argv[2]
    port, body_bytes_max, parent_id = map(int, sys.argv[3:])
    end_with(parent_id)
    say_less()
    try:
        asyncio.run(serve(folder, host, port, body_bytes_max))
    except ConfigError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
