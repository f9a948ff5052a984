"""The fold: an epoch can always be closed, and again; what a close cannot free it gives up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.limits import (
    BATCH_ITEMS_MAX,
    EARNED_LINES_MAX,
    ENTRY_BYTES_MAX,
    NAME_CHARS_MAX,
    OPERATOR_LEAVES_MAX,
    PPM,
    UNPAID_ANSWERS_MAX,
    UNPAID_CELLS_MAX,
    WAITING_ROWS_MAX,
)
from protocol.log.merkle import hash_leaf
from protocol.money.accounts import conserves
from protocol.rows import Contribution, Round
from protocol.rules import sealing
from protocol.rules.close import compute_waiting
from protocol.rules.training_rounds import TRAINER_LINES_MAX
from protocol.tasks.spec import encode_spec
from protocol.truth.data import MAX_CONFUSION_CELLS
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
    closed,
    drawn,
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
from tests.simulated import Network, Person, campaign, rounds


def test_an_epoch_without_anything_is_an_epoch(net: Network) -> None:
    for epoch in range(1, 6):
        net.close()
        assert (net.state.epoch, net.state.closed_epoch) == (epoch + 1, epoch)
        assert net.log[-1].leaves == ()
        assert net.changes[-1].closed == epoch
    assert net.state.minted_micro == 0
    assert same(net.replay(), net.state)


def test_an_epoch_with_items_and_no_reviewers_is_an_epoch(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    for _ in range(3):
        net.close()
    assert statuses(net) == [ItemStatus.SUBMITTED]
    net.run_epoch(*net.people[1:])
    assert items(net)[0].decided_in == 4


def test_an_epoch_with_reviewers_and_no_items_is_an_epoch(net: Network) -> None:
    net.stand_by(*net.people)
    net.close()
    assert net.state.standbys.count("digits") == 5, "they still stand by"
    closed(net)
    assert net.state.minted_micro > 0


def test_an_epoch_can_be_closed_in_every_phase(net: Network) -> None:
    submitted(net)
    net.close()
    net.close()
    net.draw()
    net.close()
    net.review(*net.people)
    net.close()
    assert last_lines(net) == []
    net.verdict()
    net.close()
    assert net.state.epoch == 6
    assert set(statuses(net)) == {ItemStatus.ACCEPTED}
    assert {item.decided_in for item in items(net)} == {5}
    assert net.state.minted_micro == 950 * PPM
    assert conserves(net.state)
    assert same(net.replay(), net.state)


def test_a_close_is_of_the_present_epoch_and_its_time_never_runs_backwards(net: Network) -> None:
    for epoch in (0, 2):
        with refuses("this is epoch 1"):
            net.add_close([], epoch=epoch)
    net.add_close([], time_ms=5_000)
    assert net.state.closed_ms == 5_000
    with refuses("earlier than the last close, 5000"):
        net.add_close([], time_ms=4_999)
    net.add_close([], time_ms=5_000)


def test_an_epoch_of_however_many_campaigns_can_be_closed(net: Network) -> None:
    """What waits is said in the log entry itself, which has its limit."""
    longest = [f"{i:04}{'x' * (NAME_CHARS_MAX - 4)}" for i in range(WAITING_ROWS_MAX + 1)]
    row = replace(net.campaign(), rounds=replace(net.campaign().rounds))
    for name in longest:
        net.state.campaigns.put(name, replace(row, id=name))
        net.state.waiting.put(((name, net.people[0].id), 0), bytes(32))
        net.state.queues.put((name, net.people[0].id), 0)
        under_way = Round(1, RoundPhase.SEALED, 0, (bytes(32),) * BATCH_ITEMS_MAX)
        if name != longest[0]:  # of the others there are two rows each
            net.state.rounds.put(name, under_way)
    rows = compute_waiting(net.state)
    assert len(rows) == WAITING_ROWS_MAX
    assert {row.campaign_id for row in rows} == set(longest[: WAITING_ROWS_MAX // 2 + 1])
    net.close()
    assert len(net.log[-1].raw) < ENTRY_BYTES_MAX


def test_a_close_says_what_it_changed(net: Network) -> None:
    drawn(net)
    net.review(*net.people)
    net.verdict()
    verdict = net.changes[-1]
    assert sorted(verdict.accepted) == sorted(ids(net))
    assert {b.status.name for b, _ in verdict.items.values() if b} == {"COMMITTED"}
    assert verdict.rounds["digits"][0].phase is RoundPhase.REVEALING
    assert verdict.rounds["digits"][1].phase is RoundPhase.OPEN
    assert (verdict.lines, verdict.closed, verdict.erased) == ((), None, [])
    net.close()
    close = net.changes[-1]
    assert close.closed == 1
    assert list(close.lines) == last_lines(net)
    assert (close.items, close.rounds) == ({}, {})


def test_what_each_record_says_that_it_changed(net: Network) -> None:
    ada, *reviewers = net.people
    leaves = [net.item(1, content=b"x"), net.item(1, content=b"x")]
    first, copy = (hash_leaf(leaf) for leaf in leaves)
    net.submit(ada, leaves)
    assert {i: before for i, (before, _) in net.changes[-1].items.items()} == {
        first: None,
        copy: None,
    }
    net.stand_by(*reviewers)
    assert (net.changes[-1].items, net.changes[-1].rounds) == ({}, {})
    net.seal()
    (changed_id,) = net.changes[-1].items
    assert changed_id == copy
    old, new = net.changes[-1].rounds["digits"]
    assert (old.number, new.number, new.items) == (0, 1, (first,))
    net.toss(net.operator)
    assert (net.changes[-1].items, net.changes[-1].rounds) == ({}, {})
    net.draw()
    before, after = net.changes[-1].items[first]
    assert before is not None
    assert (before.status, after.status) == (ItemStatus.SUBMITTED, ItemStatus.DRAWN)
    net.review(*reviewers)
    assert net.changes[-1].items[first][1].answered_by[-1:] == (
        net.changes[-1].items[first][1].answered_by[-1],
    )
    net.verdict()
    assert net.changes[-1].accepted == [first]
    net.withdraw(ada, [copy, first])
    assert sorted(net.changes[-1].erased) == sorted([first, copy])
    assert net.changes[-1].accepted == []


# ---- limits: a close, like an inference, is bounded; and closing always helps ----


def test_the_lines_of_the_fullest_epoch_fit_its_close() -> None:
    treasury = 1
    assert EARNED_LINES_MAX + TRAINER_LINES_MAX + treasury <= OPERATOR_LEAVES_MAX
    # One campaign's largest round alone fits, so that a campaign can go on after any close.
    assert BATCH_ITEMS_MAX + sealing.SEATS_MAX <= EARNED_LINES_MAX
    # A seal and a verdict of the largest round are batches of their own.
    assert 2 * BATCH_ITEMS_MAX <= OPERATOR_LEAVES_MAX


def test_many_answers_make_a_close_due(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    net.add(net.operator, "campaign", campaign(id="few", rounds=rounds(items_max=2)))
    ada, *reviewers = net.people
    monkeypatch.setattr(
        sealing, "UNPAID_ANSWERS_MAX", 12
    )  # of two rounds of two items, three answers each
    for due in (False, False, True):
        net.submit(ada, [net.item(1, c="few"), net.item(2, c="few")], c="few")
        assert bool(sealing.close_due(net.state, net.campaign("few"))) == due
        if not due:
            net.run_rounds(*reviewers, c="few")
    net.stand_by(*(p for p in reviewers if ("few", p.id) not in net.state.standbys), c="few")
    with refuses("the epoch has to be closed first: 12 answers of few wait for their pay"):
        net.seal(c="few")
    assert sealing.close_due(net.state, net.campaign()) == "", "no business of another campaign"
    net.close()
    assert sealing.close_due(net.state, net.campaign("few")) == ""
    net.run_rounds(*reviewers, c="few")
    assert set(statuses(net)) == {ItemStatus.ACCEPTED}


def test_what_one_inference_can_weigh_makes_a_close_due(net: Network) -> None:
    labels = [f"label {i}" for i in range(1_024)]
    spec = encode_spec({"labels": labels})
    net.add(net.operator, "campaign", campaign(id="words", spec=spec, rounds=rounds(items_max=9)))
    words = net.campaign("words")
    assert sealing.seats(words) == MAX_CONFUSION_CELLS // 1_024**2 // 2 == 16
    most = min(UNPAID_ANSWERS_MAX, UNPAID_CELLS_MAX // 1_024)
    assert most == UNPAID_CELLS_MAX // 1_024
    for answers, due in ((most - 27, False), (most - 26, True)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(net.state.answers), "count", lambda *_, n=answers: n)
            patch.setattr(type(net.state.reviewed), "count", lambda *_, n=answers: n)
            said = sealing.close_due(net.state, words)
        assert ("answers of words wait" in said) == due
    for person in range(17):
        assert sealing.close_due(net.state, words) == ""
        net.state.reviewed.put(("words", bytes([person]) * 32), 1)  # type: ignore[arg-type]
    assert sealing.close_due(net.state, words) == "17 reviewers of words wait for their pay"


def test_many_lines_make_a_close_due(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait, those of rounds that are under way, and those of the round to come."""
    for name in ("one", "two"):
        net.add(net.operator, "campaign", campaign(id=name))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, c="one")], c="one")
    net.run_rounds(*reviewers, c="one")
    waiting_lines = len(net.state.contributions) + len(net.state.reviewed)
    assert waiting_lines == 1 + 3
    net.submit(ada, [net.item(1, c="two")], c="two")
    net.stand_by(*reviewers, c="two")
    net.seal(c="two")
    under_way = 1 + 4
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers[:2])
    coming = 1 + 2
    exactly = waiting_lines + under_way + coming
    monkeypatch.setattr(sealing, "EARNED_LINES_MAX", exactly - 1)
    with refuses("closed first: 4 people and campaigns wait for their pay"):
        net.seal()
    monkeypatch.setattr(sealing, "EARNED_LINES_MAX", exactly)
    assert sealing.close_due(net.state, net.campaign()) == ""
    net.close()
    monkeypatch.setattr(sealing, "EARNED_LINES_MAX", under_way + coming - 1)
    assert sealing.close_due(net.state, net.campaign()) == "", "another close would not help"
    with refuses("rounds of other campaigns fill what one close can pay"):
        net.seal()
    net.run_round(*reviewers, c="two")
    monkeypatch.setattr(sealing, "EARNED_LINES_MAX", 4 + coming)
    net.seal()


def test_what_no_close_frees_is_given_up_and_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers to items that wait to be drawn again stay when the epoch is closed. If they alone fill what a
    campaign may have, closing would not help, and nothing of it would ever be sealed again."""
    ada, *reviewers = [Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(6))]
    net = Network(ada, *reviewers)
    net.add(net.operator, "campaign", campaign(id="few", rounds=rounds(items_max=2, draws_max=8)))
    net.submit(ada, [net.item(1, c="few"), net.item(2, c="few"), net.item(3, c="few")], c="few")
    net.stand_by(*reviewers, c="few")
    monkeypatch.setattr(sealing, "UNPAID_ANSWERS_MAX", 6)
    net.seal(c="few")
    net.run_round(*reviewers, c="few")
    first, second, third = ids(net)
    assert len(net.state.answers) == 6
    assert waiting(net, "few") == [first, second, third]
    with refuses("the epoch has to be closed first"):
        net.seal(c="few")
    net.close()
    assert last_lines(net, pb.ROLE_REVIEWER) == [], "nothing was decided"
    assert waiting(net, "few") == [third]
    assert [item.decided_in for item in items(net)] == [2, 2, None]
    assert net.state.contributions[ada.id, "few", 0] == Contribution(undecided=2)
    with refuses("the epoch has to be closed first"):
        net.seal(c="few")
    net.close()
    assert sum(line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)) == 6
    assert not len(net.state.answers)
    net.seal(c="few")
    assert net.round("few").items == (third,)
    assert same(net.replay(), net.state)


def test_what_a_close_leaves_within_the_limits_stays(net: Network) -> None:
    ada, *reviewers = net.people
    for place, person in enumerate(reviewers):
        person.judge = off_by(place)
    net.submit(ada, [net.item(1)])
    net.stand_by(*reviewers)
    net.seal()
    net.run_round(*reviewers)
    net.close()
    assert waiting(net) == ids(net)
    assert len(net.state.answers) == 3
    assert sum(n for _, n in net.state.reviewed.scan()) == 3
    assert items(net)[0].decided_in is None


def test_a_line_is_about_its_person_campaign_and_nothing_else() -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.run_rounds(*net.people[1:])
    net.close()
    lines = last_lines(net)
    for line in lines:
        bare = changed(line, evidence=pb.Evidence())
        assert {field.name for field, _ in bare.ListFields()} <= {
            "person",
            "role",
            "campaign_id",
            "amount",
            "weight_micro",
            "evidence",
        }
    assert [line.role for line in lines] == sorted(line.role for line in lines)
    assert sum(int(line.amount) for line in lines) == net.state.minted_micro


def test_an_author_who_alone_stands_by_reviews_nothing_of_his_own() -> None:
    ada, ben = people("ada", "ben")
    net = Network(ada, ben)
    net.submit(ada, [net.item(1)])
    net.stand_by(ada)
    assert [row.reason for row in compute_waiting(net.state)] == [pb.WAITING_FOR_REVIEWERS]
    net.stand_by(ben)
    assert [row.reason for row in compute_waiting(net.state)] == [pb.WAITING_FOR_SEAL]
