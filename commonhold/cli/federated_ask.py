"""`commonhold federated ask`: a number about data that stays where it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commonground.counting import plural
from commonhold.cli.names import parse_person
from commonhold.cli.options import HomeOption
from commonhold.cli.output import EXIT_STATE, JsonFlag, Printed, emit, guarded, progress, say, table
from commonhold.cli.training import go_on_in_training
from protocol.limits import PPM

if TYPE_CHECKING:
    from coordinator.training.leading import Outcome
    from protos.gen import records_pb2 as pb


def register(app: typer.Typer) -> None:
    """Adds the command to `commonhold federated`."""
    app.command()(ask)


@guarded
def ask(
    *,
    job_id: Annotated[str, typer.Option("--id", help="Short name of the job: a-z, 0-9, -.")],
    campaign: Annotated[str, typer.Option(help="Of the network, that the question belongs to.")],
    question: Annotated[
        str,
        typer.Option(
            help="count COLUMN; histogram COLUMN LOW HIGH BINS or COLUMN WORD,WORD; mean COLUMN LOW"
            " HIGH; quantile COLUMN LOW HIGH 0.5,0.9; table CELLS by CELLS."
        ),
    ],
    partner: Annotated[list[str], typer.Option(help="Name of a partner asked, ch1…; repeat.")],
    expected_examples: Annotated[
        int, typer.Option(min=1, help="Of all partners together; a guess will do.")
    ],
    directory: HomeOption = None,
    title: Annotated[str, typer.Option(help="One line for people. Default: the question.")] = "",
    epsilon: Annotated[float, typer.Option(help="What the answer costs each example.")] = 1.0,
    delta: Annotated[float, typer.Option(help="At this delta.")] = 1e-6,
    quorum: Annotated[
        int | None, typer.Option(min=1, help="Partners that have to answer. Default: all but one.")
    ] = None,
    noise_parties: Annotated[
        int | None, typer.Option(min=1, help="Partners whose noise is counted on. Default: most.")
    ] = None,
    price: Annotated[float, typer.Option(help="Weight of one answer in the pay.")] = 1.0,
    licence: Annotated[
        str, typer.Option(help="Under which partners have the answer: SPDX id, or where it is.")
    ] = "CC-BY-NC-4.0",
    host: Annotated[str, typer.Option(help="Bound, and where partners connect.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 0,
    join_seconds: Annotated[float, typer.Option(min=1, help="Wait for those asked.")] = 120,
    round_seconds: Annotated[int, typer.Option(min=1, help="Wait for their answers.")] = 60,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="File that gets JSON once others may go on.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask partners a question about columns of theirs. Ends with code 5 when there is no answer.

    It is a job of one round: partners are told in words what is asked, what is read and what it costs, say
    yes or no, and are paid as for a round of training. Bins and ranges are part of the question, and never
    taken from the data. The answer is in models/ID/answer.json, with intervals; the log has its hash.
    """
    partners = tuple(parse_person(each) for each in partner)
    go_on_in_training()
    from commonhold.cli.federated import sigterm_interrupts, write_ready
    from coordinator.config import Home
    from coordinator.training.opening import Judging, Terms, open_job
    from federated.export import Extras
    from federated.flower.logs import log_as_we_do
    from federated.questions import parse

    log_as_we_do()
    asked = parse(question)
    terms = Terms(
        job_id=job_id,
        title=title or str(asked),
        campaign_id=campaign,
        snapshot="",
        partners=partners,
        task="statistics",
        options={"question": str(asked)},
        recipe={},
        spare_rounds=0,
        epsilon=epsilon,
        delta=delta,
        quorum=max(1, len(partners) - 1) if quorum is None else quorum,
        noise_parties=noise_parties,
        upload_bits=None,
        expected_examples=expected_examples,
        price=price,
        held_back=None,
        host=host,
        port=port,
        join_seconds=join_seconds,
        round_seconds=round_seconds,
        model_licence=licence,
        weight_bits=0,
        extras=Extras(),
        judging=Judging(),
    )
    with sigterm_interrupts(), progress(as_json) as bar:
        shown = bar.add_task("asking", total=1)

        def opened(job: pb.Job) -> None:
            say(f"job {job.id} asks {asked.words}, at {job.endpoint}; waiting for partners")
            write_ready(ready_file, {"job_id": job.id, "endpoint": job.endpoint})

        outcome = open_job(
            Home.at(directory),
            terms,
            opened,
            lambda job, joined: bar.update(
                shown, description=plural(joined, "partner"), completed=len(job.rounds)
            ),
        )
    data = _data(outcome)
    emit(data, as_json, lambda: _text(data))
    if outcome.answered is None:
        raise typer.Exit(EXIT_STATE)


def _data(outcome: Outcome) -> dict[str, Any]:
    from dataclasses import asdict

    from federated.answer import figures_of

    job, answered = outcome.job, outcome.answered
    return {
        "job_id": job.terms.id,
        "outcome": job.status.name.lower(),
        "reason": job.result.reason if job.result else "",
        "partners": len(job.rounds[0].partners) if job.rounds else 0,
        "epsilon": job.epsilon_micro / PPM,
        "delta": job.terms.delta_ppb / 1e9,
        "figures": [asdict(each) for each in figures_of(answered.answer)] if answered else [],
        "answer": str(answered.path) if answered else "",
    }


def _text(data: dict[str, Any]) -> Printed:
    if not data["answer"]:
        return f"job {data['job_id']} ended without an answer: {data['reason']}"
    from federated.answer import in_words
    from federated.statistics import Figure

    rows: list[list[object]] = [
        [each["name"], *in_words(Figure(**each))] for each in data["figures"]
    ]
    return [
        table("Answer", ["what", "value", "with 95 % confidence"], rows),
        f"of {plural(data['partners'], 'partner')}, at epsilon {data['epsilon']:.3f}, delta"
        f" {data['delta']:g}",
        f"answer: {data['answer']}",
    ]
