"""The fold: cohorts, pay by worth, questions; each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol.cohorts import update_weights
from protocol.jobs import CohortSum
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protos.gen import records_pb2 as pb
from tests.fold import changed, last_lines, refuses, same
from tests.simulated import EVERY_USE, Network
from tests.simulated_training import (
    add_round,
    enrol,
    failed_of,
    finish,
    fix,
    job,
    model_of,
    open_job,
    round_of,
    train,
    update,
)

WATCHED = {"margin_ppm": 30_000}
BY_WORTH = {"quorum": 4, "cohorts": 2, "defence": "trusted", "worth_ppm": PPM // 2}
QUESTION = {"is_question": True, "rounds": 1, "sampling_ppm": PPM}


@pytest.fixture
def snapshot(net: Network) -> bytes:
    """Public examples, which rounds are compared with."""
    ada, _, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_epoch(*reviewers)
    return net.snapshot(EVERY_USE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohorts": 1}, "1 cohorts of the 4 partners"),
        ({"cohorts": 3}, "3 cohorts of the 4 partners"),
        ({"noise_parties": 3}, "3 partners are to make the noise of a sum of 2 updates"),
        ({"defence": ""}, "not combined by ''"),
        ({"defence": "hope"}, "not combined by 'hope'"),
        ({"cohorts": 0}, "not combined by 'trusted'"),
        ({"cohorts": 0, "defence": ""}, "does not show what one of them is worth"),
        ({"worth_ppm": PPM + 1}, "more than all of the pay"),
        ({"margin_ppm": PPM}, "the margin is one or more"),
        ({"snapshot": b""}, "compared with nothing"),
        (WATCHED | {"snapshot": b"", "cohorts": 0, "defence": "", "worth_ppm": 0}, "with nothing"),
    ],
)
def test_a_job_says_how_it_looks_at_its_partners(
    net: Network, snapshot: bytes, change: dict[str, object], message: str
) -> None:
    good = job(partners=[person.id for person in net.people[:4]], snapshot=snapshot, **BY_WORTH)
    with refuses(message):
        net.add(net.operator, "job", changed(good, **change))
    net.add(net.operator, "job", good)


# ---- rounds of cohorts ----


def by_worth(net: Network, snapshot: bytes, **changes: object) -> None:
    """A job of two cohorts, half of whose pay goes by worth, with four partners' updates."""
    open_job(net, *net.people[:4], snapshot=snapshot, **(BY_WORTH | changes))
    enrol(net, *net.people[:4])
    update(net, *net.people[:4])


def round_by(net: Network, shares: list[int]) -> pb.TrainingRound:
    made = round_of(net, *net.people[:4])
    made.usefulness_micro.extend([5 * PPM, -PPM])
    made.weights_ppm.extend(update_weights(shares, PPM // 2))
    return made


def test_a_round_of_cohorts_says_what_each_showed(net: Network, snapshot: bytes) -> None:
    by_worth(net, snapshot)
    good = round_by(net, [PPM, 0, 0, 0])
    with refuses("1 measurements of 2 cohorts"):
        add_round(net, changed(good, usefulness_micro=[1]))
    with refuses("each partner's update has a weight"):
        add_round(net, changed(good, weights_ppm=[PPM] * 3))
    with refuses("do not add up"):
        add_round(net, changed(good, weights_ppm=[PPM, PPM, PPM, PPM + 1]))
    with refuses("weighs less than the 500000"):
        add_round(net, changed(good, weights_ppm=[499_999, PPM, PPM, 1_500_001]))
    add_round(net, good)


def test_a_job_that_pays_alike_takes_no_weights(net: Network, snapshot: bytes) -> None:
    by_worth(net, snapshot, worth_ppm=0)
    with refuses("pays each update alike"):
        add_round(net, round_by(net, [PPM, 0, 0, 0]))
    add_round(net, changed(round_by(net, [PPM, 0, 0, 0]), weights_ppm=[]))


def test_a_sum_of_all_has_no_measurements_of_cohorts(net: Network) -> None:
    open_job(net, *net.people[:3])
    enrol(net, *net.people[:3])
    update(net, *net.people[:3])
    with refuses("2 measurements of 0 cohorts"):
        add_round(net, changed(round_of(net, *net.people[:3]), usefulness_micro=[1, 2]))
    add_round(net, round_of(net, *net.people[:3]))


def test_trainers_are_paid_by_what_their_updates_weigh(net: Network, snapshot: bytes) -> None:
    by_worth(net, snapshot)
    shares = [PPM, 0, 0, 0]
    add_round(net, round_by(net, shares))
    net.close()
    lines = {line.person: line for line in last_lines(net, pb.ROLE_TRAINER)}
    first, *others = sorted(person.id for person in net.people[:4])
    assert lines[first].evidence.worth_ppm == lines[first].weight_micro == 2_500_000
    assert {lines[each].weight_micro for each in others} == {PPM // 2}
    assert sum(int(line.amount) for line in lines.values()) == 50_000_000
    assert {line.evidence.updates for line in lines.values()} == {1}
    assert same(net.replay(), net.state)


# ---- rounds that fail ----


def test_a_failed_round_says_what_its_cohorts_showed(net: Network, snapshot: bytes) -> None:
    by_worth(net, snapshot, spare_rounds=2)
    people = net.people[:4]
    with refuses("no set whose sums were opened"):
        net.add(net.operator, "failed-round", changed(failed_of(net), usefulness_micro=[1, 2]))
    fix(net, *people)
    groups = net.state.jobs["train"].round_set.groups  # type: ignore[union-attr]
    with refuses("1 measurements of 2 cohorts"):
        net.add(net.operator, "failed-round", changed(failed_of(net), usefulness_micro=[1]))
    net.add(net.operator, "failed-round", changed(failed_of(net), usefulness_micro=[5, -7]))
    shown = (CohortSum(groups[0], 5), CohortSum(groups[1], -7))
    assert net.state.jobs["train"].cohort_sums == shown
    update(net, *people)
    net.add(net.operator, "failed-round", failed_of(net))  # fails before its sums are opened
    update(net, *people)
    good = round_by(net, [PPM, 0, 0, 0])
    add_round(net, good)
    after = net.state.jobs["train"]
    assert after.cohort_sums[:2] == shown
    assert [each.usefulness_micro for each in after.cohort_sums[2:]] == [5 * PPM, -PPM]
    assert sorted(who for each in after.cohort_sums[2:] for who in each.partners) == sorted(
        person.id for person in people
    )
    assert same(net.replay(), net.state)


# ---- questions ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 2}, "a question of 2 rounds"),
        ({"sampling_ppm": PPM - 1}, "a question samples examples"),
        ({"momentum_ppm": 1}, "a question has a momentum"),
    ],
)
def test_a_question_is_asked_once_and_of_everybody(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = job(partners=[person.id for person in net.people[:3]], **QUESTION)
    with refuses(message):
        net.add(net.operator, "job", changed(good, **change))
    net.add(net.operator, "job", good)


def test_a_question_is_compared_with_nothing(net: Network, snapshot: bytes) -> None:
    good = job(partners=[person.id for person in net.people[:3]], **QUESTION)
    with refuses("names a snapshot"):
        net.add(net.operator, "job", changed(good, snapshot=snapshot))


def test_a_question_ends_with_an_answer_and_is_paid(net: Network) -> None:
    open_job(net, *net.people[:3], **QUESTION)
    enrol(net, *net.people[:3])
    train(net, *net.people[:3])
    state = net.state.jobs["train"]
    answer = pb.Model(
        network=model_of(net).network,
        job_id="train",
        outcome=pb.JOB_OUTCOME_COMPLETED,
        weights=state.model,
        card=net.fresh(),
        epsilon_micro=state.epsilon_micro,
    )
    with refuses("an answer is no model"):
        finish(net, model_of(net))
    with refuses("an answer is no model"):
        finish(net, changed(answer, held_back=5))
    with refuses("the answer's hash"):
        finish(net, changed(answer, card=b""))
    finish(net, answer)
    assert net.state.jobs["train"].status is JobStatus.COMPLETED
    net.close()
    assert len(last_lines(net, pb.ROLE_TRAINER)) == 3


def test_a_model_is_no_answer(net: Network) -> None:
    open_job(net, *net.people[:3], rounds=1)
    enrol(net, *net.people[:3])
    train(net, *net.people[:3])
    with refuses("the artifact's hash"):
        finish(net, changed(model_of(net), artifact=b"", held_back=0))
    finish(net, model_of(net))
