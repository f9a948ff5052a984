"""What reviewers said, counted by campaign: which answers were decided, why content was refused, how often
one source was preferred to another, and by whom of which word on gold.

Fed by `coordinator.tally` with every record, so that a page tells of 10^6 items without a walk. Of an
item that is withdrawn or taken down nothing stays: its answer and its votes are taken off again, as a
replay of the log that finds it erased never counts them. What it said of its reviewers, as gold, is theirs
and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import Description, Item, ItemId
from protocol.rules.record import Record
from protocol.tasks.question import Question, ask
from protocol.transition import Changes
from protos.gen import records_pb2 as pb

_DECIDED = (ItemStatus.ACCEPTED, ItemStatus.REJECTED)


@dataclass(slots=True)
class Findings:
    """What was decided in one campaign."""

    answered: int = 0  # items that have an answer
    # By place in the kind's summary: items whose answer counts for it.
    marks: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)  # items by pb.Refusal
    # Who answered or refused, of all these items together; and of those, for whom a program did.
    reviewers: int = 0
    programs: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """One judge said of two sources which is better: `protocol.truth.ranking` has the outcomes."""

    left: str
    right: str
    judge: PersonId
    outcome: int


@dataclass(slots=True)
class Comparisons:
    """What the judges of one campaign said of its sources, and how often they were right about gold."""

    votes: Counter[Vote] = field(default_factory=Counter)
    gold_right: Counter[PersonId] = field(default_factory=Counter)
    gold_wrong: Counter[PersonId] = field(default_factory=Counter)

    def copy(self) -> Comparisons:
        """One that later records do not change."""
        return Comparisons(self.votes.copy(), self.gold_right.copy(), self.gold_wrong.copy())


@dataclass(slots=True)
class Answers:
    """Of all campaigns."""

    findings: dict[str, Findings] = field(default_factory=dict)
    # Of campaigns that compare sources.
    comparisons: dict[str, Comparisons] = field(default_factory=dict)
    _questions: dict[str, Question] = field(default_factory=dict)  # by campaign
    _pairs: dict[ItemId, tuple[str, str]] = field(default_factory=dict)  # sources
    # Who said what of the same campaigns' items.
    _said: dict[ItemId, list[tuple[PersonId, int]]] = field(default_factory=dict)

    def take(self, record: Record[Any], changes: Changes) -> None:
        """Counts what a record changed."""
        for item_id, (before, after) in changes.items.items():
            if before is None:
                self._pair(item_id, self._questions[after.campaign_id], after.description)
            self._count(before, -1)
            self._count(after, +1)
        for item_id in changes.gone:
            self._forget(item_id, changes.items[item_id][1].campaign_id)
        match record.body:  # of what was asked and answered, Changes says nothing
            case pb.Campaign() as body:
                self._questions[body.id] = ask(body.task, body.spec)
            case pb.Reveal() as body if self._compares(body.campaign_id):
                self._vote(self._comparisons(body.campaign_id), record.author, record.leaves)
            case pb.Verdict() as body if self._compares(body.campaign_id):
                self._open_gold(self._comparisons(body.campaign_id), record.leaves)

    def of(self, campaign_id: str) -> Findings:
        """What was decided in a campaign."""
        return self.findings.get(campaign_id, Findings())

    def comparisons_in(self, campaign_id: str) -> Comparisons:
        """A copy of what was said of a campaign's sources."""
        return self.comparisons.get(campaign_id, Comparisons()).copy()

    def _compares(self, campaign_id: str) -> bool:
        return bool(self._questions[campaign_id].kind.compared_parts)

    def _comparisons(self, campaign_id: str) -> Comparisons:
        return self.comparisons.setdefault(campaign_id, Comparisons())

    def _count(self, item: Item | None, sign: int) -> None:
        if item is None or item.status not in _DECIDED:
            return
        found = self.findings.setdefault(item.campaign_id, Findings())
        found.reviewers += sign * len(item.answered_by)
        found.programs += sign * item.programs
        if item.refusal:
            found.refused[item.refusal] += sign
        elif item.answer is not None:
            found.answered += sign
            question = self._questions[item.campaign_id]
            for place in question.kind.counted(question.spec, item.answer):
                found.marks[place] += sign

    def _pair(self, item_id: ItemId, question: Question, described: Description | None) -> None:
        compared = question.kind.compared_parts
        if described is None or not compared:
            return
        sources = {part.name: part.source for part in described.parts}
        left, right = (sources.get(name, "") for name in compared)
        if left and right and left != right:
            self._pairs[item_id] = left, right

    def _vote(self, seen: Comparisons, judge: PersonId, answers: Iterable[pb.Answer]) -> None:
        for answer in answers:
            if not answer.answer:
                continue
            outcome = answer.answer[0]
            self._said.setdefault(answer.item_id, []).append((judge, outcome))
            sources = self._pairs.get(answer.item_id)
            if sources is not None:
                seen.votes[Vote(*sources, judge, outcome)] += 1

    def _open_gold(self, seen: Comparisons, verdicts: Iterable[pb.ItemVerdict]) -> None:
        """Counts what was said until now: later, everybody can read the answer in the log."""
        for verdict in verdicts:
            if not verdict.gold_salt:
                continue
            for judge, outcome in self._said.get(verdict.item_id, ()):
                right = outcome == verdict.gold[0]
                (seen.gold_right if right else seen.gold_wrong)[judge] += 1

    def _forget(self, item_id: ItemId, campaign_id: str) -> None:
        sources, said = self._pairs.pop(item_id, None), self._said.pop(item_id, ())
        if sources is None:
            return
        votes = self._comparisons(campaign_id).votes
        for judge, outcome in said:
            vote = Vote(*sources, judge, outcome)
            votes[vote] -= 1
            if not votes[vote]:
                del votes[vote]
