"""Opens a job: everything that can be refused is refused before the log has it.

    prepare   noise for the budget, the model of round 1, the held-back examples; nothing is logged yet
    open      the SuperLink listens; the `job` record says where, and with which certificate

From there on leading.py has it, as after every later start.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from commonground.counting import plural
from commonground.files import replace_file
from commonground.jobs import is_over
from coordinator.campaigns import require_campaign
from coordinator.config import Home
from coordinator.dataset.snapshots import find_snapshot
from coordinator.operator import Operator
from coordinator.training.jobs import initial_path
from coordinator.training.leading import (
    OnState,
    Outcome,
    Settings,
    body_bytes,
    clear,
    lead,
    running,
)
from coordinator.training.releasing import load_held_back
from coordinator.training.snapshot import load_yardstick
from federated.data import Table
from federated.export import Extras, require_fits
from federated.flower.control import SuperLink
from federated.grid import fitting
from federated.model import Weights, digest, encode
from federated.privacy import noise_multiplier_for
from federated.recipe import Recipe
from federated.spec import labels_of, spare_for, spec_of
from federated.tasks import Task
from federated.tasks.registry import code_digest, code_version, made, options_of, require_kind
from federated.tasks.task import blank, initial_weights
from federated.tasks.trial import try_out
from protocol.cohorts import Defence
from protocol.committee import noise_parties_max
from protocol.errors import ConfigError
from protocol.identity import PersonId, name_of
from protocol.limits import DELTA_PPB_MAX, PPM, TRAINING_ROUNDS_MAX, UPLOAD_BITS_MAX
from protocol.rules.dataset import usable_snapshot
from protocol.rules.training import ROUND_SECONDS_MAX
from protocol.state import State
from protos.gen import records_pb2 as pb

_PPB: Final = 1_000_000_000
# What a job's numbers may be, least and most: the least that its record can say, and the most that it can
# carry or that means something.
_MILLIONTH: Final = 1e-6
_CARRIED_MAX: Final = 4_294.0
_RANGES: Final = {
    "epsilon": (_MILLIONTH, 100.0),
    "delta": (1 / _PPB, DELTA_PPB_MAX / _PPB),
    "sampling": (_MILLIONTH, 1.0),
    "clip": (_MILLIONTH, _CARRIED_MAX),
    "learning_rate": (_MILLIONTH, _CARRIED_MAX),
    "momentum": (0.0, 0.999999),
    "price": (_MILLIONTH, 1_000.0),
    "rounds": (1, TRAINING_ROUNDS_MAX),
    "spare_rounds": (0, TRAINING_ROUNDS_MAX - 1),
    "expected_examples": (1, 2**32 - 1),
    "join_seconds": (1, ROUND_SECONDS_MAX),
    "round_seconds": (1, ROUND_SECONDS_MAX),
}

_WEIGHT_BITS: Final = (0, 4, 8)

_OF_RECIPE: Final = ("rounds", "sampling", "clip", "learning_rate", "momentum")


@dataclass(frozen=True, slots=True)
class Judging:
    """How a job looks at its rounds; see docs/coordinator.md, Partners who spoil a model."""

    cohorts: int = 0  # whose sums are opened; 0: that of all alone
    defence: str = Defence.TRUSTED
    worth: float = 0.0  # part of the pay that goes by it
    margin: float | None = None  # None: `margin_usual`, where there is a snapshot to look at

    def __post_init__(self) -> None:
        for name, value in (("worth", self.worth), ("margin", self.margin or 0.0)):
            if not 0 <= value < 1 + (name == "worth"):
                raise ConfigError(f"--{name} is {value:g}", "give a part of one")

    def apply(self, record: pb.Job) -> None:
        """Writes it into a job's record, all that is not left open."""
        record.cohorts = self.cohorts
        record.defence = self.defence if self.cohorts else ""
        record.worth_ppm = round(self.worth * PPM)
        record.margin_ppm = round((self.margin or 0.0) * PPM)


def margin_usual(task: Task, public: Table) -> float:
    """How far a round's model may fall on public examples: as far as the task's own recipe swings, and as an
    accuracy over so many is off by chance."""
    return max(task.swing, min(1 / math.sqrt(len(public)), 0.5))


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
    noise_parties: int | None  # None: a quorum, but for the colluders that a committee bears
    upload_bits: int | None  # for each value of the model; None: as many as hold any sum
    expected_examples: int
    price: float  # weight of one update in the trainers' pool
    held_back: Path | None  # of a question none
    host: str
    port: int
    join_seconds: float
    round_seconds: int
    model_licence: str  # under which partners have the model
    weight_bits: int  # that it is trained for; 0: for none
    extras: Extras  # what is shipped beside it
    judging: Judging

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = self.recipe.get(name, least) if name in _OF_RECIPE else getattr(self, name)
            value = least if value is None else value
            if not least <= value <= most:  # nor is it a number at all
                raise ConfigError(
                    f"--{name.replace('_', '-')} is {_shown(value)}",
                    f"give a number from {least:g} to {most:,.10g}",
                )
        if not 1 <= self.quorum <= len(self.partners):
            raise ConfigError(
                f"--quorum is {self.quorum}, of {len(self.partners)} partners",
                f"give a whole number from 1 to {len(self.partners)}, or invite more",
            )
        summed = self.quorum // max(1, self.judging.cohorts)
        most = noise_parties_max(len(self.partners), summed)
        if self.noise_parties is not None and not 1 <= self.noise_parties <= most:
            raise ConfigError(
                f"--noise-parties is {self.noise_parties}, of sums of {plural(summed, 'update')}",
                f"give a whole number from 1 to {most}: who else is in a sum may know their own noise, and"
                " tell the coordinator",
            )
        if not 0 <= self.judging.cohorts <= self.quorum:
            raise ConfigError(
                f"--cohorts is {_shown(self.judging.cohorts)}, of rounds of {self.quorum} updates",
                "give a whole number that leaves each some partners; 0: none are compared",
            )
        if self.weight_bits not in _WEIGHT_BITS:
            raise ConfigError(
                f"--weight-bits is {_shown(self.weight_bits)}", "give 4 or 8; 0: floats"
            )
        for partner in self.partners:
            if self.partners.count(partner) > 1:
                raise ConfigError(
                    f"--partner names {name_of(partner)} twice", "name each partner once"
                )


def _shown(value: float) -> str:
    """A number as somebody gave it; a whole one may be larger than any float."""
    return f"{min(value, sys.float_info.max) if isinstance(value, int) else value:g}"


def open_job(
    home: Home, terms: Terms, on_open: Callable[[pb.Job], None], on_state: OnState
) -> Outcome:
    """Runs one job from beginning to end; `on_state` sees it grow.

    Raises ConfigError and Reject before anything is logged, Unreachable without the coordinator.
    """
    with Operator(home) as operator, running(home, terms.job_id) as folder:
        _require_new(operator, terms.job_id)
        campaign = require_campaign(operator.state, terms.campaign_id)
        task = made(terms.task, dict(terms.options), tuple(labels_of(campaign)))
        if task.asks is not (terms.held_back is None):
            raise ConfigError(
                f"the task {terms.task!r} asks a question, and makes no model",
                "ask it with `commonhold federated ask`",
            )
        require_kind(task, campaign)
        snapshot, public = b"", None
        if terms.snapshot:
            snapshot, _ = find_snapshot(operator.state, terms.snapshot)
            usable_snapshot(operator.state, snapshot)  # whose export is deleted once it is not
            public = load_yardstick(home, snapshot, task).table
        task = task.suited(public, terms.expected_examples)
        require_fits(terms.extras, task, has_public=public is not None)
        held_back = load_held_back(terms.held_back, task)
        if held_back is not None:
            try_out(task, terms.task, held_back)
        settings = Settings(terms.held_back, terms.join_seconds, terms.extras)
        room = body_bytes(blank(task, terms.task))
        with (
            _cleared_unless_logged(operator, folder, terms.job_id),
            SuperLink(folder, terms.host, terms.port, room) as link,  # starts while we compute
        ):
            weights = initial_weights(task, terms.task, public)
            record = _record(operator.state, terms, task, weights, snapshot)
            if public is not None and terms.judging.margin is None:
                record.margin_ppm = round(margin_usual(task, public) * PPM)
            replace_file(initial_path(home, terms.job_id), encode(weights))
            link.ready()
            record.endpoint, record.tls_certificate = link.endpoint, link.certificate
            settings.keep(folder)
            operator.append("job", record)
            on_open(record)
            return lead(
                operator,
                link,
                operator.state.jobs[terms.job_id],
                held_back=held_back,
                settings=settings,
                on_state=on_state,
            )


@contextmanager
def _cleared_unless_logged(operator: Operator, folder: Path, job_id: str) -> Iterator[None]:
    """A job that came to nothing leaves no certificate to another of its name, which may be elsewhere."""
    try:
        yield
    finally:
        if job_id not in operator.state.jobs:
            clear(folder, operator.home, job_id)


def _require_new(operator: Operator, job_id: str) -> None:
    job = operator.state.jobs.get(job_id)
    if job is None:
        return
    if is_over(job):
        raise ConfigError(f"there was a job {job_id!r} already", "choose another --id")
    raise ConfigError(
        f"the job {job_id!r} is open already, after {len(job.rounds)} of {job.terms.rounds} rounds",
        f"go on with it: `commonhold federated resume --id {job_id}`; or choose another --id",
    )


def _record(state: State, terms: Terms, task: Task, weights: Weights, snapshot: bytes) -> pb.Job:
    """The job as it will be logged, but for where it trains."""
    usual = task.recipe(terms.expected_examples, terms.epsilon)
    recipe: Recipe = replace(usual, **terms.recipe)  # type: ignore[arg-type]
    spare = spare_for(recipe.rounds) if terms.spare_rounds is None else terms.spare_rounds
    noise = noise_multiplier_for(terms.epsilon, terms.delta, recipe.sampling, recipe.rounds + spare)
    parameters = weights.vector.size
    summed = terms.quorum // max(1, terms.judging.cohorts)  # updates that a sum has at least
    record = pb.Job(
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
        weight_bits=terms.weight_bits,
        round_seconds=terms.round_seconds,
        spare_rounds=spare,
        snapshot=snapshot,
        is_question=task.asks,
        noise_parties=terms.noise_parties or noise_parties_max(len(terms.partners), summed),
        parameters=parameters,
        upload_values=parameters,
    )
    terms.judging.apply(record)
    # How many examples there are is what some questions ask: an answer is small, and has room for any number.
    bits = UPLOAD_BITS_MAX if task.asks and terms.upload_bits is None else terms.upload_bits
    grid = fitting(spec_of(record, weights.labels), bits)
    record.upload_step, record.upload_bits, record.upload_values = grid.step, grid.bits, grid.values
    return record
