"""Command lines that cannot be read: what is said of them, and what to do next."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from commonhold.cli.output import EXIT_USAGE
from commonhold.cli.root import build


@pytest.mark.parametrize(
    ("line", "says", "advises"),
    [
        (
            "coordinator epoch close --epoch 0",
            "--epoch is '0'",
            "whole number from 1 to 4,294,967,296",
        ),
        ("coordinator epoch close --epoch x", "--epoch is 'x'", "give a whole number from 1 to"),
        ("coordinator settle --timeout 0", "--timeout is '0'", "give a number, 1 or more"),
        ("coordinator revenue deposit 0", "amount is '0'", "give a whole number from 1 to"),
        ("coordinator init --name x --port y", "--port is 'y'", "give a whole number"),
        (
            "coordinator export --campaign x --scope y",
            "--scope is 'y'",
            "train, redistribute, commercial",
        ),
        ("node review refuse 12 dull", "reason is 'dull'", "say one of: unsure, unreadable"),
        ("coordinator export", "missing option '--campaign'", "coordinator export --help"),
        ("verify", "there is nothing to verify", "name a network link"),
        ("coordinator epoch close --epok 1", "no such option: --epok", "epoch close --help"),
        ("coordinator epoch klose", "no such command 'klose'", "coordinator epoch --help"),
        ("nothing", "no such command 'nothing'", "--help"),
    ],
)
def test_it_is_said_with_what_to_write_instead(line: str, says: str, advises: str) -> None:
    words = line.split()
    done = CliRunner().invoke(build(words[0]), words)
    assert done.exit_code == EXIT_USAGE
    error, advice = done.stderr.splitlines()
    assert error.startswith("error: ") and says in error
    assert advice.startswith("next: ") and advises in advice


def test_whoever_says_nothing_is_shown_what_there_is() -> None:
    done = CliRunner().invoke(build("coordinator"), ["coordinator", "epoch"])
    assert "close" in done.output and "error:" not in done.output
