"""Processes of this machine, as a test kills them: what /proc says of them (Linux)."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


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
