"""What the desk counts while it folds a log: held against the same counted by hand from the whole log."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any

import pytest

from coordinator.desk.observations import Observations
from coordinator.desk.progress import alpha_words, class_series, progress_of
from coordinator.desk.statistics import agreement
from coordinator.tally import Tally
from protocol.lifecycle import ItemStatus
from protocol.log.envelope import parse_envelope
from protocol.log.strict import parse_leaf, strict_parse
from protocol.state import State
from protocol.transition import open_record, rules_for, validate
from protos.gen import records_pb2 as pb
from tests.operators_desk import MOODS, QUARTER_MS, WEEKS, mood_network
from tests.showcase import showcase
from tests.simulated import Network


@pytest.fixture(scope="module")
def net() -> Network:
    return showcase()


@pytest.fixture(scope="module")
def folded(net: Network) -> tuple[State, Tally, Observations]:
    return fold(net)


def fold(net: Network) -> tuple[State, Tally, Observations]:
    """What the desk has of a network's log."""
    state, tally, seen = State(), Tally(), Observations()
    for index, entry in enumerate(net.log):
        envelope = parse_envelope(entry.raw)
        record = open_record(envelope, entry.leaves, index, rules_for(state))
        record = validate(state, envelope.kind, record)
        seen.take(record, tally.process(state, envelope.kind, record))
    return state, tally, seen


def said(net: Network, campaign_id: str) -> dict[tuple[int, bytes], list[bytes]]:
    """All answers by round and item, straight from the log."""
    found = defaultdict(list)
    for entry in net.log:
        envelope = parse_envelope(entry.raw)
        if envelope.kind == "reveal":
            body = strict_parse(pb.Reveal, envelope.payload, "a reveal")
            for leaf in entry.leaves if body.campaign_id == campaign_id else ():
                answer = parse_leaf(pb.Answer, leaf)
                found[body.round, answer.item_id].append(answer.answer)
    return found


@pytest.mark.parametrize("c", ["digits", "essays", "answers"])
def test_agreement_is_that_of_the_whole_log(net: Network, folded: Any, c: str) -> None:
    state, _, seen = folded
    counts, units = seen.campaigns[c].total, said(net, c)
    # The present round's answers are not decided yet.
    decided = {
        key: answers for key, answers in units.items() if key[1] not in state.round_of(c).items
    }
    given = [[a for a in answers if a] for answers in decided.values()]
    assert counts.answers == sum(map(len, given)) > 0
    assert counts.refusals == sum(not a for answers in decided.values() for a in answers)
    pairs = same = 0.0
    for answers in given:
        for a, b in combinations(answers, 2):
            pairs += 2 / (len(answers) - 1)
            same += 2 * (a == b) / (len(answers) - 1)
    assert agreement(counts.chosen) == pytest.approx(same / pairs)
    assert sum(counts.chosen.margins().values()) == pytest.approx(
        sum(len(answers) for answers in given if len(answers) > 1)
    )


def test_of_several_classes_each_is_asked_by_itself(folded: Any) -> None:
    _, _, seen = folded
    observed = seen.campaigns["transcripts"]
    names = observed.question.kind.summary(observed.question.spec).names
    assert set(observed.total.marked) == set(range(len(names)))
    whole = observed.total.chosen.margins()
    assert sum(whole.values()) == pytest.approx(
        sum(sum(each.margins().values()) for each in observed.total.marked.values())
    )


def test_weeks_add_up_to_the_whole(folded: Any) -> None:
    _, _, seen = folded
    for observed in seen.campaigns.values():
        weeks, total = observed.weeks.values(), observed.total
        assert sum(week.answers for week in weeks) == total.answers
        assert sum((week.decided for week in weeks), Counter()) == total.decided
        assert sum(week.gold_right for week in weeks) == total.gold_right
        assert observed.said == {} or observed.reveals, "only of the round under way"


def test_authors_are_those_of_accepted_items(folded: Any) -> None:
    state, _, seen = folded
    for campaign_id, observed in seen.campaigns.items():
        mine = [(i, item) for i, item in state.items.scan() if item.campaign_id == campaign_id]
        accepted = Counter(item.author for _, item in mine if item.status is ItemStatus.ACCEPTED)
        assert +observed.authors == accepted
        assert sorted(observed.items) == sorted(item_id for item_id, _ in mine)


def test_classes_are_those_of_accepted_items(folded: Any) -> None:
    """What is rejected has an answer, too: another one than its author gave."""
    state, tally, seen = folded
    rejected = 0
    for campaign_id, observed in seen.campaigns.items():
        kind, spec = observed.question.kind, observed.question.spec
        answered = [
            item
            for _, item in state.items.scan()
            if item.campaign_id == campaign_id and item.answer
        ]
        accepted = [item for item in answered if item.status is ItemStatus.ACCEPTED]
        rejected += sum(item.status is ItemStatus.REJECTED for item in answered)
        counts = Counter(place for item in accepted for place in kind.counted(spec, item.answer))
        view = progress_of(state, tally, observed, campaign_id)
        names = kind.summary(spec).names
        assert +observed.classes == +counts
        assert all(line.items == counts[names.index(line.name)] for line in view.classes)
        assert all(line.share is None or 0 <= line.share <= 1 for line in view.classes)
    assert rejected > 0


def test_gold_is_counted_when_it_is_opened(net: Network, folded: Any) -> None:
    _, _, seen = folded
    opened = 0
    for entry in net.log:
        if parse_envelope(entry.raw).kind == "verdict":
            verdicts = (parse_leaf(pb.ItemVerdict, leaf) for leaf in entry.leaves)
            opened += sum(bool(verdict.gold_salt) for verdict in verdicts)
    totals = [observed.total for observed in seen.campaigns.values()]
    assert sum(total.gold_opened for total in totals) == opened > 0
    assert all(total.gold_right <= total.gold_answers for total in totals)


def test_progress_says_what_there_is(folded: Any) -> None:
    state, tally, seen = folded
    view = progress_of(state, tally, seen.campaigns["digits"], "digits")
    assert sum(view.items.values()) == len(seen.campaigns["digits"].items)
    assert view.copies is not None and 0 < view.copies < 1
    assert 1 <= view.effective_authors <= view.authors
    assert view.weeks[0].moved is None, "there is nothing before the first week"
    names = [line.name for line in view.classes]
    for series in class_series(view, names):
        assert all(0 <= value <= 100 for value in series.values)


def test_what_is_drawn_again_is_counted_by_the_round() -> None:
    net = mood_network()
    _, _, seen = fold(net)
    observed, units = seen.campaigns["mood"], said(net, "mood")
    assert len(units) > len({item_id for _, item_id in units}), "some are drawn again"
    assert observed.total.answers == sum(map(len, units.values()))
    places = [index for each in observed.rounds for index in each.reveals]
    reveals = [
        index for index, entry in enumerate(net.log) if parse_envelope(entry.raw).kind == "reveal"
    ]
    assert places == reveals


def test_a_week_in_which_something_else_is_brought_is_seen() -> None:
    state, tally, seen = fold(mood_network())
    observed = seen.campaigns["mood"]
    view = progress_of(state, tally, observed, "mood")
    weeks = [week for week in view.weeks if week.accepted]
    assert len(weeks) == len(WEEKS)
    moves = [week.moved for week in weeks]
    assert moves[0] is None
    assert all(move is not None for move in moves[1:])
    drift = [move or 0.0 for move in moves]
    assert max(drift[1:4]) < 0.2 < min(drift[4:6])
    assert view.verdict_ms is not None and view.verdict_ms >= QUARTER_MS
    for week in zip(*(each.values for each in class_series(view, MOODS)), strict=True):
        assert sum(week) in (0, 100)


def test_a_campaign_without_answers_has_no_agreement(folded: Any) -> None:
    state, tally, seen = folded
    quiet = next(c for c, each in seen.campaigns.items() if not each.total.answers)
    view = progress_of(state, tally, seen.campaigns[quiet], quiet)
    assert view.agreement is None and view.alpha is None and view.verdict_ms is None
    assert "nothing to compare yet" in alpha_words(view.alpha)


def test_every_alpha_has_its_words() -> None:
    told = {alpha_words(value) for value in (None, 0.9, 0.7, 0.3, 0.0, -0.4)}
    assert len(told) == 5, "at chance and below it says the same"
