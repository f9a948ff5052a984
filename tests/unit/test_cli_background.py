"""A command that starts itself again, in the background, says all that was typed."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from commonhold.cli.background import is_of_the_log, said_last, start, typed_again, until_ready


def test_lines_of_the_log_stay_in_the_log_and_warnings_are_told() -> None:
    said = [
        "2026-11-28 22:00:00,000 level=INFO part=node.daemon serving",
        "my page: http://127.0.0.1:1/x",
        "2026-11-28 22:00:01,000 level=WARNING part=node.daemon it cannot be reached",
    ]
    assert [line for line in said if not is_of_the_log(line)] == said[1:]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


app = typer.Typer()
typed: list[list[str]] = []


@app.callback()
def _group() -> None:
    """A group, as all commands are in one."""


@app.command()
def paint(
    context: typer.Context,
    *,
    directory: Annotated[Path | None, typer.Option("--dir")] = None,
    colour: Annotated[Colour, typer.Option()] = Colour.RED,
    times: Annotated[int, typer.Option()] = 1,
    wall: Annotated[list[str] | None, typer.Option("--wall")] = None,
    dry: Annotated[bool, typer.Option()] = True,
    background: Annotated[bool, typer.Option("--background")] = False,
) -> None:
    """Paints."""
    assert background
    typed.append(typed_again(context, {"background"}))


@pytest.mark.parametrize(
    "line",
    [
        "paint",
        "paint --dir a\N{HAIR SPACE}b --colour blue --times 0 --wall north --wall south --no-dry",
    ],
)
def test_it_is_the_same_command(line: str) -> None:
    typed.clear()
    words = line.split(" ")
    done = CliRunner().invoke(app, [*words, "--background"], prog_name="python -m paint")
    assert done.exit_code == 0, done.output
    assert typed == [words]


def test_a_ready_file_of_an_earlier_start_is_not_this_ones(tmp_path: Path) -> None:
    ready, log = tmp_path / "ready", tmp_path / "log"
    ready.write_text("{}")
    earlier = ready.stat().st_mtime_ns
    process = start(["--version"], log)
    assert not until_ready(process, ready, earlier), "it ended, and never was ready"
    assert process.returncode == 0 and said_last(log).startswith("commonhold ")
    process = start(["--version"], log)
    os.utime(ready, ns=(0, earlier + 1))
    assert until_ready(process, ready, earlier)
    assert process.wait(60) == 0
    assert log.read_text().count("commonhold ") == 2, "what was said before stays"
