"""CPU seconds of truth inference on synthetic answers, beside a plain majority vote.

    python -m benchmarks.inference

Each item has five answers and one of four labels; reviewers are right 55-95 % of the time; 5 % of
the items are gold. "crowd" has 2,000 reviewers who rarely meet; "panel" has 200 who meet often, so
that every pair is tested for collusion; "ring" is a panel in which one in five colludes, which
costs further fits; "wide" has 20,000. Times are of this process only and compare within one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from protocol.truth.inference import NO_RING, Answers, Gold, infer
from protocol.truth.scoring import score_reviewers

N_LABELS = 4
PER_ITEM = 5
GOLD_SHARE = 0.05
# answers, reviewers, share of the reviewers that colludes
CASES = [
    (100_000, 2_000, 0.0),
    (1_000_000, 2_000, 0.0),
    (1_000_000, 200, 0.0),
    (1_000_000, 200, 0.2),
    (1_000_000, 20_000, 0.0),
]

Array = NDArray[np.int64]
T = TypeVar("T")


def simulate(n_answers: int, n_reviewers: int, colluding: float) -> tuple[Answers, Gold, Array]:
    """Answers, gold and the truth. Colluders give one shared random label an item."""
    rng = np.random.default_rng(20)
    n_items = n_answers // PER_ITEM
    truth = rng.integers(N_LABELS, size=n_items)
    item = np.repeat(np.arange(n_items), PER_ITEM)
    # Consecutive reviewers from a random start: distinct on an item without a slow draw.
    stride = rng.integers(1, n_reviewers // PER_ITEM, size=n_items)
    start = rng.integers(n_reviewers, size=n_items)
    step = np.tile(np.arange(PER_ITEM), n_items) * np.repeat(stride, PER_ITEM)
    reviewer = (np.repeat(start, PER_ITEM) + step) % n_reviewers
    accuracy = rng.uniform(0.55, 0.95, size=n_reviewers)
    right = rng.random(n_answers) < accuracy[reviewer]
    label = np.where(right, truth[item], rng.integers(N_LABELS, size=n_answers))
    agreed = rng.integers(N_LABELS, size=n_items)
    label = np.where(reviewer < colluding * n_reviewers, agreed[item], label)
    known = rng.choice(n_items, int(GOLD_SHARE * n_items), replace=False)
    answers = Answers(item, reviewer, label, n_items, n_reviewers, N_LABELS)
    return answers, Gold(known, truth[known]), truth


def majority(answers: Answers) -> Array:
    """The most frequent label of every item; ties go to the lowest."""
    cell = answers.item * answers.n_labels + answers.label
    votes = np.bincount(cell, minlength=answers.n_items * answers.n_labels)
    best: Array = votes.reshape(answers.n_items, answers.n_labels).argmax(axis=1)
    return best


def cpu_seconds(call: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this process spent in `call`, and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def run() -> dict[str, object]:
    """Figures per case, keyed by answers/reviewers/share that colludes."""
    figures: dict[str, object] = {}
    for n_answers, n_reviewers, colluding in CASES:
        answers, gold, truth = simulate(n_answers, n_reviewers, colluding)
        plain_seconds, plain = cpu_seconds(partial(majority, answers))
        seconds, inference = cpu_seconds(partial(infer, answers, gold))
        score_seconds, _ = cpu_seconds(partial(score_reviewers, answers, gold, inference))
        figures[f"{n_answers}/{n_reviewers}/{colluding:g}"] = {
            "majority_seconds": plain_seconds,
            "infer_seconds": seconds,
            "score_seconds": score_seconds,
            "ratio": seconds / max(plain_seconds, 1e-9),
            "sweeps": inference.iterations,
            "in_rings": int((inference.ring != NO_RING).sum()),
            "majority_accuracy": float((plain == truth).mean()),
            "infer_accuracy": float((inference.posterior.argmax(axis=1) == truth).mean()),
        }
    return figures


def main() -> None:
    print(
        f"{'answers/reviewers/colluding':28} {'majority s':>10} {'infer s':>8} {'ratio':>6} "
        f"{'score s':>8} "
        f"{'sweeps':>6} {'in rings':>8} {'maj acc':>8} {'acc':>6}"
    )
    for name, f in run().items():
        assert isinstance(f, dict)
        print(
            f"{name:28} {f['majority_seconds']:10.3f} {f['infer_seconds']:8.2f} "
            f"{f['ratio']:6.0f} {f['score_seconds']:8.2f} {f['sweeps']:6d} {f['in_rings']:8d} "
            f"{f['majority_accuracy']:8.4f} {f['infer_accuracy']:6.4f}"
        )


if __name__ == "__main__":
    main()
