"""`commonhold federated attack`: whether a model tells who was among its examples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from commonground.counting import plural
from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, Printed, emit, guarded, table
from commonhold.cli.training import go_on_in_training

if TYPE_CHECKING:
    from coordinator.training.attacking import Found


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
        bool, typer.Option(help="Train models like it too: slower, and better attacks.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Try on a model what an attacker would: is somebody's example among those that it learned from?

    For the operator, on data that one may use for it. An AUC is the chance that a member ranks before
    another example: 0.5 is a coin. Of linear models, whoever knows all other members, if --members
    are all, also names a missing one from a list. What fails shows little; epsilon bounds every attack.
    """
    go_on_in_training()
    from coordinator.config import Home
    from coordinator.training.attacking import attack_model

    found = attack_model(Home.at(directory), job_id, members, others, with_shadows=shadows)
    data: dict[str, Any] = {
        "job_id": job_id,
        "attacks": [asdict(each) for each in found.attacks],
        "nearest_to_weights": asdict(found.nearest) if found.nearest else None,
        "reconstruction": asdict(found.reconstruction) if found.reconstruction else None,
        "known_ppm": found.known_ppm,
        "epsilon": found.epsilon,
        "delta": found.delta,
    }
    emit(data, as_json, lambda: _text(found))


def _text(found: Found) -> Printed:
    from federated.reconstruction import KNOWN_PPM_MIN

    rows: list[list[object]] = [
        [
            each.name,
            f"{each.auc:.3f}",
            f"{each.low:.3f} to {each.high:.3f}",
            each.members,
            each.others,
        ]
        for each in found.attacks
    ]
    columns = ["attack", "AUC", "95 % interval", "members", "others"]
    shown: list[RenderableType] = [table("Was an example among them?", columns, rows)]
    if (nearest := found.nearest) is not None:
        shown.append(
            f"of {plural(nearest.looked_at, 'example')} nearest to the weights"
            f" {plural(nearest.members, 'is a member', 'are members')}"
        )
    if (named := found.reconstruction) is not None:
        guessed = named.trials / named.candidates
        most = named.trials * named.most(found.epsilon, found.delta)
        shown.append(
            f"a missing member was named among {plural(named.candidates, 'example')} in {named.right} of"
            f" {plural(named.trials, 'try', 'tries')}: {guessed:.1f} by chance, and on average at most"
            f" {most:.1f} by epsilon"
        )
        if found.known_ppm < KNOWN_PPM_MIN:
            shown.append(
                f"warning: the members given are {found.known_ppm / 10_000:.0f} % of what it learned from, so"
                " that this attacker knows too little; epsilon holds for one who knows all"
            )
    return [*shown, f"the model has spent epsilon {found.epsilon:.3f} at delta {found.delta:g}"]
