"""The fold: a campaign's rounds are its own: windows, turns, pauses, and nobody who waits for another."""

from __future__ import annotations

import pytest

from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.limits import EVIDENCE_ITEMS_MAX
from protocol.log.strict import parse_leaf
from protocol.review import decisions
from protocol.rules import sealing
from protocol.rules.close import compute_waiting
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
    drawn,
    drawn_people,
    encoded,
    ids,
    items,
    last_lines,
    off_by,
    people,
    refuses,
    same,
    statuses,
    submitted,
    waiting,
)
from tests.simulated import Network, Person, batch, campaign, part, rounds

DAY_MS = 24 * 3600 * 1000
WINDOWS = {
    "seal_wait_ms": "the wait of an item for its round",
    "commit_ms": "the window for answers",
    "reveal_ms": "the window for openings",
}


@pytest.fixture
def two(net: Network) -> Network:
    """Beside "digits" a campaign whose windows last a day."""
    slow = rounds(commit_ms=DAY_MS, reveal_ms=DAY_MS)
    net.add(net.operator, "campaign", campaign(id="slow", rounds=slow))
    return net


# ---- each campaign for itself ----


def test_two_campaigns_are_in_different_phases_and_neither_waits(two: Network) -> None:
    ada, *reviewers = two.people
    two.submit(ada, [two.item(1, c="slow")], c="slow")
    two.stand_by(*reviewers, c="slow")
    two.seal(c="slow")
    two.draw(c="slow")
    assert two.round("slow").phase is RoundPhase.COMMITTING
    for number in range(1, 21):
        two.submit(ada, [two.item(number % 10)])
        two.run_rounds(*reviewers)
        two.close()
        assert (two.round().number, two.round().phase) == (number, RoundPhase.OPEN)
        assert two.state.epoch == number + 1
    assert two.round("slow").phase is RoundPhase.COMMITTING
    two.submit(ada, [two.item(2, c="slow")], c="slow")  # submissions never wait
    two.review(*reviewers, c="slow")
    two.verdict(c="slow")
    two.close()
    slow = [item for item in items(two) if item.campaign_id == "slow"]
    assert [(item.status, item.decided_in) for item in slow] == [
        (ItemStatus.ACCEPTED, 21),
        (ItemStatus.SUBMITTED, None),
    ]
    assert same(two.replay(), two.state)


def test_answers_given_in_one_epoch_are_paid_in_the_epoch_that_decides(two: Network) -> None:
    ada, *reviewers = two.people
    two.submit(ada, [two.item(1, c="slow")], c="slow")
    two.stand_by(*reviewers, c="slow")
    two.seal(c="slow")
    two.draw(c="slow")
    two.review(*reviewers, c="slow")
    two.close()
    assert last_lines(two) == [], "revealed, and not decided yet"
    assert sum(n for _, n in two.state.reviewed.scan()) == 3
    two.verdict(c="slow")
    two.close()
    assert [line.evidence.answers for line in last_lines(two, pb.ROLE_REVIEWER)] == [1, 1, 1]
    assert last_lines(two, pb.ROLE_CONTRIBUTOR)[0].evidence.accepted == 1
    assert not len(two.state.answers)
    assert not len(two.state.reviewed)


def test_a_record_is_for_its_campaign_and_round(net: Network) -> None:
    submitted(net)
    place = net.place()
    for change, message in (
        ({"campaign_id": "letters"}, "there is no campaign 'letters'"),
        ({"round": 2}, "round 2 of digits has not begun; it is in round 1"),
        ({"round": 0}, "round 0 of digits is over; it is in round 1"),
    ):
        with refuses(message):
            net.add(net.operator, "draw", pb.Draw(**(place | change), assignments=batch([])))
    with refuses("SEALED cannot SEAL"):
        net.add_seal([], round=2)
    with refuses("SEALED cannot END_COMMITS"):
        net.end_commits()
    with refuses("SEALED cannot DECIDE"):
        net.add_verdict([])
    net.draw()
    with refuses("COMMITTING cannot DRAW"):
        net.draw()


def test_the_rounds_of_a_campaign_are_counted(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    with refuses("round 1 is the next"):
        net.add_seal([], round=2)
    net.seal()
    net.draw()
    with refuses("round 2 is the next"):
        net.add_seal([], round=1)
    net.seal()
    assert net.round().number == 2


# ---- windows ----


def test_the_draw_waits_for_tosses_however_long(net: Network) -> None:
    submitted(net)
    net.clock_ms += 365 * DAY_MS
    with refuses("0 of the 1 witnesses have tossed that it takes"):
        net.add(net.operator, "draw", pb.Draw(**net.place(), assignments=batch([])))
    with refuses("SEALED cannot SEAL"):
        net.add_seal([], round=2)
    net.draw()


def test_the_draw_waits_for_nothing_else(net: Network) -> None:
    submitted(net)
    sealed_ms = net.round().since_ms
    net.draw()
    assert net.round().since_ms == sealed_ms + 1


@pytest.mark.parametrize(("early_ms", "may"), [(1, False), (0, True)])
def test_commits_end_when_their_window_ends(net: Network, early_ms: int, may: bool) -> None:
    drawn(net)
    for person in drawn_people(net)[1:]:
        net.commit(person, net.answers(person))
    due = net.round().since_ms + net.campaign().rounds.commit_ms
    body = pb.EndCommits(**net.place() | {"time_ms": due - early_ms})
    if may:
        net.add(net.operator, "end-commits", body)
        assert (net.round().phase, net.round().since_ms) == (RoundPhase.REVEALING, due)
    else:
        with refuses("1 reviewers have time left to commit"):
            net.add(net.operator, "end-commits", body)


def test_commits_end_at_once_when_all_have_committed(net: Network) -> None:
    drawn(net)
    for person in drawn_people(net):
        net.commit(person, net.answers(person))
    body = pb.EndCommits(**net.place() | {"time_ms": net.round().since_ms})
    net.add(net.operator, "end-commits", body)


@pytest.mark.parametrize(("early_ms", "may"), [(1, False), (0, True)])
def test_the_verdict_waits_for_reveals_as_long_as_the_window(
    net: Network, early_ms: int, may: bool
) -> None:
    drawn(net)
    answers = {person.name: net.answers(person) for person in drawn_people(net)}
    others = drawn_people(net)[1:]
    for person in drawn_people(net):
        net.commit(person, answers[person.name])
    net.end_commits()
    for person in others:
        net.reveal(person, answers[person.name])
    due = net.round().since_ms + net.campaign().rounds.reveal_ms
    # Later verdicts pass the window by themselves: this one is written by hand.
    leaves = encoded(net.compute_verdicts())
    body = pb.Verdict(**net.place() | {"time_ms": due - early_ms}, verdicts=batch(leaves))
    if may:
        net.add(net.operator, "verdict", body, leaves)
        assert net.round().phase is RoundPhase.OPEN
    else:
        with refuses("1 reviewers have time left to open their answers"):
            net.add(net.operator, "verdict", body, leaves)


def test_who_never_committed_holds_up_no_verdict(net: Network) -> None:
    drawn(net)
    others = drawn_people(net)[1:]
    net.review(*others)
    ended_ms = net.round().since_ms
    net.verdict()
    assert net.round().since_ms == ended_ms + 1


def test_time_never_runs_backwards(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    net.stand_by(*net.people[1:])
    net.seal()

    def early() -> None:
        net.clock_ms = net.round().since_ms - 2

    message = "earlier than the campaign's last"
    early()
    with refuses(message):
        net.draw()
    net.draw()
    early()
    for person in drawn_people(net):
        net.commit(person, net.answers(person))
    with refuses(message):
        net.end_commits()
    net.clock_ms += 1
    net.end_commits()
    early()
    net.clock_ms -= net.campaign().rounds.reveal_ms
    with refuses(message):
        net.verdict()
    net.clock_ms = net.round().since_ms
    net.verdict()
    net.submit(net.people[0], [net.item(1)])
    early()
    with refuses(message):
        net.seal()
    net.clock_ms = net.round().since_ms - 1
    net.seal()
    assert net.round().number == 2


# ---- whose turn it is ----


def test_sealing_goes_round_the_authors(net: Network) -> None:
    """Whoever submits ten thousand items stands behind himself, and in nobody else's way."""
    net.add(net.operator, "campaign", campaign(id="few", rounds=rounds(items_max=4)))
    ada, ben, cyn, *reviewers = net.people
    for _ in range(2):
        net.submit(ada, [net.item(1, c="few") for _ in range(5_000)], c="few")
    net.submit(ben, [net.item(2, c="few")], c="few")
    net.submit(cyn, [net.item(3, c="few"), net.item(4, c="few")], c="few")
    net.stand_by(*reviewers, c="few")
    net.seal(c="few")
    authors = [net.state.items[item_id].author for item_id in net.round("few").items]
    assert sorted(authors) == sorted([ada.id, ben.id, cyn.id, ada.id])
    net.run_round(*reviewers, c="few")
    net.seal(c="few")
    authors = [net.state.items[item_id].author for item_id in net.round("few").items]
    assert authors == [ada.id, ada.id, ada.id, cyn.id], "in the order of the log"
    assert len(waiting(net, "few")) == 10_003 - 8


@pytest.mark.parametrize("first", [0, 1, 2])
def test_who_came_first_has_the_first_turn(net: Network, first: int) -> None:
    """Whatever their names."""
    authors = [*net.people[first:3], *net.people[:first]]
    for person in authors:
        net.submit(person, [net.item(1), net.item(2)])
    turns = [net.state.items[item_id].author for item_id in waiting(net)]
    assert turns == [person.id for person in authors] * 2


def test_a_copy_keeps_behind_its_first_submitter_however_short_its_queue(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="few", rounds=rounds(items_max=2)))
    ada, thief, *reviewers = net.people
    net.submit(ada, [net.item(i, c="few") for i in range(9)], c="few")
    net.submit(ada, [net.item(9, content=b"the picture", c="few")], c="few")
    net.submit(thief, [net.item(9, content=b"the picture", c="few")], c="few")
    *_, original, copy = ids(net)
    net.stand_by(*reviewers, c="few")
    net.seal(c="few")
    assert net.round("few").items == (ids(net)[0],)
    assert net.state.items[copy].duplicate_of == original
    assert net.state.items[original].status is ItemStatus.SUBMITTED
    net.run_round(*reviewers, c="few")
    net.run_rounds(*reviewers, c="few")
    assert net.state.items[original].status is ItemStatus.ACCEPTED


def test_a_copy_of_what_was_found_to_be_a_copy_is_none_of_it(net: Network) -> None:
    """Earlier ones are looked at first, whoever's turn it was."""
    net.add(net.operator, "campaign", campaign(id="few", rounds=rounds(items_max=4)))
    ada, ben, *_ = net.people
    net.submit(ben, [net.item(1, content=b"b", c="few")], c="few")
    net.submit(ada, [net.item(1, c="few"), net.item(1, content=b"b", c="few")], c="few")
    net.submit(ben, [net.item(1, content=b"b", c="few")], c="few")
    first, other, copy, again = ids(net)
    found = sealing.compute_seal(net.state, net.campaign("few"))
    assert found.items == (first, other)
    assert found.duplicates == {copy: first, again: first}


def test_undecided_items_come_before_their_authors_others() -> None:
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(6))]
    net = Network(ada, *reviewers)
    net.add(net.operator, "campaign", campaign(id="one", rounds=rounds(items_max=1)))
    net.submit(ada, [net.item(1, c="one"), net.item(2, c="one")], c="one")
    first, second = ids(net)
    net.stand_by(*reviewers, c="one")
    net.seal(c="one")
    net.run_round(*reviewers, c="one")
    assert statuses(net) == [ItemStatus.UNDECIDED, ItemStatus.SUBMITTED]
    assert waiting(net, "one") == [first, second]
    net.seal(c="one")
    assert net.round("one").items == (first,)


def test_what_nobody_answered_goes_behind_its_authors_others(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="one", rounds=rounds(items_max=1)))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, c="one"), net.item(2, c="one")], c="one")
    first, second = ids(net)
    net.stand_by(*reviewers, c="one")
    net.seal(c="one")
    net.draw(c="one")
    net.end_commits(c="one")
    net.verdict(c="one")
    assert statuses(net) == [ItemStatus.UNDECIDED, ItemStatus.SUBMITTED]
    assert waiting(net, "one") == [second, first]


@pytest.mark.parametrize("draws_max", [1, 2, 3])
def test_an_item_is_drawn_as_often_as_its_campaign_says(draws_max: int) -> None:
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(9))]
    net = Network(ada, *reviewers)
    terms = rounds(draws_max=draws_max)
    net.add(net.operator, "campaign", campaign(id="some", rounds=terms, reviewers_per_item=2))
    net.submit(ada, [net.item(1, c="some")], c="some")
    net.stand_by(*reviewers, c="some")
    for number in range(1, draws_max + 1):
        (item,) = items(net)
        assert item.decided_in is None
        net.seal(c="some")
        net.run_round(*reviewers, c="some")
        assert items(net)[0].draws == number
    (item,) = items(net)
    assert (item.status, item.decided_in) == (ItemStatus.UNDECIDED, 1)
    assert len(item.answered_by) == 2 * draws_max
    assert not waiting(net, "some")
    with refuses("nothing waits for review"):
        net.seal(c="some")


# ---- gold, and what a round infers ----


def test_gold_of_one_round_is_opened_by_its_own_verdict(two: Network) -> None:
    ada, *reviewers = two.people
    two.submit(ada, [two.item(1), two.item(2)])
    two.submit(ada, [two.item(3, c="slow"), two.item(4, c="slow")], c="slow")
    fast, _, slow, _ = ids(two)
    two.stand_by(*reviewers)
    two.stand_by(*reviewers, c="slow")
    two.seal(gold=[fast])
    two.seal(gold=[slow], c="slow")
    two.run_round(*reviewers, c="slow")
    assert len(two.round().gold_hashes) == 1
    assert two.round("slow").gold_hashes == ()
    two.run_round(*reviewers)
    assert {item_id for (_, item_id), _ in two.state.gold.scan()} == {fast, slow}
    two.close()
    assert not len(two.state.gold)
    for line in last_lines(two, pb.ROLE_REVIEWER):
        assert line.evidence.gold_answers == line.evidence.gold_right <= 1


def test_gold_is_of_the_campaign_that_it_is_opened_in(two: Network) -> None:
    ada, *reviewers = two.people
    two.submit(ada, [two.item(1)])
    two.submit(ada, [two.item(1, c="slow")], c="slow")
    _, slow = ids(two)
    two.stand_by(*reviewers)
    two.seal(gold=[slow])
    two.draw()
    two.review(*reviewers)
    foreign = pb.ItemVerdict(item_id=slow, gold_salt=two.gold[slow][0], gold=two.gold[slow][1])
    with refuses("an item that nobody submitted to the campaign"):
        two.add_verdict([*two.compute_verdicts(), foreign])


def test_later_rounds_learn_from_the_items_decided_last(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And from no more than so many: a round costs as much at the end of an epoch as at its beginning."""
    assert EVIDENCE_ITEMS_MAX == 512
    monkeypatch.setattr("protocol.rules.verdict.EVIDENCE_ITEMS_MAX", 3)
    ada, *reviewers = net.people
    sizes = []
    for number in range(5):
        net.submit(ada, [net.item(number), net.item(number + 1)])
        net.stand_by(*(p for p in reviewers if ("digits", p.id) not in net.state.standbys))
        net.seal()
        net.draw()
        net.review(*reviewers)
        table = decisions.infer_round(net.state, net.campaign(), {})
        assert table is not None
        sizes.append(len(table.item_ids))
        net.verdict()
    assert sizes == [2, 4, 5, 5, 5]
    assert [i for _, i in net.state.evidence.scan()] == ids(net)[-3:]
    paid = decisions.infer_decided(net.state, net.campaign(), {})
    assert paid is not None
    assert len(paid.item_ids) == 10, "a close weighs them all"
    net.close()
    assert not len(net.state.evidence)


# ---- one campaign and another ----


def test_a_paused_campaign_holds_up_no_other(two: Network) -> None:
    ada, *reviewers = two.people
    two.submit(ada, [two.item(1, c="slow")], c="slow")
    two.pause(c="slow")
    two.submit(ada, [two.item(1)])
    two.run_epoch(*reviewers)
    assert statuses(two) == [ItemStatus.SUBMITTED, ItemStatus.ACCEPTED]
    two.withdraw(ada, ids(two)[:1])


# ---- what waits, and why ----


def test_a_close_says_what_waits_and_why(two: Network) -> None:
    ada, *reviewers = two.people

    def said(c: str) -> list[tuple[int, int]]:
        return [(w.items, w.reason) for w in compute_waiting(two.state) if w.campaign_id == c]

    assert compute_waiting(two.state) == []
    two.submit(ada, [two.item(i, c="slow") for i in range(3)], c="slow")
    assert said("slow") == [(3, pb.WAITING_FOR_REVIEWERS)]
    two.stand_by(*reviewers, c="slow")
    assert said("slow") == [(3, pb.WAITING_FOR_SEAL)]
    two.pause(c="slow")
    assert said("slow") == [(3, pb.WAITING_PAUSED)]
    two.pause(False, c="slow")
    two.seal(c="slow")
    assert said("slow") == [(3, pb.WAITING_IN_REVIEW)]
    two.submit(ada, [two.item(4, c="slow")], c="slow")
    assert said("slow") == [(3, pb.WAITING_IN_REVIEW), (1, pb.WAITING_FOR_SEAL)]
    assert said("digits") == []
    true = compute_waiting(two.state)
    for wrong in ([], true[:1], true[::-1], [changed(true[0], items=9), *true[1:]]):
        with refuses("not what waits"):
            two.add_close([], waiting=wrong)
    two.close()
    waits = pb.Close.FromString(pb.Envelope.FromString(two.log[-1].raw).payload).waiting
    assert [(w.campaign_id, w.items) for w in waits] == [("slow", 3), ("slow", 1)]


# ---- standing by, in more than one campaign ----


def test_one_stands_by_for_the_campaigns_that_one_chooses(two: Network) -> None:
    ada, ben, cyn, *_ = two.people
    two.stand_by(ben)
    two.stand_by(cyn, c="slow")
    two.submit(ada, [two.item(1)])
    two.submit(ada, [two.item(1, c="slow")], c="slow")
    two.seal()
    two.seal(c="slow")
    assert [key for key, _ in two.state.candidates.scan()] == [("digits", ben.id), ("slow", cyn.id)]


def test_a_round_without_anybody_ends_and_its_items_wait(net: Network) -> None:
    net.submit(net.people[0], [net.item(1), net.item(2)])
    net.stand_by(net.people[0])
    net.seal(gold=ids(net)[:1])
    net.draw()
    round_ = net.round()
    assert (round_.phase, round_.items, round_.gold_hashes) == (RoundPhase.OPEN, (), ())
    assert len(waiting(net)) == 2
    assert [item.draws for item in items(net)] == [0, 0]


def test_a_round_that_nobody_came_to_is_no_draw() -> None:
    """The reviewers who could decide it may come yet."""
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(6))]
    net = Network(ada, *reviewers)
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.run_round(*reviewers)
    assert [item.draws for item in items(net)] == [1]
    for person in reviewers:
        net.stand_down(person)
    for _ in range(5):
        net.seal()
        net.draw()
    assert [(item.draws, item.decided_in) for item in items(net)] == [(1, None)]


# ---- limits ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items_max": 0}, "a round has at most 0 items"),
        ({"items_max": 8_193}, "a round has at most 8193 items"),
        ({"seal_items": 0}, "begins when 0 items wait"),
        ({"seal_items": 5, "items_max": 4}, "begins when 5 items wait"),
        *(({name: 0}, f"{words} lasts 0 ms") for name, words in WINDOWS.items()),
        *(
            ({name: 31 * DAY_MS + 1}, f"{words} lasts 2678400001 ms")
            for name, words in WINDOWS.items()
        ),
        ({"draws_max": 0}, "gets 0 rounds"),
        ({"draws_max": 9}, "gets 9 rounds"),
    ],
)
def test_the_terms_of_rounds_are_bounded(
    net: Network, change: dict[str, int], message: str
) -> None:
    with refuses(message):
        net.add(net.operator, "campaign", campaign(id="letters", rounds=rounds(**change)))
    month = 31 * DAY_MS
    widest = rounds(seal_wait_ms=month, commit_ms=month, reveal_ms=month, draws_max=8)
    widest.seal_items = widest.items_max
    net.add(net.operator, "campaign", campaign(id="letters", rounds=widest))


def test_a_round_takes_as_many_items_as_its_campaign_says(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="two", rounds=rounds(items_max=2)))
    net.submit(net.people[0], [net.item(i, c="two") for i in range(5)], c="two")
    net.seal(c="two")
    assert len(net.round("two").items) == 2
    assert len(waiting(net, "two")) == 3


def test_swapped_answers_are_the_same_pair() -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    parts = [part("prompt"), part("answer_a"), part("answer_b")]
    spec = b'{"ties":true}'
    pairs = {"task": "prefer", "spec": spec, "parts": parts, "proposal": pb.PROPOSAL_NOT_TAKEN}
    net.add(net.operator, "campaign", campaign(id="pairs", **pairs))
    ada, ben, *_ = net.people
    leaf = parse_leaf(pb.Item, net.item(0, c="pairs"))

    def like(a: int, b: int, prompt: int = 0) -> bytes:
        fresh = parse_leaf(pb.Item, net.item(0, c="pairs"))
        for place, source in enumerate((prompt, a, b)):
            fresh.parts[place].fingerprint = leaf.parts[source].fingerprint
        (encoded_leaf,) = encoded([fresh])
        return encoded_leaf

    net.submit(ada, encoded([leaf]), c="pairs")
    net.submit(ben, [like(1, 2), like(2, 1), like(1, 1), like(1, 2, prompt=1)], c="pairs")
    net.seal(c="pairs")
    original, copy, swapped, equal, other = ids(net)
    assert net.state.items[copy].duplicate_of == original
    assert net.state.items[swapped].duplicate_of == original
    assert net.round("pairs").items == (original, equal, other)
