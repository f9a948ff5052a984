"""The root command: knows the groups by name and imports only the one that is asked for.

A contributor's machine has no database server, an operator's no libp2p: a group whose packages are
missing says which extra to install, and all others work.
"""

from __future__ import annotations

import importlib
import logging
import sys
from io import TextIOWrapper
from typing import Annotated, Final

import typer

from commonground.collecting import collect_rarely
from commonground.installing import how_to_install
from commonhold.cli.output import EXIT_BUG, EXIT_USAGE, complain, show, start_logging
from commonhold.cli.usage import Root

# name -> (module with a Typer group `app` or a function `command`, extra that brings its packages, help)
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
    "federated": (
        "commonhold.cli.federated",
        "federated",
        "Train together on data that stays where it is.",
    ),
    "model": (
        "commonhold.cli.model",
        "federated",
        "Use what jobs made: list models, read cards, check them, serve one.",
    ),
    "verify": (
        "commonhold.cli.verify",
        "",
        "Check a network from outside: its log, its verdicts, its payouts.",
    ),
    "chain": ("commonhold.cli.chain", "chain", "An embedded EVM for development."),
    "demo": ("commonhold.cli.demo", "demo", "The whole way of a contribution, on this machine."),
}

HELP: Final = "Build AI training data and models together, and own them together."


def build(*wanted: str) -> typer.Typer:
    """The command line with the wanted groups in full and only the names of the others."""
    root = typer.Typer(
        cls=Root,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        add_completion=False,
        pretty_exceptions_enable=False,  # a traceback with values could print a key
        help=HELP,
    )
    root.callback()(_root)
    for name, (_, _, text) in GROUPS.items():
        if name in wanted:
            _mount(root, name)
        else:
            root.command(name, help=text)(_unused)
    return root


def _mount(root: typer.Typer, name: str) -> None:
    module_name, _, text = GROUPS[name]
    module = importlib.import_module(module_name)
    if hasattr(module, "app"):
        root.add_typer(module.app, name=name, help=text)
    else:
        root.command(name)(module.command)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from protocol.rules.table import LATEST

        show(f"commonhold {version('commonhold')}, rules {LATEST}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_say_version,
            is_eager=True,
            help="Show which this is, and up to which rules.",
        ),
    ] = False,
) -> None:
    """All that may stand before the first command."""


def _unused() -> None:
    raise AssertionError("the group that is called is mounted in full")


def main() -> None:
    """Entry point of the console script."""
    collect_rarely()  # of what is imported nothing can be collected, and looking takes a seventh of the time
    start_logging(logging.WARNING, "%(levelname)s %(name)s: %(message)s")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal knows every letter
    wanted = sys.argv[1:2]
    try:
        build(*wanted)()
    except ModuleNotFoundError as error:  # on import of a group, or later where it imports lazily
        _, extra, _ = GROUPS.get("".join(wanted), ("", "", ""))
        if not extra:
            raise
        complain(
            f"`commonhold {wanted[0]}` needs the package {error.name}",
            how_to_install(extra),
        )
        raise SystemExit(EXIT_USAGE) from None
    except Exception:
        # Its words may be a stranger's, so it goes the way of all log lines.
        logging.getLogger("commonhold").critical("this is a fault of commonhold", exc_info=True)
        raise SystemExit(EXIT_BUG) from None
