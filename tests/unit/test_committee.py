"""The committee: who lacks which seed, who is needed, who sums what."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest

from protocol.committee import (
    COMMITTEE_MAX,
    colluders_of,
    draw_committee,
    duties_of,
    held,
    masks_of,
    needed_of,
    noise_parties_max,
    seed_of,
    set_digest,
    withheld,
)
from protocol.identity import PersonId

SIZES = range(1, COMMITTEE_MAX + 1)
PEOPLE = [PersonId(hashlib.sha256(bytes([number])).digest()) for number in range(20)]


@pytest.mark.parametrize("size", SIZES)
def test_those_who_may_collude_lack_a_seed_and_one_more_lacks_none(size: int) -> None:
    masks = set(range(len(withheld(size))))
    for number in range(size + 1):
        for members in combinations(range(size), number):
            known = {mask for member in members for mask in held(size, member)}
            assert (known == masks) == (number > colluders_of(size))


@pytest.mark.parametrize("partners", [1, 2, 3, 4, 7, 10, 50])
def test_noise_that_a_partner_and_a_committee_know_is_not_counted_on(partners: int) -> None:
    colluding = max(1, colluders_of(min(COMMITTEE_MAX, partners)))
    for summed in range(1, partners + 1):
        most = noise_parties_max(partners, summed)
        assert most == 1 or summed - colluding == most


@pytest.mark.parametrize("size", SIZES)
def test_of_two_sets_of_one_round_one_has_enough(size: int) -> None:
    """An honest member opens one set, those who collude may open both; of three, see `needed_of`."""
    colluding = colluders_of(size) if size != 3 else 0
    honest = size - colluding
    most = honest // 2 + colluding  # whoever splits the honest leaves one side with so many
    assert most < needed_of(size)
    assert colluders_of(size) < needed_of(size) <= size
    if size > 2:
        assert needed_of(size) < size, "one may always be away"


@pytest.mark.parametrize("size", SIZES)
def test_every_mask_has_one_duty_of_those_who_hold_it(size: int) -> None:
    for number in range(needed_of(size), size + 1):
        for present in combinations(range(size), number):
            duties = duties_of(size, present)
            assert duties is not None
            done = [mask for masks in duties.values() for mask in masks_of(masks)]
            assert sorted(done) == list(range(len(withheld(size))))
            for holders, masks in duties.items():
                assert len(set(holders)) == len(holders) <= 2
                for holder in holders:
                    assert holder in present
                    assert set(masks_of(masks)) <= set(held(size, holder))
            if number > max(1, 2 * colluders_of(size)):
                assert all(len(holders) == 2 for holders in duties), "a neighbour makes sure"


def test_a_mask_that_nobody_holds_is_no_duty() -> None:
    assert duties_of(7, [0, 1]) is None
    assert duties_of(7, [0, 1, 2]) is not None


def test_a_committee_is_drawn_by_all_that_nobody_chooses() -> None:
    def drawn(round_: int = 1, seed: bytes = b"s", model: bytes = b"m", job: str = "train"):  # type: ignore[no-untyped-def]
        return draw_committee(job, round_, seed, model, PEOPLE)

    first = drawn()
    assert len(first) == len(set(first)) == COMMITTEE_MAX
    assert first == draw_committee("train", 1, b"s", b"m", PEOPLE[::-1]), "in no order"
    others = [drawn(2), drawn(seed=b"t"), drawn(model=b"n"), drawn(job="other")]
    assert len({first, *others}) == 5
    assert draw_committee("train", 1, b"s", b"m", PEOPLE[:3]) != ()
    seats = [draw_committee("train", number, b"s", b"m", PEOPLE) for number in range(300)]
    counts = [sum(person in seat for seat in seats) for person in PEOPLE]
    assert min(counts) > 60 and max(counts) < 150, "105 of 300 are expected"


def test_names_of_seeds_and_sets_say_all_of_them() -> None:
    assert seed_of("train", [b"a", b"b"]) == seed_of("train", [b"b", b"a"])
    assert seed_of("train", [b"a", b"b"]) != seed_of("other", [b"a", b"b"])
    update = (PEOPLE[0], bytes(32), bytes(32))
    name = set_digest(b"n", "train", 1, [update])
    for other in (
        set_digest(b"m", "train", 1, [update]),
        set_digest(b"n", "other", 1, [update]),
        set_digest(b"n", "train", 2, [update]),
        set_digest(b"n", "train", 1, [update, (PEOPLE[1], bytes(32), bytes(32))]),
        set_digest(b"n", "train", 1, [(PEOPLE[0], bytes([1] * 32), bytes(32))]),
        set_digest(b"n", "train", 1, [(PEOPLE[0], bytes(32), bytes([1] * 32))]),
    ):
        assert name != other
