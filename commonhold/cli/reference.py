"""Writes docs/cli.md from the commands' own help: `python -m commonhold.cli.reference`.

A test compares the two, so the page can be neither wrong nor forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from typer.testing import CliRunner

from commonhold.cli.output import __doc__ as output_doc
from commonhold.cli.output import show
from commonhold.cli.root import GROUPS, build

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH: Final = 96
ENVIRONMENT: Final = {
    "COLUMNS": str(WIDTH),
    "TERM": "dumb",
    "NO_COLOR": "1",
    "HOME": "/home/you",
}


def render() -> str:
    """The whole page."""
    exits = (output_doc or "").split("Exit codes: ")[1].strip()
    parts = [
        "# Command line\n",
        "Generated from `--help` by `python -m commonhold.cli.reference`; a test keeps it current.\n",
        f"Exit codes: {exits}\n",
        "With `--json` standard output is one JSON object. Of a command that could not do what it was\n"
        "asked it has `error`, `next` (what to do) and `exit_code`. What is said to people beside it is on\n"
        "standard error.\n",
    ]
    for name in ("", *GROUPS):
        parts += [
            f"## `{' '.join(('commonhold', *path))}`\n\n```text\n{text}\n```\n"
            for path, text in pages(name)
        ]
    return "\n".join(parts)


def paths(name: str = "") -> Iterator[tuple[str, ...]]:
    """The words before each `--help` of a group; without a name, of the root alone."""
    if not name:
        yield ()
        return
    root: Any = typer.main.get_command(build(name))
    yield from _below(root.commands[name], (name,))


def pages(name: str = "") -> Iterator[tuple[tuple[str, ...], str]]:
    """Each help page of a group as a user sees it: only the group that is asked for is mounted."""
    root = build(name)
    for path in paths(name):
        yield path, _help(root, path)


def _below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _below(child, (*path, name))


def _help(root: typer.Typer, path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(
        root,
        [*path, "--help"],
        prog_name="commonhold",
        env=ENVIRONMENT,
        terminal_width=WIDTH,
    )
    if result.exit_code != 0:
        raise RuntimeError(f"{' '.join(path)} --help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.splitlines()).strip()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    show(f"wrote {os.path.relpath(PAGE)}")
