"""The fold: who opens the sum of a round, of which updates, and rounds that come to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from protocol.committee import COMMITTEE_MAX, held, needed_of
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.rules import opening
from protos.gen import records_pb2 as pb
from tests.fold import changed, refuses, same
from tests.simulated import Network, Person
from tests.simulated_training import (
    add_round,
    committee,
    enrol,
    failed_of,
    finish,
    fix,
    model_of,
    open_job,
    open_sums,
    opening_of,
    round_of,
    start,
    train,
    update,
)


@pytest.fixture
def fixed(net: Network) -> Network:
    """A job with two spare rounds; four partners, all of whom are in the set of its first round."""
    open_job(net, *net.people[:4], spare_rounds=2)
    enrol(net, *net.people[:4])
    update(net, *net.people[:4])
    fix(net, *net.people[:4])
    return net


def sums(net: Network) -> dict[tuple[bytes, int], bytes]:
    return {(who, masks): sum_ for (_, who, masks), sum_ in net.state.openings.scan("train")}


def test_members_open_what_they_hold_of_the_rounds_set(fixed: Network) -> None:
    member, other, *_ = committee(fixed)
    good = opening_of(fixed, member)
    [lacking] = {0, 1, 2, 3} - set(held(4, 0))
    for spoil, message in (
        (lambda body: setattr(body, "set", bytes(32)), "of another set than the round's"),
        (lambda body: setattr(body, "round", 2), "round 2 of the job has not begun"),
        (lambda body: body.sums.clear(), "says what it opens"),
        (lambda body: setattr(body.sums[0], "masks", 0), "says what it opens"),
        (lambda body: setattr(body.sums[0], "masks", 1 << lacking), "does not hold this mask"),
        (lambda body: setattr(body.sums[0], "masks", 1 << 20), "does not hold this mask"),
        (lambda body: setattr(body.sums[0], "sum", b""), "the sum's hash"),
        (lambda body: body.sums.append(body.sums[0]), "in ascending order"),
    ):
        spoiled = pb.SumOpening()
        spoiled.CopyFrom(good)
        spoil(spoiled)
        with refuses(message):
            fixed.add(member, "opening", spoiled)
    eve = fixed.people[4]
    with refuses("not in the round's committee"):
        fixed.add(eve, "opening", good)
    fixed.add(member, "opening", good)
    with refuses("has opened these masks already"):
        fixed.add(member, "opening", opening_of(fixed, member, said="something else"))
    assert len(sums(fixed)) == 3
    open_sums(fixed, other)
    assert len(sums(fixed)) == 6


def test_nothing_is_opened_before_the_set_is_fixed(net: Network) -> None:
    open_job(net, *net.people[:2])
    enrol(net, *net.people[:2])
    update(net, *net.people[:2])
    member = committee(net)[0]
    with refuses("not fixed yet"):
        open_sums(net, member)
    fix(net, *net.people[:2])
    open_sums(net, member)


def test_a_member_opens_so_many_sums_and_no_more(
    fixed: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "OPENINGS_MAX", 3)
    member = committee(fixed)[0]
    open_sums(fixed, member)
    more = opening_of(fixed, member)
    more.sums[1].masks |= more.sums[0].masks
    del more.sums[2:], more.sums[0]
    with refuses("at most 3 sums a round"):
        fixed.add(member, "opening", more)


def test_a_round_needs_enough_members_who_opened_it(fixed: Network) -> None:
    members = committee(fixed)
    assert needed_of(4) == 3
    body = round_of(fixed, *fixed.people[:4])
    open_sums(fixed, *members[:2])
    with refuses("3 of the committee have to open the sum, and 2 have"):
        fixed.add(fixed.operator, "training-round", body)
    open_sums(fixed, members[2])
    fixed.add(fixed.operator, "training-round", body)
    assert sums(fixed) == {}


def test_a_round_needs_a_set(fixed: Network) -> None:
    add_round(fixed, round_of(fixed, *fixed.people[:4]))
    with refuses("no set whose sum was opened"):
        fixed.add(fixed.operator, "training-round", round_of(fixed, *fixed.people[:4]))


def test_only_who_is_contradicted_is_called_faulty(fixed: Network) -> None:
    honest, other, liar, _ = committee(fixed)
    open_sums(fixed, honest, other)
    fixed.add(liar, "opening", opening_of(fixed, liar, said="a lie"))
    body = round_of(fixed, *fixed.people[:4])
    body.faulty.append(committee(fixed)[3].id)  # has said nothing
    with refuses("whom nobody contradicts"):
        fixed.add(fixed.operator, "training-round", body)
    body.faulty[:] = [liar.id]
    fixed.add(fixed.operator, "training-round", body)
    assert liar not in committee(fixed)
    fixed.add(fixed.operator, "failed-round", failed_of(fixed, honest, other))
    assert liar not in committee(fixed), "in no committee any more"


def test_a_failed_round_costs_its_number_and_a_spare_one(fixed: Network) -> None:
    first = committee(fixed)
    for change, message in (
        ({"reason": ""}, "says why"),
        ({"epsilon_micro": 0}, "costs privacy"),
        ({"epsilon_micro": 3 * PPM + 1}, "never more than the job has"),
        ({"round": 2}, "has not begun"),
        ({"missing": [fixed.people[4].id]}, "who has not joined"),
    ):
        spoiled = changed(failed_of(fixed), **change)
        with refuses(message):
            fixed.add(fixed.operator, "failed-round", spoiled)
    fixed.add(fixed.operator, "failed-round", failed_of(fixed, first[0]))
    job = fixed.state.jobs["train"]
    assert (job.present, job.round_set, job.epsilon_micro) == (2, None, PPM // 10)
    assert first[0] not in committee(fixed)
    assert fixed.state.updates.count("train") == 0
    with refuses("round 1 of the job is over"):
        late = failed_of(fixed)
        late.round = 1
        fixed.add(fixed.operator, "failed-round", late)
    fixed.add(fixed.operator, "failed-round", failed_of(fixed))
    with refuses("2 rounds have failed, as many as the job has to spare"):
        fixed.add(fixed.operator, "failed-round", failed_of(fixed))
    for _ in range(2):
        train(fixed, *fixed.people[:3])
    assert [done.round for done in fixed.state.jobs["train"].rounds] == [3, 4]
    finish(fixed, model_of(fixed))
    assert fixed.state.jobs["train"].status is JobStatus.COMPLETED
    assert same(fixed.replay(), fixed.state)


def test_nobody_makes_a_committee_of_its_friends_by_missing_the_others(fixed: Network) -> None:
    """A round needs two updates: a committee is never drawn of fewer."""
    members = committee(fixed)
    fixed.add(fixed.operator, "failed-round", failed_of(fixed, *members[:2]))
    assert set(ids(committee(fixed))) == set(ids(members[2:]))
    fixed.add(fixed.operator, "failed-round", failed_of(fixed, members[2]))
    assert len(committee(fixed)) == 4


def ids(people: Sequence[Person]) -> list[bytes]:
    return [person.id for person in people]


def test_the_next_committee_is_of_those_who_were_in_the_last_set(fixed: Network) -> None:
    members = committee(fixed)
    add_round(fixed, round_of(fixed, *fixed.people[:4]))
    assert set(ids(committee(fixed))) == set(ids(members))
    train(fixed, *fixed.people[:3])
    assert set(ids(committee(fixed))) == set(ids(fixed.people[:3]))


def test_committees_change_from_round_to_round() -> None:
    people = [Person(f"partner-{number}") for number in range(12)]
    net = Network(*people)
    open_job(net, *people, rounds=6)
    enrol(net, *people)
    start(net)
    seen = []
    for _ in range(5):
        seen.append(frozenset(ids(committee(net))))
        assert len(seen[-1]) == COMMITTEE_MAX
        train(net, *people)
    assert len(set(seen)) > 1
