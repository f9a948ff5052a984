"""The one ranking of sources: what was said of gold counts, and a page and a dataset say the same."""

from __future__ import annotations

import json
from math import exp
from pathlib import Path
from typing import Any

import pytest

from commonground.dataset import layout
from coordinator.answers import Comparisons
from coordinator.dashboard.campaigns import sources_view
from coordinator.ranking import SOURCES_RANKED, rank
from protocol.limits import PPM
from tests.dataset_lab import PREFERRED, DatasetLab
from tests.simulated import Truth
from tests.simulated_log import tally_of

PAIRS = (("best", "poor", "a"), ("fair", "best", "b"), ("fair", "poor", "a")) * 3
GOLD = 6


def lies(truth: Truth) -> Truth:
    return {"a": "b", "b": "a"}.get(str(truth), truth)


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    """Three of four judges say the opposite, of pairs of sources and of gold that names none."""
    made = DatasetLab(tmp_path, PREFERRED)
    for reviewer in made.reviewers[:3]:
        reviewer.judge = lies
    pairs = [
        made.item(truth, sources={"answer_a": left, "answer_b": right})
        for left, right, truth in PAIRS
    ]
    made.submit(ada=[*pairs, *(made.item("a") for _ in range(GOLD))])
    made.net.run_rounds(*made.reviewers, gold=made.items[-GOLD:], c=made.c)
    made.net.close()
    made.fetch()
    return made


def seen_in(lab: DatasetLab) -> Comparisons:
    return tally_of(lab.net.log)[1].answers.comparisons_in(lab.c)


def order_of(seen: Comparisons) -> list[str]:
    ranking = rank(seen)
    assert ranking is not None
    return [each.source for each in ranking.sources]


def test_what_judges_said_of_gold_tells_whom_to_believe(lab: DatasetLab) -> None:
    seen = seen_in(lab)
    liars = {reviewer.id for reviewer in lab.reviewers[:3]}
    assert set(seen.gold_wrong) == liars
    assert set(seen.gold_right) == {lab.reviewers[3].id}
    assert seen.gold_wrong.total() + seen.gold_right.total() == 3 * GOLD
    assert order_of(seen) == ["best", "fair", "poor"]
    assert order_of(Comparisons(seen.votes)) == ["poor", "fair", "best"]


def test_a_page_and_a_dataset_say_the_same(lab: DatasetLab) -> None:
    page = sources_view(rank(seen_in(lab)))
    folder, _ = lab.export()
    file: dict[str, Any] = json.loads((folder / layout.RANKING).read_text())
    assert (file["votes"], file["judges"], file["unranked"]) == (page.votes, page.judges, 0)
    told = [
        (each["source"], each["votes"], *(_chance_ppm(each[name]) for name in _BOUNDS))
        for each in file["sources"]
    ]
    assert told == [(s.name, s.votes, s.mean_ppm, s.low_ppm, s.high_ppm) for s in page.sources]
    assert all(low < mean < high for _, _, mean, low, high in told)


_BOUNDS = ("strength", "low", "high")


def _chance_ppm(log_odds: float) -> int:
    return round(PPM / (1 + exp(-log_odds)))


def test_gold_stays_with_its_judges_when_its_author_withdraws_it(lab: DatasetLab) -> None:
    before = seen_in(lab)
    gone = [*lab.items[:2], lab.items[-1]]
    lab.withdraw(lab.authors[0], *gone)
    after = seen_in(lab)
    assert after.votes.total() < before.votes.total()
    assert (after.gold_right, after.gold_wrong) == (before.gold_right, before.gold_wrong)
    # Whoever replays the log later finds the leaves erased, and counts the same.
    assert tally_of(lab.net.log, lab.net.erased_since())[1].answers.comparisons_in(lab.c) == after


def test_of_more_sources_than_are_ranked_the_others_are_counted(lab: DatasetLab) -> None:
    [vote, *_] = seen_in(lab).votes
    crowd = Comparisons()
    for number in range(SOURCES_RANKED):
        crowd.votes[type(vote)("good", f"made up {number}", vote.judge, 0)] = 1
    ranking = rank(crowd)
    assert ranking is not None
    assert (len(ranking.sources), ranking.unranked) == (SOURCES_RANKED, 1)
    assert rank(Comparisons()) is None
