"""What the desk remembers of the log beyond the operator's own tallies: who agreed with whom, week by week.

Fed by every record, in the log's order. What people answered is kept until the verdict on the item, and then
only counted, so memory grows with weeks and labels and not with answers. Of an item that is withdrawn later
the counts stay: they say nothing of a single item.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from coordinator.desk.statistics import Coincidences
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import Item, ItemId
from protocol.rules.record import Record
from protocol.tasks.question import Question, ask
from protocol.transition import Changes
from protos.gen import records_pb2 as pb

# Ten years; a campaign that lasts longer loses its first weeks here, and nowhere else.
WEEKS_KEPT: Final = 520

Week = tuple[int, int]
"""The year and number of a week, by ISO 8601 and the operator's clock, in UTC."""


@dataclass(slots=True)
class Counts:
    """What people said and what was decided, in a week or ever. Classes are places in the kind's summary."""

    answers: int = 0
    refusals: int = 0
    decided: Counter[int] = field(default_factory=Counter)  # accepted items by class
    accepted: int = 0
    rejected: int = 0
    undecided: int = 0
    gold_answers: int = 0  # to hidden gold, and how many were right
    gold_right: int = 0
    gold_opened: int = 0  # gold items that are retired
    # Of kinds with one answer, on its class; of those with several, for each class on 0 and 1.
    chosen: Coincidences = field(default_factory=Coincidences)
    marked: dict[int, Coincidences] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoundPlace:
    """Where in the log a round was answered and decided."""

    reveals: tuple[int, ...]
    verdict: int


@dataclass(slots=True)
class Observed:
    """One campaign."""

    question: Question
    total: Counts = field(default_factory=Counts)
    weeks: dict[Week, Counts] = field(default_factory=dict)  # in order
    authors: Counter[PersonId] = field(default_factory=Counter)  # of accepted items
    classes: Counter[int] = field(default_factory=Counter)  # likewise
    derived: int = 0  # accepted items that their authors made of others
    items: list[ItemId] = field(default_factory=list)  # in the log's order
    rounds: list[RoundPlace] = field(default_factory=list)
    reveals: array[int] = field(default_factory=lambda: array("Q"))  # of the round under way
    said: dict[ItemId, list[bytes]] = field(default_factory=dict)  # likewise; empty: a refusal

    def count_classes(self, item: Item | None, sign: int) -> None:
        """Adds an accepted item's classes, or takes them off."""
        if item is not None and item.answer is not None:
            for place in self.question.kind.counted(self.question.spec, item.answer):
                self.classes[place] += sign

    def week(self, time_ms: int) -> Counts:
        """The counts of the week that holds this time."""
        year, number, _ = datetime.fromtimestamp(time_ms / 1_000, UTC).isocalendar()
        if (year, number) not in self.weeks and len(self.weeks) == WEEKS_KEPT:
            del self.weeks[next(iter(self.weeks))]
        return self.weeks.setdefault((year, number), Counts())


@dataclass(slots=True)
class Observations:
    """All campaigns; give `take` to an `Operator`."""

    campaigns: dict[str, Observed] = field(default_factory=dict)

    def take(self, record: Record[Any], changes: Changes) -> None:
        """Counts what a record changed."""
        match record.body:
            case pb.Campaign() as body:
                self.campaigns[body.id] = Observed(ask(body.task, body.spec))
            case pb.Reveal() as body:
                self._reveal(self.campaigns[body.campaign_id], record)
            case pb.Verdict() as body:
                self._decide(self.campaigns[body.campaign_id], record, changes)
        for item_id, (before, after) in changes.items.items():
            seen = self.campaigns[after.campaign_id]
            if before is None:
                seen.items.append(item_id)
            was, now = map(_is_accepted, (before, after))
            if was != now:
                seen.authors[after.author] += now - was
                seen.count_classes(after if now else before, now - was)
                described = after.description or (before and before.description)
                seen.derived += (now - was) * bool(described and described.derived_from)

    @staticmethod
    def _reveal(seen: Observed, record: Record[pb.Reveal]) -> None:
        seen.reveals.append(record.index)
        for answer in record.leaves:
            seen.said.setdefault(answer.item_id, []).append(answer.answer)

    @staticmethod
    def _decide(seen: Observed, record: Record[pb.Verdict], changes: Changes) -> None:
        week = seen.week(record.body.time_ms)
        for verdict in record.leaves:
            said = seen.said.get(verdict.item_id, [])
            classes = _classes_of(verdict, changes, seen.question)
            for counts in (seen.total, week):
                _count_answers(counts, seen.question, said)
                _count_verdict(counts, verdict, classes, said)
        seen.rounds.append(RoundPlace(tuple(seen.reveals), record.index))
        seen.said, seen.reveals = {}, array("Q")


def _is_accepted(item: Item | None) -> bool:
    return item is not None and item.status is ItemStatus.ACCEPTED


def _classes_of(verdict: pb.ItemVerdict, changes: Changes, question: Question) -> list[int] | None:
    """The classes that an item was accepted as; None unless it was."""
    _, item = changes.items.get(verdict.item_id, (None, None))
    if item is None or not _is_accepted(item) or item.answer is None:
        return None
    return question.kind.counted(question.spec, item.answer)


def _count_answers(counts: Counts, question: Question, said: Iterable[bytes]) -> None:
    kind, spec = question.kind, question.spec
    given = [kind.counted(spec, answer) for answer in said if answer]
    counts.answers += len(given)
    counts.refusals += sum(not answer for answer in said)
    summary = kind.summary(spec)
    if not summary.several:
        counts.chosen.add([one for [one] in given])
        return
    for place in range(len(summary.names)):
        marks = [int(place in each) for each in given]
        counts.marked.setdefault(place, Coincidences()).add(marks)
        counts.chosen.add(marks)


def _count_verdict(
    counts: Counts, verdict: pb.ItemVerdict, classes: list[int] | None, said: Iterable[bytes]
) -> None:
    if classes is not None:
        counts.decided.update(classes)
    counts.accepted += verdict.outcome == pb.OUTCOME_ACCEPTED
    counts.rejected += verdict.outcome == pb.OUTCOME_REJECTED
    counts.undecided += verdict.outcome == pb.OUTCOME_UNDECIDED
    if verdict.gold_salt:
        counts.gold_opened += 1
        given = [answer for answer in said if answer]
        counts.gold_answers += len(given)
        counts.gold_right += sum(answer == verdict.gold for answer in given)
