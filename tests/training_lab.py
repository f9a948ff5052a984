"""A small training job over real digits, and bytes that are the same in every run."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from commonhold.digits import LABELS, load_digits
from federated.data import IMAGE, LABEL, PrivateData, Table, column_array, private
from federated.model import Weights, digest
from federated.noise import Randomness
from federated.spec import TrainingSpec
from federated.tasks.registry import made, options_of
from federated.tasks.task import Task, initial_weights, measured
from protocol.limits import PPM

TASK: Task = made("images", {"dims": 0, "cells": 3}, LABELS)
BLANK = initial_weights(TASK, "images")
SPEC = TrainingSpec(
    job_id="digits",
    task="images",
    labels=LABELS,
    columns=(IMAGE, LABEL),
    rounds=20,
    quorum=3,
    cohorts=0,
    noise_parties=2,
    step=PPM,
    bits=16,
    values=BLANK.vector.size,
    parameters=BLANK.vector.size,
    partners=4,
    sampling=1.0,
    clip=1.0,
    noise_multiplier=6.25,
    learning_rate=32.0,
    momentum=0.8,
    epsilon=3.0,
    delta=1e-5,
    expected_examples=300,
    options=options_of(TASK),
)


def spec(**changes: object) -> TrainingSpec:
    """SPEC with some fields changed."""
    return replace(SPEC, **changes)  # type: ignore[arg-type]


def seeded(seed: int) -> Randomness:
    """Bytes of an ordinary generator: for tests alone."""
    return random.Random(seed).randbytes


def table(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Table:
    """What a folder with these digits holds."""
    labels = column_array(TASK.columns[1], [LABELS[each] for each in classes])
    return Table({IMAGE: images[..., None], LABEL: labels})


def shared(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> PrivateData:
    """What `data.load` makes of it."""
    return private(table(images, classes), TASK.columns)


def skewed(sizes: int, partners: int, seed: int) -> tuple[list[PrivateData], Table]:
    """`partners` sets of digits in which some labels are frequent and others rare; and the rest."""
    digits, rng = load_digits(), np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    chosen, rest = order[:sizes], order[sizes:]
    blurred = digits.labels[chosen] + rng.normal(0, 2.5, sizes)
    parts = np.array_split(chosen[np.argsort(blurred)], partners)
    shares = [shared(digits.images[part], digits.labels[part]) for part in parts]
    return shares, table(digits.images[rest], digits.labels[rest])


class PublicDigits:
    """Digits that are nobody's secret, as `coordinator.training.snapshot.Measure` gives them."""

    def __init__(self, places: NDArray[np.int64]) -> None:
        digits = load_digits()
        self.table = table(digits.images[places], digits.labels[places])
        self._seen: dict[bytes, NDArray[np.float64]] = {}

    def accuracy_ppm(self, weights: Weights) -> int:
        return round(measured(TASK, weights, self.table) * PPM)

    def downhill(self, weights: Weights, clip: float) -> NDArray[np.float64]:
        key = digest(weights)
        if key not in self._seen:
            inputs, targets = TASK.inputs(self.table, {}), TASK.targets(self.table)
            self._seen[key] = TASK.clipped_sum(weights, inputs, targets, clip)
        return self._seen[key]
