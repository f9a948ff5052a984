"""From the last round's weights to what a job ships: ONNX files, a signed card, the `model` record."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commonground.files import PUBLIC_MODE, replace_file
from coordinator.ledger import Ledger
from coordinator.operator import Operator
from coordinator.training.jobs import model_folder, weights_path
from coordinator.training.snapshot import load_yardstick
from federated.card import Facts, Lineage, compose, energy_millijoules, trust_of
from federated.card_words import to_html, to_markdown
from federated.data import Table, load
from federated.export import Extras
from federated.folder import CARD_FILE, MARKDOWN_FILE, PAGE_FILE
from federated.model import Weights, decode, digest
from federated.recipe import Recipe
from federated.signed_card import sign
from federated.spec import TrainingSpec, labels_of, spec_of
from federated.tasks import Task
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from protocol.errors import ConfigError, StoreError
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.limits import PPM
from protocol.log.envelope import parse_envelope
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from federated.release import Release

# Fewer say nothing: an accuracy over n examples is off by about 1/sqrt(n).
HELD_BACK_MIN: Final = 5

_BY_RECIPE: Final = "the task's own for so many examples, chosen on public data"
_BY_OPERATOR: Final = (
    "the operator's; the log does not say what they were chosen on. Where that was private data, epsilon does"
    " not cover the choice"
)


@dataclass(frozen=True, slots=True)
class Released:
    """Where the files are."""

    artifact: Path  # int8
    card: Path
    trust: str  # whom one has to trust that no single update is seen
    commonest_ppm: int  # how right it is always to say the commonest label; 0: there are no labels


def load_held_back(folder: Path | None, task: Task) -> Table | None:
    """Reads the operator's examples, that no partner trains on; a question is measured on none.

    Raises ConfigError when they are not there, malformed, or too few.
    """
    if task.asks:
        return None
    if folder is None:
        raise ConfigError("a model is measured on examples that no partner has", "name --held-back")
    table = load(folder, task.columns, [column.name for column in task.columns]).table
    task.targets(table)
    if len(table) < HELD_BACK_MIN:
        raise ConfigError(
            f"{folder} holds {len(table)} examples, too few to measure with",
            "hold back some hundred: an accuracy over n examples is off by about 1/sqrt(n)",
        )
    return table


def release_model(
    operator: Operator, job: Job, held_back: Table, extras: Extras, cpu_seconds: float
) -> Released:
    """Writes files and card, then completes the job in the log.

    `cpu_seconds` is the processor time of all who took part.
    If we crash before the record, the files name a job that is still open; the next `open` ends it.
    Raises StoreError when the weights on disk are not those of the last round.
    """
    home, record = operator.home, job.terms
    spec = spec_of(record, labels_of(operator.state.campaigns[record.campaign_id]))
    task = task_of(spec.task, spec.options, spec.labels)
    weights = last_weights(operator, job, task)
    public = _public(operator, record.snapshot, task) if extras.student else None
    if (
        public is None
    ):  # somebody withdrew from the snapshot meanwhile: the model is shipped without
        extras = replace(extras, student=False)
    from federated.release import release  # torch and onnxruntime: only once there is a model

    folder = model_folder(home, record.id)
    made = release(task, weights, held_back, folder, extras=extras, public=public)
    card = _write_card(operator, job, task, made, cpu_seconds)
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
    commonest = max((each.examples for each in made.classes), default=0) * PPM // made.held_back
    return Released(made.int8.path, card, trust_of(spec), commonest)


def last_weights(operator: Operator, job: Job, task: Task) -> Weights:
    """The model of the last round. Raises StoreError when what is on disk is another."""
    path = weights_path(operator.home, job.terms.id)
    weights = decode(blank(task, job.terms.task), path.read_bytes())
    if digest(weights) != job.model:
        raise StoreError(
            "the weights on disk are not those of the last round", "open the job again"
        )
    return weights


def _public(operator: Operator, snapshot: bytes, task: Task) -> Table | None:
    """The snapshot's examples; none once something of it is withdrawn, and its export deleted."""
    if not snapshot or operator.state.snapshots[snapshot].withdrawn:
        return None
    return load_yardstick(operator.home, snapshot, task).table


def _write_card(
    operator: Operator, job: Job, task: Task, made: Release, cpu_seconds: float
) -> Path:
    """card.json, signed, and card.md and card.html for people; gives the path of the first."""
    record = job.terms
    spec = spec_of(record, task.labels)
    usual = task.recipe(spec.expected_examples, spec.epsilon)
    facts = Facts(
        title=record.title,
        licence=record.model_licence,
        chosen=_BY_RECIPE if _follows(spec, usual) else _BY_OPERATOR,
        cpu_seconds=cpu_seconds,
    )
    composed = compose(spec, made, lineage_of(operator, job), facts)
    folder = model_folder(operator.home, record.id)
    signed = sign(composed, operator.keys.record_key, operator.keys.sign_record)
    replace_file(folder / CARD_FILE, signed, PUBLIC_MODE)
    replace_file(folder / MARKDOWN_FILE, to_markdown(composed), PUBLIC_MODE)
    replace_file(folder / PAGE_FILE, to_html(composed), PUBLIC_MODE)
    return folder / CARD_FILE


def _follows(spec: TrainingSpec, recipe: Recipe) -> bool:
    """Whether the operator set nothing by hand; the record has numbers to a millionth."""
    names = ("rounds", "sampling", "clip", "learning_rate", "momentum")
    return all(abs(getattr(spec, name) - getattr(recipe, name)) < 1e-6 for name in names)


def lineage_of(operator: Operator, job: Job) -> Lineage:
    """Which entries of the log the model follows from."""
    record, state = job.terms, operator.state
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
            if job_id == record.id:
                entries[envelope.kind].append(entry.index)
    took_part = Counter(PersonId(p) for round_ in job.rounds for p in round_.partners)
    snapshot = state.snapshots[record.snapshot] if record.snapshot else None
    described = (state.items[each].description for each in snapshot.items) if snapshot else ()
    licences = Counter(each.licence for each in described if each is not None)
    return Lineage(
        network=state.network,
        job_entry=entries["job"][0],
        round_entries=entries["training-round"],
        partners=dict(sorted(took_part.items())),
        spent_micro=state.jobs[record.id].epsilon_micro,
        task_code=record.task_code,
        task_version=record.task_version,
        snapshot=record.snapshot,
        snapshot_entry=snapshot.logged_at if snapshot else 0,
        snapshot_licences=dict(sorted(licences.items())),
    )
