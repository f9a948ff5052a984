"""The fold: rounds of training, how a job ends and what it pays, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol.jobs import Trained
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.rules import training_rounds
from protos.gen import records_pb2 as pb
from tests.fold import last_lines, refuses, same
from tests.simulated import NETWORK, Network
from tests.simulated_training import (
    add_round,
    end_of,
    enrol,
    failed_of,
    finish,
    fix,
    model_of,
    open_job,
    round_of,
    set_of,
    train,
    update,
)


@pytest.fixture
def joined(net: Network) -> Network:
    """A job of two rounds and a quorum of two, which three partners have joined."""
    open_job(net, *net.people[:4])
    enrol(net, *net.people[:3])
    return net


# ---- rounds ----


def test_a_round_is_made_of_signed_updates_and_enough_of_them(joined: Network) -> None:
    ada, ben, cyn, *_ = joined.people
    update(joined, ada)
    with refuses("signed no update in this round"):
        fix(joined, ada, ben)
    with refuses("needs 2 updates, not 1"):
        fix(joined, ada)
    update(joined, ben)
    backwards = set_of(joined, ada, ben)
    backwards.partners[:] = backwards.partners[::-1]
    with refuses("in ascending order"):
        joined.add(joined.operator, "training-set", backwards)
    with refuses("in ascending order"):
        fix(joined, ada, ada)
    fix(joined, ada, ben)
    with refuses("the round's set is fixed"):
        update(joined, cyn)
    with refuses("fixed already"):
        fix(joined, ada, ben)
    with refuses("not those of the round's set"):
        add_round(joined, round_of(joined, ada))
    add_round(joined, round_of(joined, ada, ben))
    with refuses("signed no update in this round"):
        fix(joined, ada, ben)  # the last round's updates are used up


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"round": 2}, "round 2 of the job has not begun"),
        ({"base_model": bytes([1] * 32)}, "starts from another model"),
        ({"model": b""}, "the model's hash"),
        ({"checkpoint": b""}, "the checkpoint's hash"),
        ({"epsilon_micro": 0}, "costs privacy, and never more"),
        ({"epsilon_micro": 3 * PPM + 1}, "costs privacy, and never more"),
        ({"accuracy_ppm": PPM + 1}, "the accuracy is above one"),
    ],
)
def test_a_round_continues_its_job(
    joined: Network, change: dict[str, object], message: str
) -> None:
    ada, ben, *_ = joined.people
    update(joined, ada, ben)
    good = round_of(joined, ada, ben)
    spoiled = pb.TrainingRound()
    spoiled.CopyFrom(good)
    for name, value in change.items():
        setattr(spoiled, name, value)
    with refuses(message):
        add_round(joined, spoiled)
    add_round(joined, good)
    assert joined.state.jobs["train"].model == good.model


def test_epsilon_grows_with_every_round_up_to_the_jobs(joined: Network) -> None:
    ada, ben, *_ = joined.people
    train(joined, ada, ben)
    update(joined, ada, ben)
    body = round_of(joined, ada, ben)
    body.epsilon_micro = joined.state.jobs["train"].epsilon_micro
    with refuses("costs privacy, and never more"):
        add_round(joined, body)
    body.epsilon_micro = 3 * PPM
    add_round(joined, body)
    assert joined.state.jobs["train"].epsilon_micro == 3 * PPM


# ---- the end ----


def test_a_model_follows_all_rounds(joined: Network) -> None:
    ada, ben, *_ = joined.people
    with refuses("has not begun, and it cannot be completed now"):
        finish(joined, model_of(joined))
    train(joined, ada, ben)
    with refuses("rounds have not all run"):
        finish(joined, model_of(joined))
    train(joined, ada, ben)
    finish(joined, model_of(joined))
    assert joined.state.jobs["train"].status is JobStatus.COMPLETED
    with refuses("is over: it was completed, and it cannot be completed now"):
        finish(joined, model_of(joined))
    with refuses("is over: it was completed, and it cannot be ended now"):
        finish(joined, end_of(epsilon_micro=joined.state.jobs["train"].epsilon_micro))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": pb.JOB_OUTCOME_UNSPECIFIED}, "completes a job or ends it"),
        ({"weights": bytes(32)}, "not that of the last round"),
        ({"artifact": b""}, "the artifact's hash"),
        ({"card": b""}, "the card's hash"),
        ({"accuracy_fp32_ppm": PPM + 1}, "the accuracy is above one"),
        ({"accuracy_int8_ppm": PPM + 1}, "the accuracy is above one"),
        ({"held_back": 0}, "that nobody trained on"),
        ({"fp32_bytes": 0}, "a model has a size"),
        ({"int8_bytes": 0}, "a model has a size"),
        ({"epsilon_micro": 1}, "costs what its rounds cost"),
    ],
)
def test_a_model_says_what_came_out(
    joined: Network, change: dict[str, object], message: str
) -> None:
    for _ in range(2):
        train(joined, *joined.people[:2])
    good = model_of(joined)
    spoiled = pb.Model()
    spoiled.CopyFrom(good)
    for name, value in change.items():
        setattr(spoiled, name, value)
    with refuses(message):
        finish(joined, spoiled)
    finish(joined, good)


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_job_that_ends_early_says_why(joined: Network, rounds: int) -> None:
    for _ in range(rounds):
        train(joined, *joined.people[:2])
    body = end_of(epsilon_micro=joined.state.jobs["train"].epsilon_micro)
    for change, message in (
        ({"reason": ""}, "says why"),
        ({"artifact": bytes(32)}, "has no artifact"),
        ({"card": bytes(32)}, "has no artifact"),
        ({"weights": bytes([1] * 32)}, "not those of the last round"),
        ({"epsilon_micro": 2 * PPM}, "costs what its rounds cost"),
    ):
        spoiled = pb.Model()
        spoiled.CopyFrom(body)
        for name, value in change.items():
            setattr(spoiled, name, value)
        with refuses(message):
            finish(joined, spoiled)
    finish(joined, body)
    assert joined.state.jobs["train"].status is JobStatus.ENDED
    with refuses("is over: it ended early, and no round of it can run now"):
        update(joined, joined.people[0])
    with refuses("is over: it ended early, and nobody can join it now"):
        enrol(joined, joined.people[3])


def test_only_the_operator_leads_a_job(joined: Network) -> None:
    ada, ben, *_ = joined.people
    with refuses("only the network's operator"):
        joined.add(ada, "training-start", pb.TrainingStart(network=NETWORK, job_id="train"))
    update(joined, ada, ben)
    with refuses("only the network's operator"):
        joined.add(ada, "training-set", set_of(joined, ada, ben))
    with refuses("only the network's operator"):
        joined.add(ada, "failed-round", failed_of(joined))
    with refuses("only the network's operator"):
        joined.add(ada, "training-round", round_of(joined, ada, ben))
    with refuses("only the network's operator"):
        joined.add(ada, "model", end_of())


# ---- pay ----


def test_trainers_are_paid_by_the_updates_in_rounds(joined: Network) -> None:
    ada, ben, cyn, dov, _ = joined.people
    open_job(joined, ben, dov, id="second", price_ppm=2 * PPM)
    enrol(joined, ben, dov, job_id="second")
    train(joined, ada, ben)
    update(joined, cyn)  # is in no round's set
    update(joined, ada, ben)
    add_round(joined, round_of(joined, ada, ben))
    train(joined, ben, dov, job_id="second")
    joined.close()
    lines = {(line.person, line.job_id): line for line in last_lines(joined, pb.ROLE_TRAINER)}
    expected = {
        (ada.id, "train"): (2, 2 * PPM, 12_500_000),
        (ben.id, "train"): (2, 2 * PPM, 12_500_000),
        (ben.id, "second"): (1, 2 * PPM, 12_500_000),
        (dov.id, "second"): (1, 2 * PPM, 12_500_000),
    }
    assert {
        key: (line.evidence.updates, line.weight_micro, int(line.amount))
        for key, line in lines.items()
    } == expected
    assert list(lines) == sorted(lines)
    joined.close()
    assert last_lines(joined, pb.ROLE_TRAINER) == [], "each update is paid once"
    assert same(joined.replay(), joined.state)


def test_a_job_is_paid_epoch_by_epoch_and_holds_up_none(joined: Network) -> None:
    ada, ben, *_ = joined.people
    train(joined, ada, ben)
    joined.close()
    assert [int(line.amount) for line in last_lines(joined, pb.ROLE_TRAINER)] == [25_000_000] * 2
    update(joined, ada)
    joined.close()
    assert last_lines(joined, pb.ROLE_TRAINER) == []
    update(joined, ben)
    add_round(joined, round_of(joined, ada, ben))
    joined.close()
    assert len(last_lines(joined, pb.ROLE_TRAINER)) == 2
    assert joined.state.jobs["train"].status is JobStatus.TRAINING


def test_an_epoch_trains_no_more_than_its_close_pays(
    joined: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, cyn, *_ = joined.people
    monkeypatch.setattr(training_rounds, "TRAINER_LINES_MAX", 2)
    train(joined, ada, ben)
    update(joined, ada, cyn)
    body = round_of(joined, ada, cyn)
    with refuses("at most 2 trainers"):
        add_round(joined, body)
    joined.close()
    add_round(joined, body)
    once = Trained(updates=1, worth_ppm=PPM)
    assert dict(joined.state.trained.scan()) == {(ada.id, "train"): once, (cyn.id, "train"): once}
