"""The root command on a machine that lacks a role's packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[{module!r}] = None  # what Python does for a package that is not installed
sys.argv = ["commonhold", *{arguments!r}]
from commonhold.cli import main
main()
"""


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(module=module, arguments=arguments)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("sqlalchemy", ("coordinator", "status"), "coordinator"),
        ("eth", ("chain", "dev"), "chain"),
        ("sqlite_utils", ("node", "status"), "node"),
        ("libp2p", ("coordinator", "export", "--campaign", "cats"), "coordinator,export"),
    ],
)
def test_a_missing_package_names_its_extra(
    module: str, arguments: tuple[str, ...], extra: str
) -> None:
    done = run(module, *arguments)
    assert done.returncode == 2, done.stderr
    assert f"commonhold[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_other_groups_work_without_it() -> None:
    assert run("sqlalchemy", "verify", "--help").returncode == 0
    assert run("libp2p", "coordinator", "--help").returncode == 0
