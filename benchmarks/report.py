"""How figures are shown: one line each, nested tables by their path; and how they are had of each format."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def of_each(module: str, names: Iterable[str], *options: str) -> dict[str, Any]:
    """What a benchmark finds `--only` of each of these, in a process of its own: memory that one of them
    took would be counted for all that follow. Each is told as soon as it is known."""
    found = {}
    for name in names:
        command = [sys.executable, "-m", module, "--only", name, "--json", *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        found[name] = json.loads(done.stdout) if done.stdout else {"ended with": done.returncode}
        print(f"{name}: {done.stdout.strip() or done.returncode}", file=sys.stderr, flush=True)
    return found


def is_json_wanted(about: str | None) -> bool:
    """What the command line says of a benchmark that has no other option than --json."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    return bool(parser.parse_args().json)


def show(figures: Mapping[str, object]) -> None:
    """Prints every figure."""
    print("\n".join(_lines(figures)), flush=True)


def _lines(figures: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            yield from _lines(figure, f"{prefix}{name}: ")
        else:
            shown = f"{figure:,.4g}" if isinstance(figure, float) else f"{figure}"
            yield f"  {prefix + str(name):<52} {shown}"
