"""How a campaign fares: each number with its words, the same as data for JSON.

Shares and agreement go from 0 to 1. A number that there is none of is None: nobody's answers agree where
there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from markupsafe import Markup

from commonground.web.charts import SERIES_MAX, Series, Text, column_chart
from coordinator.desk.observations import Counts, Observed, Week
from coordinator.desk.statistics import (
    ALPHA_SOUND,
    ALPHA_TENTATIVE,
    agreement,
    alpha,
    effective_number,
    median,
    moved,
)
from coordinator.overview import by_outcome
from coordinator.tally import Tally
from protocol.lifecycle import ItemStatus
from protocol.state import State, waits_of

# Classes that are told apart in a table; what is rarer is summed up.
CLASSES_SHOWN: Final = 40
# Weeks that a drawing and its table have, the last ones.
WEEKS_SHOWN: Final = 26
REST: Final = "all others"


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One class: how many accepted items have it, and how far people agree on it."""

    name: str
    items: int
    share: float | None  # of accepted items; of several classes an item may have more than one
    agreement: float | None
    alpha: float | None


@dataclass(frozen=True, slots=True)
class WeekLine:
    """One week, by ISO 8601: "2026-W31"."""

    name: str
    answers: int
    accepted: int
    rejected: int
    undecided: int
    agreement: float | None
    alpha: float | None
    moved: float | None  # how far its classes are from those of all weeks before
    classes: tuple[int, ...]  # accepted items, by place


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign, as its operator asks after it. Times in milliseconds."""

    items: dict[str, int]  # by outcome
    waiting: int
    rounds: int
    verdict_ms: (
        int | None
    )  # from the seal of a round to its verdict: the median of the last 256 rounds
    slowest_ms: int | None
    answers: int
    refusals: int
    agreement: float | None
    alpha: float | None
    gold_opened: int
    gold_answers: int
    gold_right: int
    heading: str  # what the classes are
    classes: tuple[ClassLine, ...]
    effective_classes: float
    authors: int
    effective_authors: float
    top_author: float | None  # the share of accepted items that are one author's
    copies: float | None  # of all items, those set aside as copies
    derived: float | None  # of accepted items, those made of others
    weeks: tuple[WeekLine, ...]


def progress_of(state: State, tally: Tally, seen: Observed, campaign_id: str) -> Progress:
    """Everything at once; costs nothing that grows with items."""
    statuses = tally.of_campaign(campaign_id)
    took = [
        each.ended_ms - each.sealed_ms for each in tally.rounds_of(campaign_id) if each.ended_ms
    ]
    kind, spec = seen.question.kind, seen.question.spec
    summary = kind.summary(spec)
    counts = [seen.classes[place] for place in range(len(summary.names))]
    authors = +seen.authors
    total = seen.total
    return Progress(
        items=by_outcome(statuses),
        waiting=waits_of(state, campaign_id),
        rounds=state.round_of(campaign_id).number,
        verdict_ms=median(took),
        slowest_ms=max(took, default=None),
        answers=total.answers,
        refusals=total.refusals,
        agreement=agreement(total.chosen),
        alpha=alpha(total.chosen, ordered=summary.ordered),
        gold_opened=total.gold_opened,
        gold_answers=total.gold_answers,
        gold_right=total.gold_right,
        heading=summary.heading,
        classes=_classes(seen, summary.names, counts, statuses[ItemStatus.ACCEPTED]),
        effective_classes=effective_number(counts),
        authors=len(authors),
        effective_authors=effective_number(authors.values()),
        top_author=_share(max(authors.values(), default=0), authors.total()),
        copies=_share(statuses[ItemStatus.DUPLICATE], statuses.total()),
        derived=_share(seen.derived, statuses[ItemStatus.ACCEPTED]),
        weeks=tuple(_weeks(seen, len(summary.names), ordered=summary.ordered)),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _classes(
    seen: Observed, names: Sequence[str], counts: Sequence[int], accepted: int
) -> tuple[ClassLine, ...]:
    common = sorted(range(len(names)), key=lambda at: (-counts[at], at))[:CLASSES_SHOWN]
    lines = []
    for place in sorted(common):
        found = seen.total.marked.get(place) or seen.total.chosen.about(place)
        share = _share(counts[place], accepted)
        lines.append(ClassLine(names[place], counts[place], share, agreement(found), alpha(found)))
    return tuple(lines)


def _weeks(seen: Observed, classes: int, *, ordered: bool) -> list[WeekLine]:
    lines, before = [], [0] * classes
    for week, counts in seen.weeks.items():
        now = [counts.decided[place] for place in range(classes)]
        lines.append(_week(week, counts, now, moved(before, now), ordered=ordered))
        before = [a + b for a, b in zip(before, now, strict=True)]
    return lines[-WEEKS_SHOWN:]


def _week(
    week: Week, counts: Counts, classes: Sequence[int], drift: float | None, *, ordered: bool
) -> WeekLine:
    return WeekLine(
        name=f"{week[0]}-W{week[1]:02}",
        answers=counts.answers,
        accepted=counts.accepted,
        rejected=counts.rejected,
        undecided=counts.undecided,
        agreement=agreement(counts.chosen),
        alpha=alpha(counts.chosen, ordered=ordered),
        moved=drift,
        classes=tuple(classes),
    )


# ---- words and drawings ----


def alpha_words(value: float | None) -> str:
    """What an alpha means, for somebody who has never seen one."""
    if value is None:
        return "nothing to compare yet: no item has two answers, or all answers are the same"
    if value >= ALPHA_SOUND:
        return f"people see the same: {ALPHA_SOUND} and more is what one may build on"
    if value >= ALPHA_TENTATIVE:
        return f"good enough for first conclusions; {ALPHA_SOUND} is what one may build on"
    if value > 0:
        return f"below {ALPHA_TENTATIVE} the question or its guidelines mean different things to people"
    return "no better than chance: look at the guidelines and at who answers"


def class_series(view: Progress, names: Sequence[str]) -> list[Series]:
    """The shares of classes by week in percent: the most frequent ones, and all others together."""
    totals = [sum(week.classes[at] for week in view.weeks) for at in range(len(names))]
    places = sorted(range(len(names)), key=lambda at: (-totals[at], at))
    shown = places if len(places) <= SERIES_MAX else places[: SERIES_MAX - 1]
    groups = [(names[at], [at]) for at in sorted(shown)]
    if others := places[len(shown) :]:
        groups.append((REST, others))
    columns = [
        _percents([sum(week.classes[at] for at in some) for _, some in groups])
        for week in view.weeks
    ]
    return [
        Series(name, [column[place] for column in columns])
        for place, (name, _) in enumerate(groups)
    ]


def class_chart(view: Progress, series: Sequence[Series]) -> Markup:
    """Accepted items by week and class; empty without any."""
    if not any(any(week.classes) for week in view.weeks):
        return Markup("")
    text = Text(
        key="classes-by-week",
        title=f"{view.heading} by week",
        description="A column for each week, divided as its accepted items are; the table has the numbers.",
        across="week",
        up="% of classes given",
    )
    return column_chart(text, [week.name for week in view.weeks], series)


def _percents(parts: Sequence[int]) -> list[int]:
    """Whole percents that add up to 100, or to 0 where there is nothing."""
    whole, edges = sum(parts), [0, *accumulate(parts)]
    rounded = [round(100 * edge / whole) if whole else 0 for edge in edges]
    return [after - before for before, after in pairwise(rounded)]


def agreement_chart(view: Progress) -> Markup:
    """How far people agreed, by week; empty without answers to compare."""
    weeks = [week for week in view.weeks if week.agreement is not None]
    if not weeks:
        return Markup("")
    text = Text(
        key="agreement-by-week",
        title="Agreement by week",
        description="A column for each week: of pairs of answers to one item, how many are the same.",
        across="week",
        up="% of pairs that agree",
    )
    values = [100 * (week.agreement or 0) for week in weeks]
    return column_chart(text, [week.name for week in weeks], [Series("agreement", values)])
