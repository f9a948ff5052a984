"""Help pages are quick: none of them waits for the packages that a command works with.

Their CPU seconds are measured by `python -m benchmarks.startup`.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from commonhold.cli import node_work
from commonhold.cli.root import GROUPS
from node.reviewers import Refusal

HEAVY = (
    *(
        "libp2p",
        "trio",
        "web3",
        "eth_keys",
        "coincurve",
        "grpc",
        "httpx",
        "sqlalchemy",
        "sqlite_utils",
    ),
    *("numpy", "scipy", "pyarrow", "PIL", "starlette", "uvicorn"),
)
# Renders the pages of a group in one process; what is imported stays, so the first one to name a
# package is the culprit.
RENDER = """
import json, sys
from commonhold.cli.reference import pages
found = {}
for path, text in pages(sys.argv[1]):
    assert "Usage: commonhold" in text
    found[" ".join(path)] = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps(found))
"""


def test_the_packages_are_known_here() -> None:
    """A name that is misspelt, or no longer used, would guard nothing."""
    from importlib.util import find_spec

    assert not [name for name in HEAVY if find_spec(name) is None]


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_no_help_page_imports_what_is_heavy(group: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RENDER, group, json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert group in found
    assert not {page: names for page, names in found.items() if names}


def test_the_reasons_that_help_shows_are_those_of_the_node() -> None:
    assert {each.name: each.value for each in node_work.RefusalReason} == {
        each.name: each.value for each in Refusal
    }
