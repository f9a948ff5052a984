"""`commonhold model`: what jobs made. Which models there are, what their cards say, whether it holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from commonhold.cli.output import (
    EXIT_CHECK_FAILED,
    EXIT_UNCHECKED,
    JsonFlag,
    Printed,
    emit,
    guarded,
    say,
    table,
)
from commonhold.cli.training import go_on_in_training

if TYPE_CHECKING:
    from commonhold.cli.model_log import ModelSummary

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Use what jobs made: list models, read cards, check them, serve one.",
)

LogOption = Annotated[
    Path | None,
    typer.Option("--dir", help="A coordinator's or a node's directory. Default: as theirs."),
]
FolderArgument = Annotated[
    Path, typer.Argument(help="Folder of a model, with card.json.", show_default=False)
]
CheckedArgument = Annotated[
    Path, typer.Argument(help="Folder with card.json or answer.json.", show_default=False)
]


@app.command("list")
@guarded
def list_(directory: LogOption = None, as_json: JsonFlag = False) -> None:
    """Show the models that the network's jobs made, and whether they may be licensed."""
    from commonhold.cli.model_log import replayed, summaries

    found = summaries(replayed(directory))

    def text() -> Printed:
        columns = ["job", "accuracy", "epsilon", "delta", "licence", "sold", "may be licensed"]
        rows: list[list[object]] = [_row(each) for each in found]
        shown: list[RenderableType] = [table("Models", columns, rows)]
        return [*shown, *(f"{each.job_id}: {each.mark}" for each in found if each.mark)]

    emit({"models": [asdict(each) for each in found]}, as_json, text)


def _row(model: ModelSummary) -> list[object]:
    until = "yes" if not model.mark else f"until epoch {model.last_epoch}"
    return [
        *(model.job_id, f"{model.accuracy_int8:.1%}", f"{model.epsilon:.3f}", f"{model.delta:g}"),
        *(model.licence, len(model.licences), until if model.may_be_licensed else "no"),
    ]


@app.command()
@guarded
def show(
    folder: FolderArgument,
    directory: LogOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a model's card, and with --dir what the log says of it since."""
    from commonhold.cli.model_log import mark_of_card, replayed
    from federated.card_words import sections
    from federated.folder import ModelFolder
    from protocol.identity import peer_id_of

    found = ModelFolder.read(folder)
    mark = mark_of_card(replayed(directory), found.card) if directory is not None else ""

    def text() -> Printed:
        shown: list[RenderableType] = [found.card["title"], f"signed by {peer_id_of(found.author)}"]
        if mark:
            shown.append(f"The model is marked: {mark}")
        for each in sections(found.card):
            shown += ["", each.heading, *(f"  {line}" for line in each.lines)]
            shown += [
                table("", list(t.columns), [list(row) for row in t.rows]) for t in each.tables
            ]
        return shown

    data: dict[str, Any] = {"card": found.card, "key": peer_id_of(found.author), "mark": mark}
    emit(data, as_json, text)


@app.command()
@guarded
def verify(folder: CheckedArgument, directory: LogOption = None, as_json: JsonFlag = False) -> None:
    """Check a model: signature and files; with --dir also its card, lineage and epsilon against the log.

    The answer to a question, answer.json, is checked likewise, and its figures are computed again. Exits with
    1 if something fails, with 8 if something could not be checked.
    """
    go_on_in_training()
    from commonhold.cli.model_log import replayed
    from federated.answer import ANSWER_FILE
    from federated.answer_check import check_answer
    from federated.folder import ModelFolder
    from federated.model_check import Verdict, check_model

    state = replayed(directory) if directory is not None else None
    if (folder / ANSWER_FILE).exists():
        findings = check_answer(folder, state)
    else:
        findings = check_model(ModelFolder.read(folder), state)
    rows: list[list[object]] = [[each.name, each.verdict, each.words] for each in findings]
    emit(
        {"findings": [asdict(each) for each in findings]},
        as_json,
        lambda: table("Checks", ["what", "", "why"], rows),
    )
    verdicts = {each.verdict for each in findings}
    if Verdict.FAILS in verdicts:
        raise typer.Exit(EXIT_CHECK_FAILED)
    if Verdict.UNCHECKED in verdicts:
        raise typer.Exit(EXIT_UNCHECKED)


@app.command()
@guarded
def serve(
    folder: FolderArgument,
    file: Annotated[str, typer.Option(help="Which of the card's files.")] = "model-int8.onnx",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 7700,
    as_json: JsonFlag = False,
) -> None:
    """Serve a model to programs on this machine, over HTTP, until it is interrupted.

    POST /predict takes {"rows": [{column: value}, ...]} or {"inputs": [array, ...]} as JSON and gives scores
    and labels; GET / says what those are, /health whether it answers, /metrics what it has done.
    """
    go_on_in_training()
    from federated.folder import ModelFolder
    from federated.serving.run import serve as run

    found = ModelFolder.read(folder)

    def ready(url: str) -> None:
        emit({"url": url, "file": file}, as_json, lambda: f"{found.card['title']} is at {url}")
        say("Ctrl-C ends it")

    run(found, file, port, ready)
