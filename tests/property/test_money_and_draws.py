"""What must hold for every split, every draw and every belief."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import Identity
from protocol.limits import PPM
from protocol.money.rewards import contribution_weight, emission_pools, split
from protocol.review.draw import Candidate, Task, assign, tasks_of
from protocol.review.reputation import (
    NEWCOMER_PPM,
    deviation_ppm,
    draw_weight,
    interval_ppm,
    mean_ppm,
    observe,
)
from protocol.state import Belief

amounts = st.integers(0, 2**63 - 1)
weights = st.lists(st.integers(0, 10**18), max_size=40)


@given(amounts, weights)
def test_a_split_conserves_every_micro_unit(pool: int, parts: list[int]) -> None:
    shares = split(pool, parts)
    assert sum(shares) == (pool if sum(parts) else 0)
    assert all(share >= 0 for share in shares)


@given(amounts, weights)
def test_a_split_is_proportional_within_one_unit(pool: int, parts: list[int]) -> None:
    total = sum(parts)
    for share, weight in zip(split(pool, parts), parts, strict=True):
        if total:
            assert abs(share * total - pool * weight) < total


@given(amounts, weights, st.integers(2, 5))
def test_splitting_ones_weight_over_many_names_gains_at_most_their_rounding(
    pool: int, others: list[int], names: int
) -> None:
    alone = split(pool, [names * 1000, *others])[0]
    sybils = sum(split(pool, [1000] * names + others)[:names])
    assert sybils <= alone + names


@given(amounts, *[st.integers(0, PPM // 3)] * 3)
def test_the_pools_are_the_whole_emission(emission: int, a: int, b: int, c: int) -> None:
    pools = emission_pools(emission, a, b, c)
    assert pools.contributors + pools.reviewers + pools.trainers + pools.treasury == emission
    assert pools.treasury >= 0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, PPM))
def test_a_rejected_item_never_pays(accepted: int, rejected: int, penalty: int) -> None:
    weight = contribution_weight(accepted, rejected, PPM, penalty)
    assert 0 <= weight <= contribution_weight(accepted, 0, PPM, penalty)
    assert contribution_weight(accepted + 1, rejected, PPM, penalty) >= weight


def _identity(number: int) -> Identity:
    return Identity(hashlib.sha256(number.to_bytes(4, "big")).digest())


@given(st.binary(min_size=32, max_size=32), st.integers(1, 30), st.integers(0, 12))
def test_a_draw_is_fair_game_for_everybody_but_the_excluded(
    seed: bytes, items: int, people: int
) -> None:
    candidates = [Candidate(_identity(i), 1 + i * 1000) for i in range(people)]
    tasks = [Task(_identity(1000 + i), frozenset({_identity(i % 13)}), 3) for i in range(items)]
    drawn = assign(seed, tasks, candidates)
    assert drawn == assign(seed, tasks, candidates[::-1]), "the order of arrival does not matter"
    load = Counter(who for reviewers in drawn.values() for who in reviewers)
    even = -(-3 * items // max(1, people))
    for task in tasks:
        reviewers = drawn[task.item_id]
        assert len(set(reviewers)) == len(reviewers) <= 3
        assert not task.excluded & set(reviewers)
    assert all(count <= -(-even * 15 // 10) for count in load.values())
    assert sum(map(len, tasks_of(drawn).values())) == sum(load.values())


def test_reviewers_are_drawn_in_proportion_to_their_weight() -> None:
    heavy, light = Candidate(_identity(1), 900), Candidate(_identity(2), 100)
    first = Counter(
        assign(_identity(seed), [Task(b"item", frozenset(), 1)], [heavy, light])[b"item"][0]
        for seed in range(2000)
    )
    assert 0.87 < first[heavy.identity] / 2000 < 0.93


beliefs = st.builds(
    Belief,
    st.integers(0, 10**6).map(lambda n: n * PPM),
    st.integers(0, 10**6).map(lambda n: n * PPM),
)


@given(beliefs)
def test_a_belief_has_its_mean_inside_its_interval(belief: Belief) -> None:
    low, high = interval_ppm(belief)
    assert 0 <= low <= mean_ppm(belief) <= high <= PPM


@given(beliefs)
def test_evidence_moves_the_mean_its_way(belief: Belief) -> None:
    before = mean_ppm(belief)
    observe(belief, right=1)
    assert mean_ppm(belief) >= before
    middle = mean_ppm(belief)
    observe(belief, wrong=1)
    assert mean_ppm(belief) <= middle


@given(beliefs)
def test_nobody_gains_by_shedding_a_bad_name(belief: Belief) -> None:
    assert draw_weight(belief) >= draw_weight(None) == NEWCOMER_PPM


def test_the_deviation_is_that_of_a_beta_distribution() -> None:
    # Beta(51, 1): mean 51/52, variance 51 / (52^2 * 53).
    belief = Belief(50 * PPM, 0)
    assert abs(deviation_ppm(belief) - PPM * (51 / (52**2 * 53)) ** 0.5) <= 2
