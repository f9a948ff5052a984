"""Partners who do harm, or nothing: what they cost with each defence, and whether they are ranked last.

    flipped labels   trains on labels that are each moved on by one
    flipped sign     sends its update the wrong way round
    scaled           sends ten times its update the wrong way round
    free-riding      sends noise alone

Ten partners with skewed shares of digits, two or four of them attackers. `mean` is the sum of all, whose
noise is that of epsilon 3; every other defence looks at five cohorts of two, each of which carries as much.
`set aside` is `trusted` without partners who are estimated to do harm: from then on, they are not asked.
The public examples that cohorts are compared with (and the models of rounds watched on) are digits that
nobody trains on; accuracy is of others.

    python -m benchmarks.robustness [--data mnist.npz] [--seeds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import mean, stdev
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import show
from commonhold.digits import load_digits
from federated.robust import combine
from federated.valuation import Worth, estimate, harmful, usefulness_micro
from federated.watching import Watch
from protocol.cohorts import Defence, draw_cohorts
from protocol.identity import PersonId
from protocol.jobs import CohortSum
from protocol.limits import PPM

Floats = NDArray[np.float64]

PARTNERS: Final = 10
COHORTS: Final = 5
PRIVATE, PUBLIC, TEST = 3_000, 600, 1_000
ROUNDS: Final = 20
LABELS: Final = 10
CLIP, RATE, MOMENTUM = 1.0, 8.0, 0.8
# Of the noise in a sum over the clip: epsilon 3 at delta 1e-5 over 20 rounds of all examples.
NOISE: Final = 6.25
SKEW: Final = 2.5  # deviation of the jitter by which labels are sorted into shares
SCALE: Final = 10.0
ASIDE: Final = "set aside"
MARGIN_PPM: Final = 30_000
SPARE_ROUNDS: Final = 4  # that may fail; of the 20, so that the noise is the same
DEFENCES: Final = (*Defence, ASIDE)


@dataclass(frozen=True, slots=True)
class Share:
    """A partner's examples, with its features."""

    features: Floats
    classes: NDArray[np.int64]


Attack = Callable[[Share, Floats], Floats]
"""From a share and the model to what is sent; the noise is added to it."""


def gradient(share: Share, weights: Floats) -> Floats:
    """(features, labels): the clipped sum of a softmax head's gradients; each is an outer product."""
    scores = share.features @ weights
    errors = np.exp(scores - scores.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(len(errors)), share.classes] -= 1
    norms = np.linalg.norm(errors, axis=1) * np.linalg.norm(share.features, axis=1)
    factors = np.minimum(1.0, CLIP / np.maximum(norms, 1e-12))
    return np.asarray(share.features.T @ (errors * factors[:, None]))


ATTACKS: Final[dict[str, Attack]] = {
    "flipped labels": lambda share, weights: gradient(
        Share(share.features, (share.classes + 1) % LABELS), weights
    ),
    "flipped sign": lambda share, weights: -gradient(share, weights),
    "scaled": lambda share, weights: -SCALE * gradient(share, weights),
    "free-riding": lambda share, weights: np.zeros_like(weights),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Shares of one seed, public examples, and those that measure."""

    shares: Sequence[Share]
    public: Share
    test: Share

    @classmethod
    def deal(cls, features: Floats, classes: NDArray[np.int64], seed: int, partners: int) -> Bench:
        """Labels jittered, sorted and cut: each partner has some often."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(classes))[: PRIVATE + PUBLIC + TEST]
        private, public, test = np.split(order, [PRIVATE, PRIVATE + PUBLIC])
        jittered = classes[private] + rng.normal(0, SKEW, PRIVATE)
        parts = np.array_split(private[np.argsort(jittered)], partners)
        cut = [Share(features[part], classes[part]) for part in (*parts, public, test)]
        return cls(cut[:-2], cut[-2], cut[-1])

    @property
    def people(self) -> list[PersonId]:
        return [
            PersonId(sha256(number.to_bytes(4, "big")).digest())
            for number in range(len(self.shares))
        ]


@dataclass(slots=True)
class Outcome:
    """A trained model, and what was made of its partners."""

    accuracy: float
    worth: dict[PersonId, Worth]
    aside: set[PersonId]
    stopped: str = ""


def accuracy(weights: Floats, share: Share) -> float:
    """0..1."""
    return float(((share.features @ weights).argmax(axis=1) == share.classes).mean())


def train(
    bench: Bench,
    attackers: Sequence[int],
    attack: Attack,
    defence: str,
    seed: int,
    *,
    cohorts: int,
    watched: bool = False,
) -> Outcome:
    """One job. Without cohorts there is one of everybody, whose sum alone is known."""
    rng = np.random.default_rng([seed, 7])
    people, weights = bench.people, np.zeros((bench.public.features.shape[1], LABELS))
    velocity, aside = np.zeros_like(weights), set[PersonId]()
    measured: list[CohortSum] = []
    worth: dict[PersonId, Worth] = {}
    watch = Watch(MARGIN_PPM if watched else 0, round(accuracy(weights, bench.public) * PPM))
    failed = 0
    for round_ in range(1, ROUNDS + 1):
        present = [each for each in people if each not in aside]
        groups = draw_cohorts(b"seed %d" % seed, round_, present, min(cohorts, len(present)))
        downhill = gradient(bench.public, weights).ravel()
        sums, useful = [], []
        for group in groups:
            total = np.zeros_like(weights)
            for who in group:
                number = people.index(who)
                sent = attack if number in attackers else gradient
                deviation = NOISE * CLIP / len(group) ** 0.5
                total += sent(bench.shares[number], weights)
                total += rng.normal(0, deviation, total.shape)
            sums.append(total.ravel())
            useful.append(usefulness_micro(sums[-1], downhill))
            measured.append(CohortSum(group, useful[-1]))
        worth = estimate(measured, people, NOISE * CLIP) or worth
        if defence == ASIDE and (found := harmful(worth) - aside):
            aside |= found
        whole = combine(Defence.TRUSTED if defence == ASIDE else Defence(defence), sums, useful)
        stepped = MOMENTUM * velocity + whole.reshape(weights.shape) / PRIVATE
        tried = weights - RATE * stepped
        push = usefulness_micro(whole, downhill) / PPM
        deviation = NOISE * CLIP * len(groups) ** 0.5
        right = round(accuracy(tried, bench.public) * PPM)
        if fault := watch.fault(right, push, deviation):
            failed += 1
            if failed > SPARE_ROUNDS:
                return Outcome(accuracy(weights, bench.test), worth, aside, fault)
            continue
        weights, velocity = tried, stepped
        watch.keep(right)
        if watch.stuck:
            return Outcome(accuracy(weights, bench.test), worth, aside, watch.stuck)
    return Outcome(accuracy(weights, bench.test), worth, aside)


def ranked(outcome: Outcome, people: Sequence[PersonId], attackers: Sequence[int]) -> float:
    """The part of all pairs of an honest partner and an attacker in which the honest one is worth more."""
    if not outcome.worth:
        return float("nan")
    values = [outcome.worth[who].value for who in people]
    honest = [value for number, value in enumerate(values) if number not in attackers]
    return float(np.mean([[h > values[a] for h in honest] for a in attackers]))


def load(data: str | None) -> tuple[Floats, NDArray[np.int64]]:
    """Features of length one at most, and classes: of the built-in digits, or of an mnist.npz."""
    if data is None:
        digits = load_digits()
        images, classes = digits.images, digits.labels
    else:
        with np.load(Path(data)) as file:
            images, classes = file["x_train"], file["y_train"]
        images, classes = images[:20_000], classes[:20_000]
    flat = images.reshape(len(images), -1).astype(np.float64) / 255
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return np.asarray(flat), classes.astype(np.int64)


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1%}" + (f" ± {stdev(values):.1%}" if len(values) > 1 else "")


def run(data: str | None = None, seeds: int = 3) -> dict[str, object]:
    """Measure; returns every figure."""
    features, classes = load(data)
    benches = [Bench.deal(features, classes, seed, PARTNERS) for seed in range(seeds)]
    figures: dict[str, object] = {}
    for name, attack in {"nobody": ATTACKS["free-riding"], **ATTACKS}.items():
        for count in (0,) if name == "nobody" else (2, 4):
            for defence in DEFENCES:
                cohorts = 1 if defence == Defence.MEAN else COHORTS
                found = []
                for seed, bench in enumerate(benches):
                    attackers = np.random.default_rng([seed, 5]).permutation(PARTNERS)[:count]
                    outcome = train(
                        bench, attackers.tolist(), attack, defence, seed, cohorts=cohorts
                    )
                    rank = ranked(outcome, bench.people, attackers.tolist()) if count else 1.0
                    found.append((outcome.accuracy, rank))
                row = _spread([each[0] for each in found])
                if cohorts > 1 and count:
                    row += f", ranked {mean(each[1] for each in found):.0%}"
                figures[f"{name}, {count} of {PARTNERS}, {defence}"] = row
    figures |= _minus_three(features, classes, seeds)
    return figures


def _minus_three(features: Floats, classes: NDArray[np.int64], seeds: int) -> dict[str, object]:
    """One of four sends -3 times its update."""
    figures: dict[str, object] = {}

    def minus_three(share: Share, weights: Floats) -> Floats:
        return -3 * gradient(share, weights)

    for words, attackers, cohorts, defence, watched in (
        ("nobody", [], 1, Defence.MEAN, True),
        ("one of four sends -3 times its update, sum alone", [1], 1, Defence.MEAN, False),
        ("the same, watched", [1], 1, Defence.MEAN, True),
        ("the same, watched, two cohorts, set aside", [1], 2, ASIDE, True),
        ("nobody, watched, two cohorts, set aside", [], 2, ASIDE, True),
        ("one of four sends noise alone, watched", [1], 1, Defence.MEAN, True),
    ):
        outcomes = [
            train(
                Bench.deal(features, classes, seed, 4),
                *(
                    attackers,
                    ATTACKS["free-riding"] if "noise" in words else minus_three,
                    defence,
                    seed,
                ),
                cohorts=cohorts,
                watched=watched,
            )
            for seed in range(seeds)
        ]
        stopped = [each.stopped for each in outcomes if each.stopped]
        figures[words] = (
            _spread([each.accuracy for each in outcomes])
            + (f"; stopped {len(stopped)} of {seeds}: {stopped[0]}" if stopped else "")
            + f"; set aside {[len(each.aside) for each in outcomes]}"
        )
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="an mnist.npz; default: the built-in digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    measured_figures = run(given.data, given.seeds)
    if given.json:
        print(json.dumps(measured_figures))
    else:
        show(measured_figures)
