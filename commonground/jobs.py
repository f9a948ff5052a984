"""Jobs as people see them, in a coordinator's log or a node's replay of it."""

from __future__ import annotations

from dataclasses import dataclass

from commonground.counting import plural
from protocol.committee import needed_of
from protocol.identity import name_of
from protocol.jobs import Job
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.rules.opening import opened_by
from protocol.state import State
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
    partners: tuple[str, ...]  # who joined
    reason: str
    failed: int  # rounds that came to nothing
    step: str  # of the round that runs, in words; empty where none does


def is_over(job: Job) -> bool:
    """Whether the log has said the last of it."""
    return job.status in (JobStatus.COMPLETED, JobStatus.ENDED)


def accuracy_ppm(job: Job) -> int:
    """Of the model, or until there is one of the last round; 0: not measured."""
    if job.result is not None and job.result.outcome == pb.JOB_OUTCOME_COMPLETED:
        return job.result.accuracy_int8_ppm
    return job.rounds[-1].accuracy_ppm if job.rounds else 0


def summaries(state: State) -> list[JobSummary]:
    """All jobs of the network, by id."""
    return [_summary(state, job) for _, job in state.jobs.scan()]


def _summary(state: State, job: Job) -> JobSummary:
    terms, result = job.terms, job.result
    return JobSummary(
        id=terms.id,
        title=terms.title,
        status=job.status.name.lower(),
        round=len(job.rounds),
        rounds=terms.rounds,
        epsilon=job.epsilon_micro / PPM,
        epsilon_max=terms.epsilon_micro / PPM,
        delta=terms.delta_ppb / 1e9,
        accuracy=accuracy_ppm(job) / PPM,
        partners=tuple(name_of(partner) for (_, partner), _ in state.partners.scan(terms.id)),
        reason=result.reason if result is not None else "",
        failed=len(job.failed),
        step=step_of(state, job),
    )


def step_of(state: State, job: Job) -> str:
    """How far the round that runs has come; empty where none does."""
    if job.status is JobStatus.OPEN:
        invited = plural(len(job.terms.partners), "partner")
        return f"{state.partners.count(job.terms.id)} of {invited} joined"
    if job.status is not JobStatus.TRAINING:
        return ""
    if job.round_set is None:
        signed = state.updates.count(job.terms.id)
        return f"{signed} of {plural(len(job.candidates), 'update')} signed"
    opened = len(opened_by(state, job.terms.id))
    return (
        f"{plural(len(job.round_set.partners), 'update')} in the sum, which {opened} of the"
        f" {needed_of(len(job.committee))} needed have opened"
    )
