"""ONNX files as those who receive them run them, and what that takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from federated.onnx_graph import labels_of
from protocol.errors import ConfigError

_CHUNK: Final = 256  # examples in one call
# One example is asked so often, of each file in turn: what else the machine does meets all of them alike.
_TURNS: Final = 15
_CALLS: Final = 20  # in a turn; the fastest turn counts, since others can only add to it
_KINDS: Final[Mapping[str, np.dtype[Any]]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(int64)": np.dtype(np.int64),
}


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model is asked with: an array (n, *shape) of this type, under this name."""

    name: str
    shape: tuple[int, ...]
    kind: np.dtype[Any]


class Model:
    """A file, ready to run on one core."""

    def __init__(self, source: Path | bytes) -> None:
        """Raises ConfigError for a file that the runtime does not take, or that is no model of ours."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # small models: more threads cost more than they gain
        options.log_severity_level = 3  # what it warns of is how it runs, not what it says
        name = source.name if isinstance(source, Path) else "the model"
        try:
            self._session = ort.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime has no tree of errors
            raise ConfigError(
                f"{name} cannot be loaded: {error}",
                "get it again; onnxruntime 1.20 or newer runs it",
            ) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _KINDS or len(inputs[0].shape) < 2:
            raise ConfigError(
                f"{name} does not take one array of examples", "name a file of a card"
            )
        shape = inputs[0].shape[1:]
        if not all(isinstance(size, int) and size > 0 for size in shape):
            raise ConfigError(f"{name} takes examples of any size", "name a file of a card")
        self.takes = Takes(inputs[0].name, tuple(shape), _KINDS[inputs[0].type])
        self.labels = labels_of(self._session.get_modelmeta().custom_metadata_map)

    def scores(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(n, k) float32, some examples at a time."""
        parts = [
            self._session.run(None, {self.takes.name: inputs[at : at + _CHUNK]})[0]
            for at in range(0, max(len(inputs), 1), _CHUNK)
        ]
        return np.concatenate(parts)


def call_nanoseconds(models: Mapping[str, tuple[Model, NDArray[Any]]]) -> dict[str, int]:
    """How long each model takes for one example, by name; `models` gives each with an example (1, …)."""
    fastest = dict.fromkeys(models, 0)
    for _ in range(_TURNS):
        for name, (model, one) in models.items():
            start = time.perf_counter_ns()
            for _ in range(_CALLS):
                model.scores(one)
            spent = (time.perf_counter_ns() - start) // _CALLS
            fastest[name] = min(spent, fastest[name] or spent)
    return fastest
