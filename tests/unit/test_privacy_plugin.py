"""A finder that is a program: what it finds counts, and whatever it does wrong ends it, and the command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from node.privacy.finders import TextFinder
from node.privacy.plugin import OUTPUT_BYTES_MAX, CommandFinder
from protocol.errors import ConfigError, StateError

Make = Callable[..., CommandFinder]
NAMES = """
import json, re, sys
for line in sys.stdin:
    text = json.loads(line)["text"]
    spans = [[*match.span(), "name"] for match in re.finditer(r"Ann|E-MAIL", text)]
    print(json.dumps({"spans": spans}), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Make:
    def make(source: str, timeout_seconds: float = 20.0) -> CommandFinder:
        path = tmp_path / "finder.py"
        path.write_text(source)
        return CommandFinder(f"{sys.executable} {path}", timeout_seconds)

    return make


def test_what_a_program_finds_is_found_too(program: Make) -> None:
    finder = program(NAMES)
    text = "😀 Ann, jo@example.org" + " and more" * 50_000  # more than a pipe holds
    both = TextFinder(more=[finder])
    assert both.redact(text) == text.replace("Ann", "[PERSONAL DATA]").replace(
        "jo@example.org", "[E-MAIL]"
    )
    assert [each.what for each in both.find("é Ann")] == ["name"]
    finder.close()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("{}", "no spans"),
        ("[1]", "no spans"),
        ('{"spans": [[0, 99, "name"]]}', "within the text"),
        ('{"spans": [[2, 1, "name"]]}', "within the text"),
        ('{"spans": [], "more": 1}', "no spans"),
        ("nonsense", "failed"),
        ("x" * (OUTPUT_BYTES_MAX + 1), "more than an answer"),
    ],
    ids=range(7),
)
def test_what_makes_no_sense_ends_it(program: Make, reply: str, why: str) -> None:
    finder = program(f"input(); print({reply!r}, flush=True); input()")
    with pytest.raises(StateError, match=why):
        list(finder("text"))
    with pytest.raises(StateError):  # and it is not asked again
        list(finder("text"))


def test_one_that_ends_or_is_silent_ends_the_command(program: Make) -> None:
    with pytest.raises(StateError, match="failed"):
        list(program("raise SystemExit")("text"))
    with pytest.raises(StateError, match="no answer within"):
        list(program("import time; time.sleep(600)", 0.2)("text"))


@pytest.mark.parametrize("command", ["/no/such/program", "'", ""])
def test_one_that_is_not_there_is_wrong_use(command: str) -> None:
    with pytest.raises(ConfigError, match="does not start"):
        CommandFinder(command)
