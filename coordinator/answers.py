"""What reviewers said, counted by campaign: which answers were decided, why content was refused, and how
often one source was preferred to another.

Fed by `coordinator.tally` with every record, so that a page tells of 10^6 items without a walk. Of an item
that its author withdraws nothing stays: its answer and its votes are taken off again, as a replay of the log
that finds it erased never counts them.
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


@dataclass(frozen=True, slots=True)
class Vote:
    """One judge said of two sources which is better: `protocol.truth.ranking` has the outcomes."""

    left: str
    right: str
    judge: PersonId
    outcome: int


@dataclass(slots=True)
class Answers:
    """Of all campaigns."""

    findings: dict[str, Findings] = field(default_factory=dict)
    votes: dict[str, Counter[Vote]] = field(
        default_factory=dict
    )  # of campaigns that compare sources
    _questions: dict[str, Question] = field(default_factory=dict)  # by campaign
    _pairs: dict[ItemId, tuple[str, str]] = field(default_factory=dict)  # sources
    _cast: dict[ItemId, list[Vote]] = field(default_factory=dict)

    def take(self, record: Record[Any], changes: Changes) -> None:
        """Counts what a record changed."""
        for item_id, (before, after) in changes.items.items():
            if before is None:
                self._pair(item_id, self._questions[after.campaign_id], after.description)
            self._count(before, -1)
            self._count(after, +1)
        for item_id in changes.erased:
            self._forget(item_id, changes.items[item_id][1].campaign_id)
        match record.body:  # of what was asked and answered, Changes says nothing
            case pb.Campaign() as body:
                self._questions[body.id] = ask(body.task, body.spec)
            case pb.Reveal() as body:
                self._vote(body.campaign_id, record.author, record.leaves)

    def of(self, campaign_id: str) -> Findings:
        """What was decided in a campaign."""
        return self.findings.get(campaign_id, Findings())

    def votes_in(self, campaign_id: str) -> Counter[Vote]:
        """A copy of the votes on a campaign's sources."""
        return self.votes.get(campaign_id, Counter()).copy()

    def _count(self, item: Item | None, sign: int) -> None:
        if item is None or item.status not in _DECIDED:
            return
        found = self.findings.setdefault(item.campaign_id, Findings())
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

    def _vote(self, campaign_id: str, judge: PersonId, answers: Iterable[pb.Answer]) -> None:
        for answer in answers:
            sources = self._pairs.get(answer.item_id)
            if sources is not None and answer.answer:
                vote = Vote(*sources, judge, answer.answer[0])
                self._cast.setdefault(answer.item_id, []).append(vote)
                self.votes.setdefault(campaign_id, Counter())[vote] += 1

    def _forget(self, item_id: ItemId, campaign_id: str) -> None:
        self._pairs.pop(item_id, None)
        for vote in self._cast.pop(item_id, ()):
            counted = self.votes[campaign_id]
            counted[vote] -= 1
            if not counted[vote]:
                del counted[vote]
