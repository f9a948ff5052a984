"""The root command on a machine that lacks a role's packages."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from commonhold.cli.output import EXIT_BUG
from protocol.rules.table import LATEST

WITHOUT = """
import sys
from importlib.metadata import version
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
    assert f"pip install '.[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_other_groups_work_without_it() -> None:
    assert run("sqlalchemy", "verify", "--help").returncode == 0
    assert run("libp2p", "coordinator", "--help").returncode == 0


FAULT = """
import logging, sys
from commonhold.cli import root
def build(*_):
    logging.getLogger("node").warning("refused: %s", "no\\nERROR all is lost\\x1b[2J")
    print("ε \\u202e")
    raise ValueError("a stranger's\\nERROR all is lost\\x1b[2J")
root.build = build
root.main()
"""


def test_what_strangers_wrote_forges_no_line_of_a_log_or_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULT],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == EXIT_BUG
    assert "WARNING node: refused: no<U+000A>ERROR all is lost<U+001B>[2J\n" in done.stderr
    assert "\n    ERROR all is lost<U+001B>[2J" in done.stderr
    assert "\nERROR" not in done.stderr and "\x1b" not in done.stderr
    assert done.stdout == "\\u03b5 \\u202e\n"  # a terminal that has no such letters


def test_the_version_says_up_to_which_rules() -> None:
    done = run("sqlalchemy", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"commonhold {version('commonhold')}, rules {LATEST}\n"
