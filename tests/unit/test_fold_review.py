"""The fold: standing by, draw, commit, reveal."""

from __future__ import annotations

from typing import Any, Final

import pytest

from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.rows import ItemId
from protocol.rules import drawing
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
    drawn,
    drawn_people,
    encoded,
    ids,
    items,
    off_by,
    people,
    refuses,
    statuses,
    submitted,
    tasks,
)
from tests.simulated import NETWORK, Network, Person, batch

WHERE: Final[dict[str, Any]] = {"network": NETWORK, "campaign_id": "digits", "round": 1}


# ---- standing by ----


def test_one_stands_by_for_every_round_until_one_stands_down(net: Network) -> None:
    ada, ben, *others = net.people
    net.stand_by(ben, *others)
    for number in (1, 2):
        net.submit(ada, [net.item(number)])
        net.seal()
        assert ("digits", ben.id) in net.state.candidates
        net.run_round(ben, *others)
    net.stand_down(ben)
    net.submit(ada, [net.item(3)])
    net.seal()
    assert ("digits", ben.id) not in net.state.candidates
    assert ("digits", others[0].id) in net.state.candidates


def test_who_stands_by_after_the_seal_is_for_the_next_round(net: Network) -> None:
    submitted(net)
    ada = net.people[0]
    net.stand_by(ada)
    assert ("digits", ada.id) not in net.state.candidates
    net.stand_down(net.people[1])
    assert ("digits", net.people[1].id) in net.state.candidates, "what was promised is done"
    net.run_round(*net.people[1:])
    net.submit(net.people[2], [net.item(1)])
    net.seal()
    assert [who for (_, who), _ in net.state.candidates.scan()] == sorted(
        p.id for p in (ada, *net.people[2:])
    )


def test_who_stands_by_is_a_member_and_says_each_word_once(net: Network) -> None:
    ada, stranger = net.people[0], Person("stranger")
    up, down = net.standby(ada), net.standby(ada, stands=False)
    with refuses("nobody has delegated the key"):
        net.add(stranger, "standby", up)
    with refuses("there is no campaign 'letters'"):
        net.add(ada, "standby", changed(up, campaign_id="letters"))
    with refuses("or does not"):
        net.add(ada, "standby", down)
    net.add(ada, "standby", up)
    with refuses("stands by with this machine already"):
        net.add(ada, "standby", changed(up, serial=1))
    net.add(ada, "standby", changed(down, serial=1))
    assert ("digits", ada.id) not in net.state.standbys
    net.add(ada, "standby", changed(up, serial=2))
    for old in (up, changed(down, serial=1)):
        with refuses("said something else since"):
            net.add(ada, "standby", old)  # by whomever; everybody can read it in the log
    with refuses("skips a word"):
        net.add(ada, "standby", changed(down, serial=4))
    net.submit(net.people[1], [net.item(1)])
    net.seal()
    with refuses("said something else since"):
        net.add(ada, "standby", changed(down, serial=1))  # also when a round has come between


def test_the_machine_that_stood_by_last_reviews(net: Network) -> None:
    ada, ben, *_ = net.people
    desk = ben.device("desk")
    net.delegate(desk)
    net.stand_by(ben)
    net.stand_by(desk)
    assert net.state.standbys["digits", ben.id] == desk.key
    net.submit(ada, [net.item(1)])
    net.seal()
    net.stand_by(ben)
    assert net.state.candidates["digits", ben.id] == desk.key, "of this round"
    net.draw()
    assert net.state.candidates["digits", ben.id] == desk.key


def test_who_was_drawn_and_did_not_commit_stands_by_no_longer(net: Network) -> None:
    drawn(net)
    silent, late, *others = drawn_people(net)
    desk = late.device("desk")
    net.delegate(desk)
    net.stand_by(desk)  # since the seal: the machine that was silent is another one
    net.review(*others)
    standing = {who for (_, who), _ in net.state.standbys.scan("digits")}
    assert standing == {p.id for p in (late, *others)}
    net.verdict()
    net.stand_by(silent)
    assert net.state.standbys["digits", silent.id] == silent.key


def test_who_was_not_drawn_stands_by_as_before(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    net.stand_by(*net.people[1:])
    net.seal()
    net.draw()
    spared = [p for p in net.people[1:] if p not in drawn_people(net)]
    assert spared
    assert {who for (_, who), _ in net.state.candidates.scan()} == set(tasks(net))
    net.end_commits()
    assert [who for (_, who), _ in net.state.standbys.scan("digits")] == [p.id for p in spared]


# ---- the draw ----


def test_the_draw_is_recomputed(net: Network) -> None:
    submitted(net)
    net.toss(net.operator)
    seed, assignments = drawing.compute_draw(net.state, net.campaign())
    favoured = dict(assignments)
    item_id = next(iter(favoured))
    favoured[item_id] = favoured[item_id][::-1]

    def draw(seed: bytes, assignments: dict[ItemId, tuple[PersonId, ...]]) -> None:
        leaves = encoded(drawing.draw_leaves(assignments))
        body = pb.Draw(**net.place(), seed=seed, assignments=batch(leaves))
        net.add(net.operator, "draw", body, leaves)

    with refuses("does not follow from its seed"):
        draw(seed, favoured)
    with refuses("does not follow from its seed"):
        draw(seed, dict(list(assignments.items())[1:]))
    with refuses("seed is not the coin"):
        draw(bytes(32), assignments)
    draw(seed, assignments)
    assert all(net.people[0].id not in who for _, who in net.state.assignments.scan("digits")), (
        "nobody reviews their own"
    )


def test_a_reveal_must_match_its_commit_and_wait_for_the_window(net: Network) -> None:
    drawn(net)
    reviewers = drawn_people(net)
    answers = {p.name: net.answers(p) for p in reviewers}
    early = reviewers[0]
    net.commit(early, answers[early.name])
    with refuses("after the commits have ended"):
        net.reveal(early, answers[early.name])
    with refuses("committed already"):
        net.commit(early, net.answers(early))
    net.end_commits()
    with refuses("commits of this round have ended"):
        net.commit(reviewers[1], answers[reviewers[1].name])
    with refuses("made no commitment"):
        net.reveal(reviewers[1], answers[reviewers[1].name])
    with refuses("does not match the reviewer's commitment"):
        net.reveal(early, net.answers(early))
    net.reveal(early, answers[early.name])
    with refuses("revealed already"):
        net.reveal(early, answers[early.name])
    net.verdict()
    with refuses("the verdict of this round is in the log"):
        net.reveal(early, answers[early.name])
    with refuses("the verdict of this round is in the log"):
        net.commit(reviewers[1], answers[reviewers[1].name])


def test_a_copied_commitment_cannot_be_opened(net: Network) -> None:
    drawn(net)
    victim, copycat = drawn_people(net)[:2]
    leaves = net.answers(victim)
    copied = pb.Commit(**WHERE, answers=batch(leaves))
    copied.answers.count = len(tasks(net)[copycat.id])
    net.commit(victim, leaves)
    net.add(copycat, "commit", copied)
    net.end_commits()
    net.reveal(victim, leaves)
    with refuses("not those of the tasks|names another reviewer|does not match"):
        net.reveal(copycat, leaves)


def test_who_was_not_drawn_cannot_commit(net: Network) -> None:
    drawn(net)
    with refuses("was not drawn"):
        net.commit(net.people[0], [b""])


def test_a_commit_is_for_all_tasks_and_comes_after_the_draw(net: Network) -> None:
    submitted(net)
    ben = net.people[1]
    with refuses("was not drawn"):
        net.commit(ben, [b""])
    net.draw()
    reviewer = drawn_people(net)[0]
    answers = net.answers(reviewer)
    with refuses(f"has {len(answers)} tasks and commits to {len(answers) - 1} answers"):
        net.commit(reviewer, answers[1:])
    with refuses("the batch's root has 5 bytes"):
        wrong = pb.Batch(root=b"short", count=len(answers))
        net.add(reviewer, "commit", pb.Commit(**WHERE, answers=wrong))
    net.commit(reviewer, answers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonce": b"short"}, "a nonce has 32 bytes"),
        ({"refusal": 77}, "an unknown reason"),
        ({"refusal": pb.REFUSAL_UNSURE}, "a refusal gives no answer"),
        ({"answer": b""}, "has length 2, not 0"),
        ({"answer": b"\0\x0a"}, "there is no label 10"),
        ({"reviewer": bytes(32)}, "names another reviewer"),
        ({"item_id": bytes(32)}, "not those of the tasks"),
    ],
)
def test_an_answer_is_one_to_the_question(
    net: Network, change: dict[str, object], message: str
) -> None:
    drawn(net)
    reviewer = drawn_people(net)[0]
    first, *rest = net.answers(reviewer)
    leaves = [encode_leaf(changed(parse_leaf(pb.Answer, first), **change)), *rest]
    net.commit(reviewer, leaves)
    net.end_commits()
    with refuses(message):
        net.reveal(reviewer, leaves)


@pytest.mark.parametrize("commits", [False, True])
def test_who_stays_silent_is_wrong_on_each_task(net: Network, commits: bool) -> None:
    drawn(net)
    silent = drawn_people(net)[0]
    count = len(tasks(net)[silent.id])
    if commits:
        net.commit(silent, net.answers(silent))
    net.review(*(p for p in net.people if p is not silent))
    net.verdict()
    belief = net.state.beliefs[silent.id, pb.ROLE_REVIEWER, "digits"]
    assert (belief.right_micro, belief.wrong_micro) == (0, count * PPM)
    other = net.state.beliefs[net.people[-1].id, pb.ROLE_REVIEWER, "digits"]
    assert other.wrong_micro == 0 < other.right_micro


def test_gold_is_the_better_judge_of_a_reviewer() -> None:
    """Who says what all others do is right only as far as they are; where the answer is known, it counts."""
    ada = Person("ada")
    wrong = [Person(f"r{i}", off_by(1)) for i in range(3)]
    net = Network(ada, *wrong)
    net.submit(ada, [net.item(3, label=4)])
    net.stand_by(*wrong)
    net.seal(gold=ids(net))
    net.run_round(*wrong)
    assert items(net)[0].status is ItemStatus.REJECTED, "the gold says 3, the author 4"
    for person in wrong:
        belief = net.state.beliefs[person.id, pb.ROLE_REVIEWER, "digits"]
        assert (belief.right_micro, belief.wrong_micro) == (0, PPM)
    plain = Network(ada, *wrong)
    plain.submit(ada, [plain.item(3, label=4) for _ in range(8)])
    plain.run_rounds(*wrong)
    assert set(statuses(plain)) == {ItemStatus.ACCEPTED}
    for person in wrong:
        belief = plain.state.beliefs[person.id, pb.ROLE_REVIEWER, "digits"]
        assert belief.wrong_micro == 0 < belief.right_micro


def test_gold_judges_who_answered_what_the_others_refused() -> None:
    """Refused content has no answer, so nobody was right or wrong about it; but this one was known."""
    for gold, evidence in ((True, (PPM, 0)), (False, None)):
        net = Network(*people("ada", "ben", "cyn", "dov"))
        ada, right, *refusing = net.people
        net.submit(ada, [net.item(3)])
        net.stand_by(right, *refusing)
        net.seal(gold=ids(net) if gold else ())
        net.draw()
        given = {
            p.name: net.answers(p)
            if p is right
            else net.refuse(net.answers(p), pb.REFUSAL_OFF_TOPIC)
            for p in (right, *refusing)
        }
        for person in (right, *refusing):
            net.commit(person, given[person.name])
        net.end_commits()
        for person in (right, *refusing):
            net.reveal(person, given[person.name])
        net.verdict()
        assert items(net)[0].refusal == pb.REFUSAL_OFF_TOPIC
        belief = net.state.beliefs.get((right.id, pb.ROLE_REVIEWER, "digits"))
        assert (belief and (belief.right_micro, belief.wrong_micro)) == evidence


def test_a_seal_writes_down_the_duplicates_found(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture")])
    first, copy = ids(net)
    net.stand_by(*net.people[1:])
    net.seal()
    leaves = [parse_leaf(pb.Duplicate, leaf) for leaf in net.log[-1].leaves]
    assert [(leaf.item_id, leaf.duplicate_of) for leaf in leaves] == [(copy, first)]
