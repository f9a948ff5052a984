"""docs/cli.md says what `--help` says, and every command and option says something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from commonhold.cli.reference import PAGE, render
from commonhold.cli.root import GROUPS, build


def commands(command: Any, name: str = "commonhold") -> Iterator[tuple[str, Any]]:
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {child_name}")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m commonhold.cli.reference`"


def test_every_command_and_option_is_explained() -> None:
    mute = [
        f"{name} {getattr(parameter, 'name', '')}"
        for name, command in commands(typer.main.get_command(build(*GROUPS)))
        for parameter in (command, *command.params)
        if not (getattr(parameter, "help", "") or "").strip()
    ]
    assert not mute
