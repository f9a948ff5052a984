"""A campaign's page: what it asks, where its round is and for how long, and what reviewers found.

Nothing here goes through items: the tallies have counted them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

from markupsafe import Markup

from commonground.copying import copy_words
from commonground.web.charts import Series, Text, column_chart
from coordinator.answers import Findings
from coordinator.dashboard.formats import REFUSALS, duration, many, moment, size
from coordinator.overview import CampaignRow, campaign_row
from coordinator.ranking import Ranked, SourceRanking
from coordinator.tally import PastRound, Statuses, Tally
from protocol.identity import person_of, short
from protocol.lifecycle import CampaignStatus, RoundPhase
from protocol.limits import NAME_CHARS_MAX, PPM
from protocol.rows import Campaign, RoundTerms
from protocol.state import State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

# Of labels and criteria a page lists so many; the record of the campaign has them all.
LINES_SHOWN: Final = 60
# Answers that a page tells apart; what is rarer is summed up.
FOUND_SHOWN: Final = 20
ROUNDS_SHOWN: Final = 20
# Sources of the ranking that a page shows, those with the most votes: anybody can name a source.
SOURCES_SHOWN: Final = 64
# Longer names than this would run into each other below the columns of a chart.
STEP_CHARS_SHOWN: Final = 8

PHASES: Final[dict[RoundPhase, str]] = {
    RoundPhase.OPEN: "gathering",
    RoundPhase.SEALED: "drawing",
    RoundPhase.COMMITTING: "under review",
    RoundPhase.REVEALING: "opening",
}
_PRIVACY: Final[dict[int, str]] = {
    pb.PRIVACY_OPEN: "to reviewers, and into published datasets",
    pb.PRIVACY_REVIEWERS: "to assigned reviewers only",
    pb.PRIVACY_PRIVATE: "nowhere",
}
_PROPOSAL: Final[dict[int, str]] = {
    pb.PROPOSAL_REQUIRED: "with every item",
    pb.PROPOSAL_OPTIONAL: "if the author likes",
    pb.PROPOSAL_NOT_TAKEN: "not taken",
}
_WITHDRAWAL: Final[dict[int, str]] = {
    pb.WITHDRAWAL_KEEPS: "shares stay with the author",
    pb.WITHDRAWAL_REPAYS: "shares are repaid with the author's next items",
}
_AUTOMATION: Final[dict[int, str]] = {
    pb.AUTOMATION_LOCAL: "if they run on their reviewers' own machines",
    pb.AUTOMATION_ANYWHERE: "of anybody; content may be sent to them",
    pb.AUTOMATION_NONE: "no: people only, by their word",
}


# ---- where its round is ----


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign among others: its counts, and where its round is in words."""

    row: CampaignRow
    phase: str  # in a word
    status: str  # that word, or that it is paused or closed
    told: str  # what the round waits for
    ends: str  # when the window is over at the latest; empty while none runs
    left: str  # how long that is from now
    share_ppm: int  # of the reviewers that the phase waits for, those who have done it


def campaign_line(state: State, tally: Tally, campaign: Campaign, now_ms: int) -> CampaignLine:
    """One campaign; costs nothing that grows with its items."""
    row = campaign_row(state, campaign, tally.of_campaign(campaign.id))
    round_ = state.round_of(campaign.id)
    phase, progress = PHASES[round_.phase], row.progress
    terms = state.campaign_under(campaign.id, round_.revision)
    window_ms = _window_ms(terms.rounds, round_.phase)
    ends_ms = round_.since_ms + window_ms
    done = PPM * progress.done // progress.expected if progress and progress.expected else 0
    return CampaignLine(
        row=row,
        phase=phase,
        status=phase if campaign.status is CampaignStatus.OPEN else row.status,
        told=_told(campaign, row, round_.phase),
        ends=moment(ends_ms) if window_ms else "",
        left=_left(ends_ms - now_ms) if window_ms else "",
        share_ppm=done,
    )


def _window_ms(terms: RoundTerms, phase: RoundPhase) -> int:
    return {
        RoundPhase.COMMITTING: terms.commit_ms,
        RoundPhase.REVEALING: terms.reveal_ms,
    }.get(phase, 0)


def _left(left_ms: int) -> str:
    if left_ms <= 0:
        return "its time is over"
    if left_ms < 60_000:
        return "less than a minute left"
    return f"{duration(left_ms - left_ms % 60_000)} left"


def _told(campaign: Campaign, row: CampaignRow, phase: RoundPhase) -> str:
    done = f"{row.progress.done:,} of {row.progress.expected:,}" if row.progress else ""
    match phase:
        case RoundPhase.SEALED:
            return (
                f"{done} witnesses tossed the coin that decides who reviews what; {_missing(row)}"
            )
        case RoundPhase.COMMITTING:
            return f"{done} reviewers committed to their answers, which nobody sees yet"
        case RoundPhase.REVEALING:
            return f"{done} reviewers opened their answers"
        case _:
            return _gathering(campaign, row)


def _missing(row: CampaignRow) -> str:
    """Silence is visible. Any of them will do."""
    return "it waits for " + " or ".join(short(person_of(name)) for name in row.missing)


def _gathering(campaign: Campaign, row: CampaignRow) -> str:
    if campaign.status is CampaignStatus.CLOSED:
        return "closed by the operator: it takes nothing more"
    if campaign.status is CampaignStatus.PAUSED:
        return "paused by the operator: it takes no items and seals no round"
    if not row.waiting:
        return "nothing waits for review"
    if not row.standing_by:
        verb = "waits" if row.waiting == 1 else "wait"
        return f"{many(row.waiting, 'item')} {verb}, and nobody stands by to review"
    terms = campaign.rounds
    return (
        f"{row.waiting:,} of {terms.seal_items:,} items wait; the round begins when all do, or after"
        f" {duration(terms.seal_wait_ms)}"
    )


# ---- what it asks ----


@dataclass(frozen=True, slots=True)
class PartLine:
    """A part of an item."""

    name: str
    media: str
    size: str
    is_optional: bool


@dataclass(frozen=True, slots=True)
class QuestionView:
    """What is asked, of what, and on what terms."""

    asks: str
    lines: tuple[str, ...]  # labels, steps or criteria: LINES_SHOWN at most
    are_names: bool  # or sentences
    more: int
    parts: tuple[PartLine, ...]
    terms: tuple[tuple[str, str], ...]  # our words


def question_view(campaign: Campaign) -> QuestionView:
    """A campaign's record in words."""
    question = question_of(campaign)
    asks, *lines = question.kind.asks(question.spec)
    return QuestionView(
        asks=asks,
        lines=tuple(lines[:LINES_SHOWN]),
        are_names=all(len(line) <= NAME_CHARS_MAX for line in lines),
        more=max(0, len(lines) - LINES_SHOWN),
        parts=tuple(
            PartLine(part.name, ", ".join(part.media_types), size(part.bytes_max), part.optional)
            for part in campaign.parts
        ),
        terms=tuple(_terms(campaign)),
    )


def _terms(campaign: Campaign) -> Iterator[tuple[str, str]]:
    rounds = campaign.rounds
    yield "Authors propose the answer", _PROPOSAL[campaign.proposal]
    yield "Reviewers for each item", str(campaign.reviewers_per_item)
    yield "An accepted item weighs", f"{campaign.price_ppm / PPM:g}"
    yield "A derivative of another item", f"{campaign.derivative_permille / 10:g} % of that"
    yield "Content travels", _PRIVACY[campaign.privacy]
    yield "Programs may answer", _AUTOMATION[campaign.automation]
    yield "On withdrawal", _WITHDRAWAL[campaign.withdrawal]
    yield (
        "A round begins",
        f"with {many(rounds.seal_items, 'item')}, or when the oldest has waited"
        f" {duration(rounds.seal_wait_ms)}; it takes {rounds.items_max:,} at most",
    )
    yield (
        "Its windows",
        f"{duration(rounds.commit_ms)} to answer, {duration(rounds.reveal_ms)} to open the answers",
    )
    if campaign.revision:
        yield (
            "Changed",
            f"{many(campaign.revision, 'time')}, last by log entry {campaign.logged_at:,}; what was"
            " submitted before goes by the terms of then",
        )
    yield "An item stays undecided", f"after {many(rounds.draws_max, 'draw')}"
    for words in copy_words(campaign):
        yield "Copies", words


# ---- what reviewers found ----


@dataclass(frozen=True, slots=True)
class Found:
    """One answer, and of how many of the items that have one it is."""

    name: str
    items: int
    share_ppm: int


@dataclass(frozen=True, slots=True)
class FindingsView:
    """The verdicts of a campaign by what they say."""

    heading: str
    note: str
    answered: int
    found: tuple[Found, ...]
    rest: int  # items whose answer is not listed
    histogram: Markup  # empty for kinds whose answers have no order
    refused: tuple[Found, ...]  # by reason, of all items that have a verdict
    reviewers: int  # who answered or refused, of all these items together
    programs: int  # of those: for whom a program did


def findings_view(campaign: Campaign, findings: Findings) -> FindingsView:
    """What the verdicts say so far."""
    question = question_of(campaign)
    summary = question.kind.summary(question.spec)
    names = summary.names
    marks = [findings.marks[place] for place in range(len(names))]
    places = list(range(len(names)))
    if len(places) > FOUND_SHOWN:
        places = sorted(sorted(places, key=lambda at: -marks[at])[:FOUND_SHOWN])
    found = tuple(_found(names[at], marks[at], findings.answered) for at in places)
    verdicts = findings.answered + findings.refused.total()
    return FindingsView(
        heading=summary.heading,
        note=summary.note,
        answered=findings.answered,
        found=found,
        rest=0 if summary.several else findings.answered - sum(each.items for each in found),
        histogram=_histogram(names, marks) if summary.ordered else Markup(""),
        refused=tuple(
            _found(REFUSALS[reason], items, verdicts)
            for reason, items in findings.refused.most_common()
            if items
        ),
        reviewers=findings.reviewers,
        programs=findings.programs,
    )


def _found(name: str, items: int, of: int) -> Found:
    return Found(name, items, PPM * items // of if of else 0)


def _histogram(steps: Sequence[str], marks: Sequence[int]) -> Markup:
    if not any(marks):
        return Markup("")
    short = all(len(step) <= STEP_CHARS_SHOWN for step in steps)
    labels = list(steps) if short else [str(place + 1) for place in range(len(steps))]
    text = Text(
        key="ratings",
        title="Items by their median rating",
        description="A column for each step, from lowest to highest; the table has the numbers.",
        across="step",
        up="items",
    )
    return column_chart(text, labels, [Series("items", marks)])


# ---- which source was preferred ----


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A source: how probably it is preferred to an average one, with a 95 % interval."""

    name: str
    mean_ppm: int
    low_ppm: int
    high_ppm: int
    votes: int


@dataclass(frozen=True, slots=True)
class SourcesView:
    """The sources that a campaign compares, best first."""

    sources: tuple[SourceLine, ...]
    votes: int
    judges: int
    others: int  # sources with fewer votes, that are left out


def sources_view(ranking: SourceRanking | None) -> SourcesView:
    """A page's part of the ranking."""
    if ranking is None:
        return SourcesView((), 0, 0, 0)
    by_votes = sorted(ranking.sources, key=lambda each: (-each.votes, each.source))
    shown = set(by_votes[:SOURCES_SHOWN])
    others = len(by_votes) - len(shown) + ranking.unranked
    lines = tuple(_source_line(each) for each in ranking.sources if each in shown)
    return SourcesView(lines, ranking.votes, ranking.judges, others)


def _source_line(ranked: Ranked) -> SourceLine:
    mean, low, high = (
        round(PPM / (1 + exp(-log_odds))) for log_odds in (ranked.strength, ranked.low, ranked.high)
    )
    return SourceLine(ranked.source, mean, low, high, ranked.votes)


# ---- the page ----


@dataclass(frozen=True, slots=True)
class CampaignView:
    """One campaign's page, but for the ranking of its sources."""

    campaign: Campaign
    line: CampaignLine
    question: QuestionView
    items: Statuses
    rounds: tuple[PastRound, ...]  # the latest first
    findings: FindingsView
    compares: bool


def campaign_view(state: State, tally: Tally, campaign_id: str, now_ms: int) -> CampaignView | None:
    """One campaign; None if there is none of this id."""
    campaign = state.campaigns.get(campaign_id)
    if campaign is None:
        return None
    return CampaignView(
        campaign=campaign,
        line=campaign_line(state, tally, campaign, now_ms),
        question=question_view(campaign),
        items=tally.of_campaign(campaign_id).copy(),
        rounds=tuple(tally.rounds_of(campaign_id)[:ROUNDS_SHOWN]),
        findings=findings_view(campaign, tally.answers.of(campaign_id)),
        compares=bool(question_of(campaign).kind.compared_parts),
    )
