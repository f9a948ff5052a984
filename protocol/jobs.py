"""The rows of the state's tables about training; see protocol.rows."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.committee import draw_committee
from protocol.identity import PersonId
from protocol.lifecycle import JobStatus


@dataclass(frozen=True, slots=True)
class JobTerms:
    """All that decides a job's privacy, pay and partners; fields as in records.proto."""

    id: str
    title: str
    campaign_id: str
    snapshot: bytes
    task: str
    initial_model: bytes
    columns: tuple[str, ...]
    partners: tuple[PersonId, ...]
    quorum: int
    rounds: int
    sampling_ppm: int
    clip_micro: int
    noise_micro: int
    learning_rate_micro: int
    momentum_ppm: int
    epsilon_micro: int
    delta_ppb: int
    expected_examples: int
    price_ppm: int
    round_seconds: int
    endpoint: str
    tls_certificate: bytes
    spare_rounds: int
    noise_parties: int
    upload_step: int
    upload_bits: int
    upload_values: int
    parameters: int
    task_options: str
    task_code: bytes
    task_version: str
    is_question: bool
    cohorts: int
    defence: str
    worth_ppm: int
    margin_ppm: int
    model_licence: str
    weight_bits: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A partner who joined."""

    data_commitment: bytes
    transport_key: bytes
    sealing_key: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """A partner's signed update of the round that runs."""

    round: int
    base_model: bytes
    update: bytes
    data_commitment: bytes
    epsilon_micro: int
    delta_ppb: int
    seeds: bytes


@dataclass(frozen=True, slots=True)
class TrainingRound:
    """A round that is done."""

    round: int
    base_model: bytes
    model: bytes
    partners: tuple[PersonId, ...]
    epsilon_micro: int
    accuracy_ppm: int
    faulty: tuple[PersonId, ...]
    checkpoint: bytes
    usefulness_micro: tuple[int, ...]
    weights_ppm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FailedRound:
    """A round that came to nothing."""

    round: int
    reason: str
    missing: tuple[PersonId, ...]
    epsilon_micro: int
    faulty: tuple[PersonId, ...]


@dataclass(frozen=True, slots=True)
class CohortSum:
    """What the sum of a cohort showed, in a round that was kept or not."""

    partners: tuple[PersonId, ...]
    usefulness_micro: int


@dataclass(frozen=True, slots=True)
class RoundSet:
    """Whose updates the sum of the round that runs is made of: one sum, or one for each cohort."""

    partners: tuple[PersonId, ...]
    groups: tuple[tuple[PersonId, ...], ...]
    digest: bytes  # protocol.committee.set_digest


@dataclass(frozen=True, slots=True)
class Complaint:
    """A member's word against a partner of the set, in the round that runs."""

    partner: PersonId
    share: bytes
    is_refuted: bool = False  # the partner has shown that it sealed what it committed to


@dataclass(frozen=True, slots=True)
class Trained:
    """A partner's updates in a job's rounds that no close has paid yet."""

    updates: int = 0
    worth_ppm: int = 0  # what they weigh, in millionths of an update


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    outcome: int  # pb.JobOutcome
    reason: str
    weights: bytes
    artifact: bytes
    card: bytes
    accuracy_fp32_ppm: int
    accuracy_int8_ppm: int
    held_back: int
    fp32_bytes: int
    int8_bytes: int
    epsilon_micro: int
    energy_millijoules: int


@dataclass(frozen=True, slots=True)
class Job:
    """A federated training job."""

    terms: JobTerms
    model: bytes  # SHA-256 of the model that the next round starts from
    status: JobStatus = JobStatus.OPEN
    seed: bytes = b""  # of the committees; from its start on
    candidates: tuple[PersonId, ...] = ()  # who may be in the committee of the round that runs
    faulty: tuple[PersonId, ...] = ()  # who lied: in no committee and no set any more
    round_set: RoundSet | None = None  # of the round that runs
    rounds: tuple[TrainingRound, ...] = ()  # that came to something
    failed: tuple[FailedRound, ...] = ()
    cohort_sums: tuple[CohortSum, ...] = ()  # of all rounds so far
    epsilon_micro: int = 0  # what all rounds so far have spent, at the job's delta
    result: JobResult | None = None

    @property
    def present(self) -> int:
        """The number of the round that runs, or that would."""
        return len(self.rounds) + len(self.failed) + 1

    @property
    def committee(self) -> tuple[PersonId, ...]:
        """Who opens the sum of the round that runs."""
        return draw_committee(self.terms.id, self.present, self.seed, self.model, self.candidates)
