"""`commonhold coordinator witnesses`: who tosses the coin that draws reviewers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from commonhold.cli.names import check_name
from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded
from coordinator.config import Home


def register(app: typer.Typer) -> None:
    """Adds the command to `commonhold coordinator`."""
    app.command()(witnesses)


@guarded
def witnesses(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Propose these: people (ch1…), machines (12D3Koo…), or `operator`.",
            metavar="[NAME]...",
        ),
    ] = None,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show who tosses the coin that draws reviewers, and whom a round waits for; or propose others.

    More than half of the witnesses determine a draw; fewer can neither foresee nor choose it. More than two
    thirds of the present ones have to assent to others (`commonhold node assent`); their nodes do the rest.
    While you are the only one, you foresee every draw: propose several people who do not act together.
    """
    from commonhold.cli.coordinator_report import witnesses_report
    from coordinator.operator import Operator
    from coordinator.witnesses import OPERATOR, keys_named, witnesses_view

    for each in names or []:
        if each != OPERATOR:
            check_name(each)
    with Operator(Home.at(directory)) as operator:
        if names:
            keys = keys_named(operator.state, names)
            if OPERATOR in names:
                operator.join()
            operator.propose_witnesses(keys)
        view = witnesses_view(operator.state)
    emit(asdict(view), as_json, lambda: witnesses_report(view))
