"""Clipped gradients of a torch module, example by example (Opacus computes them)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> (n,): what each example loses."""

# Values of gradients that are held at once, in double precision: 64 MiB.
_HELD_MAX: Final = 1 << 23
_CHUNK_MAX: Final = 256  # examples


def clipped_sum(
    module: nn.Module,
    loss: Loss,
    inputs: NDArray[Any],
    targets: NDArray[np.int64],
    clip: float,
    *,
    places: NDArray[np.int64] | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """(parameters,): the sum of the examples' gradients, each scaled to an L2 norm of at most `clip`.

    Of the parameters that are trained, in the module's order; with `places`, of these alone, and so are the
    norms. An example whose gradient is not finite counts as nothing: neither a model nor an example that was
    made for it takes the bound away.
    """
    per_example = GradSampleModule(module.to(device), loss_reduction="sum", strict=False)
    trained = [p for p in per_example.parameters() if p.requires_grad]
    count = sum(p.numel() for p in trained)
    chunk = max(1, min(_CHUNK_MAX, _HELD_MAX // max(count, 1)))
    total = torch.zeros(count if places is None else len(places), dtype=torch.float64)
    chosen = None if places is None else torch.from_numpy(places)
    try:
        for at in range(0, len(inputs), chunk):
            x = torch.tensor(inputs[at : at + chunk], device=device)
            if x.is_floating_point():
                # Hooks on the backward pass want inputs that have gradients, though nobody reads those.
                x.requires_grad_()
            per_example.zero_grad()
            lost = loss(per_example(x), torch.tensor(targets[at : at + chunk], device=device))
            with warnings.catch_warnings():
                # Of tokens there is no gradient: torch tells that hooks fire all the same.
                warnings.filterwarnings("ignore", "Full backward hook", UserWarning)
                lost.sum().backward()  # type: ignore[no-untyped-call]
            total += _clipped(trained, len(x), clip, chosen)
    finally:
        per_example.to_standard_module()  # gives the module back as it was
    return np.asarray(total.numpy())


def _clipped(trained: list[nn.Parameter], count: int, clip: float, places: Tensor | None) -> Tensor:
    # On the CPU in double precision: not every accelerator has it.
    parts = [_of_examples(p, count).flatten(1).cpu() for p in trained]
    gradients = torch.cat(parts, dim=1).double()
    if places is not None:
        gradients = gradients[:, places]
    norms = gradients.norm(dim=1)
    finite = norms.isfinite()
    factors = torch.where(finite, (clip / norms).clamp(max=1.0), 0.0)
    return factors @ torch.where(finite[:, None], gradients, 0.0)


def _of_examples(parameter: nn.Parameter, count: int) -> Tensor:
    """(n, ...): a parameter that is used several times has a gradient for each use."""
    found: Tensor | list[Tensor] | None = getattr(parameter, "grad_sample", None)
    if found is None:
        return torch.zeros((count, *parameter.shape))
    return torch.stack(found).sum(0) if isinstance(found, list) else found
