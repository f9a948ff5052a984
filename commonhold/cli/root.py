"""The root command: knows the groups by name and imports the one that is asked for.

A contributor's machine has no torch, an operator's no libp2p: a group whose packages are missing says
which extra to install, and all others work.
"""

from __future__ import annotations

import importlib
from typing import Final

import click
import typer
from typer.core import TyperGroup

from commonhold.cli.output import EXIT_USAGE, err

# name -> (module with a Typer `app`, extra that brings its packages, one line of help)
GROUPS: Final[dict[str, tuple[str, str, str]]] = {
    "node": (
        "commonhold.cli.node",
        "node",
        "Contribute: submit data, review, see what you earned, claim it.",
    ),
    "coordinator": (
        "commonhold.cli.coordinator",
        "coordinator",
        "Operate a network: campaigns, epochs, settlement.",
    ),
    "verify": (
        "commonhold.cli.verify",
        "",
        "Check a network from outside: its log, its verdicts, its payouts.",
    ),
    "chain": ("commonhold.cli.chain", "chain", "An embedded EVM for development."),
    "demo": ("commonhold.cli.demo", "demo", "The whole way of a contribution, on this machine."),
}


class LazyGroup(TyperGroup):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        module, extra, _ = GROUPS[cmd_name]
        try:
            app = importlib.import_module(module).app
        except ModuleNotFoundError as error:
            err.print(f"[bold red]error:[/] `commonhold {cmd_name}` needs the package {error.name}")
            err.print(f"[bold]next:[/] pip install 'commonhold\\[{extra}]'")
            raise SystemExit(EXIT_USAGE) from error
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name][2]) for name in GROUPS])


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="Build AI training data and models together, and own them together.",
)


@app.callback()
def _root() -> None:
    """Build AI training data and models together, and own them together."""


def main() -> None:
    """Entry point of the console script."""
    app()
