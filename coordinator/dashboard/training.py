"""Federated training jobs: rounds, what they cost in privacy, who took part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from commonground.counting import plural
from commonground.jobs import accuracy_ppm, is_over, step_of
from commonground.marks import Mark, mark_of
from commonground.web.charts import Series, Text, line_chart
from coordinator.tally import Tally
from protocol.identity import PersonId
from protocol.jobs import FailedRound, Job, JobResult, JobTerms, TrainingRound
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.rules.opening import opened_by
from protocol.state import State


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

    person: PersonId
    joined: bool
    rounds: int  # that its updates went into
    signed: bool  # an update for the round that runs
    duty: str  # in the committee that opens the round's sum; empty: none


@dataclass(frozen=True, slots=True)
class JobPage:
    """One job's page, but for the receipts, which are in the ledger."""

    row: JobRow
    terms: JobTerms
    partners: tuple[PartnerRow, ...]
    rounds: tuple[TrainingRound, ...]
    waiting: int  # updates signed for the round that runs
    is_over: bool
    result: JobResult | None
    updates: int
    mark: Mark | None  # of its snapshot something went since
    failed: tuple[FailedRound, ...]  # that came to nothing
    step: str  # how far the round that runs has come


def job_row(state: State, job: Job) -> JobRow:
    """A job in one line."""
    return JobRow(
        id=job.terms.id,
        title=job.terms.title,
        status=job.status.name.lower(),
        rounds=len(job.rounds),
        rounds_planned=job.terms.rounds,
        partners=state.partners.count(job.terms.id),
        invited=len(job.terms.partners),
        accuracy_ppm=accuracy_ppm(job),
        epsilon_micro=job.epsilon_micro,
        epsilon_budget_micro=job.terms.epsilon_micro,
    )


def job_rows(state: State, campaign_id: str | None = None) -> list[JobRow]:
    """All jobs, or those of a campaign: what is under way first, then by id."""
    found = (job for _, job in state.jobs.scan() if campaign_id in (None, job.terms.campaign_id))
    return [job_row(state, job) for job in sorted(found, key=is_over)]


def job_view(state: State, tally: Tally, job_id: str) -> JobPage | None:
    """One job; None if there is none of this id."""
    job = state.jobs.get(job_id)
    if job is None:
        return None
    trained = tally.trained.get(job_id, Counter())
    return JobPage(
        row=job_row(state, job),
        terms=job.terms,
        partners=tuple(
            PartnerRow(
                who,
                (job_id, who) in state.partners,
                trained[who],
                (job_id, who) in state.updates,
                _duty(state, job, who),
            )
            for who in job.terms.partners
        ),
        rounds=job.rounds,
        waiting=state.updates.count(job_id),
        is_over=is_over(job),
        result=job.result,
        updates=len(tally.updates.get(job_id, ())),
        failed=job.failed,
        step=step_of(state, job),
        mark=mark_of(state, job),
    )


def _duty(state: State, job: Job, who: PersonId) -> str:
    """What a member of the present round's committee has to do, or has done."""
    if job.status is not JobStatus.TRAINING or who not in job.committee:
        return ""
    if job.round_set is None:
        return "will open the sum"
    return "has opened the sum" if who in opened_by(state, job.terms.id) else "opens the sum"


def accuracy_chart(job: JobPage) -> Markup:
    """Accuracy over rounds; empty where no round measured any."""
    measured = [done for done in job.rounds if done.accuracy_ppm]
    return line_chart(
        Text(
            key="accuracy",
            title="Accuracy after each round",
            description=(
                f"On the job's snapshot, {plural(len(measured), 'round')}; the table has"
                " the numbers."
            ),
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
        Series("budget", [job.terms.epsilon_micro / PPM]),
    )
