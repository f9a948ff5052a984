"""`commonhold demo`: the whole way of a contribution, with real processes on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commonhold.cli.output import EXIT_CHECK_FAILED, JsonFlag, emit, err, guarded, out
from commonhold.demo.display import Display, summary_table
from commonhold.demo.play import Play
from commonhold.demo.stage import Stage
from protocol.errors import ConfigError


@guarded
def command(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C; print addresses.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Keep all files here. Default: a folder removed at the end."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Deals the digits.")] = 7,
    summary: Annotated[Path, typer.Option(help="Where the figures are written.")] = Path(
        "demo-summary.json"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Run the whole way of a contribution on this machine: contribute, review, own.

    One coordinator, an embedded EVM and eight nodes as separate processes, real handwritten digits,
    contracts and claims; then a verification from outside. Ends with a table, writes
    demo-summary.json, and leaves no process behind. Takes about two minutes on two cores.
    """
    temporary = folder is None
    place = Path(tempfile.mkdtemp(prefix="commonhold-demo-")) if folder is None else folder
    if not temporary and place.exists() and any(place.iterdir()):
        raise ConfigError(f"{place} is not empty", "choose another folder, or remove it")
    try:
        with Stage(place) as stage:
            play = Play(stage, Display(_console(as_json)), seed)
            figures = play.run()
            summary.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
            emit(figures, as_json, lambda: summary_table(figures))
            if keep:
                _hold(play, place)
    finally:
        if temporary:
            shutil.rmtree(place, ignore_errors=True)
    if not (figures["verify_ok"] and figures["tamper_detected"]):
        raise typer.Exit(EXIT_CHECK_FAILED)
    if not figures["onchain_matches_statements"]:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _console(as_json: bool) -> Console:
    return err if as_json else out


def _hold(play: Play, place: Path) -> None:
    out.print(
        f"\nstatus page   {play.http_url}\nnetwork link  {play.link}\nEVM           {play.rpc_url}\n"
        f"files         {place}\n\nCtrl-C ends it.",
        soft_wrap=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        out.print("ending …")
