"""No example counts more than the clip, by hooks or in closed form; what mixes examples is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from federated import linear
from federated.gradients import clipped_sum
from federated.privacy_check import require_private
from protocol.errors import ConfigError

FEATURES, LABELS = 6, 3
SIZES = [1e-6, 1.0, 1e6, 1e20, 5e37]


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


def head(seed: int, scale: float = 1.0) -> nn.Linear:
    torch.manual_seed(seed)
    made = nn.Linear(FEATURES, LABELS)
    with torch.no_grad():
        for each in made.parameters():
            each.mul_(scale)
    return made


def arrays(module: nn.Linear) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return module.weight.detach().numpy(), module.bias.detach().numpy()


def examples(
    seed: int, count: int, scale: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(count, FEATURES)) * scale).astype(np.float32)
    return x, rng.integers(0, LABELS, count)


def by_hooks(
    module: nn.Module, x: Any, y: Any, clip: float, places: Any = None
) -> NDArray[np.float64]:
    return clipped_sum(module, loss, x, y, clip, places=places)


def closed(
    module: nn.Linear, x: Any, y: Any, clip: float, places: Any = None
) -> NDArray[np.float64]:
    return linear.clipped_sum(*arrays(module), x, y, clip, places=places)


def some(seed: int, part: float) -> NDArray[np.int64] | None:
    """Places of that part of the parameters, in any order; of all of them none are named."""
    size = FEATURES * LABELS + LABELS
    return np.random.default_rng(seed).permutation(size)[: int(part * size)] if part < 1 else None


@pytest.mark.parametrize("sum_of", [by_hooks, closed])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    size=st.sampled_from(SIZES),
    weights=st.sampled_from([0.0, 1.0, 1e6, 3e38]),
    clip=st.floats(1e-3, 100.0),
)
def test_one_example_never_counts_more_than_the_clip(
    sum_of: Any, seed: int, size: float, weights: float, clip: float
) -> None:
    x, y = examples(seed, 5, size)
    module, places = head(seed, weights), some(seed, (1.0, 0.5, 0.25)[seed % 3])
    with_all = sum_of(module, x, y, clip, places)
    without = sum_of(module, x[1:], y[1:], clip, places)
    assert np.isfinite(with_all).all()
    assert np.linalg.norm(with_all - without) <= clip * (1 + 1e-9)


@pytest.mark.parametrize("sum_of", [by_hooks, closed])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_an_example_that_is_not_finite_counts_as_nothing(sum_of: Any, poison: float) -> None:
    x, y = examples(0, 4)
    clean = sum_of(head(0), x[1:], y[1:], 1.0)
    x[0] = poison
    np.testing.assert_array_equal(sum_of(head(0), x, y, 1.0), clean)


@pytest.mark.parametrize(
    "module", [head(1), nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh(), nn.Linear(4, LABELS))]
)
def test_the_sum_is_that_of_each_example_alone(module: nn.Module) -> None:
    x, y = examples(2, 300)  # more than are differentiated at once
    alone = []
    for one, label in zip(x, y, strict=True):
        module.zero_grad()
        loss(module(torch.tensor(one[None])), torch.tensor([label])).sum().backward()  # type: ignore[no-untyped-call]
        gradient = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        alone.append(gradient.double() / max(1.0, float(gradient.double().norm()) / 0.5))
    expected = torch.stack(alone).sum(0)
    np.testing.assert_allclose(by_hooks(module, x, y, 0.5), expected, atol=1e-5)
    assert not hasattr(next(module.parameters()), "grad_sample"), "the head is given back as it was"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 999),
    st.sampled_from([0.1, 1.0, 20.0]),
    st.floats(0.01, 10.0),
    st.sampled_from([1.0, 0.5]),
)
def test_the_closed_form_is_what_hooks_compute(
    seed: int, size: float, clip: float, part: float
) -> None:
    x, y = examples(seed, 30, size)
    module, places = head(seed), some(seed, part)
    np.testing.assert_allclose(
        closed(module, x, y, clip, places),
        by_hooks(module, x, y, clip, places),
        atol=2e-5 * clip * 30,
    )


@pytest.mark.parametrize("sum_of", [by_hooks, closed])
def test_a_part_of_a_gradient_is_cut_first_and_clipped_then(sum_of: Any) -> None:
    x, y = examples(4, 1, 10.0)
    whole, places = sum_of(head(4), x, y, 1e6), some(4, 0.5)
    part = sum_of(head(4), x, y, 0.05, places)
    expected = whole[places] * (0.05 / np.linalg.norm(whole[places]))
    np.testing.assert_allclose(part, expected, atol=1e-5)


def test_one_score_is_that_of_a_yes() -> None:
    """Logistic loss without a bias, as pairs are ranked; by autograd, one at a time."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 2, 20)
    weight = rng.normal(size=(1, 4)).astype(np.float32)
    expected = np.zeros(4)
    for one, yes in zip(x, y, strict=True):
        w = torch.tensor(weight[0], requires_grad=True)
        score = torch.tensor(one) @ w
        F.binary_cross_entropy_with_logits(score, torch.tensor(float(yes))).backward()  # type: ignore[no-untyped-call]
        assert w.grad is not None
        expected += w.grad.numpy() / max(1.0, float(w.grad.norm()) / 0.3)
    np.testing.assert_allclose(linear.clipped_sum(weight, None, x, y, 0.3), expected, atol=1e-6)


# ---- what mixes examples ----


class Counting(nn.Module):
    """A buffer that remembers examples."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, LABELS)
        self.register_buffer("seen", torch.zeros(FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.seen + x.detach().sum(0)
        scores: Tensor = self.inner(x)
        return scores


class Centred(nn.Module):
    """Takes the batch's mean away."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, LABELS)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.inner(x - x.mean(0))
        return scores


class Around(nn.Module):
    """Uses a layer's parameters without the layer: no hook sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(FEATURES, LABELS)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.inner.weight, self.inner.bias)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, LABELS)), "BatchNorm1d"),
        (
            nn.Sequential(
                nn.Unflatten(1, (1, FEATURES)),
                nn.InstanceNorm1d(1, track_running_stats=True),
                nn.Flatten(),
                nn.Linear(FEATURES, LABELS),
            ),
            "keeps statistics",
        ),
        (Counting(), "buffer 'seen'"),
        (Centred(), "depends on the others"),
        (Around(), "do not add up"),
        (nn.Flatten(), "nothing to train"),
    ],
)
def test_a_model_that_mixes_examples_is_refused_in_words(module: nn.Module, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require_private(module, loss, *examples(1, 3))


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Linear(FEATURES, 4), nn.GroupNorm(2, 4), nn.ReLU(), nn.Linear(4, LABELS)),
        nn.Sequential(nn.LayerNorm(FEATURES), nn.Dropout(), nn.Linear(FEATURES, LABELS)),
    ],
)
def test_a_model_that_keeps_examples_apart_is_taken(module: nn.Module) -> None:
    require_private(module, loss, *examples(1, 3))
