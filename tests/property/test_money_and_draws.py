"""What must hold for every split, every draw and every belief."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import PersonId
from protocol.limits import PPM
from protocol.money.pools import contribution_weights, emission_pools, split
from protocol.review.reputation import (
    NEWCOMER_PPM,
    deviation_ppm,
    draw_weight,
    faded,
    interval_ppm,
    keep_evidence,
    mean_ppm,
    observed,
)
from protocol.review.sampling import Candidate, Task, assign, is_flipped, select, tasks_of
from protocol.rows import Belief
from protocol.state import State

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


weighed = st.integers(0, 10**9)


@given(st.lists(weighed, max_size=5), weighed, weighed)
def test_what_comes_off_comes_off_all_lines_of_an_author_together(
    earned: list[int], penalty: int, owed: int
) -> None:
    """However they are divided: nothing that takes away hides behind a line that earned nothing."""
    weights, repaid = contribution_weights(earned, penalty, owed)
    assert all(weight >= 0 for weight in (*weights, *repaid))
    assert all(w + r <= e for w, r, e in zip(weights, repaid, earned, strict=True))
    kept = max(0, sum(earned) - penalty)
    assert sum(repaid) == min(kept, owed)
    assert sum(weights) == kept - sum(repaid)
    assert contribution_weights(earned, 0, 0) == (earned, [0] * len(earned))


def _person(number: int) -> PersonId:
    return PersonId(hashlib.sha256(number.to_bytes(4, "big")).digest())


@given(st.binary(min_size=32, max_size=32), st.integers(1, 30), st.integers(0, 12))
def test_a_draw_is_fair_game_for_everybody_but_the_excluded(
    seed: bytes, items: int, people: int
) -> None:
    candidates = [Candidate(_person(i), 1 + i * 1000) for i in range(people)]
    tasks = [Task(_person(1000 + i), frozenset({_person(i % 13)}), 3) for i in range(items)]
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
    heavy, light = Candidate(_person(1), 900), Candidate(_person(2), 100)
    first = Counter(
        assign(_person(seed), [Task(b"item", frozenset(), 1)], [heavy, light])[b"item"][0]
        for seed in range(2000)
    )
    assert 0.87 < first[heavy.person] / 2000 < 0.93


def test_an_author_of_everything_leaves_the_work_to_the_others() -> None:
    author, friend, other = (Candidate(_person(n), 1) for n in range(3))
    own = [Task(bytes([n]), frozenset({author.person}), 1) for n in range(40)]
    alone = tasks_of(assign(b"seed", own, [author, friend]))
    assert alone == {friend.person: tuple(task.item_id for task in own)}
    shared = tasks_of(assign(b"seed", own, [author, friend, other]))
    assert all(len(shared[each.person]) <= 30 for each in (friend, other)), "1.5 even shares"
    mixed = [*own[:-1], Task(b"last", frozenset(), 1)]
    capped = tasks_of(assign(b"seed", mixed, [author, friend]))
    assert len(capped[friend.person]) == 30, "whoever may review something has a share"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 40), st.integers(1, 45))
def test_seats_are_taken_by_whom_the_seed_says(seed: bytes, people: int, seats: int) -> None:
    candidates = [Candidate(_person(i), 1 + i * 1000) for i in range(people)]
    seated = select(seed, candidates, seats)
    assert len(seated) == min(people, seats)
    assert {c.person for c in seated} <= {c.person for c in candidates}
    assert len({c.person for c in seated}) == len(seated)
    again = select(seed, candidates[::-1], seats)
    assert {c.person for c in again} == {c.person for c in seated}, "not by the order of arrival"


def test_half_of_the_reviewers_see_the_other_answer_first() -> None:
    seed = _person(0)
    flipped = sum(is_flipped(seed, _person(i), _person(j)) for i in range(40) for j in range(50))
    assert 900 < flipped < 1100
    assert is_flipped(seed, _person(1), _person(2)) == is_flipped(seed, _person(1), _person(2))


evidence = st.integers(0, 10**6).map(lambda n: n * PPM)
beliefs = st.builds(Belief, evidence, evidence, st.integers(1, 5))
kept = st.sampled_from([PPM, 0, 1, 900_000, 999_999])


@given(beliefs)
def test_a_belief_has_its_mean_inside_its_interval(belief: Belief) -> None:
    low, high = interval_ppm(belief)
    assert 0 <= low <= mean_ppm(belief) <= high <= PPM


@given(beliefs)
def test_evidence_moves_the_mean_its_way(belief: Belief) -> None:
    better = observed(belief, PPM)
    assert mean_ppm(better) >= mean_ppm(belief)
    assert mean_ppm(observed(better, 0)) <= mean_ppm(better)


@given(beliefs, st.integers(0, PPM))
def test_one_observation_is_one_however_right_it_was(belief: Belief, right_ppm: int) -> None:
    after = observed(belief, right_ppm)
    assert after.right_micro - belief.right_micro == right_ppm
    total = after.right_micro + after.wrong_micro
    assert total - belief.right_micro - belief.wrong_micro == PPM
    assert after.epoch == belief.epoch


@given(beliefs)
def test_nobody_gains_by_shedding_a_bad_name(belief: Belief) -> None:
    assert draw_weight(belief) >= draw_weight(None) == NEWCOMER_PPM


@given(beliefs, st.lists(kept, min_size=1, max_size=12))
def test_fading_when_asked_is_fading_at_each_close(belief: Belief, closes: list[int]) -> None:
    """Whoever is asked about seldom, and whoever is asked about in every epoch, faded alike."""
    state = State()
    right, wrong, often = belief.right_micro, belief.wrong_micro, belief
    for kept_ppm in closes:
        state.policy = replace(state.policy, reputation_decay_ppm=kept_ppm)
        keep_evidence(state)
        if state.epoch >= belief.epoch:
            right, wrong = right * kept_ppm // PPM, wrong * kept_ppm // PPM
        state.epoch += 1
        if state.epoch >= belief.epoch:
            often = faded(often, state.epoch, state.decay)
            assert often == Belief(right, wrong, state.epoch)
            assert faded(belief, state.epoch, state.decay) == often
    runs = 1 + sum(one != other for one, other in pairwise(closes))
    assert len(state.decay) == runs, "a network with one policy has one row, however old"


def test_the_deviation_is_that_of_a_beta_distribution() -> None:
    # Beta(51, 1): mean 51/52, variance 51 / (52^2 * 53).
    belief = Belief(50 * PPM, 0)
    assert abs(deviation_ppm(belief) - PPM * (51 / (52**2 * 53)) ** 0.5) <= 2
