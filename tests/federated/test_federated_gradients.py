"""No example counts more than the clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from federated.gradients import clipped_sum

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
