"""No example counts more than the clip, and no quorum of partners adds less noise than was promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from federated.gradients import clipped_sum, noisy_sum, normal, uniform
from tests.training_lab import seeded, spec

FEATURES, LABELS = 6, 3


def head(seed: int, scale: float = 1.0) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Linear(FEATURES, LABELS)
    with torch.no_grad():
        for each in made.parameters():
            each.mul_(scale)
    return made


def examples(
    seed: int, count: int, scale: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(count, FEATURES)) * scale).astype(np.float32)
    return x, rng.integers(0, LABELS, count)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 999),
    st.sampled_from([1e-6, 1.0, 1e6, 1e20, 5e37]),
    st.sampled_from([0.0, 1.0, 1e6, 3e38]),
    st.floats(1e-3, 100.0),
)
def test_one_example_never_counts_more_than_the_clip(
    seed: int, size: float, weights: float, clip: float
) -> None:
    x, y = examples(seed, 5, size)
    module = head(seed, weights)
    with_all = clipped_sum(module, x, y, clip)
    without = clipped_sum(module, x[1:], y[1:], clip)
    assert np.isfinite(with_all).all()
    assert np.linalg.norm(with_all - without) <= clip * (1 + 1e-9)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_an_example_that_is_not_finite_counts_as_nothing(poison: float) -> None:
    x, y = examples(0, 4)
    clean = clipped_sum(head(0), x[1:], y[1:], 1.0)
    x[0] = poison
    np.testing.assert_array_equal(clipped_sum(head(0), x, y, 1.0), clean)


@pytest.mark.parametrize(
    "module", [head(1), nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh(), nn.Linear(4, LABELS))]
)
def test_the_sum_is_that_of_each_example_alone(module: nn.Module) -> None:
    x, y = examples(2, 150)  # more than are differentiated at once
    alone = []
    for one, label in zip(x, y, strict=True):
        module.zero_grad()
        loss = nn.functional.cross_entropy(module(torch.tensor(one[None])), torch.tensor([label]))
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        alone.append(gradient.double() / max(1.0, float(gradient.double().norm()) / 0.5))
    np.testing.assert_allclose(clipped_sum(module, x, y, 0.5), torch.stack(alone).sum(0), atol=1e-5)
    assert not hasattr(next(module.parameters()), "grad_sample"), "the head is given back as it was"


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 6), st.integers(0, 3), st.integers(0, 99), st.floats(0.5, 20.0))
def test_whoever_drops_out_the_quorum_carries_the_noise(
    quorum: int, more: int, seed: int, noise: float
) -> None:
    """Empty data: what is left is noise. 12,000 values: the deviation is known to 1 % or so."""
    job = spec(quorum=quorum, noise_multiplier=noise, clip=2.0)
    module = nn.Linear(1_999, 6)
    nothing = np.zeros((0, 1_999), np.float32), np.zeros(0, np.int64)
    sums = [
        noisy_sum(module, *nothing, job, seeded(1000 * seed + partner))
        for partner in range(quorum + more)
    ]
    survivors = np.random.default_rng(seed).permutation(len(sums))[: quorum + seed % (more + 1)]
    deviation = np.std(np.sum([sums[each] for each in survivors], axis=0, dtype=np.float64))
    promised = noise * job.clip
    assert deviation > 0.97 * promised
    assert deviation < 1.03 * promised * np.sqrt(len(survivors) / quorum)


def test_the_noise_is_normal() -> None:
    drawn = normal(40_000, seeded(5))
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02
    for sigmas, part in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert (abs(drawn) > sigmas).mean() == pytest.approx(part, abs=0.006)
    assert np.isfinite(normal(1, bytes)).all(), "the smallest uniform there is"
    assert np.isfinite(normal(1, lambda n: b"\xff" * n)).all(), "and the largest"


def test_each_example_is_sampled_with_its_chance_and_by_itself() -> None:
    drawn = uniform(20_000, seeded(6)) < 0.3
    assert drawn.mean() == pytest.approx(0.3, abs=0.015)
    assert (drawn[1:] & drawn[:-1]).mean() == pytest.approx(0.09, abs=0.015)
    assert (uniform(1_000, lambda n: b"\xff" * n) < 1.0).all(), "sampling of one takes everybody"


def test_bits_come_from_the_system_unless_a_test_brings_its_own() -> None:
    x, y = examples(1, 20)
    job = spec(noise_multiplier=1.0)
    one, other = (noisy_sum(head(1), x, y, job) for _ in range(2))
    assert not np.array_equal(one, other)
    one, other = (noisy_sum(head(1), x, y, job, seeded(1)) for _ in range(2))
    assert np.array_equal(one, other)
