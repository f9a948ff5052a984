"""What the demo measures, from an audit of the public log and the true answers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from commonhold.audit.replay import Report
from commonhold.demo.asks import PAIRS
from commonhold.demo.cast import CAMPAIGN, HONEST, LAZY, MISLABELLER
from commonhold.demo.history import Given, History
from commonhold.demo.pairs import SOURCES
from coordinator.answers import Comparisons, Vote
from coordinator.ranking import rank
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import Item, ItemId
from protocol.state import SHARES, State
from protocol.tasks.prefer import PARTS
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What only the demo knows of an item: the true answer, in words."""

    campaign: str
    truth: str
    is_copy: bool = False


class Measured:
    """An audited log beside the truth."""

    def __init__(self, report: Report, history: History, known: Mapping[ItemId, KnownItem]) -> None:
        self._report, self._history, self._known = report, history, known
        self._state: State = report.state
        self._votes: dict[ItemId, list[bytes]] = {}
        for given in history.answers:
            self._votes.setdefault(given.item_id, []).append(given.answer)

    def figures(self, people: Mapping[str, PersonId]) -> dict[str, Any]:
        """The figures of demo-summary.json that follow from the log."""
        items = dict(self._state.items.scan())
        statuses = Counter(item.status for item in items.values())
        digits = {i: item for i, item in items.items() if item.campaign_id == CAMPAIGN}
        caught = {i for i, item in digits.items() if item.status is ItemStatus.DUPLICATE}
        accepted = {i for i, item in digits.items() if item.status is ItemStatus.ACCEPTED}
        return {
            "items_submitted": len(items),
            "items_accepted": statuses[ItemStatus.ACCEPTED],
            "items_rejected": statuses[ItemStatus.REJECTED],
            "items_undecided": statuses[ItemStatus.UNDECIDED] + statuses[ItemStatus.SUBMITTED],
            "duplicates_submitted": sum(item.is_copy for item in self._known.values()),
            "duplicates_caught": sum(self._known[i].is_copy for i in caught),
            "honest_items_lost_as_duplicates": sum(not self._known[i].is_copy for i in caught),
            "label_accuracy": self._accuracy(accepted),
            "majority_accuracy": self._majority(i for i in digits if i in self._votes),
            "majority_accuracy_on_accepted": self._majority(accepted),
            "campaigns": [self._campaign(name) for name, _ in self._state.campaigns.scan()],
            "rounds_overlapped": self._history.overlapped,
            "sources_ranked": self.ranked_sources(),
            "sources_in_true_order": self.ranked_sources() == list(SOURCES),
            **self._shares(people),
        }

    def _campaign(self, campaign: str) -> dict[str, Any]:
        """Both accuracies are of the same items: those that were decided by answers."""
        items = {i: item for i, item in self._state.items.scan() if item.campaign_id == campaign}
        decided = {i for i, item in items.items() if _is_decided(item)}
        return {
            "id": campaign,
            "kind": self._state.campaigns[campaign].task,
            "items": len(items),
            "duplicates": sum(item.status is ItemStatus.DUPLICATE for item in items.values()),
            "decided": len(decided),
            "accepted": sum(item.status is ItemStatus.ACCEPTED for item in items.values()),
            "rounds": self._history.rounds[campaign],
            "accuracy": self._accuracy(decided),
            "majority_accuracy": self._majority(decided),
        }

    def _truth(self, item_id: ItemId) -> bytes:
        known = self._known[item_id]
        question = question_of(self._state.campaigns[known.campaign])
        return question.kind.read_words(question.spec, known.truth)

    def _accuracy(self, among: Collection[ItemId]) -> float:
        return _share(self._state.items[i].answer == self._truth(i) for i in among)

    def _majority(self, among: Iterable[ItemId]) -> float:
        """How right a majority vote would have been, over the very answers that the inference had."""
        return _mean(_fraction_right(self._votes[i], self._truth(i)) for i in among)

    def ranked_sources(self) -> list[str]:
        """Who wrote the better answers of the pairs, best first, from all votes on them."""
        votes = Counter(
            Vote(*self._sources(each.item_id), each.reviewer, each.answer[0])
            for each in self._history.answers
            if self._is_vote(each)
        )
        ranking = rank(Comparisons(votes))
        return [] if ranking is None else [each.source for each in ranking.sources]

    def _is_vote(self, given: Given) -> bool:
        item = self._state.items[given.item_id]
        return item.campaign_id == PAIRS and not item.is_erased

    def _sources(self, item_id: ItemId) -> tuple[str, str]:
        described = self._state.items[item_id].described()
        left, right = (described.part(name).source for name in PARTS)
        return left, right

    def _shares(self, people: Mapping[str, PersonId]) -> dict[str, Any]:
        earned, minted = self._state.earned, max(1, self._state.minted_micro)
        total = {name: earned.get((who, SHARES), 0) / minted for name, who in people.items()}
        reviewing = Counter[bytes]()
        for _, line in self._report.lines:
            if line.role == pb.ROLE_REVIEWER:
                reviewing[line.person] += int(line.amount)
        pool = max(1, reviewing.total())
        return {
            "mislabeler_share": total[MISLABELLER],
            "honest_mean_share": fmean(total[name] for name in HONEST),
            "lazy_reviewer_share": reviewing[people[LAZY]] / pool,
            "honest_reviewer_mean_share": fmean(reviewing[people[n]] / pool for n in HONEST),
            "shares": total,
        }


def _is_decided(item: Item) -> bool:
    """Whether the reviewers' answers decided it, for or against what its author proposed."""
    return item.answer is not None and item.status in (ItemStatus.ACCEPTED, ItemStatus.REJECTED)


def _fraction_right(votes: list[bytes], truth: bytes) -> float:
    """Each criterion of a rubric is voted on by itself; of other kinds only one byte differs. A tie counts
    by the part that is right."""
    right = 1.0
    for said, true in zip(zip(*votes, strict=True), truth, strict=True):
        tally = Counter(said)
        most = max(tally.values())
        winners = [each for each, count in tally.items() if count == most]
        right *= (true in winners) / len(winners)
    return right


def _share(outcomes: Iterable[bool]) -> float:
    return _mean(map(float, outcomes))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
