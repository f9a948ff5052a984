"""A command line that cannot be read: said as every other error is, with what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from commonhold.cli.output import EXIT_USAGE, complain, emit_failure

# Click's errors, which typer has in a copy of its own; the older one of training (commonhold/cli/training.py)
# has click's.
_ERRORS: Final[Any] = sys.modules[typer.BadParameter.__module__]


class Root(TyperGroup):
    """The whole command line."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Reads the words before the first command."""
        with _usage_said():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Reads all others, and does what they say."""
        with _usage_said():
            return super().invoke(ctx)


@contextmanager
def _usage_said() -> Iterator[None]:
    try:
        yield
    except _ERRORS.NoArgsIsHelpError:  # no error: whoever says nothing is shown the help
        raise
    except _ERRORS.UsageError as error:
        words, advice = usage_words(error)
        complain(words, advice)
        emit_failure(words, advice, EXIT_USAGE, as_json="--json" in sys.argv)
        raise typer.Exit(EXIT_USAGE) from error


def usage_words(error: Any) -> tuple[str, str]:
    """What is wrong with a command line, a UsageError of click's, and what to write instead."""
    path = error.ctx.command_path if error.ctx else "commonhold"
    param = getattr(error, "param", None)
    # A value that does not fit has pydantic's reasons. The older typer has none, and its own words do.
    reasons = getattr(error.__cause__, "errors", None)
    if param is None or reasons is None:
        words = error.format_message().rstrip(".")
        return words[:1].lower() + words[1:], f"see `{path} --help`"
    given = str(reasons()[0]["input"])
    name = param.get_error_hint().replace("'", "")
    return f"{name} is {given!r}", _wanted(param) or f"see `{path} --help`"


def _wanted(param: Any) -> str:
    """What an option takes, in words."""
    kind = param.type_descriptor
    if kind.choices is not None:
        return f"say one of: {', '.join(map(str, kind.choices))}"
    number = {int: "a whole number", float: "a number"}.get(kind.annotation, "")
    if not number:
        return ""
    least, most = kind.parameter_info.min, kind.parameter_info.max
    if least is None:
        return f"give {number}"
    return (
        f"give {number}, {least:,} or more"
        if most is None
        else f"give {number} from {least:,} to {most:,}"
    )
