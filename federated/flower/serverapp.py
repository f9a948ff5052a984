"""Flower's ServerApp as a process: `python -m federated.flower.serverapp ADDRESS FOLDER PARENT < token`.

Stock, a SuperExec polls for tasks and passes their tokens in argv. Whoever started the run holds its
token already, so this process gets it through a pipe, and one process less polls.
"""

from __future__ import annotations

import sys
from pathlib import Path
from queue import Queue
from typing import Any, Final

from flwr.supercore.inflatable.inflatable_utils import pull_objects
from flwr.superlink.grid import http_grid
from flwr.superlink.runtime import run_serverapp

from federated.flower.layout import CERTIFICATE_FILE
from federated.flower.parent import end_with

# A reply is announced before its content is there, and Flower would then wait one second, two, four.
PULL_BACKOFF_SECONDS: Final = 0.01
PULL_BACKOFF_SECONDS_MAX: Final = 0.5
# A partner that was killed between the two never sends it.
PULL_SECONDS_MAX: Final = 10.0


def main() -> None:
    """Entry point of the process; ends with code 0 when the app returned, 1 when it raised."""
    address, folder, parent_id = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    end_with(parent_id)
    # HttpGrid takes no settings for this; the name is bound in its module.
    vars(http_grid)["pull_objects"] = _pull_objects
    lines: Queue[str | None] = Queue()  # nobody asks Flower for our log: it is a file
    run_serverapp(
        runtime_api_address=address,
        log_queue=lines,
        token=sys.stdin.read().strip(),
        insecure=False,
        certificates=(folder.parent / CERTIFICATE_FILE).read_bytes(),
        parent_pid=parent_id,
        runtime_dependency_install=False,
    )


def _pull_objects(*args: Any, **settings: Any) -> dict[str, bytes]:
    return pull_objects(
        *args,
        **settings,
        max_time=PULL_SECONDS_MAX,
        initial_backoff=PULL_BACKOFF_SECONDS,
        backoff_cap=PULL_BACKOFF_SECONDS_MAX,
    )


if __name__ == "__main__":
    main()
