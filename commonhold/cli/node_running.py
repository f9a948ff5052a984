"""A node that runs while a command does: the daemon that is there already, or one that the command starts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commonhold.cli.background import said_last, start, until_ready
from commonhold.cli.node_home import is_running
from commonhold.cli.output import say
from node.config import NodeDirectory
from protocol.errors import LocalError

_READY_NAME: Final = "node.ready"
_STOP_S: Final = 10.0


@contextmanager
def node_running(home: NodeDirectory, passphrase_path: Path | None) -> Iterator[None]:
    """Starts the daemon unless it runs, and ends what it started. If we are killed it goes on, as one that
    somebody started would; the next command finds it.

    Raises LocalError, with what the node said last, when it does not come up.
    """
    if is_running(home):
        yield
        return
    ready = home.root / _READY_NAME
    ready.unlink(missing_ok=True)
    say(
        f"your node was not running: it does now, as long as this command, and writes to {home.log}"
    )
    arguments = ["node", "start", "--dir", str(home.root), "--ready-file", str(ready)]
    if passphrase_path is not None:
        arguments += ["--passphrase-file", str(passphrase_path)]
    node = start(arguments, home.log)
    try:
        if not until_ready(node, ready):
            raise LocalError(
                f"the node did not start: {said_last(home.log)}",
                "start it by itself: `commonhold node start`",
            )
        yield
    finally:
        _end(node)


def _end(node: subprocess.Popen[bytes]) -> None:
    node.terminate()
    try:
        node.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
