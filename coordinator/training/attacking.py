"""Attacks on a job's model, with the weights that its operator has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from coordinator.config import Home
from coordinator.operator import Operator
from coordinator.training.jobs import initial_path, weights_path
from federated.attacks import (
    Attack,
    Nearest,
    by_likelihood,
    by_loss,
    losses,
    nearest_to_weights,
    require_alike,
)
from federated.data import load
from federated.model import decode
from federated.reconstruction import Reconstruction, reconstruct
from federated.shadows import retrainer, trainer
from federated.spec import labels_of, spec_of
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from protocol.errors import ConfigError
from protocol.limits import PPM


@dataclass(frozen=True, slots=True)
class Found:
    """What the attacks came to, beside what the model has spent."""

    attacks: list[Attack]
    nearest: Nearest | None
    reconstruction: Reconstruction | None
    known_ppm: int  # members given, of the examples that the job expected
    epsilon: float
    delta: float


def attack_model(
    home: Home, job_id: str, members: Path, others: Path, *, with_shadows: bool
) -> Found:
    """All attacks on the last model of a job. Raises ConfigError for data that does not fit it."""
    with Operator(home) as operator:
        job = operator.state.jobs.get(job_id)
        if job is None or not job.rounds:
            raise ConfigError(
                f"the job {job_id!r} has no model", "`commonhold model list` has those that have"
            )
        if job.terms.is_question:
            raise ConfigError(
                f"the job {job_id!r} asked a question: it has an answer, and no model to attack",
                "name a job that trained one; what an answer may tell, its epsilon bounds",
            )
        spec = spec_of(job.terms, labels_of(operator.state.campaigns[job.terms.campaign_id]))
    task = task_of(spec.task, spec.options, spec.labels)
    names = [column.name for column in task.columns]
    inside, outside = (load(folder, task.columns, names).table for folder in (members, others))
    require_alike(inside, outside)
    shape = blank(task, spec.task)
    weights = decode(shape, weights_path(home, job_id).read_bytes())
    said = [
        losses(task.scores(weights, task.inputs(each, weights.fixed)), task.targets(each))
        for each in (inside, outside)
    ]
    attacks, reconstruction = [by_loss(*said)], None
    if with_shadows:
        start = decode(shape, initial_path(home, job_id).read_bytes())
        train = trainer(task, spec, start)
        attacks.append(by_likelihood(task, weights, inside, outside, train))
        ran = replace(spec, rounds=len(job.rounds))
        quiet = retrainer(task, ran, start, spec.expected_examples)
        reconstruction = reconstruct(task, weights, inside, outside, quiet)
    nearest = nearest_to_weights(task, weights, inside, outside)
    known = len(inside) * PPM // spec.expected_examples
    return Found(attacks, nearest, reconstruction, known, job.epsilon_micro / PPM, spec.delta)
