"""Serving a model until somebody ends it, to this machine alone: the public comes through a proxy."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any, Final

from commonground.web import server
from commonground.web.connections import Visitors
from federated.folder import ModelFolder
from federated.onnx_run import Model
from federated.serving.app import Served, build_app
from federated.serving.asked import BODY_BYTES_MAX, EXAMPLES_MAX
from federated.serving.counts import Counts
from federated.serving.rows import Rows
from protocol.errors import CommonholdError

LOOPBACK: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 128
# Whoever sends more than may be read is told so, and not cut off in the midst of the sentence.
_READ_BYTES_MAX: Final = 4 * BODY_BYTES_MAX


def serve(folder: ModelFolder, name: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serves a file of the folder until SIGINT or SIGTERM; `on_ready` gets the address.

    Raises ConfigError for a port that is taken, or a file that is not what its card says.
    """
    path = folder.require(name)
    asyncio.run(_serve(folder, Model(path), name, port, on_ready))


async def _serve(
    folder: ModelFolder, model: Model, name: str, port: int, on_ready: Callable[[str], None]
) -> None:
    advice = "stop what listens there, or choose another --port (0: any free port)"
    drift = folder.card["quality"]["drift_baseline"]
    counts = Counts(model.labels, drift["shares_ppm"] if drift else ())
    rows = _rows(folder, model)
    served = Served(model, _description(folder, model, name, rows), counts, rows)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    with server.listening(LOOPBACK, port, advice, "serve the model") as bound:
        chosen = bound.getsockname()[1]
        hosts = frozenset(f"{host}:{chosen}" for host in (LOOPBACK, "localhost"))
        visitors = Visitors(CONNECTIONS_MAX, CONNECTIONS_MAX, request_bytes_max=_READ_BYTES_MAX)
        async with server.serving(build_app(served, hosts), bound, visitors):
            on_ready(f"http://{LOOPBACK}:{chosen}")
            await ended.wait()


def _rows(folder: ModelFolder, model: Model) -> Rows | str:
    """What makes examples of rows here; or why nothing does, in words. The file runs all the same."""
    try:
        return Rows.of(folder.card, model.takes)
    except CommonholdError as error:
        return str(error)


def _description(folder: ModelFolder, model: Model, name: str, rows: Rows | str) -> dict[str, Any]:
    card, takes = folder.card, model.takes
    return {
        "title": card["title"],
        "file": name,
        "sha256": folder.digest_of(name).hex(),
        "takes": {"name": takes.name, "shape": takes.shape, "type": takes.kind.name},
        "labels": model.labels,
        "licence": card["licence"],
        "privacy": {
            "delta_ppb": card["privacy"]["delta_ppb"],
            "epsilon_micro": {
                each["who"]: each["epsilon_micro"] for each in card["privacy"]["adversaries"]
            },
        },
        "rows": {"not taken": rows} if isinstance(rows, str) else rows.described,
        "predict": {"inputs": "POST /predict", "examples_max": EXAMPLES_MAX},
    }
