"""A command line that cannot be read: said as every other error is, with what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
import typer
from click.exceptions import NoArgsIsHelpError
from typer.core import TyperGroup

from commonhold.cli.output import EXIT_USAGE, complain

# How click says that a value does not fit, whatever the reason.
_UNFIT: Final = re.compile(r"(?P<value>'.*?'|\S+) is not (?:a valid|in the range|one of)\b.*", re.S)


class Root(TyperGroup):
    """The whole command line."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Reads the words before the first command."""
        with _usage_said():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Reads all others, and does what they say."""
        with _usage_said():
            return super().invoke(ctx)


@contextmanager
def _usage_said() -> Iterator[None]:
    try:
        yield
    except NoArgsIsHelpError:  # no error: whoever says nothing is shown the help
        raise
    except click.UsageError as error:
        complain(*usage_words(error))
        raise typer.Exit(EXIT_USAGE) from error


def usage_words(error: click.UsageError) -> tuple[str, str]:
    """What is wrong with a command line, and what to write instead."""
    path = error.ctx.command_path if error.ctx else "commonhold"
    see_help = f"see `{path} --help`"
    said = _UNFIT.fullmatch(error.message)
    param = error.param if isinstance(error, click.BadParameter) else None
    if said is None or param is None or error.ctx is None:
        words = error.format_message().rstrip(".")
        return words[:1].lower() + words[1:], see_help
    hint = param.get_error_hint(error.ctx)
    name = hint.replace("'", "").partition(":")[0]  # without the choices of an argument
    return f"{name} is {said['value']}", _wanted(param.type) or see_help


def _wanted(kind: click.ParamType) -> str:
    """What an option takes, in words."""
    if isinstance(kind, click.Choice):
        return f"say one of: {', '.join(map(str, kind.choices))}"
    number = "a whole number" if isinstance(kind, click.IntRange | click.types.IntParamType) else ""
    number = number or ("a number" if isinstance(kind, click.types.FloatParamType) else "")
    if not number:
        return ""
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if least is None:
        return f"give {number}"
    return (
        f"give {number}, {least:,} or more"
        if most is None
        else f"give {number} from {least:,} to {most:,}"
    )
