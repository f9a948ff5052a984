"""Features that nobody trains: they are the same code everywhere, so they cost no privacy.

With little private data, a small head on good fixed features is worth more under differential privacy
than a network trained from nothing (Tramèr & Boneh, ICLR 2021). These are oriented gradient energies, a
close relative of HOG (Dalal & Triggs, CVPR 2005), out of operations that any ONNX runtime has.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE: Final = 28  # pixels of an image's side

_ORIENTATIONS: Final = 10
_REACH: Final = 1  # of a filter, in pixels around its middle
_WIDTH: Final = 0.7  # standard deviation of its Gaussian, in pixels
_CELL: Final = 6  # pixels that are averaged along each axis
_STRIDE: Final = 2  # cells overlap: a shift of a pixel or two changes little
_PADDING: Final = 2
_CELLS: Final = (SIDE + 2 * _PADDING - _CELL) // _STRIDE + 1
# Energy below which a neighbourhood counts as empty, so that noise is not blown up to full contrast.
_FLAT: Final = 0.01
_LEAST_LENGTH: Final = 1e-6  # a blank image has no direction; its features are zero

ORIENTED_GRADIENTS: Final = _ORIENTATIONS * _CELLS * _CELLS
"""How many features `OrientedGradients` gives: 1,960."""


class OrientedGradients(nn.Module):
    """(n, 28, 28) uint8 -> (n, 1960) float32 of length one, or zero for a blank image.

    Each example is normalised by itself: statistics over a batch would mix examples, and what one of
    them contributes could no longer be bounded.
    """

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(_derivatives() / 255))

    def forward(self, pixels: Tensor) -> Tensor:
        """Signed gradients in ten directions, squared, averaged in cells, freed of local contrast."""
        gradients = F.conv2d(pixels.float().unsqueeze(1), self.filters, padding=_REACH)
        cells = F.avg_pool2d(F.relu(gradients).square(), _CELL, _STRIDE, _PADDING)
        around = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, 1, 1)
        cells = cells / torch.sqrt(around + _FLAT)
        # What all orientations of a cell share is ink, not shape; noise would have to hide it as well.
        shapes = (cells - cells.mean(1, keepdim=True)).flatten(1)
        lengths: Tensor = torch.linalg.vector_norm(shapes, dim=1, keepdim=True)
        return shapes / (lengths + _LEAST_LENGTH)


def _derivatives() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(orientations, 1, 3, 3): derivatives of a Gaussian, answering one to a step from 0 to 1."""
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1].astype(np.float64)
    bell = np.exp(-(x * x + y * y) / (2 * _WIDTH * _WIDTH))
    filters = []
    for orientation in range(_ORIENTATIONS):
        angle = 2 * np.pi * orientation / _ORIENTATIONS
        slope = -(np.cos(angle) * x + np.sin(angle) * y) * bell
        filters.append(slope / (np.abs(slope).sum() / 2))
    return np.stack(filters)[:, None].astype(np.float32)
