"""Runs all benchmarks and writes bench-results.json."""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from pathlib import Path

from benchmarks.report import show

NAMES = (
    *("ledger", "submissions", "fold", "replay", "inference", "similarity", "transfer", "gas"),
    *("training", "dataset", "pages", "own_page", "startup", "draw", "flood"),
)


def main() -> None:
    """Runs those named on the command line, or all of them."""
    results: dict[str, object] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name} ==", flush=True)
        start = time.perf_counter()
        figures = results[name] = importlib.import_module(f"benchmarks.{name}").run()
        show(figures)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    Path("bench-results.json").write_text(json.dumps(results, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
