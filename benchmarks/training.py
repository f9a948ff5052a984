"""Federated training under differential privacy: accuracy, size and cost, with three kinds of noise.

    no privacy      the same rounds without noise; gradients are clipped all the same
    shared noise    each of four partners adds half of the noise, and the coordinator adds updates up
    noise by each   each partner adds all of it; the better of two learning rates, as the noise is larger

The last two promise the same epsilon: the first of them towards everybody who sees the models, the second
towards the coordinator as well. The digits that measure were seen by no partner, nor when the recipe was
chosen.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Final

import numpy as np

from benchmarks.report import show
from commonhold.digits import LABELS, Digits, Truth, load_digits
from federated.aggregate import Aggregator
from federated.data import IMAGE, LABEL, Table, column_array, private
from federated.grid import fitting, from_ring, ring_of
from federated.model import Weights
from federated.partner import Partner
from federated.privacy import (
    adversaries,
    epsilon_micro,
    noise_multiplier_for,
)
from federated.release import Release, release
from federated.spec import TrainingSpec
from federated.tasks.registry import made, options_of
from federated.tasks.task import initial_weights
from protocol.limits import PPM

PARTNERS: Final = 4
PRIVATE: Final = 3_000  # digits of all partners together
HELD_BACK: Final = 400
CALIBRATION: Final = 200
# Labels are jittered by this deviation, sorted and cut into shares: each partner has some labels often.
SKEW: Final = 2.5
# Its first 400 digits are those that no version of the recipe was chosen with.
SPLIT_SEED: Final = 7
REPETITIONS: Final = 5  # with other noise, on the same digits
EPSILON: Final = 3.0
EPSILONS: Final = (1.0, 8.0)  # beside it
DELTA: Final = 1e-5
TASK: Final = made("images", {"dims": 100}, LABELS)
RECIPE: Final = TASK.recipe(PRIVATE, EPSILON)
PARAMETERS: Final = sum(each.size for each in TASK.initial().values())
# Bits for each value, beside as many as hold any sum.
UPLOADS: Final = (8, 4)


class Bench:
    """The digits, dealt out once."""

    def __init__(self) -> None:
        digits, rng = load_digits(), np.random.default_rng(SPLIT_SEED)
        order = rng.permutation(len(digits))
        held, mine, rest = np.split(order, [HELD_BACK, HELD_BACK + PRIVATE])
        jittered = digits.labels[mine] + rng.normal(0, SKEW, PRIVATE)
        parts = np.array_split(mine[np.argsort(jittered)], PARTNERS)
        tables = [_table(digits.images[part], digits.labels[part]) for part in parts]
        self.shares = [private(each, TASK.columns) for each in tables]
        self.held_back = _table(digits.images[held], digits.labels[held])
        public = rest[:CALIBRATION]
        self.public = _table(digits.images[public], digits.labels[public])
        self.first = initial_weights(TASK, "images", self.public)
        self.round_seconds: list[float] = []  # of one partner, processor time

    def train(self, spec: TrainingSpec, seed: int) -> Weights:
        """All rounds of a job, every partner in each."""
        weights = self.first
        partners = {
            bytes([number]): Partner(
                spec, TASK, share, _account(spec), Random(f"{seed} {number}").randbytes
            )
            for number, share in enumerate(self.shares)
        }
        aggregator = Aggregator(spec, weights)
        for round_ in range(1, spec.rounds + 1):
            total = ring_of(spec).zeros(spec.values)
            for partner in partners.values():
                start = time.process_time()
                total += partner.update(round_, weights).words
                self.round_seconds.append(time.process_time() - start)
            weights = aggregator.step(from_ring(total, spec, round_), len(partners))
        return weights

    def released(self, spec: TrainingSpec) -> list[Release]:
        """One release for each repetition."""
        with tempfile.TemporaryDirectory() as folder:
            return [
                release(TASK, self.train(spec, seed), self.held_back, Path(folder))
                for seed in range(REPETITIONS if spec.noise_multiplier else 1)
            ]


def _table(images: Digits, classes: Truth) -> Table:
    """As federated.data reads it from a folder."""
    labels = column_array(TASK.columns[1], [LABELS[each] for each in classes])
    return Table({IMAGE: images[..., None], LABEL: labels})


def _account(spec: TrainingSpec) -> Callable[[int], int]:
    """The accounting of a charge, which is part of what a round takes; without noise there is none."""
    if not spec.noise_multiplier:
        return lambda _: 0
    return lambda round_: epsilon_micro(spec.noise_multiplier, spec.sampling, round_, spec.delta)


def job(epsilon: float, sampling: float = RECIPE.sampling) -> TrainingSpec:
    """The recipe, with the noise that `epsilon` takes, and all of a quorum to make it."""
    spec = TrainingSpec(
        job_id="benchmark",
        task="images",
        options=options_of(TASK),
        labels=LABELS,
        columns=(IMAGE, LABEL),
        rounds=RECIPE.rounds,
        quorum=PARTNERS,
        sampling=sampling,
        clip=RECIPE.clip,
        noise_multiplier=noise_multiplier_for(epsilon, DELTA, sampling, RECIPE.rounds),
        learning_rate=RECIPE.learning_rate,
        momentum=RECIPE.momentum,
        epsilon=epsilon,
        delta=DELTA,
        expected_examples=PRIVATE,
        cohorts=0,
        noise_parties=PARTNERS,
        step=1,
        bits=32,
        values=PARAMETERS,
        parameters=PARAMETERS,
        partners=PARTNERS,
    )
    return fitting(spec)


def _uploads(bench: Bench, spec: TrainingSpec) -> dict[str, object]:
    """What smaller updates cost in accuracy, in one round of the job's own size or less."""
    rows: dict[str, object] = {}
    for bits in UPLOADS:
        small = fitting(spec, bits)
        packed = ring_of(small).packed_bytes(small.values)
        rows[f"{bits} bits"] = {
            **_row(bench.released(small)),
            "bits": small.bits,
            "values": small.values,
            "bytes": packed,
            "times smaller than fp32": 4 * PARAMETERS / packed,
        }
    return rows


def _row(releases: list[Release]) -> dict[str, object]:
    int8 = [each.int8.accuracy_ppm / PPM for each in releases]
    row: dict[str, object] = {
        "accuracy fp32": mean(each.fp32.accuracy_ppm / PPM for each in releases),
        "accuracy int8": mean(int8),
    }
    if len(int8) > 1:
        row["accuracy int8, deviation"] = stdev(int8)
        row["accuracy int8, worst"] = min(int8)
        row["int8 below fp32, worst"] = max(
            (each.fp32.accuracy_ppm - each.int8.accuracy_ppm) / PPM for each in releases
        )
    return row


def _alone(bench: Bench, spec: TrainingSpec) -> list[Release]:
    """Every partner adds the whole noise: what a quorum of one asks of each."""
    rates = (spec.learning_rate, spec.learning_rate / 4)
    tried = [
        bench.released(fitting(replace(spec, noise_parties=1, learning_rate=rate)))
        for rate in rates
    ]
    return max(tried, key=lambda releases: mean(each.int8.accuracy_ppm for each in releases))


def run() -> dict[str, object]:
    """Measure; returns every figure."""
    bench, main_job = Bench(), job(EPSILON)
    shared = bench.released(main_job)
    round_seconds = list(bench.round_seconds)
    figures: dict[str, object] = {
        "no privacy": _row(
            bench.released(replace(main_job, noise_multiplier=0.0, step=PPM // 100))
        ),
        "shared noise, epsilon 3": {
            **_row(shared),
            "noise multiplier": main_job.noise_multiplier,
            **{f"epsilon, {each.who}": each.epsilon for each in adversaries(main_job)},
        },
        "noise by each, epsilon 3": _row(_alone(bench, main_job)),
        "shared noise, epsilon 3, half of the examples": _row(bench.released(job(EPSILON, 0.5))),
    }
    figures |= {f"uploads, {name}": row for name, row in _uploads(bench, main_job).items()}
    for epsilon in EPSILONS:
        figures[f"shared noise, epsilon {epsilon:g}"] = _row(bench.released(job(epsilon)))
    figures["ONNX fp32, bytes"] = shared[0].fp32.size_bytes
    figures["ONNX int8, bytes"] = shared[0].int8.size_bytes
    figures["times smaller"] = shared[0].size_ratio
    figures["rounds"] = main_job.rounds
    figures["held-back digits"] = HELD_BACK
    figures["a partner's round, processor ms, mean"] = 1e3 * mean(round_seconds)
    figures["a partner's round, processor ms, most"] = 1e3 * max(round_seconds)
    return figures


if __name__ == "__main__":
    show(run())
