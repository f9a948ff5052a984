"""Plays lives of the network that nobody has played: `python -m tests.property.explore --seconds 60`.

Continuous integration plays the same ones every time, so that a change that breaks one is to blame. This goes
on from a seed of chance until the time is up, and says how to play again what failed: the same seed, on the
same commit, finds the same life and shortens it to what matters.

Exit status: 0 nothing failed, 1 something did.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from typing import Final

TESTS: Final = "tests/property/test_fold_machine.py"
EXPLORING: Final = "COMMONHOLD_EXPLORE"
"""Set in the environment, the tests take their chances from the seed instead of from their own source."""


def play(seed: int, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """The tests, with every choice made by this seed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--timeout=3600", f"--hypothesis-seed={seed}", *tests],
        env=os.environ | {EXPLORING: "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="start no new seed after so long")
    parser.add_argument("--seed", type=int, help="the first seed; by chance if it is not given")
    parser.add_argument("tests", nargs="*", default=[TESTS], help=f"default: {TESTS}")
    asked = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    until = time.monotonic() + asked.seconds
    played = 0
    while played == 0 or time.monotonic() < until:
        done = play(seed, asked.tests)
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n")
            print(f"seed {seed} fails; to play it again:")
            print(
                f"  python -m tests.property.explore --seconds 0 --seed {seed} {' '.join(asked.tests)}"
            )
            return 1
        print(f"seed {seed}: nothing failed", flush=True)
        seed, played = seed + 1, played + 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
