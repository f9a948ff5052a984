"""`commonhold federated`: train together on data that stays where it is."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from commonground.counting import plural
from commonground.files import replace_file
from commonhold.cli import federated_ask, federated_attack, federated_budget, federated_lead
from commonhold.cli.federated_asking import agree_to
from commonhold.cli.federated_lead import staying_open
from commonhold.cli.federated_tasks import tasks
from commonhold.cli.names import parse_person
from commonhold.cli.options import DirOption, HomeOption, PassphraseOption
from commonhold.cli.output import EXIT_STATE, JsonFlag, Printed, emit, guarded, progress, say, table
from commonhold.cli.training import go_on_in_training
from protocol.lifecycle import JobStatus
from protocol.limits import PPM

if TYPE_CHECKING:
    from coordinator.training.leading import Outcome
    from federated.budget import Spending
    from node.training.proposal import Proposal
    from protos.gen import records_pb2 as pb

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train together: open a job, join one, see what it cost.",
)
app.command()(tasks)
federated_lead.register(app)
federated_attack.register(app)
federated_budget.register(app)
federated_ask.register(app)

ReadyOption = Annotated[
    Path | None, typer.Option("--ready-file", help="File that gets JSON once others may go on.")
]


@app.command("open")
@guarded
def open_(
    *,
    job_id: Annotated[str, typer.Option("--id", help="Short name of the job: a-z, 0-9, -.")],
    campaign: Annotated[str, typer.Option(help="Whose labels the model predicts.")],
    partner: Annotated[list[str], typer.Option(help="Name of a partner invited, ch1…; repeat.")],
    expected_examples: Annotated[
        int, typer.Option(min=1, help="Of all partners together; a guess will do.")
    ],
    held_back: Annotated[
        Path, typer.Option(help="Folder of examples that no partner trains on, with labels.csv.")
    ],
    directory: HomeOption = None,
    title: Annotated[str, typer.Option(help="One line for people.")] = "",
    snapshot: Annotated[
        str, typer.Option(help="First digits of a snapshot's digest: measures every round on it.")
    ] = "",
    epsilon: Annotated[float, typer.Option(help="What all rounds cost each example.")] = 3.0,
    delta: Annotated[float, typer.Option(help="At this delta.")] = 1e-5,
    task: Annotated[
        str, typer.Option(help="What is trained, by name; docs/tasks.md lists them.")
    ] = "images",
    option: Annotated[
        list[str] | None, typer.Option(help="Of the task, NAME=VALUE; repeat.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Default: what suits the task.")] = None,
    spare_rounds: Annotated[
        int | None,
        typer.Option(min=0, help="That may come to nothing; they cost as much. Default: some."),
    ] = None,
    sampling: Annotated[
        float | None, typer.Option(help="Chance of an example to be in a round, to 1.")
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Bound of an example's gradient.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step of each round.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Part of the last step kept.")] = None,
    quorum: Annotated[
        int | None, typer.Option(min=1, help="Updates that a round needs. Default: all but one.")
    ] = None,
    noise_parties: Annotated[
        int | None,
        typer.Option(
            min=1, help="Partners whose noise is enough. Default: a quorum without colluders."
        ),
    ] = None,
    upload_bits: Annotated[
        int | None,
        typer.Option(help="That are sent for a value. Default: as many as hold any sum."),
    ] = None,
    price: Annotated[float, typer.Option(help="Weight of one update in the pay.")] = 1.0,
    model_licence: Annotated[
        str, typer.Option(help="Under which partners have the model: SPDX id, or where to read it.")
    ] = "CC-BY-NC-4.0",
    weight_bits: Annotated[
        int, typer.Option(help="Train for weights of 4 or 8 bits; 0: for floats.")
    ] = 0,
    prune: Annotated[
        int, typer.Option(help="Ship a linear head without this part of its features too, %.")
    ] = 0,
    student: Annotated[
        bool, typer.Option("--student", help="Ship a small network too, taught on the snapshot.")
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option(
            help="A round whose model falls so far on the snapshot fails. Default: 0.03; more of few"
            " examples, and of texts."
        ),
    ] = None,
    cohorts: Annotated[
        int, typer.Option(min=0, help="Groups of partners whose sums are opened and compared.")
    ] = 0,
    defence: Annotated[
        str, typer.Option(help="With cohorts: trusted, median, trimmed, bounded or mean.")
    ] = "trusted",
    worth: Annotated[
        float, typer.Option(help="With cohorts: part of the pay that goes by what updates did.")
    ] = 0.0,
    host: Annotated[str, typer.Option(help="Bound, and where partners connect.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 0,
    join_seconds: Annotated[float, typer.Option(min=1, help="Wait for those invited.")] = 120,
    round_seconds: Annotated[int, typer.Option(min=1, help="Wait for a round's updates.")] = 60,
    ready_file: ReadyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Open a training job and lead it to a model. Ends with code 5 when the job ended early.

    Partners run only code installed with them, and add noise before anything leaves their machine; what
    leaves it is masked, and a committee of partners opens sums alone. Interrupted or killed, it leaves the
    job open: `resume` goes on with it, `end` ends it.
    """
    partners = tuple(parse_person(each) for each in partner)
    go_on_in_training()
    from coordinator.config import Home
    from coordinator.training.opening import Judging, Terms, open_job
    from federated.export import Extras
    from federated.flower.logs import log_as_we_do
    from federated.tasks.registry import parsed

    log_as_we_do()

    home = Home.at(directory)
    named: dict[str, float | None] = {
        "rounds": rounds,
        "sampling": sampling,
        "clip": clip,
        "learning_rate": learning_rate,
        "momentum": momentum,
    }
    terms = Terms(
        job_id=job_id,
        title=title or job_id,
        campaign_id=campaign,
        snapshot=snapshot,
        partners=partners,
        task=task,
        options=parsed(task, option or []),
        recipe={name: value for name, value in named.items() if value is not None},
        spare_rounds=spare_rounds,
        epsilon=epsilon,
        delta=delta,
        quorum=max(1, len(partners) - 1) if quorum is None else quorum,
        noise_parties=noise_parties,
        upload_bits=upload_bits,
        expected_examples=expected_examples,
        price=price,
        held_back=held_back,
        host=host,
        port=port,
        join_seconds=join_seconds,
        round_seconds=round_seconds,
        model_licence=model_licence,
        weight_bits=weight_bits,
        extras=Extras(prune, student),
        judging=Judging(cohorts, defence, worth, margin),
    )
    with ExitStack() as leading:
        leading.enter_context(sigterm_interrupts())
        bar = leading.enter_context(progress(as_json))
        shown = bar.add_task("preparing", total=None)

        def opened(job: pb.Job) -> None:
            leading.enter_context(staying_open(job.id))
            bar.update(shown, total=job.rounds)
            say(f"job {job.id} is open at {job.endpoint}; waiting for partners")
            write_ready(ready_file, {"job_id": job.id, "endpoint": job.endpoint})

        outcome = open_job(
            home,
            terms,
            opened,
            lambda job, joined: bar.update(
                shown,
                description=f"{plural(joined, 'partner')}, round",
                completed=len(job.rounds),
            ),
        )
    data = outcome_data(outcome)
    emit(data, as_json, lambda: outcome_text(data))
    if outcome.released is None:
        raise typer.Exit(EXIT_STATE)


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    from protos.gen import records_pb2 as pb

    job, result = outcome.job, outcome.job.result or pb.Model()
    released = outcome.released
    return {
        "job_id": job.terms.id,
        "outcome": job.status.name.lower(),
        "reason": result.reason,
        "rounds": len(job.rounds),
        "clients": outcome.partners,
        "epsilon": job.epsilon_micro / PPM,
        "delta": job.terms.delta_ppb / 1e9,
        "accuracy_fp32": result.accuracy_fp32_ppm / PPM,
        "accuracy_int8": result.accuracy_int8_ppm / PPM,
        "commonest": released.commonest_ppm / PPM if released else 0.0,
        "held_back": result.held_back,
        "size_ratio": result.fp32_bytes / result.int8_bytes if result.int8_bytes else 0.0,
        "trust": released.trust if released else "",
        "card": str(released.card) if released else "",
        "artifact": str(released.artifact) if released else "",
    }


def outcome_text(data: dict[str, Any]) -> Printed:
    if data["outcome"] != JobStatus.COMPLETED.name.lower():
        return (
            f"job {data['job_id']} ended after {plural(data['rounds'], 'round')}: {data['reason']}"
        )
    always = (
        f"always saying the commonest label would be right of {data['commonest']:.1%} of these"
        if data["commonest"]
        else ""
    )
    return [
        f"job {data['job_id']} is complete: {data['accuracy_int8']:.1%} right as int8 on"
        f" {plural(data['held_back'], 'example')} that nobody trained on"
        f" ({data['accuracy_fp32']:.1%} as fp32, {data['size_ratio']:.1f} times as large),"
        f" at epsilon {data['epsilon']:.3f}, delta {data['delta']:g}",
        *filter(None, [always]),
        f"model: {data['artifact']}",
        f"card: {data['card']}",
    ]


@app.command()
@guarded
def join(
    *,
    job_id: Annotated[str, typer.Option("--job", help="The job, as its operator named it.")],
    data: Annotated[
        Path, typer.Option(help="Your examples: a folder with labels.csv, or a .csv or .jsonl.")
    ],
    epsilon_max: Annotated[
        float, typer.Option(help="The most that this data may ever cost, over all jobs.")
    ],
    epsilon_alone_max: Annotated[
        float | None,
        typer.Option(
            help="The same towards whoever sees your update alone. Default: as it is, else four times"
            " --epsilon-max."
        ),
    ] = None,
    delta_max: Annotated[
        float | None,
        typer.Option(
            help="The largest delta that a job may state. Default: as it is, else the least of 1e-5 and a"
            " tenth of one example."
        ),
    ] = None,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a job may read of your data; repeat. Default: image, label."),
    ] = None,
    fixed_noise: Annotated[
        str, typer.Option("--fixed-noise-for-tests", hidden=True, help="Tests only: no privacy.")
    ] = "",
    device: Annotated[
        str, typer.Option(help="For networks: cpu, or an accelerator as torch names it.")
    ] = "cpu",
    yes: Annotated[bool, typer.Option("--yes", help="Join without being asked.")] = False,
    ready_file: ReadyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train on your own data, on this machine, until the job is over. The data never leaves it.

    Says first who asks, what leaves and what it costs, and asks. The whole job is set aside in a budget in
    this node's directory, every round is charged to it before it is computed, and signed in the log before
    it is sent. Interrupting it is safe: run it again to go on. Ends with a page about it, reports/JOB.html.
    """
    go_on_in_training()
    from commonhold.cli.node_home import open_home, open_keys
    from federated.data import IMAGE, LABEL
    from federated.flower.logs import log_as_we_do
    from node.training.joining import Offer, Progress
    from node.training.joining import join as run

    log_as_we_do()
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    allowed = tuple(column or (IMAGE, LABEL))
    offer = Offer(
        *(job_id, data, allowed, epsilon_max, epsilon_alone_max, delta_max, device, fixed_noise)
    )
    with sigterm_interrupts(), progress(as_json) as bar:
        task = bar.add_task("loading", total=None)

        def agree(proposal: Proposal) -> bool:
            bar.stop()  # it would draw over the question
            agreed = agree_to(proposal, yes=yes)
            bar.start()
            return agreed

        def admitted() -> None:
            say(f"joined {job_id}; training as rounds come")
            write_ready(ready_file, {"job_id": job_id, "peer_id": keys.peer_id})

        def trained(round_: int, rounds: int) -> None:
            bar.update(task, description="round", completed=round_, total=rounds)

        joined = run(home, config, keys, offer, Progress(say, agree, admitted, trained))
    emit(
        asdict(joined),
        as_json,
        lambda: [
            f"job {joined.job_id} {joined.outcome}"
            + (f" ({joined.reason})" if joined.reason else "")
            + f": {plural(joined.updates, 'update')} from {plural(joined.examples, 'example')}."
            f" This data has spent epsilon {joined.epsilon:.3f} of {joined.epsilon_max:g}"
            f" at delta {joined.delta:g}",
            f"report: {joined.report}",
        ],
    )


@app.command()
@guarded
def status(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="A coordinator's or a node's directory. Default: as theirs."),
    ] = None,
    watched: Annotated[
        bool,
        typer.Option("--watch", help="Say each step as the log has it, until no job is under way."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the network's jobs; in a node's directory also what its data has spent."""
    from commonhold.cli.federated_status import say_steps, survey

    if watched:
        say_steps(directory, as_json)
        return
    found = survey(directory)
    jobs = [asdict(each) for each in found.jobs]
    spending = [asdict(each) for each in found.spending]

    def text() -> Printed:
        columns = ["job", "status", "rounds", "epsilon", "accuracy", "partners"]
        rows: list[list[object]] = [
            [
                each.id,
                each.status,
                f"{each.round}/{each.rounds}",
                f"{each.epsilon:.3f} of {each.epsilon_max:g}",
                f"{each.accuracy:.1%}" if each.accuracy else "-",
                len(each.partners),
            ]
            for each in found.jobs
        ]
        shown: list[RenderableType] = [table("Training jobs", columns, rows)]
        shown += [f"{each.id} ended: {each.reason}" for each in found.jobs if each.reason]
        if found.spending:
            shown.append(_spending_table(found.spending))
        return shown

    emit({"jobs": jobs, "spending": spending}, as_json, text)


def _spending_table(spending: list[Spending]) -> RenderableType:
    columns = ["job", "rounds", "epsilon after it", "limit", "delta"]
    rows: list[list[object]] = [
        [s.job_id, s.rounds, f"{s.epsilon:.3f}", f"{s.limit:g}", f"{s.delta:g}"] for s in spending
    ]
    return table("What this machine's data has spent", columns, rows)


def write_ready(path: Path | None, data: dict[str, Any]) -> None:
    if path is not None:
        replace_file(path, json.dumps(data))


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that it can clean up."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
