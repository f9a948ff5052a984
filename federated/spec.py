"""What a training job fixes before anybody joins, in the numbers that training computes with.

The log holds integers (protos/records.proto, Job). They become floats here and nowhere else, so that the
coordinator, every partner and an auditor compute with the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.jobs import JobTerms
from protocol.limits import PPM
from protocol.rows import Campaign
from protocol.tasks.classify import Labels
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

_PPB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Mechanism:
    """`rounds` releases of a Gaussian mechanism over a Poisson sample: all that privacy depends on."""

    noise_multiplier: float  # standard deviation of the noise in a sum, over the clipping bound
    sampling: float  # chance of each example to be in a round, 0 < q <= 1
    rounds: int


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One job. `epsilon` and `delta` are what all rounds together may cost each example."""

    job_id: str
    task: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rounds: int
    quorum: int  # updates that a round needs
    sampling: float
    clip: float  # L2 bound of an example's gradient
    noise_multiplier: float
    learning_rate: float
    momentum: float
    epsilon: float
    delta: float
    expected_examples: int  # of all partners; scales the step, needs not be exact
    cohorts: int  # whose sums are opened; 0: that of all partners alone
    noise_parties: int  # whose noise in a sum makes up what is promised
    step: int  # what updates are cut to, in millionths of the clip
    bits: int  # an update's values are modulo 2^bits
    values: int  # of an update
    parameters: int  # of the model
    partners: int  # invited
    options: str  # of the task, canonical JSON
    spare_rounds: int = 0  # that may come to nothing, and cost as much
    weight_bits: int = 0  # that weights are rounded to where gradients are taken; 0: they are not

    @property
    def summed(self) -> int:
        """Updates that a sum has at least."""
        return self.quorum // max(1, self.cohorts)

    @property
    def mechanism(self) -> Mechanism:
        """What the whole job costs, to whoever sees only the sums."""
        return Mechanism(self.noise_multiplier, self.sampling, self.rounds + self.spare_rounds)


def spare_for(rounds: int) -> int:
    """How many rounds of a job may come to nothing, where the operator names no number: one, and one more
    for every twenty. Of forty rounds 43 are accounted for, which takes 4 % more noise."""
    return 1 + rounds // 20


def labels_of(campaign: Campaign) -> list[str]:
    """What a model of this campaign tells apart; nothing where it asks for no labels."""
    spec = question_of(campaign).spec
    return list(spec.names) if isinstance(spec, Labels) else []


def spec_of(job: JobTerms | pb.Job, labels: Sequence[str]) -> TrainingSpec:
    """The job of the log, with its campaign's labels. The fold has checked every range."""
    return TrainingSpec(
        job_id=job.id,
        task=job.task,
        labels=tuple(labels),
        columns=tuple(job.columns),
        rounds=job.rounds,
        quorum=job.quorum,
        sampling=job.sampling_ppm / PPM,
        clip=job.clip_micro / PPM,
        noise_multiplier=job.noise_micro / PPM,
        learning_rate=job.learning_rate_micro / PPM,
        momentum=job.momentum_ppm / PPM,
        epsilon=job.epsilon_micro / PPM,
        delta=job.delta_ppb / _PPB,
        expected_examples=job.expected_examples,
        cohorts=job.cohorts,
        noise_parties=job.noise_parties,
        step=job.upload_step,
        bits=job.upload_bits,
        values=job.upload_values,
        parameters=job.parameters,
        partners=len(job.partners),
        spare_rounds=job.spare_rounds,
        weight_bits=job.weight_bits,
        options=job.task_options,
    )
