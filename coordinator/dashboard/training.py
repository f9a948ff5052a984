"""Federated training jobs: rounds, what they cost in privacy, who took part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from commonground.jobs import accuracy_ppm, is_over
from coordinator.dashboard.charts import Series, Text, line_chart
from coordinator.tally import Tally
from protocol.identity import Identity
from protocol.limits import PPM
from protocol.state import JobState, State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class JobRow:
    """One line of the table."""

    id: str
    title: str
    status: str
    rounds: int  # done
    rounds_planned: int
    partners: int  # joined
    invited: int
    accuracy_ppm: int  # of the model, or of the last round; 0: not measured
    epsilon_micro: int
    epsilon_budget_micro: int


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """One who was invited."""

    identity: Identity
    joined: bool
    rounds: int  # that its updates went into
    signed: bool  # an update for the round that runs


@dataclass(frozen=True, slots=True)
class JobPage:
    """One job's page, but for the receipts, which are in the ledger."""

    row: JobRow
    record: pb.Job
    partners: tuple[PartnerRow, ...]
    rounds: tuple[pb.TrainingRound, ...]
    waiting: int  # updates signed for the round that runs
    is_over: bool
    result: pb.Model | None
    updates: int


def job_row(job: JobState) -> JobRow:
    """A job in one line."""
    return JobRow(
        id=job.record.id,
        title=job.record.title,
        status=job.status.name.lower(),
        rounds=len(job.rounds),
        rounds_planned=job.record.rounds,
        partners=len(job.partners),
        invited=len(job.record.partners),
        accuracy_ppm=accuracy_ppm(job),
        epsilon_micro=job.epsilon_micro,
        epsilon_budget_micro=job.record.epsilon_micro,
    )


def job_view(state: State, tally: Tally, job_id: str) -> JobPage | None:
    """One job; None if there is none of this id."""
    job = state.jobs.get(job_id)
    if job is None:
        return None
    trained = tally.trained.get(job_id, Counter())
    return JobPage(
        row=job_row(job),
        record=job.record,
        partners=tuple(
            PartnerRow(Identity(who), who in job.partners, trained[who], who in job.updates)
            for who in job.record.partners
        ),
        rounds=tuple(job.rounds),
        waiting=len(job.updates),
        is_over=is_over(job),
        result=job.result,
        updates=len(tally.updates.get(job_id, ())),
    )


def accuracy_chart(job: JobPage) -> Markup:
    """Accuracy over rounds; empty where no round measured any."""
    measured = [done for done in job.rounds if done.accuracy_ppm]
    return line_chart(
        Text(
            key="accuracy",
            title="Accuracy after each round",
            description=f"On the job's snapshot, {len(measured)} rounds; the table has the numbers.",
            across="round",
            up="accuracy, %",
        ),
        [done.round for done in measured],
        [Series("accuracy", [done.accuracy_ppm * 100 / PPM for done in measured])],
    )


def epsilon_chart(job: JobPage) -> Markup:
    """Epsilon spent over rounds, below what the job may spend; empty before the first round."""
    return line_chart(
        Text(
            key="epsilon",
            title="Privacy spent after each round",
            description="Epsilon at the job's delta, against its budget; the table has the numbers.",
            across="round",
            up="epsilon",
        ),
        [done.round for done in job.rounds],
        [Series("spent", [done.epsilon_micro / PPM for done in job.rounds])],
        Series("budget", [job.record.epsilon_micro / PPM]),
    )
