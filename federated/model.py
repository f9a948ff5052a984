"""Models by name: fixed features, and the small head that partners train together.

The weights of the head travel and are hashed as canonical bytes,

    JSON {"arrays": [[name, shape], ...], "labels": [...], "model": name} || 0x00 || values

with every array in the order of the header, row by row, as little-endian IEEE 754 single floats. There is
one such text for given weights, on every platform.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from federated.features import ORIENTED_GRADIENTS, SIDE, OrientedGradients
from protocol.errors import ConfigError, Reject

Images = NDArray[np.uint8]  # (n, 28, 28)
Features = NDArray[np.float32]  # (n, d)
Classes = NDArray[np.int64]  # (n,) indices into the labels
Vector = NDArray[np.float32]  # all arrays of a head, one after the other

# Images whose features are computed at once: their filtered copies take 8 MiB.
_CHUNK: Final = 256
_FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Fixed features, and a head that starts from zeros and that Opacus can differentiate by example."""

    features: Callable[[], nn.Module]  # (n, 28, 28) uint8 -> (n, feature_count) float32
    feature_count: int
    head: Callable[[int, int], nn.Module]  # (features, labels) -> module


# A name never changes what it means: jobs in the log are trained, and models recomputed, by it.
MODELS: Final[dict[str, Architecture]] = {
    "oriented-gradients-1": Architecture(OrientedGradients, ORIENTED_GRADIENTS, nn.Linear),
}
DEFAULT_MODEL: Final = "oriented-gradients-1"


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Images and what they show, to measure a model with."""

    images: Images
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The trained arrays of a head, float32, by name in the order of their canonical bytes."""

    model: str
    labels: tuple[str, ...]
    arrays: dict[str, NDArray[np.float32]]

    @property
    def vector(self) -> Vector:
        """All values, one array after the other; a copy."""
        return np.concatenate([array.ravel() for array in self.arrays.values()])

    def replaced(self, vector: Vector) -> Weights:
        """The same arrays with other values, in the order of `vector`."""
        ends = np.cumsum([array.size for array in self.arrays.values()])
        parts = np.split(vector.astype(np.float32), ends[:-1])
        arrays = {
            name: part.reshape(array.shape)
            for (name, array), part in zip(self.arrays.items(), parts, strict=True)
        }
        return Weights(self.model, self.labels, arrays)


def architecture(model: str) -> Architecture:
    """By name. Raises ConfigError for a model that this version does not have."""
    known = MODELS.get(model)
    if known is None:
        raise ConfigError(
            f"there is no model {model!r} here", f"known models: {', '.join(MODELS)}; upgrade"
        )
    return known


def initial_weights(model: str, labels: Sequence[str]) -> Weights:
    """Zeros: what round 1 starts from, the same for everybody."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in _shapes(model, len(labels))}
    return Weights(model, tuple(labels), arrays)


def encode(weights: Weights) -> bytes:
    """The canonical bytes."""
    header = _header(weights.model, weights.labels)
    return header + weights.vector.astype(_FLOAT).tobytes()


def decode(model: str, labels: Sequence[str], raw: bytes) -> Weights:
    """The weights behind canonical bytes. Raises Reject for anything but finite ones of this model."""
    header = _header(model, labels)
    blank = initial_weights(model, labels)
    count = sum(array.size for array in blank.arrays.values())
    if not raw.startswith(header) or len(raw) != len(header) + count * _FLOAT.itemsize:
        raise Reject(f"these are not weights of {model!r} for the job's labels")
    vector = np.frombuffer(raw, _FLOAT, offset=len(header)).astype(np.float32)
    if not np.isfinite(vector).all():
        raise Reject("the weights hold values that are not finite")
    return blank.replaced(vector)


def digest(weights: Weights) -> bytes:
    """SHA-256 of the canonical bytes: how the log names a model."""
    return hashlib.sha256(encode(weights)).digest()


def head_of(weights: Weights) -> nn.Module:
    """The head as a module of its own."""
    known = architecture(weights.model)
    head = known.head(known.feature_count, len(weights.labels))
    head.load_state_dict({name: torch.tensor(a) for name, a in weights.arrays.items()})
    return head


def network_of(weights: Weights) -> nn.Module:
    """Features and head in one: raw pixels (n, 28, 28) uint8 -> scores (n, labels) float32."""
    return nn.Sequential(architecture(weights.model).features(), head_of(weights)).eval()


def features(model: str, images: Images) -> Features:
    """(n, 28, 28) uint8 -> (n, d) float32, some images at a time."""
    return _mapped(architecture(model).features().eval(), images)


def scores(weights: Weights, images: Images) -> NDArray[np.float32]:
    """(n, labels) float32, the higher the likelier."""
    return _mapped(network_of(weights), images)


def predict(weights: Weights, images: Images) -> Classes:
    """(n,) indices into the labels."""
    return np.asarray(scores(weights, images).argmax(axis=1), np.int64)


def accuracy(weights: Weights, examples: Labelled) -> float:
    """The part of the images that is given its own label, 0..1; not a number without any."""
    if not len(examples):
        return math.nan
    return float((predict(weights, examples.images) == examples.classes).mean())


def _mapped(module: nn.Module, images: Images) -> NDArray[np.float32]:
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        raise ConfigError(
            f"images are (n, {SIDE}, {SIDE}) uint8, not {images.shape} {images.dtype}",
            f"scale them to {SIDE} x {SIDE} grey pixels",
        )
    starts = range(0, max(len(images), 1), _CHUNK)
    with torch.no_grad():
        parts = [module(torch.tensor(images[at : at + _CHUNK])).numpy() for at in starts]
    return np.concatenate(parts)


@cache
def _shapes(model: str, labels: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    known = architecture(model)
    head = known.head(known.feature_count, labels)
    return tuple((name, tuple(array.shape)) for name, array in head.named_parameters())


def _header(model: str, labels: Sequence[str]) -> bytes:
    shapes = [[name, list(shape)] for name, shape in _shapes(model, len(labels))]
    described = {"arrays": shapes, "labels": list(labels), "model": model}
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode() + b"\0"
