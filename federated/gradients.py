"""A noisy sum of clipped gradients: the only thing computed from private data that leaves a machine.

Bits come from the operating system, afresh for every number. A seeded generator would not do: where a
feature is always zero an update shows bare noise, and from enough outputs of an ordinary generator its state,
and with it all other noise, can be computed.

The noise is a sum of four normals over two, so that a release's low bits do not give away the one uniform
that made it (Mironov, CCS 2012; Holohan & Braghin, 2021). This makes that attack on floating-point noise
impractical; it does not prove it impossible, as exact discrete noise would (Canonne et al., NeurIPS 2020).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from scipy.special import ndtri
from torch import Tensor, nn
from torch.nn import functional as F

from federated.model import Classes, Features, Vector
from federated.spec import TrainingSpec

Randomness = Callable[[int], bytes]
"""Gives that many bytes that nobody can guess."""

# Examples whose gradients are held at once: 64 of a head of 20,000 values take 10 MiB.
_CHUNK: Final = 64
_NORMALS: Final = 4  # that are summed for one value of noise
# One less than a double has, so that a half can be added exactly: 1.0 is never drawn.
_BITS: Final = 52


def noisy_sum(
    head: nn.Module,
    examples: Features,
    classes: Classes,
    spec: TrainingSpec,
    randomness: Randomness = os.urandom,
) -> Vector:
    """One partner's update of one round: the clipped gradients of a Poisson sample, and its noise.

    `examples` is (n, features), `classes` (n,); the result is (parameters,) in the order of
    Weights.vector. It is finite for every job that the log can hold, and never empty: without a sample it
    is noise alone.
    """
    chosen = uniform(len(examples), randomness) < spec.sampling
    total = clipped_sum(head, examples[chosen], classes[chosen], spec.clip)
    noise = spec.noise_deviation_each * normal(len(total), randomness)
    return (total + noise).astype(np.float32)


def clipped_sum(
    head: nn.Module, examples: Features, classes: Classes, clip: float
) -> NDArray[np.float64]:
    """(parameters,): the sum of the examples' gradients, each scaled to an L2 norm of at most `clip`.

    An example whose gradient is not finite counts as nothing: neither a model nor an image that was
    made for it takes the bound away.
    """
    per_example = GradSampleModule(head, loss_reduction="sum")
    try:
        total = torch.zeros(sum(p.numel() for p in head.parameters()), dtype=torch.float64)
        for at in range(0, len(examples), _CHUNK):
            # Hooks on the backward pass want inputs that have gradients, though nobody reads those.
            x = torch.from_numpy(examples[at : at + _CHUNK]).requires_grad_()
            y = torch.from_numpy(classes[at : at + _CHUNK])
            gradients = _gradients(per_example, x, y)
            norms = gradients.norm(dim=1)
            finite = norms.isfinite()
            factors = torch.where(finite, (clip / norms).clamp(max=1.0), 0.0)
            total += factors @ torch.where(finite[:, None], gradients, 0.0)
    finally:
        per_example.to_standard_module()  # gives the head back as it was
    return np.asarray(total.numpy())


def _gradients(per_example: GradSampleModule, x: Tensor, y: Tensor) -> Tensor:
    """(n, parameters) float64: the cross entropy's gradient for each example."""
    per_example.zero_grad()
    F.cross_entropy(per_example(x), y, reduction="sum").backward()  # type: ignore[no-untyped-call]
    parts = [p.grad_sample.flatten(1) for p in per_example.parameters()]
    return torch.cat(parts, dim=1).double()


def uniform(count: int, randomness: Randomness) -> NDArray[np.float64]:
    """(count,) in 0..1, neither end included, each from 52 bits of its own."""
    bits = np.frombuffer(randomness(8 * count), np.uint64) >> np.uint64(64 - _BITS)
    return (bits.astype(np.float64) + 0.5) * 2.0**-_BITS


def normal(count: int, randomness: Randomness) -> NDArray[np.float64]:
    """(count,) independent standard normals, none beyond 17: by inversion of four uniforms each."""
    drawn = ndtri(uniform(_NORMALS * count, randomness)).reshape(_NORMALS, count)
    return np.asarray(drawn.sum(axis=0) / np.sqrt(_NORMALS))
