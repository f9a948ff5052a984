"""`commonhold node scan`: personal data in files, found on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer
from rich.console import RenderableType

from commonground.counting import plural
from commonhold.cli.finding import LISTED, Found
from commonhold.cli.output import EXIT_NOTHING, EXIT_PERSONAL, EXIT_SOME, emit, progress
from node.privacy.finders import NOT_FOUND
from node.privacy.scanning import Scanned
from node.privacy.scanning import scan as scan_files
from node.privacy.screening import Screening

_KEPT_MAX: Final = 1_000_000  # of files and rows with something to say: some hundred megabytes


def scan(
    paths: list[Path], screening: Screening, encoding: str, header: bool, as_json: bool
) -> None:
    """Shows what is found. Ends with EXIT_PERSONAL if there is anything; else, where something could not be
    read, with EXIT_SOME, and with EXIT_NOTHING where that is all."""
    told: list[Scanned] = []
    count = 0
    with progress(as_json) as bar:
        task = bar.add_task("reading", total=None)
        for each in scan_files(paths, screening, encoding, header=header):
            count += 1
            bar.advance(task)
            if len(told) < _KEPT_MAX:
                told.append(each)
    found = Found.among(
        ((each.name, finding) for each in told for finding in each.findings),
        (each.language for each in told),
        sum(not each.is_whole for each in told),
    )
    unread = [each for each in told if each.problem]
    data = found.data() | {
        "looked_at": count - len(unread),
        "not_read": [{"file": each.name, "reason": each.problem} for each in unread],
    }
    emit(data, as_json, lambda: [*_lines(found, count - len(unread), unread), NOT_FOUND])
    if found.by_item:
        raise typer.Exit(EXIT_PERSONAL)
    if unread:
        raise typer.Exit(EXIT_SOME if count > len(unread) else EXIT_NOTHING)


def _lines(found: Found, count: int, unread: list[Scanned]) -> list[RenderableType]:
    lines: list[RenderableType] = [
        f"{plural(count, 'file or row was', 'files and rows were')} looked at",
        *found.lines(),
    ]
    if not found.by_item:
        lines.append("nothing was found that has the form of personal data")
    lines += [f"not read: {each.name}: {each.problem}" for each in unread[:LISTED]]
    if len(unread) > LISTED:
        lines.append(f"and {len(unread) - LISTED:,} more; --json has all of them")
    return lines
