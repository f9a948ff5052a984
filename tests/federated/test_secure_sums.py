"""Secure sums between honest machines: exact, whoever is away as long as enough are left."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federated.flower.grid import LocalGrid
from federated.opening import RoundFailed
from federated.ring import Ring
from federated.secure_sum import hide
from protocol.committee import colluders_of, held, needed_of, withheld
from protocol.errors import Reject
from protocol.shares import Place, open_share
from tests.federated_lab_sums import RING, SIZE, Make


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_a_sum_is_exact_and_hides_what_it_is_made_of(make: Make, count: int) -> None:
    lab = make(count)
    lab.submit(*lab.people)
    lab.fix(*lab.people)
    opened = lab.open()
    lab.assert_exact(opened)
    assert opened.faulty == ()
    for who, masked in lab.given.items():
        assert not np.array_equal(RING.unpack(masked.hidden, SIZE), lab.values[who])


def test_the_sum_of_each_cohort_is_opened_and_of_nobody_else(make: Make) -> None:
    lab = make(6)
    job = lab.net.state.jobs["train"]  # whose rules would want a snapshot, too
    lab.net.state.jobs.put("train", replace(job, terms=replace(job.terms, cohorts=2)))
    lab.submit(*lab.people)
    lab.fix(*lab.people[:5])
    opened = lab.open()
    assert sorted(len(group) for group in opened.groups) == [2, 3]
    assert {who for group in opened.groups for who in group} == {p.id for p in lab.people[:5]}
    lab.assert_exact(opened)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8])
def test_as_many_may_be_away_as_are_not_needed(make: Make, count: int) -> None:
    lab = make(count)
    lab.submit(*lab.people)
    lab.fix(*lab.people)
    members = lab.committee
    spare = len(members) - needed_of(len(members))
    lab.assert_exact(lab.open(silent=members[:spare]))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_one_more_away_fails_the_round_with_names(make: Make, count: int) -> None:
    lab = make(count)
    lab.submit(*lab.people)
    lab.fix(*lab.people)
    members = lab.committee
    away = members[: len(members) - needed_of(len(members)) + 1]
    with pytest.raises(RoundFailed, match="did not answer in time") as failed:
        lab.open(silent=away)
    assert set(failed.value.missing) == {person.id for person in away}


def test_a_partner_that_gave_no_update_still_opens(make: Make) -> None:
    lab = make(4)
    lab.submit(*lab.people[1:])
    lab.fix(*lab.people[1:])
    lab.assert_exact(lab.open())


def test_a_member_that_dies_after_its_word_is_replaced(make: Make) -> None:
    """It has said what it opens, and is gone before it shows it: others open its masks."""
    lab = make(5)
    lab.submit(*lab.people)
    lab.fix(*lab.people)
    first = lab.committee[0]
    grid: LocalGrid

    def hook(honest: ClientApp, message: Message, context: Context) -> Message:
        grid.silent.add(lab.key(first))
        return honest(message, context)

    lab.hooks[first.id] = hook
    grid = lab.grid()
    lab.assert_exact(lab.open_over(grid))
    assert first.id in {who for who, _ in lab.log.fixed().opened}


def test_those_who_may_collude_see_noise_and_one_more_sees_all(make: Make) -> None:
    """What a coordinator and members with all their keys can take off one hidden update."""
    lab = make(5)
    victim = lab.people[0]
    lab.submit(victim)
    start, masked = lab.log.round(), lab.given[victim.id]
    size = start.committee.size
    place = Place(start.network, "train", 1, victim.id)

    def known(seats: tuple[int, ...]) -> dict[int, bytes]:
        seeds: dict[int, bytes] = {}
        for seat in seats:
            member = lab.members[start.committee.members[seat]]
            private = member.duty.key("train")
            seeds |= open_share(place, masked.sealed.share(seat), private, seat, member.me)
        return seeds

    def left(seats: tuple[int, ...]) -> np.ndarray:
        total = RING.unpack(masked.hidden, SIZE).copy()
        masks = hide(RING, RING.zeros(SIZE), list(known(seats).values()))
        return RING.signed(total - masks)

    true = RING.signed(lab.values[victim.id])
    for seats in combinations(range(size), colluders_of(size)):
        assert len(known(seats)) == len(withheld(size)) - 1
        assert np.abs(left(seats)).max() > 100_000, "values are below a thousand"
    for seats in combinations(range(size), colluders_of(size) + 1):
        assert np.array_equal(left(seats), true)
    assert set(known((0,))) == set(held(size, 0))


# ---- vectors ----


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16, 20, 31, 32])
def test_vectors_travel_in_as_many_bits_as_they_have(bits: int) -> None:
    ring, rng = Ring(bits), np.random.default_rng(bits)
    words = ring.of(rng.integers(-(2**40), 2**40, 33))
    raw = ring.pack(words)
    assert len(raw) == ring.packed_bytes(33) == -(-33 * bits // 8)
    assert np.array_equal(ring.unpack(raw, 33), words)
    for wrong in (raw[:-1], raw + b"\0", b""):
        with pytest.raises(Reject, match="has"):
            ring.unpack(wrong, 33)
    if (33 * bits) % 8:
        with pytest.raises(Reject, match="ends with zeros"):
            ring.unpack(raw[:-1] + b"\xff", 33)
    signed = ring.signed(words)
    assert signed.min() >= -(2 ** (bits - 1)) and signed.max() < max(1, 2 ** (bits - 1))
    assert np.array_equal(ring.of(signed), words)


@pytest.mark.parametrize("bits", [0, 33, -1])
def test_rings_have_one_to_thirty_two_bits(bits: int) -> None:
    with pytest.raises(Reject, match="not 2"):
        Ring(bits)


def test_masks_are_uniform_and_differ_by_seed() -> None:
    ring = Ring(32)
    one, other = (hide(ring, ring.zeros(40_000), [bytes([n]) * 32]) for n in (1, 2))
    assert not np.array_equal(one, other)
    for words in (one, other):
        ones = np.unpackbits(words.view(np.uint8)).mean()
        assert abs(ones - 0.5) < 0.003  # six deviations of 1,280,000 coins
    again = hide(ring, ring.zeros(40_000), [bytes([1]) * 32])
    assert np.array_equal(one, again)
    assert np.array_equal(hide(Ring(8), Ring(8).zeros(9), [bytes(32)] * 256), Ring(8).zeros(9))
