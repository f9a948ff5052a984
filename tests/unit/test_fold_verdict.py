"""The fold: verdicts, gold, and the close are recomputed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from protocol.limits import PPM, TOLERANCE_PPM
from protocol.money.earnings import compute_lines, price_lines
from protocol.rules.close import WEIGHT_TOLERANCES_PER_ANSWER
from protocol.truth.inferred import Labelled
from protocol.truth.scoring import ReviewerScores
from protos.gen import records_pb2 as pb
from tests.fold import changed, ids, items, people, published_verdicts, refuses, waiting
from tests.simulated import Network


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"belief_ppm": [0, PPM, *[0] * 8]}, "ppm in the verdict and .* recomputed"),
        ({"belief_ppm": []}, "its belief is not one of this kind"),
        ({"belief_ppm": [PPM]}, "its belief is not one of this kind"),
        ({"belief_ppm": [PPM + 1, *[0] * 9]}, "its belief is not one of this kind"),
        ({"outcome": pb.OUTCOME_REJECTED}, "does not follow from its belief"),
        ({"proposal": b"\0\7"}, "not the one that its author sealed"),
        ({"proposal": b"\7"}, "has length 2, not 1"),
        ({"proposal_salt": bytes(32)}, "not the one that its author sealed"),
        ({"proposal_salt": b""}, "opened without a salt"),
        (
            {"proposal_salt": b"", "proposal": b""},
            "the proposal that its author sealed is not opened",
        ),
        ({"answer": b"\0\7"}, "does not follow from its belief"),
        ({"confidence_ppm": 950_000}, "does not follow from its belief"),
        ({"refusal": pb.REFUSAL_HARMFUL}, "does not follow from its belief"),
        ({"gold": b"\0\0"}, "gold is opened without its salt"),
    ],
)
def test_a_verdict_is_recomputed(net: Network, change: dict[str, object], message: str) -> None:
    published = published_verdicts(net)
    with refuses(message):
        net.add_verdict([changed(published[0], **change), *published[1:]])
    net.verdict()


@pytest.mark.parametrize(("off", "may"), [(TOLERANCE_PPM, True), (TOLERANCE_PPM + 1, False)])
def test_a_belief_may_be_off_by_the_tolerance_and_no_more(
    net: Network, off: int, may: bool
) -> None:
    """What follows from the belief as published is exact."""
    published = published_verdicts(net)
    best = max(range(10), key=lambda k: published[0].belief_ppm[k])
    published[0].belief_ppm[best] -= off
    published[0].confidence_ppm -= off
    if may:
        net.add_verdict(published)
        assert items(net)[0].confidence_ppm == published[0].confidence_ppm
    else:
        with refuses("ppm in the verdict and"):
            net.add_verdict(published)


def test_no_item_is_left_out_of_a_verdict(net: Network) -> None:
    published = published_verdicts(net)
    with refuses("not those of the round's items"):
        net.add_verdict(published[1:])


def test_gold_cannot_be_invented_nor_hidden_after_the_answers(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.stand_by(*net.people[1:])
    net.seal(gold=list(net.truth)[:2])
    net.draw()
    net.review(*net.people)
    honest = dict(net.gold)
    first, second = honest
    for gold in (
        {},
        {first: honest[first]},
        honest | {list(net.truth)[3]: (net.fresh(), b"\0\0")},
        honest | {first: (net.fresh(), honest[first][1])},
        honest | {first: honest[second], second: honest[first]},
    ):
        net.gold = gold
        with refuses("not the gold committed"):
            net.verdict()
    net.gold = honest
    published = [
        changed(verdict, gold=b"\0\x63") if verdict.gold_salt else verdict
        for verdict in net.compute_verdicts()
    ]
    with refuses("there is no label 99"):
        net.add_verdict(published)
    net.gold = honest
    net.verdict()
    assert {item_id for (_, item_id), _ in net.state.gold.scan()} == set(honest)


def test_the_close_is_recomputed(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)
    with refuses("leaves somebody out"):
        net.add_close(lines[1:])
    with refuses("leaves somebody out"):
        net.add_close([*lines, lines[-1]])
    with refuses("not the one that follows"):
        net.add_close([*lines[1::-1], *lines[2:]])
    more = str(int(lines[-1].amount) + 1)
    with refuses("amounts do not follow"):
        net.add_close([*lines[:-1], changed(lines[-1], amount=more)])
    with refuses("weight does not recompute"):
        net.add_close([changed(lines[0], weight_micro=2 * lines[0].weight_micro), *lines[1:]])
    net.add_close(lines)
    assert (net.state.epoch, net.state.closed_epoch) == (2, 1)


@pytest.mark.parametrize(
    "name",
    [
        "accepted",
        "rejected",
        "duplicates",
        "undecided",
        "repaid_micro",
        "updates",
        "licensed_permille",
        "derivatives",
    ],
)
def test_the_evidence_of_a_line_is_recomputed(net: Network, name: str) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)
    evidence = changed(lines[0].evidence, **{name: 9})
    with refuses("evidence does not recompute"):
        net.add_close([changed(lines[0], evidence=evidence), *lines[1:]])
    net.add_close(lines)


@pytest.mark.parametrize(("tolerances", "may"), [(0, True), (1, True), (-1, True), (1.01, False)])
def test_a_reviewers_weight_may_be_off_by_what_its_answers_may(
    net: Network, tolerances: float, may: bool
) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)
    place = next(i for i, line in enumerate(lines) if line.role == pb.ROLE_REVIEWER)
    slack = WEIGHT_TOLERANCES_PER_ANSWER * TOLERANCE_PPM * lines[place].evidence.answers
    assert slack == 4 * 20 * lines[place].evidence.answers
    lines[place].weight_micro += math.ceil(tolerances * slack)
    weighted = [line for line in lines if line.role != pb.ROLE_TREASURY]
    if may:
        net.add_close(price_lines(net.state, weighted))
    else:
        with refuses("weight does not recompute"):
            net.add_close(price_lines(net.state, weighted))


def test_an_agreement_may_be_off_by_the_tolerance_and_no_more(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)
    line = next(line for line in lines if line.role == pb.ROLE_REVIEWER)
    line.evidence.agreement_ppm += TOLERANCE_PPM + 1
    with refuses("agreement does not recompute"):
        net.add_close(lines)
    line.evidence.agreement_ppm -= 1
    net.add_close(lines)


def test_work_that_is_hardly_worth_anything_is_worth_nothing() -> None:
    """Far above the tolerance is what is paid: below, two machines could disagree who is paid at all."""
    net = Network(*people("ada", "ben", "cyn", "dov"))
    net.submit(net.people[0], [net.item(i % 10) for i in range(20)])
    net.run_rounds(*net.people[1:])
    rich = next(line for line in compute_lines(net.state) if line.role == pb.ROLE_REVIEWER)
    answers = rich.evidence.answers
    honest = Labelled.scores

    def weighing(inferred: Labelled, weight: int) -> ReviewerScores:
        scores = honest(inferred)
        return replace(scores, micro=np.full_like(scores.micro, weight))

    for weight, paid in ((1_000 * answers, 1_000 * answers), (1_000 * answers - 1, 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Labelled, "scores", lambda self, w=weight: weighing(self, w))
            found = [x for x in compute_lines(net.state) if x.role == pb.ROLE_REVIEWER]
        assert [line.weight_micro for line in found] == [paid] * 3


def test_a_close_does_not_wait_for_a_round(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    net.close()
    assert net.state.epoch == 2
    assert waiting(net) == ids(net)
