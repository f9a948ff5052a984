"""How every command speaks: results to standard output (text or --json), all else to standard error.

Exit codes: 0 done, 1 a check failed (verify, demo), 2 wrong use or configuration, 3 the other side
cannot be reached or is busy (the work is kept), 4 the other side refused, 5 the state does not allow
it now, 6 our own disk failed, 7 what was asked for could not be checked (verify --rpc-url: that is no
pass), 130 interrupted. Any other non-zero code is a bug.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from protocol.errors import (
    CommonholdError,
    ConfigError,
    Misbehaviour,
    RemoteError,
    StateError,
    StoreError,
    Unreachable,
)

EXIT_CHECK_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_REFUSED: Final = 4
EXIT_STATE: Final = 5
EXIT_STORE: Final = 6
EXIT_UNCHECKED: Final = 7
EXIT_INTERRUPTED: Final = 130

_EXITS: Final[tuple[tuple[type[CommonholdError], int], ...]] = (
    (ConfigError, EXIT_USAGE),
    (Unreachable, EXIT_UNREACHABLE),
    (Misbehaviour, EXIT_CHECK_FAILED),
    (RemoteError, EXIT_REFUSED),
    (StateError, EXIT_STATE),
    (StoreError, EXIT_STORE),
)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]

P = ParamSpec("P")
R = TypeVar("R")


def exit_code(error: CommonholdError) -> int:
    """The documented exit code of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), EXIT_USAGE)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turns our errors into a message, what to do next, and an exit code; no traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except CommonholdError as error:
            complain(str(error), error.advice)
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            err.print("interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def complain(message: str, advice: str) -> None:
    """Says what is wrong, and what to do next. Escaped: it may hold a file's name, or words of a stranger."""
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    if advice:
        err.print(f"[bold]next:[/] {escape(advice)}", soft_wrap=True)


def emit(data: dict[str, Any], as_json: bool, text: Callable[[], object]) -> None:
    """Prints `data` as JSON, or whatever `text` returns: a string, letter by letter, or a rich renderable."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2, sort_keys=True, default=_encode) + "\n")
    else:
        out.print(text(), soft_wrap=True, markup=False)


def _encode(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """A plain table; numbers are right-aligned."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for position, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        # As text: cells hold what others have written, and nothing in it is markup.
        made.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    return made


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """A progress display on standard error; nothing when quiet or not a terminal."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    ) as bar:
        yield bar


def micro(amount: int) -> str:
    """Micro-units as people read them: 1234567 -> 1.234567."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 1_000_000:,}.{amount % 1_000_000:06d}"
