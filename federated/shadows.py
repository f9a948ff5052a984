"""Trains a model the way a job does, in one place: what an attacker does who knows the job's terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from federated.aggregate import Aggregator
from federated.attacks import Train
from federated.model import Weights
from federated.quantize import rounded
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.task import Inputs, Targets


def trainer(task: Task, spec: TrainingSpec, start: Weights, examples: int | None = None) -> Train:
    """Trains on examples from `start`, with the job's clip, noise and steps. The noise is an ordinary
    generator's, which hides nothing: shadows are nobody's secret. Sums are divided by the number of
    `examples` that are expected; by default as many are as there are."""

    def train(inputs: Inputs, targets: Targets, seed: int) -> Weights:
        rng = np.random.default_rng(seed)
        own = replace(spec, expected_examples=examples or max(len(inputs), 1))
        aggregator, weights = Aggregator(own, start), start
        for _ in range(own.rounds):
            chosen = rng.random(len(inputs)) < own.sampling
            at = rounded(weights, own.weight_bits)
            total = task.clipped_sum(at, inputs[chosen], targets[chosen], own.clip)
            total = total + rng.normal(0, own.noise_multiplier * own.clip, total.shape)
            weights = aggregator.step(total, own.quorum)
        return weights

    return train


def retrainer(task: Task, spec: TrainingSpec, start: Weights, examples: int) -> Train:
    """Trains as it would be on average: without noise, and on all examples in each round."""
    return trainer(task, replace(spec, noise_multiplier=0.0, sampling=1.0), start, examples)
