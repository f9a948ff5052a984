"""What a campaign's page says: its question, its round, what was found; and that no page walks all items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from coordinator.answers import Comparisons, Findings, Vote
from coordinator.dashboard import campaigns, datasets, epochs, money, people, training
from coordinator.dashboard.campaigns import campaign_view, sources_view
from coordinator.dashboard.formats import REFUSALS, WAITING_REASONS
from coordinator.overview import overview
from coordinator.ranking import rank
from coordinator.tally import Tally
from protocol.identity import PersonId
from protocol.lifecycle import RoundPhase
from protocol.limits import PPM
from protocol.rows import Campaign
from protocol.state import State
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.showcase import CRITERIA, MINUTE_MS, MODELS, STEPS, showcase
from tests.simulated import Network, campaign
from tests.simulated_log import tally_of


@pytest.fixture(scope="module")
def net() -> Network:
    return showcase()


@pytest.fixture(scope="module")
def seen(net: Network) -> tuple[State, Tally]:
    return tally_of(net.log)


def view_of(seen: tuple[State, Tally], c: str, now_ms: int = 0) -> campaigns.CampaignView:
    view = campaign_view(*seen, c, now_ms)
    assert view is not None
    return view


# ---- each kind ----


def test_labels_are_counted(seen: tuple[State, Tally]) -> None:
    found = view_of(seen, "digits").findings
    assert [each.name for each in found.found] == [str(digit) for digit in range(10)]
    assert sum(each.items for each in found.found) == found.answered > 100
    assert abs(sum(each.share_ppm for each in found.found) - PPM) < 10
    assert not found.histogram


def test_ratings_are_a_histogram(seen: tuple[State, Tally]) -> None:
    found = view_of(seen, "essays").findings
    assert [(each.name, each.items) for each in found.found] == list(
        zip(STEPS, (1, 2, 4, 2), strict=True)
    )
    assert "Items by their median rating" in found.histogram


def test_preferences_and_their_sources_are_ranked(seen: tuple[State, Tally]) -> None:
    view = view_of(seen, "answers")
    assert [each.name for each in view.findings.found] == ["answer_a", "answer_b", "neither"]
    ranked = sources_view(rank(seen[1].answers.comparisons_in("answers")))
    assert [each.name for each in ranked.sources] == list(MODELS)
    for each in ranked.sources:
        assert 0 <= each.low_ppm <= each.mean_ppm <= each.high_ppm <= PPM
    assert ranked.votes == sum(each.votes for each in ranked.sources) // 2
    assert view.compares and not view_of(seen, "digits").compares


def test_criteria_are_counted_one_by_one(seen: tuple[State, Tally]) -> None:
    found = view_of(seen, "transcripts").findings
    assert [(each.name, each.items) for each in found.found] == list(
        zip(CRITERIA, (8, 7, 8), strict=True)
    )
    assert found.answered == 9
    assert found.rest == 0, "criteria overlap: their sum says nothing"
    assert [(each.name, each.items) for each in found.refused] == [("unreadable", 1)]
    assert view_of(seen, "transcripts").question.lines[0].startswith("complete: Nothing that can")


def test_of_many_labels_the_most_frequent_are_listed() -> None:
    labels = [f"label {number}" for number in range(100)]
    many = Campaign.of(campaign(spec=encode_spec({"labels": labels})))
    findings = Findings(50 + 30 + 20, Counter({70: 50, 3: 30} | dict.fromkeys(range(80, 100), 1)))
    found = campaigns.findings_view(many, findings)
    assert len(found.found) == campaigns.FOUND_SHOWN
    assert [each.name for each in found.found][:2] == ["label 3", "label 70"]
    assert found.rest == 2
    asked = campaigns.question_view(many)
    assert (len(asked.lines), asked.more) == (campaigns.LINES_SHOWN, 40)


def test_nobody_has_voted_yet() -> None:
    assert sources_view(rank(Comparisons())) == campaigns.SourcesView((), 0, 0, 0)


def test_who_names_a_thousand_sources_fills_no_page() -> None:
    judge = PersonId(bytes(32))
    votes = Counter({Vote("good", f"made up {n}", judge, 0): 1 for n in range(1_000)})
    ranked = sources_view(rank(Comparisons(votes)))
    assert len(ranked.sources) == campaigns.SOURCES_SHOWN
    assert ranked.others == 1_001 - campaigns.SOURCES_SHOWN
    assert ranked.sources[0].name == "good"


# ---- where a round is ----


def test_campaigns_are_in_different_phases_at_once(net: Network, seen: tuple[State, Tally]) -> None:
    told = {c: view_of(seen, c, net.clock_ms).line for c, _ in net.state.campaigns.scan()}
    assert {c: line.status for c, line in told.items()} == {
        "answers": "opening",
        "digits": "under review",
        "essays": "drawing",
        "street-signs": "paused",
        "transcripts": "gathering",
    }
    assert told["digits"].told.startswith("2 of ")
    assert told["digits"].left == "12 hours left"
    assert told["essays"].told.startswith("2 of 3 witnesses tossed")
    assert told["essays"].ends == told["essays"].left == "", "however long that takes"
    assert told["transcripts"].told == "1 item waits, and nobody stands by to review"
    assert told["transcripts"].ends == told["transcripts"].left == ""


@pytest.mark.parametrize(
    ("later_ms", "left"),
    [
        (0, "12 hours left"),
        (719 * MINUTE_MS + 1, "less than a minute left"),
        (720 * MINUTE_MS, "its time is over"),
        (1 << 50, "its time is over"),
    ],
)
def test_a_window_ends_when_it_has_lasted_so_long(
    seen: tuple[State, Tally], later_ms: int, left: str
) -> None:
    since = seen[0].round_of("digits").since_ms
    assert view_of(seen, "digits", since + later_ms).line.left == left


def test_every_phase_and_every_reason_has_its_words() -> None:
    assert campaigns.PHASES.keys() == set(RoundPhase)
    assert WAITING_REASONS.keys() == set(pb.WaitingReason.values()) - {0}
    assert REFUSALS.keys() == set(pb.Refusal.values()) - {0}


def test_there_is_no_campaign_of_this_name(seen: tuple[State, Tally]) -> None:
    assert campaign_view(*seen, "nothing", 0) is None


# ---- what it costs ----


def refuse_to_walk(*_: object) -> Any:
    raise AssertionError("a page walked through all items")


@pytest.mark.parametrize(
    "look",
    [
        overview,
        lambda state, tally: campaign_view(state, tally, "digits", 0),
        lambda state, tally: campaign_view(state, tally, "answers", 0),
        lambda state, _: epochs.open_epoch(state),
        people.board,
        lambda state, tally: people.person(state, tally, next(iter(tally.authors))),
        lambda state, _: money.money_view(state),
        lambda state, _: datasets.dataset_rows(state),
        lambda state, _: training.job_rows(state),
    ],
)
def test_no_page_walks_through_all_items(
    look: Callable[[State, Tally], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, tally = tally_of(showcase().log)
    for table in (state.items, state.waiting, state.accepted, state.answers, state.assignments):
        monkeypatch.setattr(table, "scan", refuse_to_walk)
    assert look(state, tally)
