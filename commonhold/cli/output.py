"""How every command speaks: results to standard output (text or --json), all else to standard error.

Whatever is printed is text, letter by letter: no markup, and what a terminal would obey or nobody could see
is spelt out. A string is one line, whoever wrote it; layout is ours, made of lines, `table` and `styled`.

Exit codes: 0 done, 1 a check failed (verify, demo), 2 wrong use or configuration, 3 the other side
cannot be reached or is busy (the work is kept), 4 the other side refused, 5 the state does not allow
it now, 6 our own disk failed, 7 an alarm is one node's word (verify --alarm), 8 what was asked for could
not be checked, which is no pass (verify --rpc-url), 9 nothing of what was named could be submitted or
looked at, 10 some of it was left out (node submit --strict, node scan), 11 personal data was found (node
submit, node scan), 130 interrupted, 141 nobody read the output to its end (as `| head`). Any other
non-zero code is a bug.
"""

from __future__ import annotations

import errno
import functools
import json
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NoReturn, ParamSpec, TypeAlias, TypeVar

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from commonground.escaping import LogFormatter, in_shell, indented, one_line, visible
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
EXIT_TESTIMONY: Final = 7
EXIT_UNCHECKED: Final = 8
#: The last second of the year 9999: a log may name any number.
MOMENT_S_MAX: Final = 253_402_300_799
EXIT_NOTHING: Final = 9
EXIT_SOME: Final = 10
EXIT_PERSONAL: Final = 11
EXIT_BUG: Final = 70  # as sysexits.h has it
EXIT_INTERRUPTED: Final = 130
EXIT_UNREAD: Final = 141  # as a shell has it of whom SIGPIPE ends

_EXITS: Final[tuple[tuple[type[CommonholdError], int], ...]] = (
    (ConfigError, EXIT_USAGE),
    (Unreachable, EXIT_UNREACHABLE),
    (Misbehaviour, EXIT_CHECK_FAILED),
    (RemoteError, EXIT_REFUSED),
    (StateError, EXIT_STATE),
    (StoreError, EXIT_STORE),
)


_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_ROOM: Final = "make room on that disk, and run the command again"
COLUMNS_VARIABLE: Final = "COLUMNS"
# A file or another program has no width, and nothing is to be missing there. Tables are as wide as they need.
PIPED_COLUMNS: Final = 10_000


class Screen(Console):
    """A terminal to which text is text, whichever way it comes: the last defence behind all that is below."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)
        if not self.is_terminal and COLUMNS_VARIABLE not in os.environ:
            self.width = PIPED_COLUMNS

    def on_broken_pipe(self) -> None:
        """Whoever read has enough: that is no check that failed, as rich's own code 1 would say."""
        end_unread()

    def render_str(self, text: str, **options: Any) -> Text:
        """A string that is printed as it is."""
        return super().render_str(one_line(text), **options | {"markup": False, "emoji": False})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The pieces of anything else. Those that move the cursor are rich's own."""
        for piece in super().render(renderable, options):
            plain = piece.control or piece.text == "\n"
            yield piece if plain else Segment(visible(piece.text), piece.style)


out = Screen()
err = Screen(stderr=True)

Printed: TypeAlias = "RenderableType | Sequence[RenderableType]"
"""A line, something with a layout of its own, or several of these, one below the other."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]


class _Printed:
    """Whether a command has printed its JSON object: it prints one, also where it fails."""

    json = False


P = ParamSpec("P")
R = TypeVar("R")


def exit_code(error: CommonholdError) -> int:
    """The documented exit code of an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), EXIT_USAGE)


def end_unread() -> NoReturn:
    """Ends the command once nobody reads what it prints, and says nothing of it, as other programs do."""
    with open(os.devnull, "w") as nowhere:  # what is still in the buffer is written at the end
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    raise SystemExit(EXIT_UNREAD)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turns our errors into a message, what to do next, and an exit code; no traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _Printed.json, as_json = False, bool(kwargs.get("as_json"))
        try:
            _require_characters(kwargs)
            return command(*args, **kwargs)
        except CommonholdError as error:
            advice = error.advice + _elsewhere(error.advice, kwargs.get("directory"))
            advice = advice or _on_a_full_disk(error)
            complain(str(error), advice)
            emit_failure(str(error), advice, exit_code(error), as_json)
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            say("interrupted")
            emit_failure("interrupted", "", EXIT_INTERRUPTED, as_json)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def _elsewhere(advice: str, directory: object) -> str:
    """What commands of the same group need, too, to mean the directory that this one was given."""
    group = sys.argv[1] if len(sys.argv) > 1 else ""
    named = f"`commonhold {group} " in advice and "--dir" not in advice
    return f" (with --dir {in_shell(directory)})" if directory and named else ""


def emit_failure(error: str, advice: str, code: int, as_json: bool) -> None:
    """What a script reads of a command that could not do what it was asked, if it has printed nothing yet."""
    if as_json and not _Printed.json:
        emit({"error": error, "next": advice, "exit_code": code}, as_json, list)


def _on_a_full_disk(error: CommonholdError) -> str:
    """What to do where that is behind an error; nothing where it is another one. Every command goes on where
    it was ended."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return _ROOM
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return _ROOM
        cause = cause.__cause__
    return ""


def _require_characters(options: dict[str, Any]) -> None:
    """Raises ConfigError unless what was typed is text. Names of files may be any bytes; they are paths."""
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and any("\ud800" <= c <= "\udfff" for c in each):
                raise ConfigError(
                    f"what was given for {name.replace('_', ' ')} is not UTF-8: {each}",
                    "set the terminal to UTF-8, and type it again",
                )


# ---- saying ----


def letters(text: object, style: str = "") -> Text:
    """One line of anybody's, letter by letter."""
    return Text(one_line(str(text)), style)


def prose(text: str, style: str = "") -> Text:
    """Several lines of anybody's, letter by letter. Not to be mixed with lines of ours: they look alike."""
    return Text(visible(text), style)


def styled(*pieces: tuple[object, str] | str) -> Text:
    """One line, of pieces with styles of their own."""
    line = Text()
    for piece in pieces:
        line.append_text(letters(piece) if isinstance(piece, str) else letters(*piece))
    return line


def show(*shown: Printed, on: Console | None = None) -> None:
    """Prints what was asked for."""
    _print(on or out, shown)


def say(*shown: Printed) -> None:
    """Prints what else there is to know, to standard error."""
    _print(err, shown)


def _print(console: Console, shown: Iterable[Printed]) -> None:
    for each in shown:
        if isinstance(each, str):
            console.print(letters(each), soft_wrap=True)
        elif isinstance(each, Sequence):
            _print(console, each)
        else:
            console.print(each, soft_wrap=isinstance(each, Text | Table))


def note(message: str) -> None:
    """Says what may matter."""
    say(styled(("note:", "yellow"), f" {message}"))


def complain(message: str, advice: str) -> None:
    """Says what is wrong, and what to do next."""
    _say_below("error:", "bold red", message)
    if advice:
        _say_below("next:", "bold", advice)


def _say_below(head: str, style: str, message: str) -> None:
    """Further lines are set off: a message cannot look like two."""
    say(Text.assemble((head, style), " ", indented(message)))


def ask(question: str, **options: Any) -> str:
    """What the person at the terminal types. Raises ConfigError where nobody is there."""
    with _somebody(question):
        return str(typer.prompt(one_line(question), err=True, **options))


def confirm(question: str) -> bool:
    """Whether the person at the terminal agrees. Raises ConfigError where nobody is there."""
    with _somebody(question):
        return typer.confirm(one_line(question), err=True)


def require_agreed(question: str, why: str) -> None:
    """Goes on where the person at the terminal agrees. Raises Exit where they do not, and where nobody is
    there ConfigError, which says `why` somebody has to agree."""
    if not sys.stdin.isatty():
        raise ConfigError(f"{why}, and there is no terminal to ask at", "add --yes if you mean it")
    if not confirm(question):
        raise typer.Exit(EXIT_INTERRUPTED)


@contextmanager
def _somebody(question: str) -> Iterator[None]:
    """Input that ends before an answer, as without a terminal, is nobody's word."""
    try:
        yield
    except typer.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        raise ConfigError(
            f"nobody answers: {one_line(question)}",
            "run this at a terminal; --help has its options",
        ) from None


def emit(data: dict[str, Any], as_json: bool, text: Callable[[], Printed]) -> None:
    """Prints `data` as JSON, or whatever `text` returns."""
    if as_json:
        _Printed.json = True
        try:
            sys.stdout.write(json.dumps(data, indent=2, sort_keys=True, default=_encode) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            end_unread()
    else:
        show(text())


def _encode(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """A plain table; numbers are right-aligned."""
    made = Table(
        title=letters(title, "table.title"),
        title_justify="left",
        header_style="bold",
        show_header=any(columns),  # a list of names with values has none
    )
    for position, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        made.add_column(letters(column), justify="right" if numeric else "left")
    for row in rows:
        made.add_row(*(letters(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    return made


class _Doing(ProgressColumn):
    """What is being done: a text, where rich's own column would read markup."""

    def render(self, task: Task) -> Text:
        """As far as the line is wide."""
        return letters(task.description)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """A progress display on standard error; nothing when quiet or not a terminal."""
    with Progress(
        SpinnerColumn(),
        _Doing(),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    ) as bar:
        yield bar


def start_logging(level: int | str, form: str) -> None:
    """Logs to standard error from now on, one line a record."""
    root, handler = logging.getLogger(), logging.StreamHandler()
    for each in root.handlers[:]:
        if isinstance(each.formatter, LogFormatter):
            root.removeHandler(each)
    handler.setFormatter(LogFormatter(form))
    root.addHandler(handler)
    root.setLevel(level)


def moment(time_s: float) -> str:
    """A time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(time_s, MOMENT_S_MAX)))


def micro(amount: int) -> str:
    """Micro-units as people read them: 1234567 -> 1.234567."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 1_000_000:,}.{amount % 1_000_000:06d}"
