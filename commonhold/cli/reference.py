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
from commonhold.cli.root import GROUPS, build

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
_WIDTH: Final = 96


def render() -> str:
    """The whole page."""
    root = build(*GROUPS)
    exits = (output_doc or "").split("Exit codes: ")[1].strip()
    parts = [
        "# Command line\n",
        "Generated from `--help` by `python -m commonhold.cli.reference`; a test keeps it current.\n",
        f"Exit codes: {exits}\n",
    ]
    for path in _paths(typer.main.get_command(root), ()):
        parts.append(
            f"## `{' '.join(('commonhold', *path))}`\n\n```text\n{_help(root, path)}\n```\n"
        )
    return "\n".join(parts)


def _paths(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _paths(child, (*path, name))


def _help(root: typer.Typer, path: tuple[str, ...]) -> str:
    environment = {"COLUMNS": str(_WIDTH), "TERM": "dumb", "NO_COLOR": "1", "HOME": "/home/you"}
    result = CliRunner().invoke(
        root,
        [*path, "--help"],
        prog_name="commonhold",
        env=environment,
        terminal_width=_WIDTH,
    )
    if result.exit_code != 0:
        raise RuntimeError(f"{' '.join(path)} --help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.splitlines()).strip()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    typer.echo(f"wrote {os.path.relpath(PAGE)}")
