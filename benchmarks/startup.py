"""What a help page costs: CPU seconds (user and system) and memory of every `--help`, a process each.

    python -m benchmarks.startup [--json]

One thread; the best of three, since the first one reads from the disk. The worst page is the last.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.report import is_json_wanted
from commonhold.cli.reference import paths
from commonhold.cli.root import GROUPS

ATTEMPTS = 3
LIMIT_SECONDS = 0.35
# The process itself says how much memory it had: what the kernel tells its parent includes the parent's.
CODE = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
from commonhold.cli import main
main()
"""


def cost(arguments: tuple[str, ...]) -> tuple[float, float]:
    """CPU seconds and MiB of one process."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", said, re.MULTILINE)
    if process.returncode or peak is None:
        raise RuntimeError(f"commonhold {' '.join(arguments)} failed: {said}")
    return usage.ru_utime + usage.ru_stime, int(peak[1]) / 1024


def pages() -> Iterator[tuple[str, float, float]]:
    """Every page with its least CPU seconds and its memory."""
    for group in ("", *GROUPS):
        for path in paths(group):
            costs = [cost((*path, "--help")) for _ in range(ATTEMPTS)]
            name = " ".join(("commonhold", *path, "--help"))
            yield name, min(seconds for seconds, _ in costs), max(memory for _, memory in costs)


def run() -> dict[str, object]:
    """{page: {"CPU seconds", "MiB"}}, the worst last, and how many are above the limit."""
    found = sorted(pages(), key=lambda page: page[1])
    figures: dict[str, object] = {
        name: {"CPU seconds": round(seconds, 3), "MiB": round(memory)}
        for name, seconds, memory in found
    }
    above = sum(seconds > LIMIT_SECONDS for _, seconds, _ in found)
    return {f"pages above {LIMIT_SECONDS} CPU seconds": above} | figures


def main() -> None:
    as_json = is_json_wanted(__doc__)
    figures = run()
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        if isinstance(figure, dict):
            print(f"{name:56}{figure['CPU seconds']:8.3f} CPU s{figure['MiB']:6} MiB")
        else:
            print(f"{name:56}{figure:8}")


if __name__ == "__main__":
    main()
