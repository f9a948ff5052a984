"""Runs all benchmarks but `training`, or those that are named, and writes bench-results.json.

`training` runs in an environment of its own: what is in the file already stays, so that both add to it.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.report import show

RESULTS: Final = Path("bench-results.json")

NAMES = (
    *("ledger", "submissions", "fold", "replay", "inference", "similarity", "transfer", "gas"),
    *("dataset", "formats", "round_trip", "pages", "own_page", "review_page", "startup", "draw"),
    *("flood", "gossip", "privacy"),
)


def main() -> None:
    """Runs those named on the command line, or all but one."""
    results: dict[str, object] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {"python": platform.python_version(), "machine": platform.machine()}
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name} ==", flush=True)
        start = time.perf_counter()
        figures = results[name] = importlib.import_module(f"benchmarks.{name}").run()
        show(figures)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    RESULTS.write_text(json.dumps(results, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
