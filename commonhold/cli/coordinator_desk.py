"""`commonhold coordinator desk`: the operator's pages, on this machine alone."""

from __future__ import annotations

from typing import Annotated

import typer

from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, start_logging
from coordinator.config import Home


def register(app: typer.Typer) -> None:
    """Adds the command to `commonhold coordinator`."""
    app.command()(desk)


@guarded
def desk(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 0,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Campaigns, gold, progress and items in your browser, until interrupted.

    It prints the address that opens it: whoever has it may act for you, so keep it to yourself. Only this
    machine is served, and each start makes another address. Let `coordinator serve` run beside it.
    """
    import asyncio
    import logging
    import sys

    from coordinator.desk.server import serve

    start_logging(logging.WARNING, "%(asctime)s %(levelname)s %(name)s: %(message)s")

    def ready(url: str) -> None:
        emit({"url": url}, as_json, lambda: url)
        sys.stdout.flush()

    asyncio.run(serve(Home.at(directory), port, ready))
