"""Smaller models of what was trained: they follow from it and from public examples, and cost no privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

# Of a student: as wide as a laptop's cache likes, and small beside features of any kind.
HIDDEN: Final = 64
# It sees every public example so often; more changes nothing that is measured.
_EPOCHS: Final = 60
_BATCH: Final = 128
_RATE: Final = 2e-3
_WARMTH: Final = 2.0  # temperature: how much of what the model doubts is told (Hinton et al., 2015)
_SEED: Final = 1


def pruned(weight: NDArray[np.float32], percent: int) -> NDArray[np.int32]:
    """(m,) the columns of `weight` (k, d) that stay, ascending: those whose norm is largest, one at least."""
    keep = max(1, weight.shape[1] * (100 - percent) // 100)
    norms = np.linalg.norm(weight, axis=0)
    return np.sort(np.argsort(-norms, kind="stable")[:keep]).astype(np.int32)


def _flat(scale: float) -> nn.Module:
    """(n, …) of any type -> (n, d) floats of about one."""
    from torch import Tensor, nn

    class Flat(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.flatten(1).float() / scale

    return Flat()


def distilled(fed: NDArray[Any], scores: NDArray[np.float32]) -> nn.Module:
    """A network with one hidden layer that says of `fed` (n, …) what `scores` (n, k) say."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    inputs = torch.tensor(fed).flatten(1).float()
    scale = float(inputs.abs().max()) or 1.0
    targets = F.softmax(torch.tensor(scores) / _WARMTH, dim=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        student = nn.Sequential(
            _flat(scale),
            nn.Linear(inputs.shape[1], HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, scores.shape[1]),
        )
        optimizer = torch.optim.Adam(student.parameters(), _RATE)
        for _ in range(_EPOCHS):
            order = torch.randperm(len(inputs))
            for at in range(0, len(order), _BATCH):
                batch = order[at : at + _BATCH]
                said = F.log_softmax(student(inputs[batch]) / _WARMTH, dim=1)
                loss = F.kl_div(said, targets[batch], reduction="batchmean")
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return student.eval()
