"""Processes of the demo: started, awaited by what they write, and ended whatever happens.

Every server runs in a session of its own, so that Ctrl-C reaches the demo alone and the demo ends them
in order. Nothing here waits by sleeping a guess: a server is ready when its ready file says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Final

from commonhold.cli.output import EXIT_REFUSED
from protocol.errors import LocalError

READY_S: Final = 60.0  # a cold start of eight Python processes on two busy cores takes about 20
COMMAND_S: Final = 240.0
STOP_S: Final = 10.0
_POLL_S: Final = 0.05
_LOG_LINES: Final = 15
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


class DemoError(LocalError):
    """A step of the demo did not do what it shows."""


@dataclass(slots=True)
class Server:
    """A running process and where it logs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: dict[str, Any] = field(default_factory=dict)


class Stage:
    """Holds all processes; leaving it ends them, last started first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[Server] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._starting = self._interrupted = False

    def __enter__(self) -> Stage:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        for each in _ENDING:
            # A shell lets what it runs in the background ignore Ctrl-C; so it stays.
            if signal.getsignal(each) is not signal.SIG_IGN:
                self._handlers[each] = signal.signal(each, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # A second Ctrl-C must not leave processes behind.
        for each in self._handlers:
            signal.signal(each, signal.SIG_IGN)
        try:
            self._stop_all()
        finally:
            for each, handler in self._handlers.items():
                signal.signal(each, handler)

    def serve(self, name: str, *arguments: str) -> Server:
        """Starts `commonhold ARGUMENTS --ready-file …`; `wait_ready` tells when it serves."""
        ready = self.folder / "logs" / f"{name}.ready"
        ready.unlink(missing_ok=True)
        log = self.folder / "logs" / f"{name}.log"
        with log.open("ab") as out:
            return self._spawn(name, [*arguments, "--ready-file", str(ready)], log, out, out)

    def wait_ready(self, *servers: Server) -> None:
        """Waits until each server wrote its ready file."""
        deadline = time.monotonic() + READY_S
        for server in servers:
            ready = self.folder / "logs" / f"{server.name}.ready"
            while not (ready.exists() and ready.stat().st_size):
                if server.process.poll() is not None:
                    raise DemoError(f"{server.name} ended at once:\n{_tail(server.log)}")
                if time.monotonic() > deadline:
                    raise DemoError(
                        f"{server.name} is not ready after {READY_S:.0f} s:\n{_tail(server.log)}"
                    )
                time.sleep(_POLL_S)
            server.ready = json.loads(ready.read_text())

    def stop(self, server: Server) -> None:
        """Ends one server politely, or after a while not."""
        _terminate([server])
        if server in self._servers:
            self._servers.remove(server)

    def run(self, *arguments: str) -> dict[str, Any]:
        """Runs `commonhold ARGUMENTS --json` to its end and gives what it printed."""
        return self.finish(self.start(*arguments))

    def start(self, *arguments: str) -> Server:
        """Starts a command that `finish` waits for."""
        log = self.folder / "logs" / "commands.log"
        with log.open("ab") as err:
            return self._spawn(
                " ".join(arguments), [*arguments, "--json"], log, subprocess.PIPE, err
            )

    def finish(self, command: Server) -> dict[str, Any]:
        """Waits for a command, which must end well, and gives what it printed."""
        output, _ = self._communicate(command)
        return _result(command, output)

    def fails(self, *arguments: str) -> str:
        """Runs a command that must find something wrong (exit code 1); gives what it said of it."""
        log = self.folder / "logs" / "commands.log"
        command = self._spawn(
            " ".join(arguments), arguments, log, subprocess.DEVNULL, subprocess.PIPE
        )
        _, said = self._communicate(command)
        if command.process.returncode != 1:
            raise DemoError(
                f"`commonhold {command.name}` ended with {command.process.returncode}, not 1"
            )
        return said.decode(errors="replace")

    def refused(self, *arguments: str) -> dict[str, Any]:
        """Runs a command that the network must refuse; gives what it printed all the same."""
        command = self.start(*arguments)
        output, _ = command.process.communicate(timeout=COMMAND_S)
        self._servers.remove(command)
        if command.process.returncode != EXIT_REFUSED:
            code = command.process.returncode
            raise DemoError(f"`commonhold {command.name}` ended with {code}, not {EXIT_REFUSED}")
        printed: dict[str, Any] = json.loads(output)
        return printed

    def run_all(
        self, commands: Sequence[Sequence[str]], *, at_once: int = 4
    ) -> list[dict[str, Any]]:
        """Runs several commands, some at once, and gives what each printed, in order."""
        results: list[dict[str, Any]] = []
        for start in range(0, len(commands), at_once):
            group = commands[start : start + at_once]
            running = [self.start(*command) for command in group]
            results += [self.finish(command) for command in running]
        return results

    def _communicate(self, command: Server) -> tuple[bytes, bytes]:
        try:
            said = command.process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            raise DemoError(f"`commonhold {command.name}` takes over {COMMAND_S:.0f} s") from None
        self._servers.remove(command)
        return said

    def _spawn(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        out: int | IO[bytes],
        err: int | IO[bytes],
    ) -> Server:
        # One thread for numerical libraries: eight nodes share two cores.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # Ctrl-C between the start of a process and its entry in the list would leave it running.
        self._starting = True
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "commonhold", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=environment,
            )
            server = Server(name, process, log)
            self._servers.append(server)
        finally:
            self._starting = False
        if self._interrupted:
            raise KeyboardInterrupt
        return server

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if not self._starting:
            raise KeyboardInterrupt

    def _stop_all(self) -> None:
        servers, self._servers = self._servers[::-1], []
        _terminate(servers)


def _terminate(servers: Sequence[Server]) -> None:
    for server in servers:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    for server in servers:
        try:
            server.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def _result(ended: Server, output: bytes) -> dict[str, Any]:
    command = f"`commonhold {ended.name}`"
    if ended.process.returncode != 0:
        raise DemoError(
            f"{command} ended with {ended.process.returncode}:\n"
            f"{output.decode(errors='replace')[-1000:] or _tail(ended.log)}",
            "all messages are in logs/commands.log of the demo's folder (--dir keeps it)",
        )
    try:
        printed: dict[str, Any] = json.loads(output) if output.strip() else {}
    except ValueError:
        raise DemoError(f"{command} printed no JSON: {output[:200]!r}") from None
    return printed


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
