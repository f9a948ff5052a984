"""A command waits for no package that it does not use: each as a process, which says what it has loaded.

Help pages have a test of their own: tests/unit/test_cli_help.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from coordinator.drafts import draft_text
from tests.contributor_lab import TERMS as PICTURES
from tests.contributor_lab import Contributor, Operator

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("libp2p", "trio", "httpx", "grpc", "starlette", "uvicorn", "jinja2"),
    *("eth_keys", "web3", "cryptography", "scipy", "pyarrow", "PIL", "sqlalchemy", "sqlite_utils"),
)
# The last argument is the list of packages.
RUN = """
import atexit, json, sys
heavy = json.loads(sys.argv.pop())
atexit.register(lambda: print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr))
from commonhold.cli import main
main()
"""
# eth_keys: whoever folds the log checks the signature of each payout address in it.
READS = {"sqlite_utils", "eth_keys"}
CONNECTS = READS | {"grpc", "cryptography"}
OPERATES = {"sqlalchemy", "grpc"}
# The words of a command, how it ends, and what it may load.
OF_A_NODE = (
    ("node status", 0, CONNECTS),
    ("node campaigns", 0, CONNECTS),
    ("model list", 0, CONNECTS),
    ("node status --offline", 0, READS),
    ("node statement", 0, READS),
    ("node alarms", 0, READS),
    ("node review list", 0, READS),
    ("node review show 1", 2, READS),
    ("node contest 00", 2, READS),
    ("node page", 5, {"sqlite_utils"}),
)
OF_AN_OPERATOR = (
    ("coordinator status", 0, OPERATES),
    ("coordinator licences", 0, OPERATES),
    ("coordinator campaign list", 0, OPERATES),
    ("coordinator campaign check campaign.toml", 0, OPERATES),
)


@pytest.mark.parametrize("name", HEAVY)
def test_the_package_is_known_here(name: str) -> None:
    """A name that is misspelt, or no longer used, would guard nothing."""
    assert find_spec(name) is not None


async def test_commands_of_a_node_load_what_they_use(tmp_path: Path) -> None:
    ada, operator = Contributor(tmp_path / "ada"), Operator(tmp_path / "operator")
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        labels = ("--labels", str(ada.labels))
        submit = ["node", "submit", str(ada.pictures), *PICTURES, *labels]
        where = {"COMMONHOLD_NODE": str(ada.home)}
        assert await too_much(submit, 0, CONNECTS, tmp_path, where) == set()
        for words, code, may in OF_A_NODE:
            assert await too_much(words.split(), code, may, tmp_path, where) == set(), words


async def test_commands_of_an_operator_load_what_they_use(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "operator")
    (tmp_path / "campaign.toml").write_text(draft_text("classify", "birds"))
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        where = {"COMMONHOLD_COORDINATOR": str(operator.home.path)}
        for words, code, may in OF_AN_OPERATOR:
            assert await too_much(words.split(), code, may, tmp_path, where) == set(), words


async def too_much(
    arguments: Sequence[str], code: int, may: set[str], folder: Path, where: dict[str, str]
) -> set[str]:
    """What a command has loaded of HEAVY when it ends, beyond what it may."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, *arguments, json.dumps(HEAVY)),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | where,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == code, said.decode()
    return set(json.loads(said.splitlines()[-1])) - may
