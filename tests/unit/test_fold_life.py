"""The fold: campaigns that are paused, changed, closed; each rejection beside its acceptance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from protocol.lifecycle import CampaignStatus, ItemStatus, RoundPhase
from protocol.limits import PPM, PRICE_PPM_MAX
from protocol.money.accounts import conserves
from protocol.money.earnings import compute_lines
from protocol.rules.close import compute_waiting
from protocol.state import State
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import (
    UNDECIDED,
    changed,
    ids,
    items,
    last_lines,
    off_by,
    people,
    refuses,
    same,
    statuses,
    waiting,
)
from tests.simulated import NETWORK, Network, Person, campaign, rounds

MINUTE_MS = 60_000


def folds_again(net: Network) -> State:
    """What somebody holds who comes later; checks that it is what we hold."""
    replayed = net.replay()
    assert same(replayed, net.state)
    return replayed


# ---- paused ----


def test_a_paused_campaign_takes_and_seals_nothing(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    with refuses("digits is not paused"):
        net.pause(False)
    net.pause()
    with refuses("is paused already"):
        net.pause()
    with refuses("campaign 'digits' is paused and takes no submissions"):
        net.submit(ada, [net.item(1)])
    with refuses("campaign 'digits' is paused"):
        net.seal()
    net.close()
    net.pause(False)
    net.submit(ada, [net.item(1)])
    net.run_epoch(*reviewers)
    assert statuses(net) == [ItemStatus.ACCEPTED] * 2
    folds_again(net)


@pytest.mark.parametrize("phase", list(RoundPhase)[1:])
def test_a_round_ends_in_a_campaign_that_is_paused_meanwhile(
    net: Network, phase: RoundPhase
) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    round_with(net, phase, net.pause)
    assert statuses(net) == [ItemStatus.ACCEPTED]
    assert net.campaign().status is CampaignStatus.PAUSED
    net.close()
    assert last_lines(net, pb.ROLE_CONTRIBUTOR)[0].evidence.accepted == 1
    assert len(last_lines(net, pb.ROLE_REVIEWER)) == 4 - (len(reviewers) - 3)
    folds_again(net)


def round_with(net: Network, phase: RoundPhase, act: Callable[[], None]) -> None:
    """One round from its seal to its verdict, with `act` in the middle: once the phase has begun."""
    _, *reviewers = net.people
    net.stand_by(*reviewers)
    net.seal()
    if phase is RoundPhase.SEALED:
        act()
    net.draw()
    if phase is RoundPhase.COMMITTING:
        act()
    drawn = [p for p in reviewers if ("digits", p.id) in net.state.tasks]
    answers = {p.name: net.answers(p) for p in drawn}
    for person in drawn:
        net.commit(person, answers[person.name])
    net.end_commits()
    if phase is RoundPhase.REVEALING:
        act()
    for person in drawn:
        net.reveal(person, answers[person.name])
    net.verdict()


def test_an_old_word_about_a_campaign_cannot_be_played_again(net: Network) -> None:
    net.pause()
    pause = net.log[-1]
    net.pause(False)
    with refuses("the operator said something else since"):
        net.add_raw(pause.raw)
    body = pb.Pause(network=NETWORK, campaign_id="digits", paused=True, serial=3)
    with refuses("its serial is 2"):
        net.add(net.operator, "pause", body)
    with refuses("only the network's operator"):
        net.add(net.people[0], "pause", changed(body, serial=2))
    with refuses("there is no campaign 'letters'"):
        net.add(net.operator, "pause", changed(body, campaign_id="letters"))
    net.add(net.operator, "pause", changed(body, serial=2))
    net.change(title="Ciphers")
    change = net.log[-1]
    net.change(title="Digits")
    with refuses("the operator said something else since"):
        net.add_raw(change.raw)


# ---- closed ----


def test_a_closed_campaign_takes_nothing_more(net: Network) -> None:
    ada, ben, *_ = net.people
    net.stand_by(ben)
    body = pb.CloseCampaign(network=NETWORK, campaign_id="digits")
    with refuses("only the network's operator"):
        net.add(ada, "close-campaign", body)
    with refuses("its serial is 0"):
        net.add(net.operator, "close-campaign", changed(body, serial=1))
    with refuses("there is no campaign 'letters'"):
        net.add(net.operator, "close-campaign", changed(body, campaign_id="letters"))
    net.close_campaign()
    with refuses("closed already"):
        net.close_campaign()
    net.close()
    assert net.state.standbys.has("digits"), "copies can still be contested"
    net.close()
    assert not net.state.standbys.has("digits"), "nobody has to stand down"
    acts: list[Callable[[], None]] = [
        net.pause,
        partial(net.pause, False),
        partial(net.change, title="Ciphers"),
        partial(net.submit, ada, [net.item(1)]),
        partial(net.stand_by, ben),
    ]
    for act in acts:
        with refuses("campaign 'digits' is closed"):
            act()
    with refuses("nothing waits for review"):
        net.seal()
    folds_again(net)


def test_a_paused_campaign_can_be_closed(net: Network) -> None:
    net.pause()
    net.close_campaign()
    assert net.campaign().status is CampaignStatus.CLOSED


def test_what_waits_when_a_campaign_is_closed_ends_undecided(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.run_rounds(*reviewers)
    net.submit(ada, [net.item(2), net.item(3)])
    net.close_campaign()
    assert statuses(net) == [ItemStatus.ACCEPTED, *[ItemStatus.UNDECIDED] * 2]
    assert [item.decided_in for item in items(net)] == [1, 1, 1]
    assert waiting(net) == []
    assert compute_waiting(net.state) == []
    net.close()
    [line] = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert (line.evidence.accepted, line.evidence.undecided) == (1, 0)
    net.withdraw(ada, ids(net)[1:])
    assert statuses(net)[1:] == [ItemStatus.WITHDRAWN] * 2
    folds_again(net)


@pytest.mark.parametrize("phase", list(RoundPhase)[1:])
def test_a_round_ends_in_a_campaign_that_is_closed_meanwhile(phase: RoundPhase) -> None:
    """Its gold is opened, what it decides is paid, and what it leaves undecided waits for no other one."""
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4))]
    net = Network(ada, *reviewers, policy=UNDECIDED)
    net.submit(ada, [net.item(1), net.item(2)])
    round_with(net, phase, net.close_campaign)
    assert net.round().phase is RoundPhase.OPEN
    assert statuses(net) == [ItemStatus.UNDECIDED] * 2
    assert [item.decided_in for item in items(net)] == [1, 1]
    assert waiting(net) == []
    net.close()
    assert sum(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)) == 6
    assert not len(net.state.answers)
    assert conserves(net.state)
    folds_again(net)


def test_gold_of_the_last_round_is_opened(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal(gold=ids(net))
    net.close_campaign()
    net.draw()
    net.review(*reviewers)
    net.verdict()
    assert dict(net.state.gold.scan()) == {("digits", ids(net)[0]): net.answer(1)}
    assert net.round().gold_hashes == ()


def test_a_round_that_finds_nobody_ends_with_its_campaign() -> None:
    """Its items were sealed and are not drawn: they do not wait again."""
    net = Network(*people("ada", "ben"))
    ada, ben = net.people
    net.submit(ada, [net.item(1)])
    net.submit(ben, [net.item(2)])
    net.stand_by(ben)
    net.seal()
    net.close_campaign()
    net.draw()
    assert statuses(net) == [ItemStatus.DRAWN, ItemStatus.UNDECIDED]
    net.review(ben)
    net.verdict()
    assert [item.decided_in for item in items(net)] == [1, 1]
    folds_again(net)


def test_answers_to_what_waited_are_paid_when_the_campaign_is_closed() -> None:
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4))]
    net = Network(ada, *reviewers, policy=UNDECIDED)
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.run_round(*reviewers)
    net.close()
    assert len(net.state.answers) == 3, "they wait for the item's next round"
    net.close_campaign()
    net.close()
    assert not len(net.state.answers)
    assert sum(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)) == 3


def test_a_closed_campaign_holds_up_no_other(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="letters"))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, c="letters")], c="letters")
    net.close_campaign()
    net.run_rounds(*reviewers, c="letters")
    assert statuses(net) == [ItemStatus.ACCEPTED]


# ---- changed ----


def test_a_change_is_one_that_a_campaign_could_begin_with(net: Network) -> None:
    refused: dict[str, dict[str, Any]] = {
        "the title": {"title": "two\nlines"},
        "the guidelines": {"guidelines": "a \x1b"},
        "the price is 0": {"price_ppm": 0},
        f"the price is {PRICE_PPM_MAX + 1}": {"price_ppm": PRICE_PPM_MAX + 1},
        "the window for answers lasts 0 ms": {"rounds": rounds(commit_ms=0)},
        "a round has at most 0 items": {"rounds": rounds(items_max=0)},
        "gets 3 rounds for ever": {"rounds": rounds(draws_max=2)},
        "has these terms already": {},
    }
    for wrong, changes in refused.items():
        with refuses(wrong):
            net.change(**changes)
    net.change(title="Ciphers", guidelines="One digit each.", price_ppm=2 * PPM)
    net.change(rounds=rounds(commit_ms=MINUTE_MS))
    campaign = net.campaign()
    assert (campaign.revision, campaign.title, campaign.price_ppm) == (2, "Ciphers", 2 * PPM)
    assert campaign.rounds.commit_ms == MINUTE_MS
    assert campaign.logged_at == len(net.log) - 1
    assert net.state.campaign_under("digits", 0).title == "Digits"
    assert net.state.campaign_under("digits", 1).guidelines == "One digit each."
    folds_again(net)


def test_a_change_leaves_rounds_that_everybody_can_infer(net: Network) -> None:
    spec = encode_spec({"labels": [f"label {i}" for i in range(1_000)]})
    large = campaign(id="large", spec=spec, rounds=rounds(items_max=100))
    net.add(net.operator, "campaign", large)
    with refuses("too large for so many possible answers"):
        net.change("large", rounds=rounds(items_max=8_192))
    net.change("large", rounds=rounds(items_max=101))


def test_nobody_else_changes_a_campaign_and_not_for_ever(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocol.rules.life.REVISIONS_MAX", 1)
    body = pb.Change(
        network=NETWORK, campaign_id="digits", title="Ours", price_ppm=PPM, rounds=rounds()
    )
    with refuses("only the network's operator"):
        net.add(net.people[0], "change", body)
    with refuses("there is no campaign 'letters'"):
        net.add(net.operator, "change", changed(body, campaign_id="letters"))
    net.add(net.operator, "change", body)
    with refuses("were changed 1 times"):
        net.change(title="Again")


def test_an_item_keeps_the_price_that_it_was_submitted_for(net: Network) -> None:
    """However late it is decided; a line of the close for each revision says what it goes by."""
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.change(price_ppm=3 * PPM)
    net.submit(ada, [net.item(3)])
    net.run_rounds(*reviewers)
    net.change(price_ppm=PPM // 2)
    assert [item.revision for item in items(net)] == [0, 0, 1]
    net.close()
    lines = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert [(line.revision, line.evidence.accepted) for line in lines] == [(0, 2), (1, 1)]
    assert [line.weight_micro for line in lines] == [2 * PPM, 3 * PPM]
    assert conserves(net.state)
    folds_again(net)


def test_what_is_owed_is_repaid_once_over_all_revisions(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(i) for i in range(3)])
    net.run_epoch(*reviewers)
    net.withdraw(ada, ids(net))
    net.submit(ada, [net.item(4), net.item(5)])
    net.change(price_ppm=3 * PPM)
    net.submit(ada, [net.item(6), net.item(7)])
    net.run_epoch(*reviewers)
    lines = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert [line.evidence.repaid_micro for line in lines] == [2 * PPM, PPM]
    assert [line.weight_micro for line in lines] == [0, 5 * PPM]
    assert not len(net.state.repayable)
    folds_again(net)


def test_what_was_rejected_under_other_terms_takes_away_all_the_same(net: Network) -> None:
    """A line that earned nothing hides no penalty, and what an epoch did not earn repays nothing."""
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2), net.item(3)])
    net.run_epoch(*reviewers)
    net.withdraw(ada, ids(net)[:1])
    net.submit(ada, [net.item(i) for i in range(4)])
    net.change(price_ppm=2 * PPM)
    net.submit(ada, [net.item(1, label=2)])
    net.run_epoch(*reviewers)
    lines = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert [(line.evidence.accepted, line.evidence.rejected) for line in lines] == [(4, 0), (0, 1)]
    assert [line.evidence.repaid_micro for line in lines] == [PPM, 0]
    assert [line.weight_micro for line in lines] == [4 * PPM - 2 * PPM - PPM, 0]
    assert not len(net.state.repayable)
    folds_again(net)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_what_is_given_up_is_owed_at_the_price_that_it_earned(
    net: Network, before: int, after: int
) -> None:
    ada, *reviewers = net.people
    net.change(price_ppm=before * PPM, title="Ciphers")
    net.submit(ada, [net.item(1)])
    net.run_epoch(*reviewers)
    net.change(price_ppm=after * PPM)
    net.withdraw(ada, ids(net))
    net.submit(ada, [net.item(i) for i in range(2)])
    net.run_epoch(*reviewers)
    [line] = last_lines(net, pb.ROLE_CONTRIBUTOR)
    owed = net.state.repayable.get((ada.id, "digits"), 0)
    assert line.evidence.repaid_micro + owed == before * PPM
    assert line.weight_micro == max(0, 2 * after - before) * PPM


def test_a_line_of_another_revision_is_not_taken(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.run_rounds(*reviewers)
    lines = compute_lines(net.state)
    with refuses("a line is not the one that follows"):
        net.add_close([changed(lines[0], revision=1), *lines[1:]])
    net.add_close(lines)


def test_a_round_keeps_the_windows_that_it_was_sealed_with(net: Network) -> None:
    """In both directions: nobody loses time to answer, and nobody waits longer than was said."""
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    net.change(rounds=rounds(commit_ms=1, reveal_ms=1))
    place = net.place()
    with refuses("reviewers have time left to commit"):
        net.add(net.operator, "end-commits", pb.EndCommits(**place))
    [first, *others] = [p for p in reviewers if ("digits", p.id) in net.state.tasks]
    answers = {p.name: net.answers(p) for p in (first, *others)}
    for person in (first, *others):
        net.commit(person, answers[person.name])
    net.end_commits()
    net.reveal(first, answers[first.name])
    verdicts = net.compute_verdicts()
    since, net.clock_ms = net.clock_ms, net.clock_ms + 900
    with refuses("reviewers have time left to open"):
        net.add_verdict(verdicts, time_ms=since + 900)
    net.add_verdict(verdicts)
    folds_again(net)
