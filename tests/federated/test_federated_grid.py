"""On the grid an example counts what it should, noise is what was promised, and sums come back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.grid import (
    SLACK_MAX,
    UNITS,
    Floats,
    carried,
    clip_of,
    coarsest,
    fitting,
    from_ring,
    require_grid,
    ring_of,
    sensitivity,
    share_variance,
    slack,
    to_ring,
    turn,
    turn_back,
)
from federated.ring import Words
from federated.spec import TrainingSpec
from protocol.errors import ConfigError, StateError
from tests.training_lab import seeded, spec

SIZE = 1_000


def job(**changes: object) -> TrainingSpec:
    """A job of few values, with its own grid."""
    made = spec(**({"values": SIZE, "parameters": SIZE, "clip": 2.0} | changes))
    return made if "step" in changes else fitting(made)


def summed(words: list[Words]) -> Words:
    return np.asarray(np.sum(words, axis=0, dtype=words[0].dtype))


def vector(seed: int, size: int = SIZE, length: float = 1.0) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=size)
    return drawn * (length / np.linalg.norm(drawn))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3_000), st.integers(0, 99))
def test_turning_keeps_lengths_and_can_be_undone(size: int, seed: int) -> None:
    one, other = vector(seed, size), vector(seed + 1, size)
    turned = turn(one, "job")
    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert turned @ turn(other, "job") == pytest.approx(one @ other, abs=1e-12)
    np.testing.assert_allclose(turn_back(turned, "job"), one, atol=1e-12)


def test_turning_spreads_what_is_in_one_place() -> None:
    single = np.zeros(4_096)
    single[17] = 1.0
    assert abs(turn(single, "job")).max() == pytest.approx(1 / 64)
    assert not np.allclose(turn(single, "job"), turn(single, "another job"))


def test_rounds_carry_all_parameters_by_turns() -> None:
    part = job(values=400, step=UNITS)
    seen = [carried(part, number) for number in range(1, 6)]
    places = np.concatenate([each for each in seen if each is not None])
    assert np.bincount(places).tolist() == [2] * SIZE
    assert carried(job(step=UNITS), 1) is None, "all of them, in their own order"
    assert len(set(places[:400] // 100)) == 10, "from everywhere"


@pytest.mark.parametrize("values", [SIZE, SIZE // 2, 300])
def test_rounds_of_parts_add_up_to_whole_updates(values: int) -> None:
    """In as many rounds as carry everything as often."""
    made = job(values=values, step=10, bits=32, noise_multiplier=1e-3)
    rounds, gradient = SIZE // math.gcd(SIZE, values), vector(5, length=50.0)
    total = np.zeros(SIZE)
    for number in range(1, rounds + 1):
        places = carried(made, number)
        part = gradient if places is None else gradient[places]
        total += from_ring(to_ring(part, made, seeded(number)), made, number)
    np.testing.assert_allclose(total, rounds * values / SIZE * gradient, atol=0.1)


@pytest.mark.parametrize("values", [SIZE * 4, SIZE * 2, 1_200])
def test_noise_falls_as_the_part_that_a_round_carries(values: int) -> None:
    """A random part of a gradient is shorter, and so is the clip; and each parameter is moved less often."""
    size = 4 * SIZE
    made = job(
        values=values,
        parameters=size,
        step=UNITS // 8,
        bits=32,
        noise_parties=1,
        noise_multiplier=5.0,
    )
    rounds, total = 20, np.zeros(size)
    for number in range(1, rounds + 1):
        total += from_ring(to_ring(np.zeros(values), made, seeded(number)), made, number)
    whole = 5.0 * made.clip * math.sqrt(rounds)
    assert np.std(total) == pytest.approx(whole * values / size, rel=0.04)
    assert clip_of(made) == pytest.approx(made.clip * math.sqrt(values / size))


@pytest.mark.parametrize(("bits", "is_right"), [(None, False), (32, True)])
def test_an_answer_of_32_bits_counts_far_more_examples_than_were_expected(
    bits: int | None, is_right: bool
) -> None:
    """A question counts what nobody knows before; without them a sum wraps around, and looks as exact."""
    asked = job(values=2, parameters=2, clip=1.0, expected_examples=10, step=1)
    asked = fitting(replace(asked, noise_multiplier=4.0), bits)
    counted = np.array([10_000.0, 0.0])
    total = summed([to_ring(counted, asked, seeded(number)) for number in range(4)])
    error = abs(from_ring(total, asked, 1)[0] - 40_000)
    assert (error < 100) == is_right


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 99), st.floats(0.5, 20.0))
def test_whoever_drops_out_the_sum_has_the_noise(
    parties: int, more: int, seed: int, noise: float
) -> None:
    """Nothing but noise: of 4,000 values the deviation is known to 2 % or so."""
    made = job(
        noise_parties=parties, quorum=parties, noise_multiplier=noise, values=4_000, parameters=4_000,
        partners=parties + more,
    )  # fmt: skip
    shares = [
        to_ring(np.zeros(4_000), made, seeded(100 * seed + number))
        for number in range(parties + more)
    ]
    survivors = np.random.default_rng(seed).permutation(len(shares))[: parties + seed % (more + 1)]
    words = summed([shares[each] for each in survivors])
    deviation = np.std(from_ring(words, made, 1))
    promised = noise * made.clip
    assert deviation > 0.96 * promised
    assert deviation < 1.06 * promised * math.sqrt(len(survivors) / parties)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(0.0, 500.0), st.sampled_from([None, 8, 20]))
def test_a_sum_comes_back_but_for_its_noise(seed: int, length: float, bits: int | None) -> None:
    made = fitting(job(noise_multiplier=1.0), bits)
    parts = [vector(3 * seed + number, length=length) for number in range(3)]
    words = [to_ring(each, made, seeded(number)) for number, each in enumerate(parts)]
    total = from_ring(summed(words), made, 1)
    error = total - sum(parts)
    assert np.std(error) < 1.1 * made.clip * math.sqrt(3 / 2 + 3 * (made.step / UNITS) ** 2 / 12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.floats(0.0, 1.0), st.floats(1e-6, 4e3), st.integers(1, 2_000))
def test_an_example_moves_a_sum_on_the_grid_by_no_more_than_is_accounted(
    seed: int, length: float, clip: float, size: int
) -> None:
    others, one = vector(seed, size, 1_000 * clip), vector(seed + 1, size, length * clip)
    with_it, without = (
        np.rint(turn(each, "job") * (UNITS / clip)).astype(np.int64)
        for each in (others + one, others)
    )
    assert math.dist(with_it, without) <= sensitivity(size)


def test_noise_is_whole_rounded_up_and_grows_with_what_rounding_adds() -> None:
    assert share_variance(1.0, 1, 1) >= sensitivity(1) ** 2 > UNITS**2
    assert share_variance(6.25, 3, SIZE) * 3 >= (6.25 * sensitivity(SIZE)) ** 2
    assert share_variance(6.25, 3, SIZE) * 3 < (6.25 * UNITS * 1.001) ** 2
    assert share_variance(1e-6, 256, 1) >= 1


def test_coarse_steps_leave_a_trace_and_fine_ones_none() -> None:
    assert slack(1.0, 4, 1_000) > 1e-3
    assert slack(2.0, 4, 10**6) < 1e-18 * 10**6
    assert slack(0.5, 1, 10**9) == 0.0, "alone it is a rounding of what is noisy already"
    assert slack(0.1, 2, 1) == math.inf, "no statement"


def test_the_law_of_coarse_sums_is_the_same_whoever_holds_what() -> None:
    """Two shares of one step's deviation: the sum's law is compared for two ways to split one signal.

    By enumeration, not by drawing: fine values of 64 a step, cut to steps and convolved. The same total moved
    between partners shows by no more than `slack` says, and shows more where steps are coarser.
    """

    def law(offset: int, deviation: float) -> Floats:
        fine = np.arange(-64 * 40, 64 * 40)
        chances = np.exp(-((fine - offset) ** 2) / (2 * (64 * deviation) ** 2))
        steps = np.floor_divide(fine + 32, 64)
        law_ = np.bincount(steps - steps.min(), chances)
        return np.asarray(law_ / law_.sum())

    def traced(deviation: float) -> float:
        one = np.convolve(law(20, deviation), law(-20, deviation))
        other = np.convolve(law(0, deviation), law(0, deviation))
        likely = one > 1e-9
        return float(abs(np.log(one[likely] / other[likely])).max())

    for deviation in (0.8, 1.0, 1.2):
        assert 1e-8 < traced(deviation) < slack(deviation, 2, 1)
    assert traced(0.8) > 100 * traced(1.2)


def test_steps_are_as_coarse_as_may_be_and_no_coarser() -> None:
    made = job(noise_parties=4, quorum=5, partners=7)
    step = coarsest(made)
    variance = share_variance(made.noise_multiplier, 4, SIZE)
    released = SIZE * made.rounds
    assert slack(math.sqrt(variance) / step, 3, released) <= SLACK_MAX
    assert slack(math.sqrt(variance) / (1.01 * step), 3, released) > SLACK_MAX
    require_grid(job(noise_parties=4, quorum=5, partners=7, step=step))
    with pytest.raises(StateError, match="does not hide an example"):
        require_grid(job(noise_parties=4, quorum=5, partners=7, step=step + 1))


def test_a_grid_without_bits_holds_every_sum() -> None:
    made = job(expected_examples=100, clip=1.0)
    worst = vector(1, length=200.0)  # twice as many as expected, all in one direction
    words = to_ring(worst, made, seeded(1))
    assert np.std(from_ring(words, made, 1) - worst) < 6.25
    assert 2 ** (made.bits - 1) * made.step > 200 * UNITS
    for bits in (1, 33):
        with pytest.raises(ConfigError, match=f"updates of {bits} bits"):
            fitting(made, bits)


@pytest.mark.parametrize(
    ("asked", "bits", "values"),
    [(20, 20, SIZE), (8, 8, SIZE), (4, 8, SIZE // 2), (2, 8, SIZE // 4)],
)
def test_few_bits_are_eight_of_a_part_of_the_values(asked: int, bits: int, values: int) -> None:
    made = fitting(job(), asked)
    assert (made.bits, made.values) == (bits, values)
    assert ring_of(made).packed_bytes(values) <= asked * SIZE / 8
    require_grid(made)


def test_a_ring_has_the_jobs_bits() -> None:
    assert ring_of(job(step=UNITS, bits=5)).bits == 5
