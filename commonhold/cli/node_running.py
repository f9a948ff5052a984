"""A node that runs while a command does: the daemon that is there already, or one that the command starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commonhold.cli.node_home import is_running
from commonhold.cli.output import say
from node.config import NodeDirectory
from protocol.errors import LocalError

LOG_NAME: Final = "node.log"
# Enough for what a node said last, whatever it writes; and for what anybody looks up afterwards.
_SAID_BYTES: Final = 4_096
_LOG_BYTES_MAX: Final = 8 << 20
_SAID_LINES: Final = 3
_READY_NAME: Final = "node.ready"
_READY_S: Final = 60.0  # a cold start on a busy machine takes ten
_STOP_S: Final = 10.0
_POLL_S: Final = 0.1
_ADVICE: Final = "start it by itself: `commonhold node start`"


@contextmanager
def node_running(home: NodeDirectory, passphrase_path: Path | None) -> Iterator[None]:
    """Starts the daemon unless it runs, and ends what it started. If we are killed it goes on, as one that
    somebody started would; the next command finds it.

    Raises LocalError, with what the node said last, when it does not come up.
    """
    if is_running(home):
        yield
        return
    log, ready = home.root / LOG_NAME, home.root / _READY_NAME
    ready.unlink(missing_ok=True)
    say(f"your node was not running: it does now, as long as this command, and writes to {log}")
    arguments = ["node", "start", "--dir", str(home.root), "--ready-file", str(ready)]
    if passphrase_path is not None:
        arguments += ["--passphrase-file", str(passphrase_path)]
    node = _start(arguments, log)
    try:
        _wait_until_ready(node, ready, log)
        yield
    finally:
        _end(node)


def _start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    is_long = log.exists() and log.stat().st_size > _LOG_BYTES_MAX
    with log.open("wb" if is_long else "ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "commonhold", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for the command, which then ends it
        )


def _wait_until_ready(node: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while not ready.exists():
        if node.poll() is not None:
            raise LocalError(f"the node did not start: {said_last(log)}", _ADVICE)
        if time.monotonic() > deadline:
            raise LocalError(f"the node is not ready after {_READY_S:.0f} s; see {log}", _ADVICE)
        time.sleep(_POLL_S)


def said_last(log: Path) -> str:
    """The last lines of a log, however long it is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _SAID_BYTES))
        lines = file.read(_SAID_BYTES).decode(errors="replace").splitlines()
    return " ".join(lines[-_SAID_LINES:])


def _end(node: subprocess.Popen[bytes]) -> None:
    node.terminate()
    try:
        node.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
