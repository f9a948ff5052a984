"""What a finished job ships: ONNX files, each measured as those who receive it will run it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from commonground.files import PUBLIC_MODE, replace_file
from federated.data import Table
from federated.export import Exported, Extras, exports
from federated.model import Weights
from federated.onnx_pack import Precision, packed
from federated.onnx_run import Model, Takes, call_nanoseconds
from federated.tasks import Task
from federated.tasks.task import Scores, Targets
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM

log = logging.getLogger(__name__)

MODEL: Final = "model"
# Two runtimes add the same 2,000 products in different orders.
_ROUNDING: Final = 1e-4
# Of the best score among all, by softmax: how sure a model is, in tenths.
DRIFT_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file, and how it did on the held-back examples."""

    name: str  # what it is: federated/export.py
    precision: Precision
    path: Path
    digest: bytes  # SHA-256 of the file
    size_bytes: int
    accuracy_ppm: int
    takes: Takes
    call_ns: int  # for one example, on this machine


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How the int8 model does on the held-back examples of one label."""

    label: str
    examples: int
    right: int


@dataclass(frozen=True, slots=True)
class Drift:
    """What the int8 model says of the held-back examples: who uses it compares what it says of theirs."""

    shares_ppm: tuple[int, ...]  # by label, of what it says
    sureness: tuple[int, ...]  # examples by how sure it is, DRIFT_BINS from 0 to 1


@dataclass(frozen=True, slots=True)
class Release:
    """All files."""

    artifacts: tuple[Artifact, ...]
    held_back: int  # examples that all were measured with
    classes: tuple[ClassResult, ...]  # none where a task has other targets than labels
    drift: Drift | None

    def of(self, precision: Precision, name: str = MODEL) -> Artifact:
        """One of them; raises KeyError where it was not shipped."""
        for each in self.artifacts:
            if (each.name, each.precision) == (name, precision):
                return each
        raise KeyError(f"{name}-{precision}")

    @property
    def fp32(self) -> Artifact:
        """The whole model in single floats."""
        return self.of(Precision.FP32)

    @property
    def int8(self) -> Artifact:
        """The whole model in eight bits: what the log names."""
        return self.of(Precision.INT8)

    @property
    def size_ratio(self) -> float:
        """How many times smaller that one is."""
        return self.fp32.size_bytes / self.int8.size_bytes


def release(
    task: Task,
    weights: Weights,
    held_back: Table,
    folder: Path,
    *,
    extras: Extras = Extras(),  # noqa: B008  # frozen
    public: Table | None = None,
) -> Release:
    """Writes every graph in every precision, NAME-PRECISION.onnx, and measures them; replaces existing files.

    Nothing is calibrated: no example leaves a trace in the files. A student learns from `public` examples.
    Raises ConfigError without held-back examples, StateError when the float file does not say what the
    trained model says.
    """
    if not len(held_back):
        raise ConfigError(
            "a release is measured with held-back examples",
            "give the coordinator examples that no partner trains on",
        )
    folder.mkdir(parents=True, exist_ok=True)
    targets = task.targets(held_back)
    trained = task.scores(weights, task.inputs(held_back, weights.fixed))
    shipped: list[tuple[Exported, Precision, Path, Model, Scores]] = []
    for each in exports(task, weights, held_back, extras, public):
        for precision in Precision:
            path = folder / f"{each.name}-{precision}.onnx"
            raw = _smallest(each, precision, path)
            replace_file(path, raw, PUBLIC_MODE)
            model = Model(path)
            shipped.append((each, precision, path, model, model.scores(each.fed)))
    _require_equal(trained, shipped[0][4], shipped[0][2])
    called = call_nanoseconds({path.name: (m, e.fed[:1]) for e, _, path, m, _ in shipped})
    artifacts = []
    for each, precision, path, model, said in shipped:
        raw = path.read_bytes()
        digest, right = hashlib.sha256(raw).digest(), round(task.metric(said, targets) * PPM)
        takes, spent = model.takes, called[path.name]
        artifacts.append(
            Artifact(each.name, precision, path, digest, len(raw), right, takes, spent)
        )
    int8 = next(said for e, p, _, _, said in shipped if (e.name, p) == (MODEL, Precision.INT8))
    if not _are_labels(targets, int8, weights.labels):
        return Release(tuple(artifacts), len(held_back), (), None)
    classes = _classes(int8, targets, weights.labels)
    return Release(tuple(artifacts), len(held_back), classes, _drift(int8))


def _smallest(each: Exported, precision: Precision, path: Path) -> bytes:
    """A graph's file, or that of the one to be shipped instead where it would be no smaller."""
    raw: bytes = packed(each.graph, precision, each.spread).SerializeToString()
    if each.instead is None:
        return raw
    whole: bytes = packed(each.instead, precision, each.spread).SerializeToString()
    if len(raw) < len(whole):
        return raw
    log.warning(
        "%s: leaving features out saves nothing (%d bytes, and %d with zeros for their weights): zeros"
        " are shipped",
        path.name,
        len(raw),
        len(whole),
    )
    return whole


def _require_equal(trained: Scores, exported: Scores, path: Path) -> None:
    if np.abs(trained - exported).max() > _ROUNDING * max(1.0, float(np.abs(trained).max())):
        raise StateError(
            f"{path.name} does not compute what the trained model computes",
            "do not ship it; check the versions of onnx, onnxruntime and, of a network, torch",
        )


def _are_labels(targets: Targets, scores: Scores, labels: Sequence[str]) -> bool:
    return targets.ndim == 1 and scores.ndim == 2 and scores.shape[1] == len(labels) > 1


def _classes(scores: Scores, targets: Targets, labels: Sequence[str]) -> tuple[ClassResult, ...]:
    said = scores.argmax(axis=1)
    return tuple(
        ClassResult(label, int((targets == at).sum()), int(((targets == at) & (said == at)).sum()))
        for at, label in enumerate(labels)
    )


def _drift(scores: Scores) -> Drift:
    said = np.bincount(scores.argmax(axis=1), minlength=scores.shape[1])
    sure = sureness(scores)
    places = np.minimum((sure * DRIFT_BINS).astype(int), DRIFT_BINS - 1)
    histogram = np.bincount(places, minlength=DRIFT_BINS)
    shares = tuple(int(each) * PPM // len(scores) for each in said)
    return Drift(shares, tuple(int(each) for each in histogram))


def sureness(scores: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) 0..1: of the label that each row of scores (n, k) has the most for, by softmax."""
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return np.asarray(powers.max(axis=1) / powers.sum(axis=1))
