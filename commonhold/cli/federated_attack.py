"""`commonhold federated attack`: whether a model tells who was among its examples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, Printed, emit, guarded, table
from commonhold.cli.training import go_on_in_training

if TYPE_CHECKING:
    from federated.attacks import Attack, Nearest


def register(app: typer.Typer) -> None:
    """Adds this command to `commonhold federated`."""
    app.command()(attack)


@guarded
def attack(
    *,
    job_id: Annotated[str, typer.Option("--id", help="The job whose model is attacked.")],
    members: Annotated[
        Path, typer.Option(help="Data that the model was trained on, or a part of it.")
    ],
    others: Annotated[
        Path, typer.Option(help="Data like it that the model was not trained on, about as much.")
    ],
    directory: HomeOption = None,
    shadows: Annotated[
        bool, typer.Option(help="Train shadow models too: slower, and a better attack.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Try on a model what an attacker would: is somebody's example among those that it learned from?

    For the operator, on data that one may use for it. An AUC is the chance that a member ranks before
    another example: 0.5 is a coin. What fails shows little; epsilon bounds every attack.
    """
    go_on_in_training()
    from coordinator.config import Home
    from coordinator.training.attacking import attack_model

    found = attack_model(Home.at(directory), job_id, members, others, with_shadows=shadows)
    data: dict[str, Any] = {
        "job_id": job_id,
        "attacks": [asdict(each) for each in found.attacks],
        "nearest_to_weights": asdict(found.nearest) if found.nearest else None,
        "epsilon": found.epsilon,
        "delta": found.delta,
    }
    emit(data, as_json, lambda: _text(found.attacks, found.nearest, found.epsilon, found.delta))


def _text(attacks: list[Attack], nearest: Nearest | None, epsilon: float, delta: float) -> Printed:
    rows: list[list[object]] = [
        [
            each.name,
            f"{each.auc:.3f}",
            f"{each.low:.3f} to {each.high:.3f}",
            each.members,
            each.others,
        ]
        for each in attacks
    ]
    columns = ["attack", "AUC", "95 % interval", "members", "others"]
    shown: list[RenderableType] = [table("Was an example among them?", columns, rows)]
    if nearest is not None:
        shown.append(
            f"of the {nearest.looked_at} examples nearest to the weights {nearest.members} are members"
        )
    return [*shown, f"the model has spent epsilon {epsilon:.3f} at delta {delta:g}"]
