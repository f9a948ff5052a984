"""Jobs as people see them, in a coordinator's log or a node's replay of it."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.identity import peer_id_of
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.state import JobState, State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as `status` shows it. Accuracies are parts of one; 0 where nothing was measured."""

    id: str
    title: str
    status: str
    round: int  # done
    rounds: int
    epsilon: float  # spent
    epsilon_max: float
    delta: float
    accuracy: float  # on held-back examples once there is a model, before on the job's snapshot
    partners: tuple[str, ...]
    reason: str


def is_over(job: JobState) -> bool:
    """Whether the log has said the last of it."""
    return job.status in (JobStatus.COMPLETED, JobStatus.ENDED)


def accuracy_ppm(job: JobState) -> int:
    """Of the model, or until there is one of the last round; 0: not measured."""
    if job.result is not None and job.result.outcome == pb.JOB_OUTCOME_COMPLETED:
        return job.result.accuracy_int8_ppm
    return job.rounds[-1].accuracy_ppm if job.rounds else 0


def summaries(state: State) -> list[JobSummary]:
    """All jobs of the network, in the order in which they were opened."""
    return [_summary(job) for job in state.jobs.values()]


def _summary(job: JobState) -> JobSummary:
    record, result = job.record, job.result
    return JobSummary(
        id=record.id,
        title=record.title,
        status=job.status.name.lower(),
        round=len(job.rounds),
        rounds=record.rounds,
        epsilon=job.epsilon_micro / PPM,
        epsilon_max=record.epsilon_micro / PPM,
        delta=record.delta_ppb / 1e9,
        accuracy=accuracy_ppm(job) / PPM,
        partners=tuple(peer_id_of(partner) for partner in job.partners),
        reason=result.reason if result is not None else "",
    )
