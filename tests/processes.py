"""Processes of this machine, as a test kills them: what /proc says of them (Linux)."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# A machine may be busy; a process is there at once.
START_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs."""

    process_id: int
    command: str


def children_of(process_id: int) -> list[Process]:
    """All that it started and that run, and what those started."""
    found: list[Process] = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        for each in map(int, _read(task).split()):
            found += [Process(each, _read(Path(f"/proc/{each}/cmdline")).replace("\0", " "))]
            found += children_of(each)
    return found


def child_of(process_id: int, word: str) -> Process:
    """The one that has this word in its command, once it has: until it runs it has its parent's, or none."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        found = [each for each in children_of(process_id) if word in each.command]
        if found:
            [child] = found
            return child
        assert time.monotonic() < deadline, f"nothing with {word!r} has been started"
        time.sleep(POLL_SECONDS)


def kill(process_id: int) -> None:
    """SIGKILL: nothing of it runs any more, no handler, no `finally`."""
    os.kill(process_id, signal.SIGKILL)


def pss_mib(process_id: int) -> float:
    """Its memory with its share of what it shares, in MiB; 0 when it is gone."""
    rollup = _read(Path(f"/proc/{process_id}/smaps_rollup"))
    kib = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(kib[0]) / 1024 if kib else 0.0


def cpu_seconds(process_id: int) -> float:
    """What it has taken of the processors so far, in user and kernel mode; 0 when it is gone."""
    fields = _read(Path(f"/proc/{process_id}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
