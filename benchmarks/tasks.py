"""The kinds of tasks: rankings with liars, ratings on a scale, and what a million answers cost.

    python -m benchmarks.tasks [--pairs FILE] [--ordinal DIR] [--json]

FILE holds votes on pairs of answers, one JSON object a line: judge, model_a, model_b, winner (model_a,
model_b, or a tie in any words), question_id and turn. DIR holds label.csv (item,worker,label) and
truth.csv (item,truth), the labels being steps of a scale. Without them, synthetic ones show the same
figures. Seeds are fixed. With --json, the last line is one JSON object.

spearman_flipped: rank correlation of the sources' strengths between the votes as they are and with judges
    who hold 40 % of them, drawn at random, saying the opposite throughout (ties stay); the worst of ten
    draws.
heldout_agreement: share of single votes, other than ties, whose winner is foretold by a fit to the other
    nine tenths of the votes: by the sources' strengths and the other votes on the same two answers. Ten
    folds over votes, ten draws. heldout_by_sources: by the strengths alone, and folds over questions, so
    that nothing of a question was seen; heldout_pair_majority: the same, against the majority of the
    votes on a pair.
ordinal_mae: mean distance of the median of the belief from the truth, without gold; of the majority and of
    the categorical model, the better of median and most frequent step. The *_gold figures have 10 % of the
    known items as gold and are measured on the others, three draws.
cpu_s_by_kind: CPU seconds of this process, one thread, to infer 10^6 answers by 2,000 reviewers, five an
    item, 5 % of the items gold, from ballots to quantised beliefs. A judge's answer is three criteria.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # before numpy starts its threads, whose waiting would be counted
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.crowd import Crowd, draw_gold, load, majority
from benchmarks.inference import cpu_seconds, simulate
from protocol.tasks import kind_of
from protocol.tasks.kind import Ballots, Known
from protocol.tasks.spec import encode_spec
from protocol.truth.inference import NO_GOLD, Answers, Gold, infer
from protocol.truth.ordinal import infer_ratings
from protocol.truth.ranking import LEFT, RIGHT, TIE, Asked, Contests, forecast_ppm, rank_sources

Array = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FLIPPED_SHARE = 0.4
FLIP_SEEDS = 10
FOLDS = 10
FOLD_SEEDS = 10
GOLD_SEEDS = 3
ANSWERS = 1_000_000
REVIEWERS = 2_000


@dataclass(frozen=True)
class Votes:
    """Votes on pairs; question and pair (n_votes,) say what each was on."""

    contests: Contests
    question: Array
    pair: Array

    def where(self, kept: Bools, outcome: Array | None = None) -> Contests:
        """Some of the votes, perhaps with other outcomes."""
        c = self.contests
        said = c.outcome if outcome is None else outcome
        return Contests(
            c.left[kept], c.right[kept], c.judge[kept], said[kept], c.n_sources, c.n_judges
        )


def load_votes(path: Path) -> Votes:
    """Read votes, one JSON object a line."""
    with path.open(encoding="utf-8") as lines:
        return to_votes(json.loads(line) for line in lines if line.strip())


def to_votes(rows: Iterable[dict[str, object]]) -> Votes:
    """Votes from objects as in the files."""
    listed = list(rows)
    judges, judge = np.unique([str(row["judge"]) for row in listed], return_inverse=True)
    names = [str(row[side]) for side in ("model_a", "model_b") for row in listed]
    sources, source = np.unique(names, return_inverse=True)
    left, right = source[: len(listed)], source[len(listed) :]
    told = {"model_a": LEFT, "model_b": RIGHT}
    outcome = np.array([told.get(str(row["winner"]), TIE) for row in listed])
    asked = [f"{row.get('question_id')}/{row.get('turn')}" for row in listed]
    _, question = np.unique(asked, return_inverse=True)
    n = len(sources)
    key = (question * n + np.minimum(left, right)) * n + np.maximum(left, right)
    _, pair = np.unique(key, return_inverse=True)
    contests = Contests(left, right, judge, outcome, n, len(judges))
    return Votes(contests, question, pair)


def synthetic_votes() -> Votes:
    """Six sources, 40 judges of 60 votes; three in ten pairs are too close to call."""
    rng = np.random.default_rng(1)
    strength = np.array([2.0, 1.2, 0.6, 0.0, -1.4, -2.4])
    rows: list[dict[str, object]] = []
    for judge in np.repeat(np.arange(40), 60).tolist():
        left, right = rng.choice(6, 2, replace=False).tolist()
        win = 1.0 / (1.0 + np.exp(strength[right] - strength[left]))
        verdict = "model_a" if rng.random() < win else "model_b"
        winner = "tie" if rng.random() < 0.3 * 4 * win * (1 - win) else verdict
        row = {"judge": judge, "model_a": left, "model_b": right, "winner": winner}
        rows.append(row | {"question_id": int(rng.integers(60)), "turn": 1})
    return to_votes(rows)


def synthetic_ratings(seed: int = 1, n_items: int = 1500, reviewers: int = 80) -> Crowd:
    """Five steps, five ratings an item; reviewers with a bias, a spread and a range of their own."""
    rng = np.random.default_rng(seed)
    middle = 2.0
    level = rng.normal(size=n_items) * 1.25
    truth = np.clip(np.rint(middle + level), 0, 4).astype(np.int64)
    item = np.repeat(np.arange(n_items), 5)
    who = np.concatenate([rng.choice(reviewers, 5, replace=False) for _ in range(n_items)])
    bias, spread = rng.normal(size=reviewers) * 0.6, rng.uniform(0.3, 1.6, reviewers)
    reach = rng.uniform(0.6, 1.3, reviewers)
    seen = middle + level[item] * reach[who] + bias[who] + spread[who] * rng.normal(size=len(item))
    label = np.clip(np.rint(seen), 0, 4).astype(np.int64)
    return Crowd("ratings", Answers(item, who, label, n_items, reviewers, 5), truth)


def spearman_flipped(votes: Votes) -> float:
    """The worst rank correlation over the draws."""
    everything = np.ones(len(votes.pair), dtype=bool)
    c = votes.contests
    plain = rank_sources(c).strength_micro
    worst = 1.0
    for seed in range(FLIP_SEEDS):
        lies = _liars(c, np.random.default_rng(seed))[c.judge] & (c.outcome != TIE)
        outcome = np.where(lies, RIGHT - c.outcome, c.outcome)
        flipped = rank_sources(votes.where(everything, outcome)).strength_micro
        worst = min(worst, float(spearmanr(plain, flipped).statistic))
    return worst


def _liars(contests: Contests, rng: np.random.Generator) -> Bools:
    """(n_judges,): judges at random, as many as hold the share of the votes."""
    cast = np.bincount(contests.judge, minlength=contests.n_judges)
    lies = np.zeros(contests.n_judges, dtype=bool)
    for judge in rng.permutation(contests.n_judges):
        if cast[lies].sum() + cast[judge] <= FLIPPED_SHARE * 1.02 * cast.sum():
            lies[judge] = True
    return lies


def heldout(votes: Votes) -> dict[str, float]:
    """The three figures of held-out agreement."""
    c = votes.contests
    decided = c.outcome != TIE
    asked = Asked(votes.pair, c.left, c.right)
    hits: dict[str, list[Floats]] = {"agreement": [], "by_sources": [], "pair_majority": []}
    for seed in range(FOLD_SEEDS):
        rng = np.random.default_rng(seed)
        by_vote = rng.integers(FOLDS, size=len(votes.pair))
        by_question = rng.integers(FOLDS, size=int(votes.question.max()) + 1)[votes.question]
        for fold in range(FOLDS):
            kept = by_vote != fold
            seen = votes.where(kept)
            left = forecast_ppm(rank_sources(seen), seen, votes.pair[kept], asked)
            hits["agreement"].append(_right(left - 500_000, c)[decided & ~kept])
            kept = by_question != fold
            strength = rank_sources(votes.where(kept)).strength_micro
            gap = strength[c.left] - strength[c.right]
            hits["by_sources"].append(_right(gap, c)[decided & ~kept])
            hits["pair_majority"].append(_right_on_pairs(votes, gap, ~kept))
    return {f"heldout_{name}": float(np.concatenate(each).mean()) for name, each in hits.items()}


def _right(leaning: Array, c: Contests) -> Floats:
    """(n_votes,): 1 if the leaning towards the left has the sign of the vote, a half if none."""
    said = np.where(c.outcome == LEFT, 1, -1)
    return (1.0 + np.sign(leaning) * said) / 2.0


def _right_on_pairs(votes: Votes, gap: Array, tested: Bools) -> Floats:
    """The same for the majority of the tested votes on each pair that has one."""
    c = votes.contests
    turned = np.where(c.left < c.right, 1, -1)
    vote = np.select([c.outcome == LEFT, c.outcome == RIGHT], [1, -1], 0) * turned
    sums = np.bincount(votes.pair[tested], weights=vote[tested], minlength=votes.pair.max() + 1)
    _, first = np.unique(votes.pair, return_index=True)
    leaning = np.sign(gap[first] * turned[first])
    clear = sums != 0
    result: Floats = (1.0 + leaning[clear] * np.sign(sums[clear])) / 2.0
    return result


def ordinal(crowd: Crowd) -> dict[str, float]:
    """Mean distances from the truth."""
    answers, truth, known = crowd.answers, crowd.truth, crowd.truth >= 0
    models = {"": infer_ratings, "_categorical": infer}
    figures = {"ordinal_mae_majority": _best_mae(majority(answers), truth, known)}
    for name, model in models.items():
        best = _best_mae if name else _median_mae
        figures[f"ordinal_mae{name}"] = best(model(answers, NO_GOLD).posterior, truth, known)
        runs = []
        for seed in range(GOLD_SEEDS):
            gold, judged = draw_gold(crowd, np.random.default_rng(seed))
            runs.append(best(model(answers, gold).posterior, truth, judged))
        figures[f"ordinal_mae{name}_gold"] = float(np.mean(runs))
    return figures


def _median_mae(belief: Floats, truth: Array, judged: Bools) -> float:
    median = (np.cumsum(belief, axis=1) >= 0.5 - 1e-9).argmax(axis=1)
    return float(np.abs(median - truth)[judged].mean())


def _best_mae(belief: Floats, truth: Array, judged: Bools) -> float:
    likely = float(np.abs(belief.argmax(axis=1) - truth)[judged].mean())
    return min(likely, _median_mae(belief, truth, judged))


def cpu_by_kind() -> dict[str, float]:
    """CPU seconds that each kind takes for as many answers."""
    answers, gold, _ = simulate(ANSWERS, REVIEWERS, 0.0)
    steps = ["bad", "poor", "fair", "good"]
    criteria = [{"name": n, "text": "Is it?", "needs_ppm": 900_000} for n in ("a", "b", "c")]
    cases: dict[str, tuple[dict[str, object], Callable[[Array], list[Array]]]] = {
        "classify": ({"labels": steps}, lambda label: [0 * label, label]),
        "rate": ({"steps": steps, "tolerance": 0}, lambda label: [label]),
        "prefer": ({"ties": True}, lambda label: [label % 3]),
        "judge": ({"criteria": criteria}, lambda label: [label % 2, label // 2, label // 3]),
    }
    return {name: _cpu_of(name, *case, answers, gold) for name, case in cases.items()}


def _cpu_of(
    name: str,
    terms: dict[str, object],
    columns: Callable[[Array], list[Array]],
    answers: Answers,
    gold: Gold,
) -> float:
    kind = kind_of(name)
    spec = kind.parse_spec(encode_spec(terms))

    def encoded(label: Array) -> NDArray[np.uint8]:
        return np.stack(columns(label), axis=1).astype(np.uint8)

    table = (answers.item, answers.reviewer, encoded(answers.label))
    ballots = Ballots(*table, answers.n_items, answers.n_reviewers)
    known = Known(gold.item, encoded(gold.label))
    spent, _ = cpu_seconds(lambda: kind.infer(spec, ballots, known).belief_ppm)
    return spent


def run(pairs: Path | None = None, ratings: Path | None = None) -> dict[str, object]:
    """All figures."""
    votes = load_votes(pairs) if pairs else synthetic_votes()
    crowd = load(ratings) if ratings else synthetic_ratings()
    spent = cpu_by_kind()
    return {
        "spearman_flipped": spearman_flipped(votes),
        **heldout(votes),
        **ordinal(crowd),
        "cpu_s_per_million": max(spent.values()),
        "cpu_s_by_kind": spent,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="votes on pairs, JSON lines")
    parser.add_argument("--ordinal", type=Path, metavar="DIR", help="label.csv and truth.csv")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    given = parser.parse_args()
    figures = run(given.pairs, given.ordinal)
    for name, value in figures.items():
        print(f"{name:30}{value:.4f}" if isinstance(value, float) else f"{name:30}{value}")
    if given.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
