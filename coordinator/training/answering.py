"""From the one round of a question to its signed answer, and the `model` record that ends the job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from commonground.files import FILE_MODE, replace_file
from coordinator.operator import Operator
from coordinator.training.jobs import model_folder
from coordinator.training.releasing import last_weights, lineage_of
from federated.answer import ANSWER_FILE, MARKDOWN_FILE, Cost, Origin, compose, to_markdown
from federated.grid import sum_deviation
from federated.privacy import adversaries
from federated.questions import parse
from federated.signed_card import sign
from federated.spec import TrainingSpec, labels_of, spec_of
from federated.tasks.registry import task_of
from federated.tasks.statistics import Statistics, noisy_sum
from protocol.errors import StateError
from protocol.jobs import Job
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Answered:
    """Where the answer is, and what it says."""

    path: Path
    answer: bytes  # without its signature


def answer_question(operator: Operator, job: Job) -> Answered:
    """Writes the answer, readable by its owner alone, then completes the job in the log.

    If we crash before the record, the file names a job that is still open; leading it on writes the same.
    Raises StoreError when the weights on disk are not those of the round.
    """
    record = job.terms
    spec = spec_of(record, labels_of(operator.state.campaigns[record.campaign_id]))
    task = task_of(spec.task, spec.options, spec.labels)
    if not isinstance(task, Statistics):
        raise StateError(f"the task {spec.task!r} asks no question")
    [done] = job.rounds
    lineage = lineage_of(operator, job)
    answer = compose(
        parse(task.question),
        noisy_sum(last_weights(operator, job, task), spec.expected_examples),
        sum_deviation(spec, len(done.partners)),
        Origin(
            network=lineage.network,
            job_id=record.id,
            title=record.title,
            job_entry=lineage.job_entry,
            round_entries=lineage.round_entries,
            partners=done.partners,
        ),
        _cost(spec),
    )
    folder = model_folder(operator.home, record.id)
    signed = sign(answer, operator.keys.record_key, operator.keys.sign_record)
    replace_file(folder / ANSWER_FILE, signed, FILE_MODE)
    replace_file(folder / MARKDOWN_FILE, to_markdown(answer), FILE_MODE)
    operator.append(
        "model",
        pb.Model(
            network=operator.state.network,
            job_id=record.id,
            outcome=pb.JOB_OUTCOME_COMPLETED,
            weights=job.model,
            card=hashlib.sha256(signed).digest(),
            epsilon_micro=job.epsilon_micro,
        ),
    )
    return Answered(folder / ANSWER_FILE, answer)


def _cost(spec: TrainingSpec) -> Cost:
    towards = {str(each.who): each.bound.epsilon_micro for each in adversaries(spec)}
    return Cost(towards, spec.delta)
