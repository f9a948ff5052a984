"""A small training job over real digits, and bytes that are the same in every run."""

from __future__ import annotations

import random
from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from commonhold.digits import LABELS, load_digits
from federated.data import IMAGE, LABEL, PrivateData
from federated.model import DEFAULT_MODEL, Labelled, initial_weights
from federated.noise import Randomness
from federated.spec import RECIPE, TrainingSpec
from protocol.limits import PPM

HEAD_VALUES = initial_weights(DEFAULT_MODEL, LABELS).vector.size
SPEC = TrainingSpec(
    job_id="digits",
    model=DEFAULT_MODEL,
    labels=LABELS,
    columns=(IMAGE, LABEL),
    rounds=RECIPE.rounds,
    quorum=3,
    cohorts=0,
    noise_parties=2,
    step=PPM,
    bits=16,
    values=HEAD_VALUES,
    parameters=HEAD_VALUES,
    partners=4,
    sampling=RECIPE.sampling,
    clip=RECIPE.clip,
    noise_multiplier=6.25,
    learning_rate=RECIPE.learning_rate,
    momentum=RECIPE.momentum,
    epsilon=3.0,
    delta=1e-5,
    expected_examples=300,
)


def spec(**changes: object) -> TrainingSpec:
    """SPEC with some fields changed."""
    return replace(SPEC, **changes)  # type: ignore[arg-type]


def seeded(seed: int) -> Randomness:
    """Bytes of an ordinary generator: for tests alone."""
    return random.Random(seed).randbytes


def private(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> PrivateData:
    """What `data.load` makes of a folder with these digits."""
    examples = tuple(sha256(image.tobytes()).digest() for image in images)
    labels = tuple(LABELS[each] for each in classes)
    return PrivateData(images, labels, sha256(b"".join(examples)).digest(), examples, ())


def skewed(sizes: int, partners: int, seed: int) -> tuple[list[PrivateData], Labelled]:
    """`partners` sets of digits in which some labels are frequent and others rare; and the rest."""
    digits, rng = load_digits(), np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    chosen, rest = order[:sizes], order[sizes:]
    blurred = digits.labels[chosen] + rng.normal(0, 2.5, sizes)
    parts = np.array_split(chosen[np.argsort(blurred)], partners)
    shares = [private(digits.images[part], digits.labels[part]) for part in parts]
    return shares, Labelled(digits.images[rest], digits.labels[rest])
