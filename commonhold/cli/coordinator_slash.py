"""`commonhold coordinator slash`: what the log proves against bonded people."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, say
from coordinator.config import Home
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from coordinator.slashing import OpenSlash, Proven

SECONDS_DEFAULT = 600.0


class Fault(StrEnum):
    """What costs a bond."""

    SILENCE = "silence"


def register(app: typer.Typer) -> None:
    """Adds the command to `commonhold coordinator`."""
    app.command()(slash)


@guarded
def slash(
    *,
    person: Annotated[str, typer.Option(help="Whose bonds: a name, ch1…", metavar="NAME")] = "",
    fault: Annotated[Fault | None, typer.Option("--for", help="For which fault.")] = None,
    execute: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**32, help="Carry out a slash against which nobody appealed in time."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the witnesses.")
    ] = SECONDS_DEFAULT,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show which faults the log proves, and the slashes that are open; or ask the witnesses for one.

    You cannot accuse anybody of anything else: each witness's node signs what its own replay proves. The
    bonder may appeal (`commonhold node appeal`), and then the holders of shares decide.
    """
    from coordinator import slashing
    from coordinator.operator import Operator
    from coordinator.settle import open_chain
    from protocol.identity import person_of

    if bool(person) != (fault is not None):
        raise ConfigError("a slash is of somebody, for something", "say --person and --for")
    sent: list[bytes] = []
    with Operator(Home.at(directory)) as operator:
        if execute is not None:
            sent = [slashing.execute(operator, open_chain(operator), execute, say)]
        elif fault is not None:
            chain = open_chain(operator)
            who = person_of(person)
            sent = slashing.slash(
                *(operator, chain, who, fault.value), report=say, seconds_max=timeout
            )
        proven = slashing.proven_faults(operator.state)
        still_open = slashing.open_slashes(operator.state)
    data: dict[str, Any] = {
        "tx_hashes": [each.hex() for each in sent],
        "proven": [_plain(asdict(each)) for each in proven],
        "open": [_plain(asdict(each)) for each in still_open],
    }
    emit(data, as_json, lambda: _words(proven, still_open) or "nothing is proven")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    from protocol.identity import PersonId, name_of

    texts = {name: each.hex() for name, each in row.items() if isinstance(each, bytes)}
    named = {"person": name_of(PersonId(row["person"])), "amount": str(row["amount"])}
    return row | texts | named


def _words(proven: list[Proven], still_open: list[OpenSlash]) -> list[str]:
    from protocol.identity import name_of

    lines = [
        f"{each.fault}: {name_of(each.person)}, {each.amount} wei of bond {each.bond.hex()}"
        + ("" if each.slash is None else f"; slash {each.slash}")
        for each in proven
    ]
    return lines + [
        f"slash {each.number}: {each.amount} wei of {name_of(each.person)};"
        f" {'appealed: the holders of shares decide' if each.appealed else 'open to appeal'}"
        for each in still_open
    ]
