"""What I reviewed and how well, what I trained, and what that cost my privacy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from node.page.sources import Replay, Sources, Spending
from node.page.words import moment, percent
from node.rows import TaskStatus
from node.statement import StatementLine
from protocol.identity import Identity
from protocol.lifecycle import EpochPhase, JobStatus
from protocol.limits import PPM
from protocol.review.reputation import interval_ppm, mean_ppm
from protocol.state import JobState, State
from protos.gen import records_pb2 as pb

# Epochs of reviews, jobs and budgets that a page shows, newest first; the log has the rest.
ROWS_MAX: Final = 50
# Enough to tell one owner's data sets apart.
DATA_DIGITS: Final = 8

_ROLES: Final[dict[int, str]] = {
    pb.ROLE_CONTRIBUTOR: "as a contributor",
    pb.ROLE_REVIEWER: "as a reviewer",
    pb.ROLE_TRAINER: "as a trainer",
}
_JOBS: Final[dict[JobStatus, str]] = {
    JobStatus.OPEN: "waits for its partners",
    JobStatus.TRAINING: "is training",
    JobStatus.COMPLETED: "is completed",
    JobStatus.ENDED: "ended early",
}


# ---- reviews ----


@dataclass(frozen=True, slots=True)
class ReputationView:
    """How much of somebody's work is right, and between what limits that probably lies (in percent)."""

    role: str
    campaign: str
    mean: str
    low: float
    high: float
    interval: str
    observations: int


@dataclass(frozen=True, slots=True)
class ReviewedView:
    """The reviews of one epoch, from its reward line."""

    epoch: int
    campaign: str
    answers: int
    gold: str  # "3 of 4"; empty without gold
    agreement: str
    ring: int  # reviewers whose answers counted as one with ours; 0 = none
    entry: int


@dataclass(frozen=True, slots=True)
class DeskView:
    """What this round asks of us."""

    drawn: int
    answered: int
    commits_open: bool  # answers can still be given


@dataclass(frozen=True, slots=True)
class ReviewsView:
    """Everything about reviewing."""

    desk: DeskView
    standing_by: bool
    reputations: tuple[ReputationView, ...]
    reviewed: tuple[ReviewedView, ...]
    more: int  # epochs that are not shown
    review: str  # the command


def view_reviews(sources: Sources, replay: Replay, lines: Sequence[StatementLine]) -> ReviewsView:
    """Our reviews; `lines` are the whole statement, oldest first."""
    state = replay.follower.state
    reviewed = [line for line in reversed(lines) if line.line.role == pb.ROLE_REVIEWER]
    member = state.members.get(sources.me)
    return ReviewsView(
        desk=_desk(sources, state),
        standing_by=member is not None and bool(member.standby),
        reputations=tuple(view_reputations(state, sources.me)),
        reviewed=tuple(_reviewed(line) for line in islice(reviewed, ROWS_MAX)),
        more=max(0, len(reviewed) - ROWS_MAX),
        review=f"commonhold node review{sources.arguments}",
    )


def _desk(sources: Sources, state: State) -> DeskView:
    drawn = len(state.epoch.round.tasks.get(sources.me, ()))
    given = Counter(
        task.status for task in sources.store.tasks(state.epoch.number, state.epoch.round.number)
    )
    done = (TaskStatus.ANSWERED, TaskStatus.COMMITTED, TaskStatus.REVEALED)
    open_ = (
        state.epoch.phase is EpochPhase.COMMITTING and sources.me not in state.epoch.round.commits
    )
    return DeskView(drawn, sum(given[each] for each in done), open_)


def view_reputations(state: State, me: Identity) -> list[ReputationView]:
    """What the network believes of us, by role and campaign."""
    made = []
    for campaign_id in state.campaigns:
        for role, name in _ROLES.items():
            belief = state.reputation.get((me, role, campaign_id))
            if belief is None:
                continue
            low, high = interval_ppm(belief)
            observed = (belief.right_micro + belief.wrong_micro) // PPM
            interval = f"{percent(low, 0)} to {percent(high, 0)}"
            mean = percent(mean_ppm(belief), 0)
            made.append(
                ReputationView(
                    name, campaign_id, mean, low / 10_000, high / 10_000, interval, observed
                )
            )
    return made


def _reviewed(line: StatementLine) -> ReviewedView:
    evidence = line.line.evidence
    gold = f"{evidence.gold_right} of {evidence.gold_answers}" if evidence.gold_answers else ""
    return ReviewedView(
        epoch=line.epoch,
        campaign=line.line.campaign_id,
        answers=evidence.answers,
        gold=gold,
        agreement=f"{evidence.agreement_ppm / 10_000:+.1f}\N{NO-BREAK SPACE}%",
        ring=evidence.ring_size if evidence.ring_size > 1 else 0,
        entry=line.entry_index,
    )


# ---- training ----


@dataclass(frozen=True, slots=True)
class OwnJobView:
    """A training job that we were invited to."""

    id: str
    title: str
    status: str
    joined: bool
    rounds: int
    rounds_max: int
    mine: int  # rounds that our update is in
    epsilon: str  # of the job so far, as the log says
    epsilon_max: str
    accuracy: str  # of the model, measured; empty before
    reason: str


@dataclass(frozen=True, slots=True)
class SpendingView:
    """A budget: what is spent of it, as a number and as a part (in percent)."""

    data: str  # the first digits of its commitment
    job: str
    rounds: int
    epsilon: str
    limit: str
    delta: str
    part: float
    last: str


@dataclass(frozen=True, slots=True)
class TrainingView:
    """Everything about training."""

    jobs: tuple[OwnJobView, ...]
    spending: tuple[SpendingView, ...]
    problem: str  # why the spending cannot be read; empty when it can
    join: str  # the command


def view_training(
    sources: Sources, state: State, spending: Sequence[Spending], problem: str = ""
) -> TrainingView:
    """Our jobs, and what this machine says that they cost."""
    mine = [job for job in reversed(state.jobs.values()) if sources.me in job.record.partners]
    return TrainingView(
        jobs=tuple(_job(job, sources.me) for job in islice(mine, ROWS_MAX)),
        spending=tuple(_spending(each) for each in islice(spending, ROWS_MAX)),
        problem=problem,
        join="commonhold federated join",
    )


def _job(job: JobState, me: Identity) -> OwnJobView:
    record, result = job.record, job.result
    accuracy = ""
    if result is not None and result.held_back:
        accuracy = percent(result.accuracy_int8_ppm)
    return OwnJobView(
        id=record.id,
        title=record.title or record.id,
        status=_JOBS[job.status],
        joined=me in job.partners,
        rounds=len(job.rounds),
        rounds_max=record.rounds,
        mine=sum(me in round_.partners for round_ in job.rounds),
        epsilon=f"{job.epsilon_micro / PPM:.2f}",
        epsilon_max=f"{record.epsilon_micro / PPM:.2f}",
        accuracy=accuracy,
        reason="" if result is None else result.reason,
    )


def _spending(each: Spending) -> SpendingView:
    part = min(100.0, 100 * each.epsilon / each.limit) if each.limit > 0 else 100.0
    return SpendingView(
        data=each.commitment.hex()[:DATA_DIGITS],
        job=each.job_id,
        rounds=each.rounds,
        epsilon=f"{each.epsilon:.2f}",
        limit=f"{each.limit:.2f}",
        delta=f"{each.delta:.0e}",
        part=round(part, 1),
        last=moment(each.last),
    )
