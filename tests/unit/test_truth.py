"""Verdict inference: validation, the small regime, gold, rings, quantisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.crowd import Crowd, accuracy, majority, panel
from protocol.errors import StateError
from protocol.truth import rings
from protocol.truth.belief import believe
from protocol.truth.data import MAX_CONFUSION_CELLS, merge_rings
from protocol.truth.inference import (
    MIN_GOLD,
    NO_GOLD,
    NO_RING,
    TOLERANCE_PPM,
    Answers,
    Gold,
    Inference,
    gold_needed,
    infer,
    quantise_ppm,
)
from protocol.truth.model import MAX_SWEEPS, Fit, Model, Prior

SEEDS = range(12)


def judged(crowd: Crowd, gold: Gold) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.ones(crowd.answers.n_items, dtype=bool)
    mask[gold.item] = False
    return mask


class TestAnswers:
    def test_accepts_and_puts_in_order(self) -> None:
        answers = Answers([1, 0, 0], [0, 1, 0], [2, 1, 0], 2, 2, 3)  # type: ignore[arg-type]
        assert answers.item.tolist() == [0, 0, 1]
        assert answers.reviewer.tolist() == [0, 1, 0]
        assert answers.label.tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match="read-only"):
            answers.label[0] = 1

    @pytest.mark.parametrize(
        ("columns", "shape", "message"),
        [
            (([0, 0], [1, 1], [0, 1]), (1, 2, 2), "twice"),
            (([0, 1], [1, 1], [0, 1]), (1, 2, 2), "outside"),
            (([0], [2], [0]), (1, 2, 2), "outside"),
            (([0], [0], [-1]), (1, 2, 2), "outside"),
            (([0], [0], [0, 1]), (1, 2, 2), "length"),
            (([0.5], [0], [0]), (1, 2, 2), "integers"),
            (([], [], []), (1, 1, 1), "two labels"),
            (([], [], []), (-1, 1, 2), "items"),
            (([], [], []), (1, MAX_CONFUSION_CELLS // 4 + 1, 2), "too many"),
        ],
    )
    def test_rejects(
        self,
        columns: tuple[list[int], list[int], list[int]],
        shape: tuple[int, int, int],
        message: str,
    ) -> None:
        with pytest.raises(StateError, match=message):
            Answers(*columns, *shape)  # type: ignore[arg-type]


class TestGold:
    def test_sorts_by_item(self) -> None:
        assert Gold([3, 1], [0, 1]).label.tolist() == [1, 0]  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("item", "label", "message"),
        [([1, 1], [0, 0], "twice"), ([1], [0, 1], "length"), ([-1], [0], "outside")],
    )
    def test_rejects(self, item: list[int], label: list[int], message: str) -> None:
        with pytest.raises(StateError, match=message):
            Gold(item, label)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("item", "label"), [(600, 0), (0, 10)])
    def test_must_fit_the_answers(self, item: int, label: int) -> None:
        crowd, _ = panel(0)
        with pytest.raises(StateError, match="outside"):
            infer(crowd.answers, Gold(np.array([item]), np.array([label])))


class TestSmallRegime:
    """600 items, seven reviewers, three answers an item, ten labels, 10 % gold."""

    def test_beats_the_majority_over_many_seeds(self) -> None:
        gains = []
        for seed in SEEDS:
            crowd, gold = panel(seed)
            mask = judged(crowd, gold)
            ours = accuracy(infer(crowd.answers, gold).posterior, crowd.truth, mask)
            gains.append(ours - accuracy(majority(crowd.answers), crowd.truth, mask))
        assert np.mean(gains) > 0.01
        assert min(gains) > -0.005

    @pytest.mark.parametrize("gold_items", [0, 48])
    def test_confidence_matches_accuracy(self, gold_items: int) -> None:
        confidence, correct = [], []
        for seed in SEEDS:
            crowd, gold = panel(seed, gold_items=gold_items)
            mask = judged(crowd, gold)
            posterior = infer(crowd.answers, gold).posterior[mask]
            confidence.append(posterior.max(axis=1))
            correct.append(posterior.argmax(axis=1) == crowd.truth[mask])
        sure, right = np.concatenate(confidence), np.concatenate(correct)
        assert sure.mean() - right.mean() < 0.02
        # Verdicts are taken high up. In the middle, even splits look 10 points too sure.
        for low, high, slack in [(0.5, 0.9, 0.16), (0.9, 0.98, 0.02), (0.98, 1.01, 0.005)]:
            at = (sure >= low) & (sure < high)
            assert sure[at].mean() - right[at].mean() < slack

    def test_one_dissenter_of_three_leaves_the_doubt_that_is_due(self) -> None:
        sure, right = [], []
        for seed in SEEDS:
            crowd, gold = panel(seed, lazy=0)
            posterior = infer(crowd.answers, gold).posterior
            split = np.isclose(majority(crowd.answers).max(axis=1), 2 / 3) & judged(crowd, gold)
            sure.append(posterior[split].max(axis=1))
            right.append(posterior[split].argmax(axis=1) == crowd.truth[split])
        # Errors of two reviewers, right 88.5 % of the time, coincide on one of nine labels: 0.984.
        assert 0.96 < np.concatenate(sure).mean() < 0.99
        assert abs(np.concatenate(sure).mean() - np.concatenate(right).mean()) < 0.02

    def test_recognises_the_lazy_reviewer(self) -> None:
        for seed in SEEDS:
            crowd, gold = panel(seed)
            confusion = infer(crowd.answers, gold).confusion
            knows = np.einsum("wkk->w", confusion) / crowd.answers.n_labels
            assert knows[-1] < 0.2
            assert knows[:-1].min() > 0.7
            assert confusion[-1, :, 3].min() > 0.8  # whatever is true, says 3

    def test_declares_no_false_ring(self) -> None:
        for seed in SEEDS:
            crowd, gold = panel(seed, lazy=2)
            assert np.all(infer(crowd.answers, gold).ring == NO_RING)


class TestGoldAnchor:
    def test_gold_items_are_certain_whatever_was_answered(self) -> None:
        crowd, gold = panel(0)
        false = Gold(gold.item, (gold.label + 1) % 10)
        posterior = infer(crowd.answers, false).posterior
        assert np.all(posterior[false.item, false.label] == 1.0)

    def test_needed_is_a_count_and_not_a_share(self) -> None:
        assert gold_needed(600, 7, 3) == MIN_GOLD
        assert gold_needed(100_000, 900, 3) == 1500
        assert gold_needed(10, 7, 3) == 10
        with pytest.raises(StateError):
            gold_needed(10, 7, 0)

    @pytest.mark.parametrize("gold_items", [0, 1, 5, 10])
    def test_too_little_gold_is_no_worse_than_the_majority(self, gold_items: int) -> None:
        gains = []
        for seed in SEEDS:
            crowd, gold = panel(seed, gold_items=gold_items, n_items=100)
            mask = judged(crowd, gold)
            ours = accuracy(infer(crowd.answers, gold).posterior, crowd.truth, mask)
            gains.append(ours - accuracy(majority(crowd.answers), crowd.truth, mask))
        assert np.mean(gains) > -0.005

    def test_constant_answers_among_many_labels_do_not_collapse_the_model(self) -> None:
        crowd, gold = panel(2, lazy=9, n_reviewers=22, gold_items=60)
        mask = judged(crowd, gold)
        ours = accuracy(infer(crowd.answers, gold).posterior, crowd.truth, mask)
        assert ours > accuracy(majority(crowd.answers), crowd.truth, mask) + 0.05

    def test_a_collapsed_fit_gives_way_to_the_majority(self) -> None:
        crowd, gold = panel(3, lazy=0)
        votes = merge_rings(crowd.answers, np.full(7, NO_RING))
        model = Model(crowd.answers, votes, gold, Prior())
        good = model.fit()
        # As if the fit had settled on the labels rotated by one, gold apart.
        rotated = Fit(
            np.roll(good.posterior, 1, axis=1), np.roll(good.counts, 1, axis=2), good.common, 1
        )
        mask = judged(crowd, gold)
        plain = accuracy(majority(crowd.answers), crowd.truth, mask)
        assert accuracy(rotated.posterior, crowd.truth, mask) < 0.2
        assert accuracy(believe(model, rotated).posterior, crowd.truth, mask) > plain - 0.01


class TestRings:
    def test_three_of_seven_are_found_and_outvoted(self) -> None:
        crowd, gold = panel(0, lazy=0, colluding=3)
        inference = infer(crowd.answers, gold)
        assert (inference.ring != NO_RING).tolist() == [True] * 3 + [False] * 4
        assert np.all(inference.confusion[0] == inference.confusion[2])
        mask = judged(crowd, gold)
        gain = accuracy(inference.posterior, crowd.truth, mask) - accuracy(
            majority(crowd.answers), crowd.truth, mask
        )
        assert gain > 0.2

    def test_without_gold_nobody_is_accused(self) -> None:
        crowd, _ = panel(0, lazy=0, colluding=3)
        assert np.all(infer(crowd.answers, NO_GOLD).ring == NO_RING)

    def test_copies_of_a_good_reviewer_are_not_accused(self) -> None:
        """Unexplained agreement without harm on gold is vetoed."""
        crowd, gold = panel(4, lazy=0, colluding=3)
        a = crowd.answers
        label = np.where(a.reviewer < 3, crowd.truth[a.item], a.label)
        honest = Answers(a.item, a.reviewer, label, a.n_items, a.n_reviewers, a.n_labels)
        assert np.all(infer(honest, gold).ring == NO_RING)

    def test_members_share_one_vote(self) -> None:
        answers = Answers(
            np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.array([1, 1, 0, 1]), 2, 3, 2
        )
        votes = merge_rings(answers, np.array([0, 0, NO_RING]))
        assert votes.row.tolist() == [3, 3, 2, 3]
        assert votes.weight.tolist() == [0.5, 0.5, 1.0, 1.0]

    def test_co_answers_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        crowd, _ = panel(0)
        every = rings.co_answers(crowd.answers)
        assert len(every.item) == 3 * 600
        assert every.shared.min() >= rings.MIN_SHARED
        monkeypatch.setattr(rings, "MAX_CO_ANSWERS", 3 * 600 - 1)
        fewer = rings.co_answers(crowd.answers)
        assert fewer.item.max() == 598
        assert len(fewer.item) == 3 * 599


class TestResult:
    def test_explains_itself(self) -> None:
        """Evidence and prior reproduce the posterior; confusion rows are distributions."""
        crowd, gold = panel(0)
        inference = infer(crowd.answers, gold)
        logits = np.tile(inference.log_prior, (600, 1))
        np.add.at(logits, crowd.answers.item, inference.evidence)
        expected = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
        mask = judged(crowd, gold)
        assert np.abs(expected - inference.posterior)[mask].max() < 1e-9
        assert np.allclose(inference.confusion.sum(axis=2), 1.0)
        assert inference.class_prior.sum() == pytest.approx(1.0)
        assert 1 <= inference.iterations <= MAX_SWEEPS

    @pytest.mark.parametrize("shape", [(0, 0, 2), (3, 2, 2), (0, 5, 4)])
    def test_no_answers_is_the_prior(self, shape: tuple[int, int, int]) -> None:
        none = np.zeros(0, np.int64)
        inference = infer(Answers(none, none, none, *shape), NO_GOLD)
        assert isinstance(inference, Inference)
        assert np.allclose(inference.posterior, 1 / shape[2])

    def test_quantises_to_whole_millionths(self) -> None:
        assert quantise_ppm(np.array([[0.25, 0.7499996], [1.0, 0.0]])).tolist() == [
            [250_000, 750_000],
            [1_000_000, 0],
        ]
        with pytest.raises(StateError):
            quantise_ppm(np.array([[1.1, -0.1]]))

    def test_tolerance_covers_reordering_with_a_margin(self) -> None:
        crowd, gold = panel(5)
        a = crowd.answers
        order = np.random.default_rng(0).permutation(7)
        again = Answers(a.item, order[a.reviewer], a.label, 600, 7, 10)
        one, two = (quantise_ppm(infer(x, gold).posterior) for x in (a, again))
        assert np.abs(one - two).max() * 4 < TOLERANCE_PPM
