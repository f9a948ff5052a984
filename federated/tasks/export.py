"""Models without torch, as torch modules: what is exported computes what partners trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from federated.model import Array
from federated.scattering import CHANNELS, DIRECTIONS, REACH, bank, window

_LEAST_DEVIATION: Final = 1e-5  # as in federated/tasks/images.py


def head(weight: Array, bias: Array | None) -> nn.Linear:
    """W x + b."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
        if bias is not None:
            made.bias.copy_(torch.tensor(bias))
    return made.eval()


def pictures_network(
    scatter: nn.Module, groups: int, weight: Array, bias: Array, fixed: Mapping[str, Array]
) -> nn.Module:
    """(n, height, width, colours) uint8 -> scores. Whitening is linear, and becomes a part of the head."""
    if fixed:
        whole = (weight.astype(np.float64) @ fixed["directions"]).astype(np.float32)
        shifted = bias - whole.astype(np.float64) @ fixed["mean"]
        return nn.Sequential(scatter, head(whole, shifted.astype(np.float32))).eval()
    length = np.float32(np.sqrt(weight.shape[1]))
    return nn.Sequential(scatter, Normal(groups), head(weight / length, bias)).eval()


class Normal(nn.Module):
    """Each picture's groups of channels, with mean zero and deviation one."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self._grouped = nn.Unflatten(1, (groups, -1))

    def forward(self, features: Tensor) -> Tensor:
        """(n, features) -> the same shape."""
        grouped: Tensor = self._grouped(features)
        centred = grouped - grouped.mean(2, keepdim=True)
        variance = centred.square().mean(2, keepdim=True)
        normal: Tensor = (centred / torch.sqrt(variance + _LEAST_DEVIATION**2)).flatten(1)
        return normal


class Scattering(nn.Module):
    """federated/scattering.py in convolutions: pixels -> (n, 81 * colours * cells * cells)."""

    filters: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, side: tuple[int, int], colours: int, cells: int) -> None:
        super().__init__()
        # Sizes are numbers here, not read off a tensor: a graph would compute them again for each picture.
        self._side, self._half = side, ((side[0] + 1) // 2, (side[1] + 1) // 2)
        self._features = colours * CHANNELS * cells**2
        reach = 2 * REACH + 1
        self.register_buffer("filters", torch.tensor(bank()).reshape(-1, 1, reach, reach))
        rows, columns = (torch.tensor(window((each + 1) // 2, cells)) for each in side)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, pixels: Tensor) -> Tensor:
        """Both octaves, first and second order, averaged in cells."""
        grey = pixels.permute(0, 3, 1, 2).float().reshape(-1, 1, *self._side) / 255
        half = _halved(grey)
        fine, coarse = _halved(self._moduli(grey, self._side)), self._moduli(half, self._half)
        inner = fine.reshape(-1, 1, *self._half)
        second = self._moduli(inner, self._half).reshape(-1, DIRECTIONS**2, *self._half)
        maps = torch.cat([half, fine, coarse, second], dim=1)
        averaged = self.rows @ (self.columns @ maps.transpose(2, 3)).transpose(2, 3)
        return torch.sqrt(F.relu(averaged)).reshape(-1, self._features)

    def _moduli(self, images: Tensor, side: tuple[int, int]) -> Tensor:
        padded = F.pad(images, (REACH,) * 4, mode="replicate")
        waves = F.conv2d(padded, self.filters).reshape(-1, 2, DIRECTIONS, *side)
        moduli: Tensor = torch.linalg.vector_norm(waves, dim=1)
        return moduli


def _halved(images: Tensor) -> Tensor:
    """An odd edge is the mean of itself, as if it were repeated."""
    return F.avg_pool2d(images, 2, ceil_mode=True, count_include_pad=False)
