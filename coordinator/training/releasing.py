"""From the last round's weights to what a job ships: ONNX files, a signed card, the `model` record."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from commonground.files import PUBLIC_MODE, replace_file
from coordinator.config import Home
from coordinator.ledger import Ledger
from coordinator.operator import Operator
from coordinator.training.jobs import model_folder, weights_path
from coordinator.training.snapshot import load_yardstick
from federated.card import Lineage, compose, energy_millijoules, to_markdown
from federated.data import Table, load
from federated.model import decode, digest
from federated.release import Release, release
from federated.signed_card import sign
from federated.spec import TrainingSpec, labels_of, spec_of
from federated.tasks import Task
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from protocol.errors import ConfigError, StoreError
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.log.envelope import parse_envelope
from protocol.state import State
from protos.gen import records_pb2 as pb

CARD_FILE: Final = "card.json"
MARKDOWN_FILE: Final = "card.md"
# Without a snapshot one held-back example in so many calibrates, and is not measured with.
CALIBRATION_STRIDE: Final = 5
# Ranges of activations settle long before; the features of more would only take time.
CALIBRATION_EXAMPLES_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Released:
    """Where the files are."""

    artifact: Path  # int8
    card: Path


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Examples that no partner trains on, in two disjoint parts."""

    measured: Table
    calibration: Table


def calibration_of(
    home: Home, state: State, snapshot: bytes, held_back: HeldBack, task: Task
) -> Table:
    """The examples that set the integers' scales: the job's snapshot, while nobody withdrew from it.

    After a withdrawal the exported dataset is deleted, and a part of the held-back examples serves.
    """
    if not snapshot or state.snapshots[snapshot].withdrawn:
        return held_back.calibration
    return load_yardstick(home, snapshot, task).table


def load_held_back(folder: Path, task: Task) -> HeldBack:
    """Reads the operator's examples. Raises ConfigError when they are malformed, or too few to divide."""
    table = load(folder, task.columns, [column.name for column in task.columns]).table
    task.targets(table)
    if len(table) < CALIBRATION_STRIDE:
        raise ConfigError(
            f"{folder} holds {len(table)} examples, too few to measure with",
            "hold back some hundred: an accuracy over n examples is off by about 1/sqrt(n)",
        )
    measured = np.arange(len(table)) % CALIBRATION_STRIDE > 0
    return HeldBack(table.take(measured), table.take(~measured))


def release_model(
    operator: Operator, job: Job, held_back: HeldBack, cpu_seconds: float
) -> Released:
    """Writes files and card, then completes the job in the log.

    `cpu_seconds` is the processor time of all who took part.
    If we crash before the record, the files name a job that is still open; the next `open` ends it.
    Raises StoreError when the weights on disk are not those of the last round.
    """
    home, record = operator.home, job.terms
    spec = spec_of(record, labels_of(operator.state.campaigns[record.campaign_id]))
    task = task_of(spec.task, spec.options, spec.labels)
    weights = decode(blank(task, spec.task), weights_path(home, record.id).read_bytes())
    if digest(weights) != job.model:
        raise StoreError(
            "the weights on disk are not those of the last round", "open the job again"
        )
    calibration = calibration_of(home, operator.state, record.snapshot, held_back, task)
    made = release(
        task,
        weights,
        held_back.measured,
        calibration.take(slice(CALIBRATION_EXAMPLES_MAX)),
        model_folder(home, record.id),
    )
    card = _write_card(operator, job, spec, made, cpu_seconds)
    operator.append(
        "model",
        pb.Model(
            network=operator.state.network,
            job_id=record.id,
            outcome=pb.JOB_OUTCOME_COMPLETED,
            weights=job.model,
            artifact=made.int8.digest,
            card=hashlib.sha256(card.read_bytes()).digest(),
            accuracy_fp32_ppm=made.fp32.accuracy_ppm,
            accuracy_int8_ppm=made.int8.accuracy_ppm,
            held_back=made.held_back,
            fp32_bytes=made.fp32.size_bytes,
            int8_bytes=made.int8.size_bytes,
            epsilon_micro=job.epsilon_micro,
            energy_millijoules=energy_millijoules(cpu_seconds),
        ),
    )
    return Released(made.int8.path, card)


def _write_card(
    operator: Operator, job: Job, spec: TrainingSpec, made: Release, cpu_seconds: float
) -> Path:
    """card.json, signed, and card.md for people; gives the path of the first."""
    record = job.terms
    composed = compose(
        spec,
        made,
        _lineage(operator, job),
        title=record.title,
        cpu_seconds=cpu_seconds,
    )
    folder = model_folder(operator.home, record.id)
    signed = sign(composed, operator.keys.record_key, operator.keys.sign_record)
    replace_file(folder / CARD_FILE, signed, PUBLIC_MODE)
    replace_file(folder / MARKDOWN_FILE, to_markdown(composed), PUBLIC_MODE)
    return folder / CARD_FILE


def _lineage(operator: Operator, job: Job) -> Lineage:
    """Which entries of the log the model follows from."""
    entries: dict[str, list[int]] = {"job": [], "training-round": []}
    with Ledger.open(operator.home.ledger_url(operator.config), readonly=True) as ledger:
        for entry in ledger.entries(0, operator.state.size):
            envelope = parse_envelope(entry.envelope)
            match envelope.kind:
                case "job":
                    job_id = pb.Job.FromString(envelope.payload).id
                case "training-round":
                    job_id = pb.TrainingRound.FromString(envelope.payload).job_id
                case _:
                    continue
            if job_id == job.terms.id:
                entries[envelope.kind].append(entry.index)
    took_part = Counter(PersonId(p) for round_ in job.rounds for p in round_.partners)
    return Lineage(
        network=operator.state.network,
        job_entry=entries["job"][0],
        round_entries=entries["training-round"],
        partners=dict(sorted(took_part.items())),
        snapshot=job.terms.snapshot,
    )
