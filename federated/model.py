"""The numbers of a model: what partners train together, and what they never change.

Weights travel and are hashed as canonical bytes,

    JSON {"arrays": [[name, shape], ...], "fixed": [[name, shape], ...], "labels": [...], "task": name}
    || 0x00 || values

with every array in the order of the header, first the trained and then the fixed ones, row by row, as
little-endian IEEE 754 single floats. There is one such text for given weights, on every platform. What the
numbers mean is the task's (federated/tasks).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import ConfigError, Reject

Array = NDArray[np.float32]
Vector = NDArray[np.float32]  # all trained arrays of a model, one after the other
Shapes = Mapping[str, tuple[int, ...]]  # of arrays, by name in the order of their canonical bytes

_FLOAT: Final = np.dtype("<f4")
# 64 MiB of floats. Every round carries them to every partner and back.
VALUES_MAX: Final = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A model, float32. `fixed` arrays are the same in every round: they come from public examples."""

    task: str
    labels: tuple[str, ...]
    arrays: Mapping[str, Array]
    fixed: Mapping[str, Array] = field(default_factory=dict)

    @property
    def vector(self) -> Vector:
        """All trained values, one array after the other; a copy."""
        return _flat(self.arrays)

    def replaced(self, vector: Vector) -> Weights:
        """The same model with other trained values, in the order of `vector`."""
        return replace(self, arrays=_cut(vector, self.arrays))


def require_size(shapes: Shapes) -> None:
    """Raises ConfigError for more values than a round can carry."""
    count = sum(math.prod(shape) for shape in shapes.values())
    if count > VALUES_MAX:
        raise ConfigError(
            f"a model of {count:,} values", f"choose options that give at most {VALUES_MAX:,}"
        )


def zeros(shapes: Shapes) -> dict[str, Array]:
    """Arrays of these shapes. Raises ConfigError for more than a round can carry."""
    require_size(shapes)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def encode(weights: Weights) -> bytes:
    """The canonical bytes."""
    return encode_trained(weights) + encode_fixed(weights)


def encode_trained(weights: Weights) -> bytes:
    """As much of them as changes from round to round, and the header."""
    return _header(weights) + weights.vector.astype(_FLOAT).tobytes()


def encode_fixed(weights: Weights) -> bytes:
    """The rest of them."""
    return _flat(weights.fixed).astype(_FLOAT).tobytes()


def decode(blank: Weights, raw: bytes) -> Weights:
    """The weights behind canonical bytes. Raises Reject for anything but finite ones, shaped as `blank`."""
    header = _header(blank)
    count = _size(blank.arrays) + _size(blank.fixed)
    if not raw.startswith(header) or len(raw) != len(header) + count * _FLOAT.itemsize:
        raise Reject(f"these are not weights of {blank.task!r} for the job's labels and options")
    values = np.frombuffer(raw, _FLOAT, offset=len(header)).astype(np.float32)
    if not np.isfinite(values).all():
        raise Reject("the weights hold values that are not finite")
    trained, fixed = np.split(values, [_size(blank.arrays)])
    return replace(blank, arrays=_cut(trained, blank.arrays), fixed=_cut(fixed, blank.fixed))


def digest(weights: Weights) -> bytes:
    """SHA-256 of the canonical bytes: how the log names a model."""
    return digest_of(encode(weights))


def digest_of(raw: bytes) -> bytes:
    """The same of canonical bytes."""
    return hashlib.sha256(raw).digest()


def fixed_digest(weights: Weights) -> bytes:
    """SHA-256 of the fixed values: which features a model is computed on."""
    return hashlib.sha256(encode_fixed(weights)).digest()


def encoded_bytes(weights: Weights) -> int:
    """How long the canonical bytes are."""
    values = _size(weights.arrays) + _size(weights.fixed)
    return len(_header(weights)) + values * _FLOAT.itemsize


def _size(arrays: Mapping[str, Array]) -> int:
    return sum(array.size for array in arrays.values())


def _flat(arrays: Mapping[str, Array]) -> Vector:
    parts = [array.ravel() for array in arrays.values()]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _cut(vector: Vector, like: Mapping[str, Array]) -> dict[str, Array]:
    ends = np.cumsum([array.size for array in like.values()])
    parts = np.split(vector.astype(np.float32), ends[:-1]) if like else []
    return {
        name: part.reshape(array.shape)
        for (name, array), part in zip(like.items(), parts, strict=True)
    }


def _header(weights: Weights) -> bytes:
    described = {
        "arrays": [[name, list(array.shape)] for name, array in weights.arrays.items()],
        "fixed": [[name, list(array.shape)] for name, array in weights.fixed.items()],
        "labels": list(weights.labels),
        "task": weights.task,
    }
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode() + b"\0"
