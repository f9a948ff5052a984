"""The operator's side of a job, from the terms to the model. It never hangs: every wait has a deadline.

    prepare   noise for the budget, the model of round 1, the held-back examples; nothing is logged yet
    open      the SuperLink listens; the `job` record says where, and with which certificate
    admit     whoever is invited and enrols may connect, until all are there or time is up
    run       a ServerApp runs the rounds and logs each; we watch
    release   the last model becomes ONNX files and a signed card; the `model` record ends the job

However it stops after `open` (a signal, a defect, a dead process), the job is ended in the log with the
reason, if the coordinator can be reached. If this process is killed, the next `open` does that.
"""

from __future__ import annotations

import math
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from commonground.files import DIRECTORY_MODE, replace_file
from commonground.jobs import is_over
from commonground.locks import alone
from coordinator.campaigns import require_campaign
from coordinator.config import ENVIRONMENT_DIRECTORY, Home
from coordinator.dataset.snapshots import find_snapshot
from coordinator.operator import Operator
from coordinator.training.jobs import end_job, initial_path, run_folder
from coordinator.training.releasing import Released, load_held_back, release_model
from coordinator.training.snapshot import load_yardstick
from federated.flower.control import SuperLink
from federated.flower.layout import BODY_BYTES_MAX
from federated.model import Weights, digest, encode, encoded_bytes
from federated.privacy import noise_multiplier_for
from federated.recipe import Recipe
from federated.spec import labels_of, spare_for
from federated.tasks import Task
from federated.tasks.registry import code_digest, code_version, made, options_of, require_kind
from federated.tasks.task import initial_weights
from protocol.committee import COMMITTEE_MAX
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.identity import PersonId, name_of
from protocol.jobs import Job
from protocol.limits import PPM, TRAINING_ROUNDS_MAX
from protocol.rules.training import ROUND_SECONDS_MAX
from protocol.state import State
from protos.gen import records_pb2 as pb

SERVER_APP: Final = "coordinator.training.server:app"
CLIENT_APP: Final = "federated.client_app:app"
# The rounds' own deadlines end a job; beyond them, and these, its process is stuck.
START_SECONDS_MAX: Final = 120.0
ROUND_OVERHEAD_SECONDS: Final = 60.0
# Of a round: its updates, and as often as a committee can lose a member while it opens their sum.
STEPS_MAX: Final = 1 + COMMITTEE_MAX
WATCH_SECONDS: Final = 0.2
# Around a model in a request: its message's names and Flower's own.
BODY_ROOM_BYTES: Final = 1 << 20
_PPB: Final = 1_000_000_000
# What a job's numbers may be, least and most: the least that its record can say, and the most that it can
# carry or that means something.
_MILLIONTH: Final = 1e-6
_CARRIED_MAX: Final = 4_294.0
_RANGES: Final = {
    "epsilon": (_MILLIONTH, 100.0),
    "delta": (1e-9, 0.999),
    "sampling": (_MILLIONTH, 1.0),
    "clip": (_MILLIONTH, _CARRIED_MAX),
    "learning_rate": (_MILLIONTH, _CARRIED_MAX),
    "momentum": (0.0, 0.999999),
    "price": (_MILLIONTH, 1_000.0),
    "rounds": (1, TRAINING_ROUNDS_MAX),
    "spare_rounds": (0, TRAINING_ROUNDS_MAX - 1),
    "expected_examples": (1, 2**32 - 1),
    "round_seconds": (1, ROUND_SECONDS_MAX),
}

_OF_RECIPE: Final = ("rounds", "sampling", "clip", "learning_rate", "momentum")

OnState = Callable[[Job, int], None]
"""Called with the job, and how many partners have joined."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator decides. Parts are of one; `epsilon` is what all rounds may cost."""

    job_id: str
    title: str
    campaign_id: str
    snapshot: str  # first digits of its digest; empty for none
    partners: tuple[PersonId, ...]
    task: str
    options: Mapping[str, Any]  # of the task, those that the operator names
    recipe: Mapping[str, float]  # what of federated.recipe.Recipe is not as suits the task
    spare_rounds: int | None  # that may come to nothing; None: what suits the rounds
    epsilon: float
    delta: float
    quorum: int
    expected_examples: int
    price: float  # weight of one update in the trainers' pool
    held_back: Path
    host: str
    port: int
    join_seconds: float
    round_seconds: int
    model_licence: str  # under which partners have the model

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = self.recipe.get(name, least) if name in _OF_RECIPE else getattr(self, name)
            value = least if value is None else value
            if not least <= value <= most:  # nor is it a number at all
                raise ConfigError(
                    f"--{name.replace('_', '-')} is {value:g}",
                    f"give a number from {least:g} to {most:,.10g}",
                )
        if not 1 <= self.quorum <= len(self.partners):
            raise ConfigError(
                f"--quorum is {self.quorum}, of {len(self.partners)} partners",
                f"give a whole number from 1 to {len(self.partners)}, or invite more",
            )
        for partner in self.partners:
            if self.partners.count(partner) > 1:
                raise ConfigError(
                    f"--partner names {name_of(partner)} twice", "name each partner once"
                )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job. `released` is there when all rounds ran."""

    job: Job
    partners: int  # who joined
    released: Released | None


def open_job(
    home: Home, terms: Terms, on_open: Callable[[pb.Job], None], on_state: OnState
) -> Outcome:
    """Runs one job from beginning to end; `on_state` sees it grow.

    Raises ConfigError and Reject before anything is logged, Unreachable without the coordinator.
    """
    with Operator(home) as operator, _running(home, terms.job_id) as folder:
        _end_abandoned(operator, terms.job_id)
        campaign = require_campaign(operator.state, terms.campaign_id)
        released: Released | None = None
        task = made(terms.task, dict(terms.options), tuple(labels_of(campaign)))
        require_kind(task, campaign)
        snapshot, public = b"", None
        if terms.snapshot:
            snapshot, _ = find_snapshot(operator.state, terms.snapshot)
            public = load_yardstick(home, snapshot, task).table
        task = task.suited(public)
        held_back = load_held_back(terms.held_back, task)
        weights = initial_weights(task, terms.task, public)
        record = _record(operator.state, terms, task, weights)
        record.snapshot = snapshot
        replace_file(initial_path(home, terms.job_id), encode(weights))
        with SuperLink(folder, terms.host, terms.port, _body_bytes(weights)) as link:
            record.endpoint, record.tls_certificate = link.endpoint, link.certificate
            operator.append("job", record)
            on_open(record)
            with _ending(operator, terms.job_id):
                _admit(operator, link, terms, on_state)
                app = link.start(
                    SERVER_APP,
                    CLIENT_APP,
                    terms.job_id,
                    {ENVIRONMENT_DIRECTORY: str(home.path.absolute())},
                )
                _watch(operator, link, app, record, on_state)
                job = operator.state.jobs[terms.job_id]
                if not is_over(job):
                    # What partners say, up to what they can have used on one core.
                    most = (
                        record.rounds
                        * record.round_seconds
                        * operator.state.partners.count(terms.job_id)
                    )
                    cpu_seconds = _own_cpu_seconds() + min(link.partner_seconds(), most)
                    released = release_model(operator, job, held_back, cpu_seconds)
        joined = operator.state.partners.count(terms.job_id)
        return Outcome(operator.state.jobs[terms.job_id], joined, released)


def _record(state: State, terms: Terms, task: Task, weights: Weights) -> pb.Job:
    """The job as it will be logged, but for where it trains."""
    recipe: Recipe = replace(task.recipe(terms.expected_examples), **terms.recipe)  # type: ignore[arg-type]
    spare = spare_for(recipe.rounds) if terms.spare_rounds is None else terms.spare_rounds
    noise = noise_multiplier_for(terms.epsilon, terms.delta, recipe.sampling, recipe.rounds + spare)
    return pb.Job(
        network=state.network,
        id=terms.job_id,
        title=terms.title,
        campaign_id=terms.campaign_id,
        task=terms.task,
        task_options=options_of(task),
        task_code=code_digest(terms.task),
        task_version=code_version(terms.task),
        initial_model=digest(weights),
        columns=[column.name for column in task.columns],
        partners=terms.partners,
        quorum=terms.quorum,
        rounds=recipe.rounds,
        sampling_ppm=round(recipe.sampling * PPM),
        clip_micro=round(recipe.clip * PPM),
        noise_micro=math.ceil(noise * PPM),
        learning_rate_micro=round(recipe.learning_rate * PPM),
        momentum_ppm=round(recipe.momentum * PPM),
        epsilon_micro=round(terms.epsilon * PPM),
        delta_ppb=round(terms.delta * _PPB),
        expected_examples=terms.expected_examples,
        price_ppm=round(terms.price * PPM),
        model_licence=terms.model_licence,
        round_seconds=terms.round_seconds,
        spare_rounds=spare,
    )


def _body_bytes(weights: Weights) -> int:
    """What the training server takes in one request: a model or an update, and what is around it."""
    return max(BODY_BYTES_MAX, encoded_bytes(weights) + BODY_ROOM_BYTES)


def _admit(operator: Operator, link: SuperLink, terms: Terms, on_state: OnState) -> None:
    """Lets partners connect as they enrol. Raises StateError without a quorum in time."""
    admitted: set[PersonId] = set()
    for state in operator.updates(terms.join_seconds):
        link.require_alive()
        job = state.jobs[terms.job_id]
        for (_, partner), enrolled in state.partners.scan(terms.job_id):
            if partner not in admitted:
                link.admit(enrolled.transport_key, name_of(partner))
                admitted.add(partner)
        on_state(job, state.partners.count(terms.job_id))
        if len(admitted) == len(terms.partners):
            return
    if len(admitted) < terms.quorum:
        raise StateError(
            f"{len(admitted)} of {len(terms.partners)} partners joined within"
            f" {terms.join_seconds:.0f} s; a round needs {terms.quorum}",
            "open another job when they are there, or with a longer --join-seconds",
        )


def _watch(
    operator: Operator,
    link: SuperLink,
    app: subprocess.Popen[bytes],
    terms: pb.Job,
    on_state: OnState,
) -> None:
    """Until the ServerApp has run all rounds, or ended the job. Raises StateError if it did neither."""
    # Updates, then sums of masks; those that nobody gives in time are asked of others.
    each = STEPS_MAX * terms.round_seconds + ROUND_OVERHEAD_SECONDS
    seconds = START_SECONDS_MAX + (terms.rounds + terms.spare_rounds) * each
    deadline = time.monotonic() + seconds
    while app.poll() is None:
        link.require_alive()
        if time.monotonic() > deadline:
            raise StateError(
                f"the training did not end within {seconds:.0f} s",
                f"see serverapp.log in {run_folder(operator.home, terms.id)}",
            )
        time.sleep(WATCH_SECONDS)
        operator.refresh()
        on_state(operator.state.jobs[terms.id], operator.state.partners.count(terms.id))
    operator.refresh()
    job = operator.state.jobs[terms.id]
    if len(job.rounds) < terms.rounds and not is_over(job):
        raise StateError(
            f"the training process ended by itself (code {app.returncode}) after"
            f" {len(job.rounds)} rounds",
            f"see serverapp.log in {run_folder(operator.home, terms.id)}",
        )


def _own_cpu_seconds() -> float:
    """Of this process, and of the ServerApp that it has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


@contextmanager
def _ending(operator: Operator, job_id: str) -> Iterator[None]:
    """Whatever stops the block, the log says that the job is over, and why."""
    try:
        yield
    except KeyboardInterrupt:
        end_job(operator, job_id, "its operator stopped it")
        raise
    except StateError as error:
        end_job(operator, job_id, str(error))  # the job's end, and no failure of the command
    except CommonholdError as error:
        end_job(operator, job_id, str(error))
        raise
    except BaseException as error:
        end_job(operator, job_id, f"a failure at the coordinator: {type(error).__name__}")
        raise


@contextmanager
def _running(home: Home, job_id: str) -> Iterator[Path]:
    """The job's folder, locked: one process runs a job."""
    folder = run_folder(home, job_id)
    folder.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def refusal(process: str) -> StateError:
        return StateError(
            f"the job {job_id!r} is running already (process {process})",
            "see `commonhold federated status`",
        )

    with alone(folder / "lock", refusal):
        yield folder


def _end_abandoned(operator: Operator, job_id: str) -> None:
    """We hold the lock: if the log has this job unfinished, whoever ran it was killed."""
    job = operator.state.jobs.get(job_id)
    if job is None:
        return
    if not is_over(job):
        end_job(operator, job_id, "the process that ran it was killed")
    raise ConfigError(f"there was a job {job_id!r} already", "choose another --id")
