"""What the kinds infer: better than counting heads, blind to names and order, and fair in what it pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.tasks import ordinal, synthetic_ratings, synthetic_votes
from protocol.errors import StateError
from protocol.limits import PPM
from protocol.tasks import KINDS, kind_of
from protocol.tasks.kind import Ballots, Inferred, Known
from protocol.tasks.spec import encode_spec
from protocol.truth.binary import Judged
from protocol.truth.inferred import Labelled
from protocol.truth.ranking import RIGHT, TIE, Contests, rank_sources

Array = NDArray[np.int64]

N_ITEMS = 400
N_REVIEWERS = 12
PER_ITEM = 5
GOLD = 60
CRITERIA = [{"name": n, "text": "Is it?", "needs_ppm": 900_000} for n in ("a", "b", "c")]
SPECS: dict[str, dict[str, object]] = {
    "classify": {"labels": ["a", "b", "c", "d"]},
    "rate": {"steps": ["a", "b", "c", "d", "e"], "tolerance": 0},
    "prefer": {"ties": True},
    "judge": {"criteria": CRITERIA},
    "tags": {"tags": ["a", "b", "c"]},
}
SIZES = {"classify": 4, "rate": 5, "prefer": 3, "judge": 8, "tags": 8}


@dataclass(frozen=True)
class Table:
    """Answers as numbers; of a judge's task or of tags, one bit each."""

    name: str
    truth: Array
    item: Array
    reviewer: Array
    number: Array
    gold: Array

    @property
    def spec(self) -> Any:
        return kind_of(self.name).parse_spec(encode_spec(SPECS[self.name]))

    def encoded(self, number: Array) -> NDArray[np.uint8]:
        if self.name in ("judge", "tags"):
            columns = [number >> bit & 1 for bit in range(3)]
        elif self.name == "classify":
            columns = [number // 256, number % 256]
        else:
            columns = [number]
        return np.stack(columns, axis=1).astype(np.uint8)

    def infer(self) -> Inferred:
        answers = self.encoded(self.number)
        ballots = Ballots(self.item, self.reviewer, answers, len(self.truth), N_REVIEWERS)
        known = Known(self.gold, self.encoded(self.truth[self.gold]))
        return kind_of(self.name).infer(self.spec, ballots, known)


def table(
    name: str, seed: int, *, lazy: int = 0, guessing: int = 0, ring: int = 0, gold: int = GOLD
) -> Table:
    """Reviewers right 75-95 % of the time. The last `lazy` always answer 1, the `guessing` before them
    at random; the first `ring` share one random answer an item."""
    rng = np.random.default_rng(seed)
    size = SIZES[name]
    truth = rng.integers(size, size=N_ITEMS)
    item = np.repeat(np.arange(N_ITEMS), PER_ITEM)
    who = np.concatenate(
        [np.sort(rng.choice(N_REVIEWERS, PER_ITEM, replace=False)) for _ in range(N_ITEMS)]
    )
    right = rng.random(len(item)) < rng.uniform(0.75, 0.95, N_REVIEWERS)[who]
    number = np.where(right, truth[item], rng.integers(size, size=len(item)))
    guess = rng.integers(size, size=len(item))
    number = np.where(who >= N_REVIEWERS - lazy - guessing, guess, number)
    number = np.where(who >= N_REVIEWERS - lazy, 1, number)
    number = np.where(who < ring, rng.integers(size, size=N_ITEMS)[item], number)
    known = np.sort(rng.choice(N_ITEMS, gold, replace=False))
    return Table(name, truth, item, who, number, known)


def hits(given: Table) -> float:
    """Share of the items, gold aside, whose decided answer is true."""
    kind, belief = kind_of(given.name), given.infer().belief_ppm.tolist()
    decided = [kind.decide(given.spec, row, None, 900_000).answer for row in belief]
    true = [bytes(row) for row in given.encoded(given.truth).tolist()]
    known = set(given.gold.tolist())
    judged = [n for n in range(N_ITEMS) if n not in known]
    return sum(decided[n] == true[n] for n in judged) / len(judged)


@pytest.mark.parametrize("name", KINDS)
class TestEveryKind:
    def test_finds_the_truth_and_clamps_gold(self, name: str) -> None:
        given = table(name, 1)
        belief = given.infer().belief_ppm
        assert belief.shape == (N_ITEMS, kind_of(name).belief_size(given.spec))
        assert belief.dtype == np.int64
        assert set(belief[given.gold].ravel().tolist()) == {0, PPM}
        assert hits(given) > 0.95

    def test_works_without_gold_and_without_answers(self, name: str) -> None:
        assert hits(table(name, 2, gold=0)) > 0.93
        spec = table(name, 0).spec
        width = kind_of(name).answer_bytes(spec)
        nothing = np.zeros(0, dtype=np.int64)
        blank = np.zeros((0, width), dtype=np.uint8)
        for n_items in (0, 3):
            ballots = Ballots(nothing, nothing, blank, n_items, 2)
            inferred = kind_of(name).infer(spec, ballots, Known(nothing, blank))
            assert inferred.belief_ppm.shape == (n_items, kind_of(name).belief_size(spec))
            assert inferred.scores().micro.tolist() == [0, 0]

    def test_pays_skill_and_neither_constancy_nor_chance(self, name: str) -> None:
        lazy, guessing = [], []
        for seed in range(6):
            scores = table(name, 10 + seed, lazy=1, guessing=1).infer().scores()
            assert np.all(scores.micro >= 0)
            honest = np.median(scores.score[:-2])
            assert honest > 0.05
            assert np.all(scores.score[:-2] > 0)
            lazy.append(scores.score[-1] / honest)
            guessing.append(scores.score[-2] / honest)
        assert np.abs(lazy).max() < 1e-6
        assert abs(np.mean(guessing)) < 0.1

    def test_a_ring_counts_and_is_paid_as_one(self, name: str) -> None:
        given = table(name, 3, ring=4)
        scores = given.infer().scores()
        assert scores.ring_size[:4].min() >= 3
        assert scores.ring_size[4:].max() == 1
        assert scores.micro[:4].sum() < scores.micro[4:].min()
        assert hits(given) > 0.85

    def test_counts_what_was_answered(self, name: str) -> None:
        given = table(name, 4)
        scores = given.infer().scores()
        assert scores.answers.tolist() == np.bincount(given.reviewer).tolist()
        on_gold = np.isin(given.item, given.gold)
        right = on_gold & (given.number == given.truth[given.item])
        assert scores.gold_answered.tolist() == np.bincount(given.reviewer[on_gold]).tolist()
        assert scores.gold_right.tolist() == np.bincount(given.reviewer[right]).tolist()


class TestRatings:
    def test_nearer_than_counting_and_than_labels_without_an_order(self) -> None:
        for seed in range(3):
            figures = ordinal(synthetic_ratings(seed, n_items=600, reviewers=60))
            assert figures["ordinal_mae"] < figures["ordinal_mae_majority"]
            assert figures["ordinal_mae"] < figures["ordinal_mae_categorical"]
            assert figures["ordinal_mae_gold"] < figures["ordinal_mae_categorical_gold"]

    def test_a_near_miss_costs_less_than_a_far_one(self) -> None:
        near, far = [], []
        for seed in range(3):
            given = table("rate", 20 + seed)
            rng = np.random.default_rng(seed)
            off = np.where(rng.random(len(given.item)) < 0.4, 1, 0)
            number = given.number.copy()
            true = given.truth[given.item]
            for who, by in ((0, 1), (1, 3)):
                shifted = np.where(true + by < 5, true + by, true - by).clip(0, 4)
                number = np.where(given.reviewer == who, np.where(off == 1, shifted, true), number)
            changed = Table("rate", given.truth, given.item, given.reviewer, number, given.gold)
            scores = changed.infer().scores().score
            near.append(scores[0])
            far.append(scores[1])
        assert min(near) > max(far)


class TestPreferences:
    def test_swapping_the_names_swaps_the_verdicts(self) -> None:
        given = table("prefer", 5, ring=3)
        mirror = np.array([1, 0, 2])
        swapped = Table(
            "prefer",
            mirror[given.truth],
            given.item,
            given.reviewer,
            mirror[given.number],
            given.gold,
        )
        one, two = given.infer(), swapped.infer()
        assert np.abs(one.belief_ppm - two.belief_ppm[:, mirror]).max() <= 1
        assert np.abs(one.scores().micro - two.scores().micro).max() <= 5

    def test_who_says_the_opposite_is_read_backwards(self) -> None:
        given = table("prefer", 6)
        number = np.where(given.reviewer < 3, np.array([1, 0, 2])[given.number], given.number)
        lied = Table("prefer", given.truth, given.item, given.reviewer, number, given.gold)
        assert hits(lied) > 0.93


class TestCriteria:
    def test_a_criterion_is_learnt_on_its_own(self) -> None:
        """Somebody careful in two criteria who guesses the third."""
        given = table("judge", 7)
        rng = np.random.default_rng(7)
        coin = rng.integers(2, size=len(given.item)) << 2
        number = np.where(given.reviewer == 0, given.truth[given.item] & 3 | coin, given.number)
        mixed = Table("judge", given.truth, given.item, given.reviewer, number, given.gold)
        inferred = mixed.infer()
        assert isinstance(inferred, Judged)
        diagonal = np.einsum("wkk->w", inferred.inference.confusion)[:3] / 2
        assert diagonal[:2].min() > 0.8 > diagonal[2]

    def test_the_order_of_answers_is_of_no_account(self) -> None:
        given = table("judge", 8)
        shuffle = np.random.default_rng(0).permutation(len(given.item))
        again = Table(
            "judge",
            given.truth,
            given.item[shuffle],
            given.reviewer[shuffle],
            given.number[shuffle],
            given.gold,
        )
        one, two = given.infer(), again.infer()
        assert one.belief_ppm.tobytes() == two.belief_ppm.tobytes()
        assert one.scores().micro.tobytes() == two.scores().micro.tobytes()


def test_labels_are_inferred_as_ever() -> None:
    from protocol.truth.inference import infer
    from protocol.truth.scoring import score_reviewers

    inferred = table("classify", 9).infer()
    assert isinstance(inferred, Labelled)
    again = infer(inferred.answers, inferred.gold)
    assert again.posterior.tobytes() == inferred.inference.posterior.tobytes()
    paid = score_reviewers(inferred.answers, inferred.gold, again)
    assert paid.micro.tobytes() == inferred.scores().micro.tobytes()


class TestRanking:
    def test_finds_the_order_and_how_sure_it_is(self) -> None:
        ranking = rank_sources(synthetic_votes().contests)
        assert ranking.order.tolist() == [0, 1, 2, 3, 4, 5]
        assert np.all(ranking.low_micro < ranking.strength_micro)
        assert np.all(ranking.strength_micro < ranking.high_micro)
        assert ranking.low_micro[0] > ranking.high_micro[5], "the best is told from the worst"

    def test_survives_judges_with_two_votes_in_five_who_lie(self) -> None:
        contests = synthetic_votes().contests
        plain = rank_sources(contests)
        for seed in range(5):
            lies = np.random.default_rng(seed).permutation(40) < 16
            ranking = rank_sources(_flipped(contests, lies))
            assert ranking.order.tolist() == plain.order.tolist()
            assert np.mean((ranking.honesty_ppm < PPM // 2) == lies) > 0.9

    def test_gold_tells_the_crowd_from_its_mirror_image(self) -> None:
        contests = synthetic_votes().contests
        lies = np.arange(40) < 28
        flipped = _flipped(contests, lies)
        assert rank_sources(flipped).order[0] == 5
        right, wrong = np.where(lies, 0, 10), np.where(lies, 10, 0)
        assert rank_sources(flipped, right, wrong).order.tolist() == [0, 1, 2, 3, 4, 5]

    def test_order_and_sides_of_the_votes_are_of_no_account(self) -> None:
        c = synthetic_votes().contests
        shuffle = np.random.default_rng(0).permutation(len(c.left))
        other = np.array([1, 0, 2])[c.outcome]
        again = Contests(
            c.right[shuffle], c.left[shuffle], c.judge[shuffle], other[shuffle], 6, c.n_judges
        )
        one, two = rank_sources(c), rank_sources(again)
        assert one.strength_micro.tobytes() == two.strength_micro.tobytes()
        assert one.honesty_ppm.tobytes() == two.honesty_ppm.tobytes()

    def test_an_unbeaten_source_stays_finite_and_an_unseen_one_average(self) -> None:
        n = 50
        zero, one = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
        ranking = rank_sources(Contests(zero, one, zero, zero, 3, 1))
        assert ranking.order.tolist() == [0, 2, 1]
        assert abs(int(ranking.strength_micro[0])) < 20_000_000
        assert ranking.high_micro[2] - ranking.low_micro[2] > 4_000_000

    @pytest.mark.parametrize(
        ("columns", "sources", "message"),
        [
            (([0], [0], [0], [0]), 2, "itself"),
            (([0], [2], [0], [0]), 2, "outside"),
            (([0], [1], [1], [0]), 2, "outside"),
            (([0], [1], [0], [3]), 2, "outside"),
            (([0], [1], [0], [0, 1]), 2, "length"),
            (([], [], [], []), 0, "at least one"),
        ],
    )
    def test_refuses_tables_that_cannot_be(
        self, columns: tuple[list[int], ...], sources: int, message: str
    ) -> None:
        arrays = [np.array(column, dtype=np.int64) for column in columns]
        with pytest.raises(StateError, match=message):
            Contests(arrays[0], arrays[1], arrays[2], arrays[3], sources, 1)


def _flipped(c: Contests, lies: NDArray[np.bool_]) -> Contests:
    turned = np.where(lies[c.judge] & (c.outcome != TIE), RIGHT - c.outcome, c.outcome)
    return Contests(c.left, c.right, c.judge, turned, c.n_sources, c.n_judges)
