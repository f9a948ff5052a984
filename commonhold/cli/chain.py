"""`commonhold chain`: an EVM in one process, so that nobody needs a chain to try the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.output import guarded
from protocol.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="An embedded EVM for development. Its money is worthless and its keys are public.",
)


@app.callback()
def _chain() -> None:
    """An embedded EVM for development. Its money is worthless and its keys are public."""


@app.command()
@guarded
def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8545,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets the URL once the chain answers.")
    ] = None,
) -> None:
    """Run a chain in memory until interrupted. It forgets everything when it stops.

    Prints its funded accounts; put one's key in a file and give it to
    `commonhold coordinator init --chain-key-file` to deploy and settle there.
    """
    from contracts.devchain import run

    try:
        host.encode("idna")  # as a socket does, which says nothing that helps
        run(host, port, ready_file)
    except UnicodeError:
        raise ConfigError(
            f"{host!r} is no address", "name one of this machine with --host"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
        ) from error
