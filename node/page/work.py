"""What I reviewed and how well, what I trained, and what that cost my privacy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Final

from commonground.jobs import is_over
from node.page.sources import Replay, Sources, Spending
from node.page.words import moment, percent
from node.rows import TaskStatus
from node.statement import StatementLine
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.lifecycle import JobStatus, RoundPhase
from protocol.limits import PPM
from protocol.review.reputation import belief_of, interval_ppm, mean_ppm
from protocol.rows import Campaign
from protocol.state import State
from protocol.tasks.question import question_of
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
_PHASES: Final[dict[RoundPhase, str]] = {
    RoundPhase.OPEN: "round {} is over",
    RoundPhase.SEALED: "reviewers are drawn for round {}",
    RoundPhase.COMMITTING: "round {} is under review",
    RoundPhase.REVEALING: "the answers of round {} are opened",
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
    programs: int  # of our answers, those that a program gave
    entry: int


@dataclass(frozen=True, slots=True)
class DeskView:
    """What the present round of one campaign asks of us."""

    campaign: str
    title: str
    asks: str  # the question
    phase: str  # of its round, in words
    drawn: int
    answered: int
    is_open: bool  # answers can still be given
    stands_by: bool  # for its next round

    @property
    def todo(self) -> int:
        """Items that wait for an answer of ours."""
        return self.drawn - self.answered if self.is_open else 0


@dataclass(frozen=True, slots=True)
class ReviewsView:
    """Everything about reviewing."""

    desks: tuple[DeskView, ...]  # of campaigns that want something of us, or that we stand by for
    reputations: tuple[ReputationView, ...]
    reviewed: tuple[ReviewedView, ...]
    more: int  # epochs that are not shown
    review: str  # the command

    @property
    def todo(self) -> int:
        """Items that wait for an answer of ours, in all campaigns."""
        return sum(desk.todo for desk in self.desks)


def view_reviews(sources: Sources, replay: Replay, lines: Sequence[StatementLine]) -> ReviewsView:
    """Our reviews; `lines` are the whole statement, oldest first."""
    state = replay.follower.state
    reviewed = [line for line in reversed(lines) if line.line.role == pb.ROLE_REVIEWER]
    return ReviewsView(
        desks=tuple(islice(_desks(sources, state), ROWS_MAX)),
        reputations=tuple(view_reputations(state, sources.me)),
        reviewed=tuple(_reviewed(line) for line in islice(reviewed, ROWS_MAX)),
        more=max(0, len(reviewed) - ROWS_MAX),
        review=f"commonhold node review{sources.arguments}",
    )


def _desks(sources: Sources, state: State) -> Iterator[DeskView]:
    busy = {*state.tasks.firsts(), *state.standbys.firsts(), *state.candidates.firsts()}
    for campaign_id in sorted(busy):
        key = campaign_id, sources.me
        if key in state.tasks or key in state.standbys or key in state.candidates:
            yield _desk(sources, state, state.campaigns[campaign_id])


def _desk(sources: Sources, state: State, campaign: Campaign) -> DeskView:
    key, round_ = (campaign.id, sources.me), state.round_of(campaign.id)
    drawn, question = len(state.tasks.get(key, ())), question_of(campaign)
    rows = sources.store.tasks(campaign.id, round_.number) if drawn else []
    given = Counter(row.status for row in rows)
    done = (TaskStatus.ANSWERED, TaskStatus.COMMITTED, TaskStatus.REVEALED)
    return DeskView(
        campaign=campaign.id,
        title=campaign.title or campaign.id,
        asks=question.kind.asks(question.spec)[0],
        phase=_PHASES[round_.phase].format(round_.number) if round_.number else "none yet",
        drawn=drawn,
        answered=sum(given[each] for each in done),
        is_open=round_.phase is RoundPhase.COMMITTING and key not in state.commits,
        stands_by=key in state.standbys,
    )


def view_reputations(state: State, me: PersonId) -> list[ReputationView]:
    """What the network believes of us, by role and campaign."""
    made = []
    for (_, role, campaign_id), _ in state.beliefs.scan(me):
        belief = belief_of(state, me, role, campaign_id)
        if belief is not None and role in _ROLES:
            low, high = interval_ppm(belief)
            observed = (belief.right_micro + belief.wrong_micro + PPM // 2) // PPM
            interval = f"{percent(low, 0)} to {percent(high, 0)}"
            mean = percent(mean_ppm(belief), 0)
            made.append(
                ReputationView(
                    _ROLES[role], campaign_id, mean, low / 10_000, high / 10_000, interval, observed
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
        programs=evidence.programs,
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
    limit: str  # empty: of data that this machine does not recognise
    delta: str
    part: float
    last: str
    is_reserved: bool  # whether more rounds of the job are set aside


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
    mine = [job for _, job in state.jobs.scan() if sources.me in job.terms.partners]
    return TrainingView(
        jobs=tuple(
            _job(state, job, sources.me) for job in islice(sorted(mine, key=is_over), ROWS_MAX)
        ),
        spending=tuple(_spending(each) for each in islice(spending, ROWS_MAX)),
        problem=problem,
        join="commonhold federated join",
    )


def _job(state: State, job: Job, me: PersonId) -> OwnJobView:
    terms, result = job.terms, job.result
    accuracy = ""
    if result is not None and result.held_back:
        accuracy = percent(result.accuracy_int8_ppm)
    return OwnJobView(
        id=terms.id,
        title=terms.title or terms.id,
        status=_JOBS[job.status],
        joined=(terms.id, me) in state.partners,
        rounds=len(job.rounds),
        rounds_max=terms.rounds,
        mine=sum(me in round_.partners for round_ in job.rounds),
        epsilon=f"{job.epsilon_micro / PPM:.2f}",
        epsilon_max=f"{terms.epsilon_micro / PPM:.2f}",
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
        limit=f"{each.limit:.2f}" if isfinite(each.limit) else "",
        delta=f"{each.delta:.0e}",
        part=round(part, 1),
        last=moment(each.last),
        is_reserved=each.is_reserved,
    )
