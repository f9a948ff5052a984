"""The fold: each kind of task through whole rounds, with proposals or without; what reviewers refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.money.accounts import conserves
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
    drawn,
    drawn_people,
    ids,
    items,
    last_lines,
    people,
    refuses,
    same,
    shares_of,
    statuses,
)
from tests.simulated import Network, Person, campaign, part

STEPS = ["awful", "bad", "fair", "good", "perfect"]
CRITERIA = [
    {"name": "relevant", "text": "It answers the question.", "needs_ppm": 900_000},
    {"name": "true", "text": "What it says is so.", "needs_ppm": 600_000},
]


def ask(kind: str) -> pb.Campaign:
    """A campaign of each kind."""
    terms: dict[str, dict[str, Any]] = {
        "classify": {},
        "rate": {
            "spec": encode_spec({"steps": STEPS, "tolerance": 1}),
            "proposal": pb.PROPOSAL_OPTIONAL,
        },
        "prefer": {
            "spec": encode_spec({"ties": True}),
            "parts": [part("prompt"), part("answer_a"), part("answer_b")],
            "proposal": pb.PROPOSAL_NOT_TAKEN,
        },
        "judge": {
            "spec": encode_spec({"criteria": CRITERIA}),
            "parts": [part("question"), part("answer")],
            "proposal": pb.PROPOSAL_NOT_TAKEN,
        },
        "tags": {"spec": encode_spec({"tags": ["cat", "dog", "outdoors"]})},
    }
    return campaign(id=kind, task=kind, **terms[kind])


TRUTHS: dict[str, list[str]] = {
    "classify": ["1", "7", "0"],
    "rate": ["bad", "perfect", "awful"],
    "prefer": ["a", "b", "tie"],
    "judge": ["yes, yes", "yes, no", "no, no"],
    "tags": ["cat, outdoors", "dog", "none"],
}
OUTCOMES = {
    "classify": [ItemStatus.ACCEPTED] * 3,
    "rate": [ItemStatus.ACCEPTED] * 3,
    "prefer": [ItemStatus.ACCEPTED] * 3,
    "judge": [ItemStatus.ACCEPTED, ItemStatus.REJECTED, ItemStatus.REJECTED],
    "tags": [ItemStatus.ACCEPTED] * 3,
}


@pytest.mark.parametrize("kind", list(TRUTHS))
def test_a_campaign_of_each_kind_decides_and_pays(net: Network, kind: str) -> None:
    ada, *reviewers = net.people
    net.add(net.operator, "campaign", ask(kind))
    truths = TRUTHS[kind] * 4
    net.submit(ada, [net.item(truth, c=kind) for truth in truths], c=kind)
    net.run_rounds(*reviewers, gold=ids(net)[:3], c=kind)
    assert statuses(net) == OUTCOMES[kind] * 4
    for item, truth in zip(items(net), truths, strict=True):
        assert item.answer == net.answer(truth, c=kind)
        question = net.question(kind)
        assert item.answer is not None
        assert question.kind.read_words(question.spec, truth) == item.answer
        assert len(item.belief_ppm) == question.kind.belief_size(question.spec)
        assert item.confidence_ppm >= 600_000
        assert (item.proposal is None) == (kind in ("prefer", "judge"))
    for person in reviewers:
        belief = net.state.beliefs[person.id, pb.ROLE_REVIEWER, kind]
        assert belief.wrong_micro == 0 < belief.right_micro
    net.close()
    assert all(shares_of(net, person) > 0 for person in reviewers)
    # Twice as many rejected as accepted leave nothing to the author of the rubric's items.
    assert (shares_of(net, ada) > 0) == (kind != "judge")
    gold = sum(line.evidence.gold_right for line in last_lines(net, pb.ROLE_REVIEWER))
    assert gold == 9, "three reviewers for each of three"
    assert conserves(net.state)
    assert same(net.replay(), net.state)


@pytest.mark.parametrize("kind", list(TRUTHS))
def test_whoever_is_always_wrong_earns_nothing(kind: str) -> None:
    wrong = {"classify": "2", "rate": "perfect", "prefer": "b", "judge": "no, no", "tags": "dog"}[
        kind
    ]
    right = {"classify": "1", "rate": "awful", "prefer": "a", "judge": "yes, yes", "tags": "cat"}[
        kind
    ]
    liar = Person("liar", lambda _: wrong)
    honest = people("ben", "cyn", "dov", "eve")
    net = Network(Person("ada"), liar, *honest)
    net.add(net.operator, "campaign", ask(kind))
    truths = [right, *TRUTHS[kind]] * 5
    net.submit(net.people[0], [net.item(truth, c=kind) for truth in truths], c=kind)
    net.run_rounds(liar, *honest, gold=ids(net)[:6], c=kind)
    net.close()
    assert shares_of(net, liar) < min(shares_of(net, person) for person in honest) / 2


def test_a_rating_that_is_off_by_the_tolerance_agrees(net: Network) -> None:
    ada, *reviewers = net.people
    net.add(net.operator, "campaign", ask("rate"))
    proposed = ["bad", "fair", "good", "perfect", "awful"]
    leaves = [net.item("fair", said, c="rate") for said in proposed]
    net.submit(ada, leaves, c="rate")
    net.run_rounds(*reviewers, c="rate")
    assert [item.status for item in items(net)] == [
        *[ItemStatus.ACCEPTED] * 3,
        *[ItemStatus.REJECTED] * 2,
    ]
    assert {item.answer for item in items(net)} == {bytes([2])}
    assert [item.proposal for item in items(net)] == [net.answer(s, c="rate") for s in proposed]


def test_a_criterion_is_met_as_surely_as_it_needs(net: Network) -> None:
    """One that needs less is met sooner; an item is as sure as its worst."""
    ada, *reviewers = net.people
    net.add(net.operator, "campaign", ask("judge"))
    net.submit(ada, [net.item("yes, yes", c="judge") for _ in range(8)], c="judge")
    net.run_rounds(*reviewers, c="judge")
    for item in items(net):
        assert item.status is ItemStatus.ACCEPTED
        assert item.confidence_ppm == min(item.belief_ppm)


# ---- proposals ----


@pytest.mark.parametrize(
    ("terms", "proposes", "message"),
    [
        (pb.PROPOSAL_REQUIRED, True, ""),
        (pb.PROPOSAL_REQUIRED, False, "wants a proposed answer"),
        (pb.PROPOSAL_OPTIONAL, True, ""),
        (pb.PROPOSAL_OPTIONAL, False, ""),
        (pb.PROPOSAL_NOT_TAKEN, False, ""),
    ],
)
def test_a_campaign_says_whether_an_answer_is_proposed(
    net: Network, terms: pb.ProposalTerms, proposes: bool, message: str
) -> None:
    ada, *reviewers = net.people
    net.add(net.operator, "campaign", campaign(id="letters", proposal=terms))
    leaves = [net.item(3, c="letters", proposes=proposes)]
    if message:
        with refuses(message):
            net.submit(ada, leaves, c="letters")
        return
    net.submit(ada, leaves, c="letters")
    net.run_rounds(*reviewers, c="letters")
    (item,) = items(net)
    assert item.status is ItemStatus.ACCEPTED
    assert item.answer == net.answer(3)
    assert item.proposal == (net.answer(3) if proposes else None)
    assert same(net.replay(), net.state)


def test_a_proposal_that_is_not_taken_is_refused(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="blind", proposal=pb.PROPOSAL_NOT_TAKEN))
    proposed = net.item(3)  # of "digits", where one is wanted
    with refuses("the campaign takes no proposed answer"):
        net.submit(net.people[0], [proposed], c="blind")
    net.submit(net.people[0], [proposed])


def test_a_proposal_that_was_never_made_is_not_opened(net: Network) -> None:
    ada, *reviewers = net.people
    optional = campaign(id="letters", proposal=pb.PROPOSAL_OPTIONAL)
    net.add(net.operator, "campaign", optional)
    net.submit(ada, [net.item(3, c="letters", proposes=False)], c="letters")
    net.stand_by(*reviewers, c="letters")
    net.seal(c="letters")
    net.draw(c="letters")
    net.review(*reviewers, c="letters")
    (published,) = net.compute_verdicts("letters")
    invented = changed(published, proposal=net.answer(3), proposal_salt=bytes(32))
    with refuses("not the one that its author sealed"):
        net.add_verdict([invented], "letters")
    net.verdict("letters")


@pytest.mark.parametrize(
    ("kind", "proposal"), [("prefer", pb.PROPOSAL_REQUIRED), ("judge", pb.PROPOSAL_OPTIONAL)]
)
def test_a_kind_may_take_no_proposals(net: Network, kind: str, proposal: pb.ProposalTerms) -> None:
    asked = changed(ask(kind), proposal=proposal)
    if kind == "judge":
        with refuses("in a judge campaign the item is what is proposed"):
            net.add(net.operator, "campaign", asked)
    else:
        net.add(net.operator, "campaign", asked)
    with refuses("does not say whether a contributor proposes"):
        unsaid = changed(ask(kind), id="unsaid", proposal=pb.PROPOSAL_UNSPECIFIED)
        net.add(net.operator, "campaign", unsaid)


# ---- refusals ----


def refused(net: Network, *reasons: pb.Refusal) -> None:
    """One item, with so many refusals; the other reviewers answer."""
    drawn(net, count=1)
    given = {}
    for place, person in enumerate(drawn_people(net)):
        leaves = net.answers(person)
        given[person.name] = net.refuse(leaves, reasons[place]) if place < len(reasons) else leaves
        net.commit(person, given[person.name])
    net.end_commits()
    for person in drawn_people(net):
        net.reveal(person, given[person.name])
    net.verdict()


U, M, H, P = pb.REFUSAL_UNREADABLE, pb.REFUSAL_MISMATCH, pb.REFUSAL_HARMFUL, pb.REFUSAL_PERSONAL
UNSURE, GONE = pb.REFUSAL_UNSURE, pb.REFUSAL_UNAVAILABLE


@pytest.mark.parametrize(
    ("reasons", "status", "reason"),
    [
        ((H, H, H), ItemStatus.REJECTED, H),
        ((H, H), ItemStatus.REJECTED, H),
        ((H,), ItemStatus.ACCEPTED, pb.REFUSAL_NONE),
        ((U, H, U), ItemStatus.REJECTED, U),
        ((H, U), ItemStatus.REJECTED, U),  # level: the first of the list
        ((P, H, M), ItemStatus.REJECTED, M),
        ((UNSURE, UNSURE, UNSURE), ItemStatus.UNDECIDED, pb.REFUSAL_NONE),
        ((GONE, GONE, GONE), ItemStatus.UNDECIDED, pb.REFUSAL_NONE),
        ((H, UNSURE, GONE), ItemStatus.UNDECIDED, pb.REFUSAL_NONE),
        ((H, H, UNSURE), ItemStatus.REJECTED, H),
    ],
)
def test_what_most_reviewers_refuse_is_rejected_and_the_log_says_why(
    net: Network, reasons: tuple[pb.Refusal, ...], status: ItemStatus, reason: pb.Refusal
) -> None:
    refused(net, *reasons)
    (item,) = items(net)
    assert (item.status, item.refusal) == (status, reason)
    if status is ItemStatus.REJECTED:
        assert item.answer is None, "refused content has no answer"
        assert item.proposal is not None
        assert (item.decided_in, net.state.contributions[item.author, "digits", 0].rejected) == (
            1,
            1,
        )
        for person in item.answered_by:
            assert (person, pb.ROLE_REVIEWER, "digits") not in net.state.beliefs, "nobody was wrong"
    (item_id,) = ids(net)
    assert (item_id in net.state.copies["digits"]) == (reason != pb.REFUSAL_MISMATCH)
    assert same(net.replay(), net.state)
    net.close()
    assert same(net.replay(), net.state)


def test_half_of_the_wanted_reviewers_cannot_refuse(net: Network) -> None:
    """Of two, one is no majority; of one who came where three are wanted, neither."""
    net.add(net.operator, "campaign", campaign(id="pair", reviewers_per_item=2))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, c="pair")], c="pair")
    net.stand_by(*reviewers, c="pair")
    net.seal(c="pair")
    net.draw(c="pair")
    first, second = drawn_people(net, "pair")
    given = {
        first.name: net.refuse(net.answers(first, "pair"), H),
        second.name: net.answers(second, "pair"),
    }
    for person in (first, second):
        net.commit(person, given[person.name], "pair")
    net.end_commits("pair")
    for person in (first, second):
        net.reveal(person, given[person.name], "pair")
    net.verdict("pair")
    assert statuses(net) == [ItemStatus.UNDECIDED], "and half of the answers decide nothing"


def test_a_refusal_is_no_answer_that_decides() -> None:
    """However well the one is known who did answer."""
    sure = people("ben")
    unsure = [Person(name, lambda truth: None if truth == 7 else truth) for name in ("cyn", "dov")]
    net = Network(Person("ada"), *sure, *unsure)
    net.submit(net.people[0], [net.item(i % 7) for i in range(60)])
    net.run_rounds(*sure, *unsure, gold=ids(net)[:30])
    net.submit(net.people[0], [net.item(7)])
    net.seal()
    net.run_round(*sure, *unsure)
    last = items(net)[-1]
    assert (last.status, len(last.answered_by)) == (ItemStatus.UNDECIDED, 3)
    assert last.confidence_ppm >= net.state.policy.accept_ppm, "it would have been sure enough"


@pytest.mark.parametrize(("wanted", "came", "decided"), [(4, 2, False), (4, 3, True), (2, 2, True)])
def test_more_than_half_of_the_wanted_answers_decide(wanted: int, came: int, decided: bool) -> None:
    net = Network(*people("ada", "ben", "cyn", "dov", "eve"))
    net.add(net.operator, "campaign", campaign(id="asked", reviewers_per_item=wanted))
    reviewers = net.people[1 : 1 + wanted]
    net.submit(net.people[0], [net.item(i % 10, c="asked") for i in range(20)], c="asked")
    net.stand_by(*reviewers, c="asked")
    net.seal(c="asked")
    net.draw(c="asked")
    net.review(*reviewers[:came], c="asked")
    net.verdict("asked")
    assert set(statuses(net)) == {ItemStatus.ACCEPTED if decided else ItemStatus.UNDECIDED}


@pytest.mark.parametrize(
    ("confidence_ppm", "accept_ppm", "decided"),
    [(900_000, 900_000, True), (899_999, 900_000, False), (900_001, 900_000, True)],
)
def test_exactly_as_sure_as_the_policy_asks_is_sure_enough(
    confidence_ppm: int, accept_ppm: int, decided: bool
) -> None:
    decide: dict[str, Callable[[Network], list[int]]] = {
        "classify": lambda _: [confidence_ppm, PPM - confidence_ppm, *[0] * 8],
        "rate": lambda _: [confidence_ppm, 0, PPM - confidence_ppm, 0, 0],
        "prefer": lambda _: [confidence_ppm, PPM - confidence_ppm, 0],
    }
    net = Network(*people("ada"))
    for kind, belief in decide.items():
        net.add(net.operator, "campaign", ask(kind))
        question = net.question(kind)
        ruling = question.kind.decide(question.spec, belief(net), None, accept_ppm).ruling
        assert (ruling.name == "ACCEPT") == decided, kind
