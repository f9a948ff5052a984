"""What a process of a job has of the command that started it: a word, and its end."""

from __future__ import annotations

import os
import sys

from flwr.supercore.app_utils import start_parent_process_monitor


def end_with(parent_id: int) -> None:
    """Ends this process when that one is gone, also where it has gone before we looked.

    Whoever asks for his parent only then is told of process 1, which outlives everybody, and keeps the port.
    """
    if os.getppid() != parent_id:
        sys.exit("the command that started this process is gone")
    start_parent_process_monitor(parent_id)


def await_word() -> None:
    """For an app that is ready: until whoever started it says so. Raises EOFError when nobody will."""
    if not sys.stdin.readline():
        raise EOFError("whoever started this app has gone")
