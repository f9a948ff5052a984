"""Whether one example's gradient can be told from another's: looked at before anything is trained.

A layer that computes with a whole batch, as batch normalisation does, mixes examples: what one of them
contributes can then no longer be bounded, and no noise would be enough.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from federated.gradients import Loss, clipped_sum
from protocol.errors import ConfigError

_EXAMPLES: Final = 3
# Single floats, added in another order.
_TOLERANCE: Final = 1e-3
_HOW: Final = "normalise each example by itself: GroupNorm or LayerNorm"


def require_private(
    module: nn.Module, loss: Loss, inputs: NDArray[Any], targets: NDArray[np.int64]
) -> None:
    """Tries the module on a few examples. Raises ConfigError, naming what mixes them or is not supported."""
    if not any(p.requires_grad for p in module.parameters()):
        raise ConfigError("the model has nothing to train", "let its parameters require gradients")
    _require_kinds(module)
    few, truth = inputs[:_EXAMPLES], targets[:_EXAMPLES]
    if not len(few):
        return
    module.train()
    for part in module.modules():
        if isinstance(part, _DropoutNd):
            part.eval()  # chance would look like a difference
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    x = torch.tensor(few)
    with torch.no_grad():
        together = module(x)
        alone = torch.cat([module(each[None]) for each in x])
    _require_buffers(module, before)
    if together.shape != alone.shape or not _near(together, alone):
        raise ConfigError(
            "what the model says of an example depends on the others in its batch", _HOW
        )
    _require_gradients(module, loss, few, truth)


def _require_kinds(module: nn.Module) -> None:
    for name, part in module.named_modules():
        tracks = getattr(part, "track_running_stats", False)
        if isinstance(part, _BatchNorm) and not isinstance(
            part, nn.modules.instancenorm._InstanceNorm
        ):
            raise ConfigError(
                f"the layer {name!r} is a {type(part).__name__}: it computes with all examples of a"
                " batch, so that what one contributes cannot be bounded",
                _HOW,
            )
        if tracks:
            raise ConfigError(
                f"the layer {name!r}, a {type(part).__name__}, keeps statistics of the examples, which"
                " no noise hides",
                "set track_running_stats to False",
            )


def _require_buffers(module: nn.Module, before: dict[str, Tensor]) -> None:
    for name, buffer in module.named_buffers():
        if not torch.equal(buffer, before[name]):
            raise ConfigError(
                f"training changes the buffer {name!r}: it would carry what examples hold, without noise",
                "keep nothing of the examples in the module",
            )


def _require_gradients(
    module: nn.Module, loss: Loss, inputs: NDArray[Any], targets: NDArray[np.int64]
) -> None:
    """Opacus computes them by hooks, layer by layer; autograd, one example at a time, has to agree."""
    wide = float("inf")
    try:
        summed = clipped_sum(module, loss, inputs, targets, wide)
    except Exception as error:
        raise ConfigError(
            f"Opacus cannot differentiate this model by example: {error}",
            "build it from Linear, Conv, Embedding, GroupNorm, LayerNorm, or opacus.layers",
        ) from error
    trained = [p for p in module.parameters() if p.requires_grad]
    expected = torch.zeros(len(summed), dtype=torch.float64)
    for x, y in zip(torch.tensor(inputs), torch.tensor(targets), strict=True):
        found = torch.autograd.grad(
            loss(module(x[None]), y[None]).sum(), trained, allow_unused=True
        )
        parts = [
            torch.zeros(p.numel()) if each is None else each.flatten()
            for p, each in zip(trained, found, strict=True)
        ]
        expected += torch.cat(parts).double()
    if not _near(torch.tensor(summed), expected):
        raise ConfigError(
            "the gradients by example do not add up to the model's gradient",
            "a layer uses its parameters in a way that Opacus does not see; use each through its own layer",
        )


def _near(one: Tensor, other: Tensor) -> bool:
    scale = max(1e-6, float(other.detach().abs().max())) if other.numel() else 1.0
    return bool((one - other).abs().max() <= _TOLERANCE * scale) if other.numel() else True
