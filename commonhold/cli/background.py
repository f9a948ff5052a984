"""Commands that go on: started in the background, and awaited until others can reach them.

    start         a command of ours in a process of its own, which outlives this one
    until_ready   waits for its ready file
    detach        `--background`: the command that was typed, without that option, started so

Who types `commonhold coordinator serve &` cannot know when the next command may follow. With `--background`
the command returns then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from commonground.files import FILE_MODE
from commonhold.cli.output import say, show
from protocol.errors import LocalError

BackgroundOption = Annotated[
    bool,
    typer.Option(
        "--background",
        help="Return as soon as it is ready, and let it go on; says how it is ended.",
    ),
]

# Enough for what it said last, whatever it writes; and for what anybody looks up afterwards.
_SAID_BYTES: Final = 4_096
_LOG_BYTES_MAX: Final = 8 << 20
_SAID_LINES: Final = 3
_READY_S: Final = 60.0  # a cold start on a busy machine takes ten
_POLL_S: Final = 0.1
_LOGGED: Final = re.compile(r"\blevel=(?:DEBUG|INFO) part=")
_OPTION: Final = "background"
_READY_OPTION: Final = "ready_file"


def start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts `commonhold` with these arguments; what it says is added to `log`, which its owner alone reads:
    an address that opens a page is a secret."""
    is_long = log.exists() and log.stat().st_size > _LOG_BYTES_MAX
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_long else os.O_APPEND)
    descriptor = os.open(log, flags, FILE_MODE)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "commonhold", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,  # Ctrl-C, and the terminal's end, are not for it
        )
    finally:
        os.close(descriptor)


def until_ready(process: subprocess.Popen[bytes], ready: Path, before: int | None = None) -> bool:
    """Waits for the ready file, if it is another one than `before`; False when the process has ended instead.

    Raises LocalError when neither happens in time; the process goes on then.
    """
    deadline = time.monotonic() + _READY_S
    while stamp_of(ready) in (None, before):
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise LocalError(
                f"process {process.pid} is not ready after {_READY_S:.0f} s",
                f"it goes on: a long log takes longer. End it with: kill {process.pid}",
            )
        time.sleep(_POLL_S)
    return True


def stamp_of(ready: Path) -> int | None:
    """Which of the files that had this name there is now; None where there is none."""
    try:
        return ready.stat().st_mtime_ns
    except OSError:
        return None


def said_last(log: Path) -> str:
    """The last lines of a log, however long it is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _SAID_BYTES))
        lines = file.read(_SAID_BYTES).decode(errors="replace").splitlines()
    return " ".join(lines[-_SAID_LINES:])


def detach(context: typer.Context, log: Path | None, done: Collection[str] = ()) -> None:
    """Starts the command that was typed in the background, without the options that are `done` already, and
    shows what it says until it is ready.

    Without a log of its own it writes to a temporary file. Raises LocalError when it is not ready in time;
    and ends as the command does, if that ends.
    """
    log = log or _temporary_log()
    chosen = context.params[_READY_OPTION]
    with _ready_file(chosen) as ready:
        arguments = [*typed_again(context, {_OPTION, _READY_OPTION, *done}), "--ready-file", ready]
        before, said = stamp_of(Path(ready)), _size_of(log)
        process = start(arguments, log)
        try:
            is_ready = until_ready(process, Path(ready), before)
        except KeyboardInterrupt:
            process.terminate()
            raise
    lines = _said_since(log, said)
    if not is_ready:
        say(*lines)
        raise typer.Exit(process.returncode)
    show(*(line for line in lines if not is_of_the_log(line)))
    say(f"process {process.pid} goes on, and writes to {log}; end it with: kill {process.pid}")


def is_of_the_log(line: str) -> bool:
    """Whether a line says how things go, for whoever reads the log. What is a warning is told."""
    return _LOGGED.search(line) is not None


def typed_again(context: typer.Context, without: Collection[str]) -> list[str]:
    """What has to be typed for the same command with the same options, but for some."""
    # The root is called as the program was, which may be several words.
    path = context.command_path.removeprefix(context.find_root().command_path)
    words = path.split()
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if option.name in without or value in (None, option.get_default(context), (), []):
            continue
        on = option.opts[0]
        if isinstance(value, bool):
            words.append(on if value else option.secondary_opts[0])
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            words += [on, str(each.value if isinstance(each, Enum) else each)]
    return words


@contextmanager
def _ready_file(chosen: Path | None) -> Iterator[str]:
    if chosen is not None:
        yield str(chosen)
        return
    with tempfile.TemporaryDirectory(prefix="commonhold-") as folder:
        yield str(Path(folder) / "ready")


def _temporary_log() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="commonhold-", suffix=".log")
    os.close(descriptor)
    return Path(name)


def _size_of(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _said_since(log: Path, size: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(size if size <= _size_of(log) else 0)  # it began anew where it was too long
        return file.read(_LOG_BYTES_MAX).decode(errors="replace").splitlines()
