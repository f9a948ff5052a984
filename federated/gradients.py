"""Sums of clipped gradients, by Opacus: what a round takes of private data, before its noise."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import Tensor, nn
from torch.nn import functional as F

from federated.model import Classes, Features

# Examples whose gradients are held at once: 64 of a head of 20,000 values take 10 MiB.
_CHUNK: Final = 64


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
