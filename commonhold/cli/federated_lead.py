"""`commonhold federated resume` and `end`: what an operator does with a job that was interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonground.counting import plural
from commonground.files import replace_file
from commonhold.cli.options import HomeOption
from commonhold.cli.output import EXIT_STATE, JsonFlag, emit, guarded, progress, say
from commonhold.cli.training import go_on_in_training

if TYPE_CHECKING:
    from protocol.jobs import Job

JobOption = Annotated[str, typer.Option("--id", help="The job, as it was opened.")]


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold federated`."""
    app.command()(resume)
    app.command()(end)


@guarded
def resume(
    *,
    job_id: JobOption,
    directory: HomeOption = None,
    held_back: Annotated[
        Path | None, typer.Option(help="If the folder of held-back examples has moved.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="File that gets JSON once it is led again.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a job whose `open` was killed or interrupted, after the last round that the log has.

    Its partners have waited, up to an hour, and need no command; whoever gave up runs `join` again. Nothing
    is charged twice. Ends as `open` does.
    """
    go_on_in_training()
    from commonhold.cli.federated import outcome_data, outcome_text, sigterm_interrupts
    from coordinator.config import Home
    from coordinator.training.resuming import resume_job
    from federated.flower.logs import log_as_we_do

    log_as_we_do()
    with staying_open(job_id), sigterm_interrupts(), progress(as_json) as bar:
        task = bar.add_task("starting", total=None)

        def led(job: Job) -> None:
            if ready_file is not None:
                found = {"job_id": job_id, "endpoint": job.terms.endpoint}
                replace_file(ready_file, json.dumps(found))

        def seen(job: Job, joined: int) -> None:
            text, done = f"{plural(joined, 'partner')}, round", len(job.rounds)
            bar.update(task, description=text, completed=done, total=job.terms.rounds)

        outcome = resume_job(Home.at(directory), job_id, held_back, led, seen)
    data = outcome_data(outcome)
    emit(data, as_json, lambda: outcome_text(data))
    if outcome.released is None:
        raise typer.Exit(EXIT_STATE)


@guarded
def end(
    *,
    job_id: JobOption,
    directory: HomeOption = None,
    reason: Annotated[str, typer.Option(help="For the log, and for those who took part.")] = (
        "its operator ended it"
    ),
    as_json: JsonFlag = False,
) -> None:
    """End a job for good, as it is. What its rounds cost stays spent, and what they earned is paid."""
    go_on_in_training()
    from coordinator.config import Home
    from coordinator.training.resuming import end_open_job

    job = end_open_job(Home.at(directory), job_id, reason)
    emit(
        {"job_id": job_id, "outcome": "ended", "reason": reason, "rounds": len(job.rounds)},
        as_json,
        lambda: f"job {job_id} ended after {len(job.rounds)} of {job.terms.rounds} rounds",
    )


@contextmanager
def staying_open(job_id: str) -> Iterator[None]:
    """Around what leads a job: a signal ends the command and not the job, and its operator is told so."""
    try:
        yield
    except KeyboardInterrupt:
        say(
            f"the job {job_id} stays open; its partners wait, up to an hour. To go on with it:"
            f" `commonhold federated resume --id {job_id}`; to end it: `… end --id {job_id}`"
        )
        raise
