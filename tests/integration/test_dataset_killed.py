"""kill -9 in the middle of an export, at every kind of step that reaches the disk; then again.

Run as a program, this module is the export that gets killed: FOLDER, and the number of the step.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commonground.dataset import layout
from commonground.dataset.check import check_dataset
from commonground.dataset.formats.copies import write_copy
from protocol.rows import Campaign
from tests.dataset_lab import PICTURES, VERIFIER, DatasetLab

# 1 makes the lab's ledger. Then: log, items, data, its name, its directory, Croissant, provenance, policy,
# card, manifest, signature, the hidden directory, its name, the directory above.
STEPS = range(2, 16)
# Of a copy, after these: what describes it, its name, the dataset's directory.
COPY_STEPS = range(16, 19)


def made(folder: Path) -> DatasetLab:
    """The same network every time; its content is on disk."""
    lab = DatasetLab(folder)
    lab.accept(ada=[lab.item(3), lab.item(1)], ben=[lab.item(4)])
    lab.fetch()
    return lab


def die_at(step: int) -> None:
    """Kills this process just before the numbered sync or rename."""
    left = step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)


def copy_of(path: Path) -> None:
    write_copy(path, Campaign.of(PICTURES), "csv", has_answers=True)


def kill_at(folder: Path, step: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.test_dataset_killed", str(folder), str(step)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("step", STEPS)
def test_an_export_that_is_killed_leaves_no_half_dataset(tmp_path: Path, step: int) -> None:
    killed = kill_at(tmp_path, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    lab = made(tmp_path)
    shown = list(lab.home.datasets_path.glob("[!.]*"))
    assert len(shown) == (step == STEPS[-1])
    for each in shown:  # only a whole one has a dataset's name
        check_dataset(each, VERIFIER, lambda *_: None)
    path, manifest = lab.export()
    assert check_dataset(path, VERIFIER, lambda *_: None).manifest == manifest
    assert [each.name for each in lab.home.datasets_path.iterdir()] == [path.name]
    assert (path / layout.MANIFEST).exists()


@pytest.mark.parametrize("step", COPY_STEPS)
def test_a_copy_that_is_killed_leaves_the_dataset_as_it_was(tmp_path: Path, step: int) -> None:
    killed = kill_at(tmp_path, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [path] = made(tmp_path).home.datasets_path.glob("[!.]*")
    report = check_dataset(path, VERIFIER, lambda *_: None)
    assert report.copies == (("csv",) if step == COPY_STEPS[-1] else ())
    copy_of(path)
    assert check_dataset(path, VERIFIER, lambda *_: None).copies == ("csv",)
    assert not [each for each in path.iterdir() if each.name.startswith(".")]


if __name__ == "__main__":
    doomed = made(Path(sys.argv[1]))
    die_at(int(sys.argv[2]))
    copy_of(doomed.export()[0])
