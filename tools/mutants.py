"""Does a test notice when a rule is lost? Changes one rule of protocol/ at a time, and runs the fold's tests.

    make mutants                             all of them, in scratch copies; a quarter of an hour or so
    python tools/mutants.py window gold      those whose names hold one of these words
    python tools/mutants.py --list           their names, and whether they still apply

For each change first the tests named beside it, then, if they pass, all tests of the fold. A change that all
of them pass has survived: a rule that could be lost tomorrow. Exit status: 0 all are noticed, 1 some survive,
2 a change does not apply any more (the rule has moved: adapt the list in tools/rules_lost/), or the tests
fail without any change.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Final

from rules_lost import MUTANTS, Mutant

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("protos", "protocol", "node", "commonground", "benchmarks", "tests")
UNIT: Final = (
    *("test_withdraw_attacks.py", "test_strict.py", "test_similarity.py", "test_payout.py"),
    *(
        "test_settlement.py",
        "test_truth.py",
        "test_scoring.py",
        "test_tasks_kinds.py",
        "test_coin.py",
    ),
)
PROPERTIES: Final = (
    *("test_fold_machine.py", "test_money_and_draws.py", "test_revenue_properties.py"),
    *("test_similarity_properties.py", "test_truth_properties.py"),
)
SECONDS_MAX: Final = 600  # a test that hangs has noticed


class Fate(Enum):
    """What became of a change."""

    NOTICED = "noticed"
    SURVIVED = "SURVIVES"
    MOVED = "DOES NOT APPLY"


def applies(mutant: Mutant, root: Path = ROOT) -> bool:
    """Whether the rule stands where the list says, and only there."""
    path = root / mutant.file
    return path.exists() and path.read_text().count(mutant.old) == 1


def copy_to(folder: Path) -> Path:
    """Only what the tests of the fold read."""
    copy = folder / "project"
    copy.mkdir()
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def first_failure(copy: Path, tests: list[str]) -> str | None:
    """The first test that fails; None if all pass."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "a test that hangs"
    if done.returncode == 0:
        return None
    failed = (x.split()[1] for x in done.stdout.splitlines() if x.startswith(("FAILED ", "ERROR ")))
    return next(failed, "the tests do not start")


def stages(copy: Path, mutant: Mutant) -> list[list[str]]:
    """The tests in the order in which they are asked: the named ones, the unit tests, the properties."""
    folds = sorted(str(path.relative_to(copy)) for path in copy.glob("tests/unit/test_fold*.py"))
    unit = [name for name in (f"tests/unit/{name}" for name in UNIT) if (copy / name).exists()]
    named = [f"tests/{name}" for name in mutant.tests.split()]
    return [named, [*folds, *unit], [f"tests/property/{name}" for name in PROPERTIES]]


def fate_of(mutant: Mutant) -> tuple[Fate, str, float]:
    """Applies one change in a copy of its own. Gives what noticed it, and the seconds that took."""
    started = time.monotonic()
    if not applies(mutant):
        return Fate.MOVED, mutant.file, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_to(Path(folder))
        path = copy / mutant.file
        path.write_text(path.read_text().replace(mutant.old, mutant.new))
        for tests in stages(copy, mutant):
            if (failed := first_failure(copy, tests)) is not None:
                return Fate.NOTICED, failed, time.monotonic() - started
    return Fate.SURVIVED, "", time.monotonic() - started


def failure_as_it_is() -> str | None:
    """What fails in the rules as they are: it would notice every change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_to(Path(folder))
        tests = [name for stage in stages(copy, MUTANTS[0]) for name in stage]
        return first_failure(copy, list(dict.fromkeys(tests)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="parts of names")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=2, help="changes tried side by side")
    asked = parser.parse_args()
    chosen = [
        each
        for each in MUTANTS
        if not asked.words or any(word in each.name for word in asked.words)
    ]
    if asked.list:
        for each in chosen:
            print(f"{each.name}: {each.file}{'' if applies(each) else '  (does not apply)'}")
        return 0
    if failed := failure_as_it_is():
        print(f"{failed} fails without any change")
        return 2
    fates = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        for each, (fate, by, seconds) in zip(chosen, pool.map(fate_of, chosen), strict=True):
            print(f"{each.name}: {fate.value} {by} ({seconds:.0f} s)", flush=True)
            fates.append(fate)
    print(f"{fates.count(Fate.NOTICED)} of {len(fates)} are noticed")
    if Fate.SURVIVED in fates:
        return 1
    return 2 if Fate.MOVED in fates else 0


if __name__ == "__main__":
    sys.exit(main())
