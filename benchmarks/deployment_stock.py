"""The rounds of benchmarks.deployment by stock Flower: a SuperLink, SuperNodes and `flwr run`, as its own
documentation starts them, without TLS.

    python -m benchmarks.deployment_stock ROUNDS PARTNERS IMAGES

runs in the environment for training, and prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

APP: Final = Path(__file__).parent / "stock_flower"
SECONDS_MAX: Final = 900.0  # it takes one to two minutes
END_SECONDS: Final = 15.0


def run(rounds: int, partners: int, images: int) -> dict[str, float]:
    """Seconds of all rounds, and of one."""
    with tempfile.TemporaryDirectory() as work, ExitStack() as running:
        folder = Path(work)
        environment = _environment(folder)
        link, *nodes = _free_ports(1 + partners)
        address = f"127.0.0.1:{link}"
        _connection(folder, address)
        begun = time.monotonic()
        superlink = ["--host", "127.0.0.1", "--port", str(link), "--database", f"{folder}/state.db"]
        superlink.append("--disable-runtime-dependency-installation")
        running.enter_context(_server("flower-superlink", superlink, environment, folder))
        _wait_for(link)
        for place, port in enumerate(nodes):
            named = [f"--superlink={address}", f"--port={port}"]
            named.append(f"--node-config=partition-id={place} num-partitions={partners}")
            running.enter_context(_server("flower-supernode", named, environment, folder))
        out = folder / "times.json"
        config = f'out="{out}" rounds={rounds} partners={partners} images={images}'
        asked = [_program("flwr"), "run", str(APP), "stock", "--stream", "-c", config]
        said = subprocess.run(
            asked, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        if not out.exists():
            raise SystemExit(said.stdout[-4_000:] + said.stderr[-4_000:])
        times = [later - earlier for earlier, later in pairwise(json.loads(out.read_text()))]
        return {
            "wall_seconds": round(time.monotonic() - begun, 1),
            "rounds_seconds": round(sum(times), 2),
            "median_round_seconds": round(median(times), 3),
        }


def _environment(folder: Path) -> dict[str, str]:
    """Its programs start others by name, and the app imports what is compared."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }


def _connection(folder: Path, address: str) -> None:
    (folder / "config.toml").write_text(
        f'[superlink]\ndefault = "stock"\n[superlink.stock]\naddress = "{address}"\ninsecure = true\n'
    )


@contextmanager
def _server(
    name: str, arguments: Sequence[str], environment: dict[str, str], folder: Path
) -> Iterator[None]:
    """Runs while it is needed; what it starts itself ends with it."""
    with (folder / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            [_program(name), "--insecure", *arguments],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _free_ports(number: int) -> list[int]:
    """Flower's programs take numbers of ports alone, so somebody else could be faster: then they say so."""
    with ExitStack() as held:
        sockets = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [each.getsockname()[1] for each in sockets]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nobody listens on port {port}")


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
