"""Accuracy on crowdsourced label sets: majority vote, Dawid-Skene and ours, clean and attacked.

    python -m benchmarks.crowd [DATA_DIR]

DATA_DIR holds SET/label.csv (item,worker,label) and SET/truth.csv (item,truth), integers with a
header. Without it, two synthetic sets show the same tables. An attack turns whole workers, drawn
at random until they hold 40 % of the answers. Gold is 10 % of the items with a known truth;
accuracy is measured on the others. A clean set is also inferred without gold. Seeds are fixed.

blind: one shared random label an item; wrong: one shared wrong label; camo: the truth on 60 % of
the items and a shared wrong label on the rest; constant: always the most common label. "attacker
pay" is an attacker's weight for an answer over an honest worker's. "panel" is the small regime.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocol.truth.inference import NO_GOLD, NO_RING, Answers, Gold, infer
from protocol.truth.scoring import score_reviewers

Array = NDArray[np.int64]

ATTACKS = ("blind", "camo", "wrong", "constant")
ATTACKED_SHARE = 0.4
GOLD_SHARE = 0.1
SEEDS = 3
PANEL_SEEDS = 50
PANELS = {
    "all honest": {"lazy": 0},
    "one lazy": {"lazy": 1},
    "one guessing": {"lazy": 0, "guessing": 1},
    "three colluding": {"lazy": 0, "colluding": 3},
}
MAX_ATTACKED_ANSWERS = 30_000  # larger sets are run clean only, to keep this under a minute


@dataclass(frozen=True)
class Crowd:
    """A label set; truth is -1 where it is not known."""

    name: str
    answers: Answers
    truth: Array


def load(directory: Path) -> Crowd:
    """Read one set. Of a worker's repeated answers on an item, the first counts."""
    rows = np.loadtxt(directory / "label.csv", delimiter=",", skiprows=1, dtype=np.int64)
    known = np.loadtxt(directory / "truth.csv", delimiter=",", skiprows=1, dtype=np.int64)
    _, first = np.unique(rows[:, :2], axis=0, return_index=True)
    rows = rows[np.sort(first)]
    items, item = np.unique(rows[:, 0], return_inverse=True)
    workers, worker = np.unique(rows[:, 1], return_inverse=True)
    lookup = dict(known.tolist())
    truth = np.array([lookup.get(i, -1) for i in items.tolist()])
    n_labels = int(max(rows[:, 2].max(), known[:, 1].max())) + 1
    answers = Answers(item, worker, rows[:, 2], len(items), len(workers), n_labels)
    return Crowd(directory.name, answers, truth)


def synthetic(name: str, n_items: int, n_workers: int, n_labels: int, per_item: int) -> Crowd:
    """Workers right 60-95 % of the time, errors spread evenly."""
    rng = np.random.default_rng(1)
    truth = rng.integers(n_labels, size=n_items)
    draws = [rng.choice(n_workers, per_item, replace=False) for _ in range(n_items)]
    worker = np.concatenate(draws)
    item = np.repeat(np.arange(n_items), per_item)
    right = rng.random(len(item)) < rng.uniform(0.6, 0.95, n_workers)[worker]
    label = np.where(right, truth[item], rng.integers(n_labels, size=len(item)))
    return Crowd(name, Answers(item, worker, label, n_items, n_workers, n_labels), truth)


def panel(
    seed: int,
    *,
    gold_items: int = 60,
    lazy: int = 1,
    guessing: int = 0,
    colluding: int = 0,
    n_items: int = 600,
    n_reviewers: int = 7,
    n_labels: int = 10,
) -> tuple[Crowd, Gold]:
    """A campaign's first days: few reviewers, three answers an item, right 85-92 % of the time.

    The last `lazy` reviewers always answer label 3, the `guessing` before them at random; the
    first `colluding` share one random label an item.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_labels, size=n_items)
    item = np.repeat(np.arange(n_items), 3)
    reviewer = np.concatenate([rng.choice(n_reviewers, 3, replace=False) for _ in range(n_items)])
    right = rng.random(len(item)) < rng.uniform(0.85, 0.92, n_reviewers)[reviewer]
    wrong = (truth[item] + rng.integers(1, n_labels, size=len(item))) % n_labels
    label = np.where(right, truth[item], wrong)
    guess = rng.integers(n_labels, size=len(item))
    label = np.where(reviewer >= n_reviewers - lazy - guessing, guess, label)
    label = np.where(reviewer >= n_reviewers - lazy, 3, label)
    shared = rng.integers(n_labels, size=n_items)
    label = np.where(reviewer < colluding, shared[item], label)
    known = rng.choice(n_items, gold_items, replace=False)
    answers = Answers(item, reviewer, label, n_items, n_reviewers, n_labels)
    return Crowd(f"panel {seed}", answers, truth), Gold(known, truth[known])


def majority(answers: Answers) -> NDArray[np.float64]:
    """(n_items, K) shares of the votes."""
    cell = answers.item * answers.n_labels + answers.label
    votes = np.bincount(cell, minlength=answers.n_items * answers.n_labels)
    votes = votes.reshape(answers.n_items, answers.n_labels)
    share: NDArray[np.float64] = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    return share


def dawid_skene(answers: Answers, sweeps: int = 50) -> NDArray[np.float64]:
    """Textbook expectation-maximisation from the majority, smoothed by 1/K and 1 on the diagonal."""
    k = answers.n_labels
    belief = majority(answers)
    smooth = np.eye(k) + 1.0 / k
    for _ in range(sweeps):
        confusion = np.zeros((answers.n_reviewers, k, k))
        np.add.at(confusion, (answers.reviewer, answers.label), belief[answers.item])
        confusion += smooth
        confusion /= confusion.sum(axis=1, keepdims=True)
        logits = np.tile(np.log(np.maximum(belief.mean(axis=0), 1e-12)), (answers.n_items, 1))
        np.add.at(logits, answers.item, np.log(confusion[answers.reviewer, answers.label]))
        belief = np.exp(logits - logits.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
    return belief


def accuracy(belief: NDArray[np.float64], truth: Array, judged: NDArray[np.bool_]) -> float:
    """Share of the judged items whose best label is true; ties count fractionally."""
    best = belief >= belief.max(axis=1, keepdims=True) - 1e-9
    hit = best[np.arange(len(truth)), np.maximum(truth, 0)] / best.sum(axis=1)
    return float(hit[judged].mean())


def attack(crowd: Crowd, kind: str, rng: np.random.Generator) -> tuple[Answers, NDArray[np.bool_]]:
    """The set with attackers' answers replaced, and who they are."""
    a, truth = crowd.answers, crowd.truth
    count = np.bincount(a.reviewer, minlength=a.n_reviewers)
    attacker = np.zeros(a.n_reviewers, dtype=bool)
    for worker in rng.permutation(a.n_reviewers):
        if count[attacker].sum() + count[worker] <= ATTACKED_SHARE * 1.02 * len(a):
            attacker[worker] = True
    # Where the truth is unknown any label may stand in: accuracy is not judged there.
    true = np.where(truth >= 0, truth, rng.integers(a.n_labels, size=a.n_items))
    wrong = (true + rng.integers(1, a.n_labels, size=a.n_items)) % a.n_labels
    shared = {
        "blind": rng.integers(a.n_labels, size=a.n_items),
        "wrong": wrong,
        "camo": np.where(rng.random(a.n_items) < 0.4, wrong, true),
        "constant": np.full(a.n_items, np.bincount(a.label).argmax()),
    }[kind]
    label = np.where(attacker[a.reviewer], shared[a.item], a.label)
    return Answers(a.item, a.reviewer, label, a.n_items, a.n_reviewers, a.n_labels), attacker


def draw_gold(crowd: Crowd, rng: np.random.Generator) -> tuple[Gold, NDArray[np.bool_]]:
    """Gold, and which items remain to judge by."""
    known = np.flatnonzero(crowd.truth >= 0)
    item = rng.choice(known, max(int(GOLD_SHARE * len(known)), 5), replace=False)
    judged = crowd.truth >= 0
    judged[item] = False
    return Gold(item, crowd.truth[item]), judged


def clean_figures(crowd: Crowd) -> dict[str, float]:
    """Accuracy without gold, then with gold, and the share of workers falsely put in a ring."""
    known = crowd.truth >= 0
    figures = {
        "majority": accuracy(majority(crowd.answers), crowd.truth, known),
        "dawid-skene": accuracy(dawid_skene(crowd.answers), crowd.truth, known),
        "ours": accuracy(infer(crowd.answers, NO_GOLD).posterior, crowd.truth, known),
    }
    with_gold, ringed = [], []
    for seed in range(SEEDS):
        gold, judged = draw_gold(crowd, np.random.default_rng(seed))
        inference = infer(crowd.answers, gold)
        with_gold.append(accuracy(inference.posterior, crowd.truth, judged))
        ringed.append(float((inference.ring != NO_RING).mean()))
    return figures | {"ours+gold": _mean(with_gold), "false rings": _mean(ringed)}


def attacked_figures(crowd: Crowd, kind: str) -> dict[str, float]:
    """Accuracy under attack; "without" is ours with the attackers' answers removed."""
    runs = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(100 + seed)
        answers, attacker = attack(crowd, kind, rng)
        gold, judged = draw_gold(crowd, rng)
        inference = infer(answers, gold)
        honest = ~attacker[answers.reviewer]
        kept = Answers(
            answers.item[honest],
            answers.reviewer[honest],
            answers.label[honest],
            answers.n_items,
            answers.n_reviewers,
            answers.n_labels,
        )
        pay = score_reviewers(answers, gold, inference)
        rate = [
            pay.micro[who].sum() / max(int(pay.answers[who].sum()), 1)
            for who in (~attacker, attacker)
        ]
        runs.append(
            {
                "majority": accuracy(majority(answers), crowd.truth, judged),
                "dawid-skene": accuracy(dawid_skene(answers), crowd.truth, judged),
                "ours": accuracy(inference.posterior, crowd.truth, judged),
                "without": accuracy(infer(kept, gold).posterior, crowd.truth, judged),
                "ring found": float((inference.ring[attacker] != NO_RING).mean()),
                "ring false": float((inference.ring[~attacker] != NO_RING).mean()),
                "attacker pay": float(rate[1] / max(rate[0], 1e-9)),
            }
        )
    return {name: _mean([run[name] for run in runs]) for name in runs[0]}


def panel_figures(**misbehaving: int) -> dict[str, float]:
    """Accuracy, calibration and pay in the small regime; "pay" is of the best-paid misbehaver."""
    runs = []
    for seed in range(PANEL_SEEDS):
        crowd, gold = panel(seed, **misbehaving)
        inference = infer(crowd.answers, gold)
        judged = np.ones(crowd.answers.n_items, dtype=bool)
        judged[gold.item] = False
        pay = score_reviewers(crowd.answers, gold, inference).micro
        bad = np.zeros(len(pay), dtype=bool)
        bad[: misbehaving.get("colluding", 0)] = True
        bad[len(pay) - misbehaving.get("lazy", 1) - misbehaving.get("guessing", 0) :] = True
        share = pay / np.median(pay[~bad])
        runs.append(
            {
                "majority": accuracy(majority(crowd.answers), crowd.truth, judged),
                "dawid-skene": accuracy(dawid_skene(crowd.answers), crowd.truth, judged),
                "ours": accuracy(inference.posterior, crowd.truth, judged),
                "confidence": float(inference.posterior[judged].max(axis=1).mean()),
                "ring false": float((inference.ring[~bad] != NO_RING).mean()),
                "pay": float(share[bad].max(initial=0.0)),
            }
        )
    figures = {name: _mean([run[name] for run in runs]) for name in runs[0]}
    return figures | {"worst pay": max(run["pay"] for run in runs)}


def run(data: Path | None = None) -> dict[str, object]:
    """{"clean" or an attack: {set: figures}}."""
    if data is None:
        crowds = [synthetic("binary", 1000, 60, 2, 7), synthetic("ten", 1000, 60, 10, 5)]
    else:
        crowds = [load(d) for d in sorted(data.iterdir()) if (d / "label.csv").exists()]
    small = [c for c in crowds if len(c.answers) <= MAX_ATTACKED_ANSWERS]
    figures: dict[str, object] = {"clean": {c.name: clean_figures(c) for c in crowds}}
    for kind in ATTACKS:
        figures[kind] = {c.name: attacked_figures(c, kind) for c in small}
    figures["panel"] = {name: panel_figures(**case) for name, case in PANELS.items()}
    return figures


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for title, table in run(data).items():
        assert isinstance(table, dict)
        _print(f"{title}, 40 % of answers" if title in ATTACKS else title, table)


def _print(title: str, table: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n{title:24}" + "".join(f"{c:>13}" for c in columns))
    means = {c: _mean([figures[c] for figures in table.values()]) for c in columns}
    for name, figures in [*table.items(), ("mean", means)]:
        print(f"{name:24}" + "".join(f"{figures[c]:13.4f}" for c in columns))


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


if __name__ == "__main__":
    main()
