"""What the demo measures, from an audit of the public log and the digits' true labels alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from commonhold.audit.replay import Report
from commonhold.demo.cast import HONEST, LAZY, MISLABELLER
from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.state import SHARES, ItemId
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What only the demo knows of an item."""

    truth: int
    is_copy: bool


def measure(
    report: Report, known: Mapping[ItemId, KnownItem], identities: Mapping[str, Identity]
) -> dict[str, Any]:
    """The figures of demo-summary.json that follow from the log."""
    items = report.state.items
    statuses = Counter(item.status for item in items.values())
    caught = {i for i, item in items.items() if item.status is ItemStatus.DUPLICATE}
    accepted = {i: item for i, item in items.items() if item.status is ItemStatus.ACCEPTED}
    majority = majority_accuracy(report, known)
    return {
        "items_submitted": len(items),
        "items_accepted": statuses[ItemStatus.ACCEPTED],
        "items_rejected": statuses[ItemStatus.REJECTED],
        "items_undecided": statuses[ItemStatus.UNDECIDED] + statuses[ItemStatus.SUBMITTED],
        "duplicates_submitted": sum(item.is_copy for item in known.values()),
        "duplicates_caught": sum(known[i].is_copy for i in caught),
        "honest_items_lost_as_duplicates": sum(not known[i].is_copy for i in caught),
        "label_accuracy": _share(item.label == known[i].truth for i, item in accepted.items()),
        "majority_accuracy": majority(None),
        "majority_accuracy_on_accepted": majority(set(accepted)),
        **_shares(report, identities),
    }


def majority_accuracy(report: Report, known: Mapping[ItemId, KnownItem]) -> Any:
    """A function of a set of items (None: all reviewed): how right a majority vote would have been.

    The vote is over the very answers that the inference had; a tie counts by the part that is right.
    """
    votes: dict[ItemId, Counter[int]] = {}
    for answer in report.answers:
        if answer.label is not None:
            votes.setdefault(answer.item_id, Counter())[answer.label] += 1

    def accuracy(among: set[ItemId] | None) -> float:
        return fmean(
            _fraction_right(tally, known[item_id].truth)
            for item_id, tally in votes.items()
            if among is None or item_id in among
        )

    return accuracy


def _fraction_right(tally: Counter[int], truth: int) -> float:
    most = max(tally.values())
    winners = [label for label, count in tally.items() if count == most]
    return (truth in winners) / len(winners)


def _shares(report: Report, identities: Mapping[str, Identity]) -> dict[str, Any]:
    earned, minted = report.state.earned, max(1, report.state.minted_micro)
    total = {name: earned.get((who, SHARES), 0) / minted for name, who in identities.items()}
    reviewing = Counter[bytes]()
    for _, line in report.lines:
        if line.role == pb.ROLE_REVIEWER:
            reviewing[line.identity] += int(line.amount)
    pool = max(1, reviewing.total())
    return {
        "mislabeler_share": total[MISLABELLER],
        "honest_mean_share": fmean(total[name] for name in HONEST),
        "lazy_reviewer_share": reviewing[identities[LAZY]] / pool,
        "honest_reviewer_mean_share": fmean(reviewing[identities[n]] / pool for n in HONEST),
        "shares": total,
    }


def _share(outcomes: Iterable[bool]) -> float:
    listed = list(outcomes)
    return sum(listed) / len(listed) if listed else 0.0
