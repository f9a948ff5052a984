"""docs/cli.md says what a user sees with `--help`, and every command and option says something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from commonhold.cli.reference import ENVIRONMENT, PAGE, render
from commonhold.cli.root import GROUPS, build


def commands(command: Any, name: str = "commonhold") -> Iterator[tuple[str, Any]]:
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {child_name}")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m commonhold.cli.reference`"


@pytest.mark.parametrize(
    "path", [(), ("verify",), ("node",), ("coordinator", "campaign", "create")]
)
def test_the_page_is_what_a_user_sees(path: tuple[str, ...]) -> None:
    code = "import sys; sys.argv[0] = 'commonhold'; from commonhold.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *path, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ENVIRONMENT,
    )
    seen = "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip()
    title = " ".join(("commonhold", *path))
    assert f"## `{title}`\n\n```text\n{seen}\n```\n" in PAGE.read_text(encoding="utf-8")


def test_every_command_and_option_is_explained() -> None:
    mute = [
        f"{name} {getattr(parameter, 'name', '')}"
        for name, command in commands(typer.main.get_command(build(*GROUPS)))
        for parameter in (command, *command.params)
        if not (getattr(parameter, "help", "") or "").strip()
    ]
    assert not mute
