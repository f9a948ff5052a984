"""Real chains for tests: the development chain and anvil, each a process on a socket."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts import DEVELOPMENT_CHAIN_ID

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

_RUN_DEVCHAIN = """
import sys
from pathlib import Path
from contracts.devchain import run
run(port=0, ready_file=Path(sys.argv[1]), chain_id=int(sys.argv[2]))
"""


def find_anvil() -> str | None:
    """Return the anvil that `npm ci --ignore-scripts` in contracts/ brings, or None."""
    packages = ROOT / "contracts" / "node_modules" / "@foundry-rs"
    for binary in sorted(packages.glob("anvil-*/bin/anvil*")):
        if shutil.which(binary):
            return str(binary)
    return None


@contextmanager
def devchain(
    folder: Path, chain_id: int = DEVELOPMENT_CHAIN_ID
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the development chain; yield its URL and its process."""
    ready = folder / f"ready-{chain_id}"
    command = [sys.executable, "-c", _RUN_DEVCHAIN, str(ready), str(chain_id)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(ready.exists, process)
            yield json.loads(ready.read_text())["url"], process
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


@contextmanager
def anvil(binary: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run anvil, with the same funded accounts; yield its URL and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [binary, "--port", str(port), "--silent", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(lambda: _accepts(port), process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"the chain ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError("the chain did not start")
        time.sleep(0.02)  # a poll of another process's start, bounded above
