"""A process of a job ends with the command that started it, whenever that one dies."""

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
