"""Whether our epsilons are bounds, by another accountant: never below what it rounds down to.

    python -m benchmarks.privacy_oracle [--oracle PYTHON] [--json]

dp-accounting composes losses on a grid and rounds them up, or down: the truth is between. What it rounds up
to has errors of its own, larger ones where its bins are wide; ours may be a little below it, and must not be
below the other. It runs in an environment with benchmarks/requirements-accounting.txt (`make accounting`).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks.report import show
from federated.privacy import epsilon_micro
from protocol.limits import PPM

ORACLE: Final = Path(__file__).with_name("accounting_oracle.py")
DEFAULT_ORACLE: Final = Path(".tools/accounting/bin/python")

NOISES: Final = (0.6, 1.0, 2.0, 6.0, 20.0)
SAMPLINGS: Final = (1.0, 0.5, 0.1, 0.01, 0.001)
ROUNDS: Final = (1, 10, 100, 1_000)
DELTAS: Final = (1e-3, 1e-5, 1e-7, 1e-9)
# Above it promises nothing, and the other accountant's grid takes minutes.
EPSILON_MAX: Final = 60.0
_BIN_MAX: Final = 1e-4
# The rounding of our own figures, and of theirs.
_STATED: Final = 2e-6


def _bin(noise: float, sampling: float) -> float:
    """A thirtieth of what a round's loss is spread over."""
    spread = min(1 / noise, sampling * math.sqrt(math.expm1(noise**-2)))
    return min(_BIN_MAX, spread / 30)


def run(oracle: Path | None = None) -> dict[str, object]:
    """Compares all settings; returns every figure."""
    settings = [
        each
        for each in product(NOISES, SAMPLINGS, ROUNDS)
        if epsilon_micro(*each, DELTAS[-1]) <= EPSILON_MAX * PPM
    ]
    asked = "\n".join(json.dumps([*each, _bin(*each[:2]), DELTAS]) for each in settings)
    command = [str(oracle or DEFAULT_ORACLE), str(ORACLE)]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    below, above, excess, costs = 0, 0, [], []
    for each, line in zip(settings, done.stdout.splitlines(), strict=True):
        for delta, most, least in zip(DELTAS, *json.loads(line), strict=True):
            start = time.process_time()
            ours = epsilon_micro(*each, delta) / PPM
            costs.append(time.process_time() - start)
            below += ours < least
            above += ours > most * 1.01 + each[2] / PPM + _STATED
            excess.append(ours / most - 1 if most > 0.01 else 0.0)
    excess.sort()
    return {
        "settings": len(excess),
        "below what it rounds down to": below,
        "more than 1 % above what it rounds up to": above,
        "over what it rounds up to, median": excess[len(excess) // 2],
        "over what it rounds up to, least": excess[0],
        "over what it rounds up to, most": excess[-1],
        "processor seconds for one, median": sorted(costs)[len(costs) // 2],
        "processor seconds for one, most": max(costs),
    }


def main() -> None:
    """Prints the figures; ends with JSON on request."""
    options = argparse.ArgumentParser()
    options.add_argument("--oracle", type=Path)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    figures = run(chosen.oracle)
    show(figures)
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
