"""The command line in the environment for training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "opacus", "flwr", "onnx", "onnxruntime", "sqlalchemy", "starlette", "uvicorn")
RENDER = """
import json, sys
from commonhold.cli.reference import pages
assert [text for _, text in pages("federated") if "Usage: commonhold" in text]
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
"""


def test_its_help_pages_wait_for_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RENDER, json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


def test_a_command_that_is_here_already_stays(tmp_path: Path) -> None:
    """No other environment is asked for, though there is one named that does not exist."""
    arguments = ("--job", "j", "--data", "d", "--epsilon-max", "3", "--dir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "commonhold", "federated", "join", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"COMMONHOLD_FEDERATED": str(tmp_path / "none"), "COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert "there is no node" in done.stderr
