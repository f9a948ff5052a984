"""`commonhold demo`: the whole product, with real processes on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from commonhold.cli.output import EXIT_CHECK_FAILED, JsonFlag, emit, err, guarded, out, show
from commonhold.cli.training import training_command
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from commonhold.demo.display import Display
    from commonhold.demo.scene import Scene
    from commonhold.demo.stage import Stage

# What must come out as yes.
CHECKS = (
    *("verify_ok", "tamper_detected", "onchain_matches_statements", "erased_ok"),
    *("royalties_match_attribution", "dashboard_ok"),
    *("joined_by_bond", "policy_voted", "wrong_root_stopped"),
)


@guarded
def command(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C; print addresses.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Keep all files here. Default: a folder removed at the end."),
    ] = None,
    people: Annotated[
        bool,
        typer.Option(
            "--people",
            help="Instead: a small network in which you review pictures, pairs and sound in a browser.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Deals the digits.")] = 7,
    summary: Annotated[Path, typer.Option(help="Where the figures are written.")] = Path(
        "demo-summary.json"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Run the whole product on this machine: contribute, review, own, share, train together.

    One coordinator, an embedded EVM, eight nodes and four training partners as separate processes;
    four campaigns of different kinds, of real handwritten digits and of what is written for them;
    contracts and claims, a wrong root that a witness stops, a vote that changes the policy; a dataset
    that is licensed, an item that is withdrawn, a newcomer with a bond, a model trained under
    differential privacy; then a verification from outside. Ends with a table, writes demo-summary.json,
    and leaves no process behind. Takes about four minutes on two cores. With --people nothing is trained or
    paid: within half a minute a page is open on which you review, until Ctrl-C.
    """
    from commonhold.demo.display import Display, summary_table
    from commonhold.demo.play import open_scene, play
    from commonhold.demo.stage import Stage

    if not people:
        training_command()  # or three minutes pass until somebody misses it
    temporary = folder is None
    place = Path(tempfile.mkdtemp(prefix="commonhold-demo-")) if folder is None else folder
    if not temporary and place.exists() and any(place.iterdir()):
        raise ConfigError(f"{place} is not empty", "choose another folder, or remove it")
    try:
        with Stage(place) as stage:
            if people:
                _hold_for_people(stage, Display(_console(as_json)), seed)
                return
            scene = open_scene(stage, Display(_console(as_json)), seed)
            figures = play(scene)
            summary.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
            emit(figures, as_json, lambda: summary_table(figures))
            if keep:
                _hold(scene, place)
    finally:
        if temporary:
            shutil.rmtree(place, ignore_errors=True)
    if not all(figures[name] for name in CHECKS):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _console(as_json: bool) -> Console:
    return err if as_json else out


def _hold_for_people(stage: Stage, display: Display, seed: int) -> None:
    from commonhold.demo.people import open_for_people

    opened = open_for_people(stage, display, seed)
    _wait(
        "",
        f"review here   {opened.review_page}",
        f"your page     {opened.own_page}",
        f"dashboard     {opened.dashboard}",
        "",
        "Seal your answers, and the verdicts follow within seconds. Ctrl-C ends it.",
    )


def _hold(scene: Scene, place: Path) -> None:
    _wait(
        "",
        f"dashboard     {scene.http_url}",
        f"ada's page    {scene.nodes['ada'].ready['page']}",
        f"network link  {scene.link}",
        f"EVM           {scene.rpc_url}",
        f"files         {place}",
        "",
        "Ctrl-C ends it.",
    )


def _wait(*lines: str) -> None:
    """Says where everything is, and leaves it running until Ctrl-C."""
    show(*lines)
    try:
        signal.pause()
    except KeyboardInterrupt:
        show("ending …")
