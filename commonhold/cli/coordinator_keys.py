"""The commands of `commonhold coordinator` for its keys: `keys successor`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded
from coordinator.config import Home

if TYPE_CHECKING:
    from coordinator.succession import Succession

keys_app = typer.Typer(no_args_is_help=True, help="The keys of the operator and of the log.")


class KeyRole(StrEnum):
    """As in coordinator/keys, which takes long to import; a test compares them."""

    OPERATOR = "operator"
    LOG = "log"


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold coordinator`."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("successor")
@guarded
def keys_successor(
    *,
    role: Annotated[KeyRole, typer.Option(help="Whose key is followed.")],
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make another key that takes the place of the operator's or of the log's, and log it.

    The running server signs with it from the next entry on. Run the command again after any failure: it
    finishes what it began. A further key can follow when the file of the one before is taken away.
    """
    from coordinator.keys import Role
    from coordinator.operator import Operator
    from coordinator.succession import succeed

    with Operator(Home.at(directory)) as operator:
        done = succeed(operator, Role(role))
    emit(
        {
            "role": role.value,
            "file": str(done.file),
            "key": done.key,
            "index": done.index,
            "before": [str(path) for path in done.before],
        },
        as_json,
        lambda: _text(role, done),
    )


def _text(role: KeyRole, done: Succession) -> list[str]:
    whose = {KeyRole.LOG: "the log", KeyRole.OPERATOR: "your records"}[role]
    since = "already" if done.index is None else f"after entry {done.index}"
    lines = [f"{done.file.name} signs {whose} {since}. Back it up now."]
    before = " and ".join(path.name for path in done.before)
    if before and role is KeyRole.LOG:
        lines.append(
            f"{before} signs beside it until you take it away and restart the server: at once if somebody"
            " else may have it, else when nodes have had time to read on"
        )
    elif before:
        lines.append(f"{before} signs no records any more: take it away, and keep it nowhere")
    return lines
