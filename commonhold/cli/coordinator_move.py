"""`commonhold coordinator move` and `retire`: to other contracts; what becomes of those that were left."""

from __future__ import annotations

from typing import Annotated

import typer

from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, moment, say
from coordinator.config import Home
from protocol.money.settlement import CONTRACTS

SECONDS_DEFAULT = 600.0


def register(app: typer.Typer) -> None:
    """Adds the command to `commonhold coordinator`."""
    app.command()(move)
    app.command()(retire)


@guarded
def move(
    *,
    rpc_url: Annotated[
        str,
        typer.Option(help="JSON-RPC endpoint of the chain to go to. Default: the present one."),
    ] = "",
    leave_behind: Annotated[
        bool,
        typer.Option(
            "--leave-behind",
            help="Leave behind what no root promises, and witnesses who wait.",
        ),
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="To others than those that are asked for now.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the witnesses.")
    ] = SECONDS_DEFAULT,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Deploy other contracts, and ask the witnesses to move the network there. Run it again to wait on.

    It moves when more than two thirds of the witnesses on chain have agreed (`commonhold node move`); you
    cannot move it alone. All shares go along. What a root in force promises stays to be claimed where it is.
    Then name the new endpoint as rpc_url in coordinator.toml, and `settle`.
    """
    from coordinator.moving import move as run
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        there = rpc_url or operator.config.rpc_url
        moved = run(operator, there, say, timeout, leave_behind=leave_behind, anew=anew)
        same = there == operator.config.rpc_url
    data = {
        "moved": moved.is_done,
        "chain_id": moved.to.chain_id,
        "contracts": {name: f"0x{getattr(moved.to, name).hex()}" for name in CONTRACTS},
        "start": moved.to.start,
        "carried_micro": moved.to.carried,
        "left": {f"0x{asset.hex()}": str(amount) for asset, amount in moved.left},
        "agreed": moved.agreed,
        "quorum": moved.quorum,
    }
    lines = [
        f"{moved.agreed} of {moved.quorum} witnesses have agreed, and the network has not moved yet;"
        " run this again to wait on"
    ]
    if moved.is_done:
        lines = [
            f"the network settles on chain {moved.to.chain_id} from epoch {moved.to.start + 1} on"
        ]
        if not same:
            lines.append(
                "now name that endpoint as rpc_url in coordinator.toml, and start the coordinator anew"
            )
    emit(data, as_json, lambda: lines)


@guarded
def retire(
    *,
    rpc_url: Annotated[
        str,
        typer.Option(
            help="JSON-RPC endpoint of the chain that was left. Default: the present one."
        ),
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the witnesses.")
    ] = SECONDS_DEFAULT,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """After a move, take the last word from the witnesses of the contracts that were left.

    Nobody takes their place, so no root can replace the one in force there, and what it promises can be
    claimed for ever. Their nodes sign by themselves; it takes the delay of a change of witnesses. Run it
    again then.
    """
    from coordinator.operator import Operator
    from coordinator.retiring import Stage
    from coordinator.retiring import retire as run

    with Operator(Home.at(directory)) as operator:
        done = run(operator, rpc_url or operator.config.rpc_url, say, timeout)
    words = "nobody can post a root there any more"
    if done.stage is Stage.WAITS:
        words = f"proposed; run this again from {moment(done.due_s)} on"
    emit(
        {"contracts": done.contracts, "stage": done.stage.value, "due_s": done.due_s},
        as_json,
        lambda: words,
    )
