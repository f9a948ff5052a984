"""What a finished job ships: two ONNX files, measured as those who receive them will run them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from federated import onnx_files
from federated.data import Table
from federated.model import Weights
from federated.tasks import Task
from federated.tasks.task import Inputs, Scores
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM

FP32_FILE: Final = "model-fp32.onnx"
INT8_FILE: Final = "model-int8.onnx"
# Two runtimes add the same 2,000 products in different orders.
_ROUNDING: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file, and how it did on the held-back examples."""

    path: Path
    digest: bytes  # SHA-256 of the file
    size_bytes: int
    accuracy_ppm: int


@dataclass(frozen=True, slots=True)
class Release:
    """Both files."""

    fp32: Artifact
    int8: Artifact
    held_back: int  # examples that both were measured with

    @property
    def size_ratio(self) -> float:
        """How many times smaller the quantized file is."""
        return self.fp32.size_bytes / self.int8.size_bytes


def release(
    task: Task, weights: Weights, held_back: Table, calibration: Table, folder: Path
) -> Release:
    """Writes model-fp32.onnx and model-int8.onnx and measures them; existing files are replaced.

    `calibration` sets the ranges of the 8-bit file and must not be private: what it shows
    leaves a trace there. Raises ConfigError without held-back or calibration images, StateError when
    the float file does not say what the trained model says.
    """
    if not len(held_back) or not len(calibration):
        raise ConfigError(
            "a release is measured with held-back examples and calibrated with others",
            "give the coordinator examples that no partner trains on",
        )
    folder.mkdir(parents=True, exist_ok=True)
    fp32, int8 = folder / FP32_FILE, folder / INT8_FILE
    fed, targets = task.feed(held_back, weights.fixed), task.targets(held_back)
    onnx_files.write_float(task.network(weights), weights.labels, fed[:1], fp32)
    trained = task.scores(weights, task.inputs(held_back, weights.fixed))
    _require_equal(trained, fp32, fed)
    onnx_files.write_int8(fp32, weights.labels, task.feed(calibration, weights.fixed), int8)

    def measured(path: Path) -> Artifact:
        raw = path.read_bytes()
        right = task.metric(onnx_files.run(path, fed), targets)
        return Artifact(path, hashlib.sha256(raw).digest(), len(raw), round(right * PPM))

    return Release(measured(fp32), measured(int8), len(held_back))


def _require_equal(trained: Scores, path: Path, fed: Inputs) -> None:
    exported = onnx_files.run(path, fed)
    if np.abs(trained - exported).max() > _ROUNDING * max(1.0, float(np.abs(trained).max())):
        raise StateError(
            f"{path.name} does not compute what the trained model computes",
            "do not ship it; check the versions of torch, onnx and onnxruntime",
        )
