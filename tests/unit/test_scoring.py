"""Reviewer pay: honest work is paid, laziness, guessing and collusion hardly."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.crowd import panel
from protocol.errors import StateError
from protocol.truth.inference import NO_GOLD, NO_RING, Answers, Gold, infer
from protocol.truth.scoring import ReviewerScores, score_reviewers


def scores(answers: Answers, gold: Gold) -> ReviewerScores:
    return score_reviewers(answers, gold, infer(answers, gold))


def test_the_components_explain_the_weight() -> None:
    crowd, gold = panel(0)
    a = crowd.answers
    result = scores(a, gold)
    on_gold = np.isin(a.item, gold.item)
    for reviewer in range(7):
        mine = a.reviewer == reviewer
        assert result.answers[reviewer] == mine.sum()
        assert result.gold_answered[reviewer] == (mine & on_gold).sum()
        right = (a.label == crowd.truth[a.item])[mine & on_gold]
        assert result.gold_right[reviewer] == right.sum()
        assert result.ring_size[reviewer] == 1
        n, g = (mine & ~on_gold).sum(), (mine & on_gold).sum()
        score = result.agreement[reviewer] * n / (n + 5) + result.gold[reviewer] * g / (g + 5)
        assert result.score[reviewer] == pytest.approx(score)
        assert result.micro[reviewer] == np.rint(max(score, 0) * mine.sum() * 1_000_000)


def test_a_lazy_reviewer_gets_next_to_nothing_over_fifty_seeds() -> None:
    for seed in range(50):
        crowd, gold = panel(seed)
        micro = scores(crowd.answers, gold).micro
        assert micro[-1] < 0.01 * np.median(micro[:-1])


def test_guessing_and_colluding_pay_little_over_many_seeds() -> None:
    guessers, colluders = [], []
    for seed in range(20):
        crowd, gold = panel(seed, lazy=0, guessing=1)
        micro = scores(crowd.answers, gold).micro
        guessers.append(micro[-1] / np.median(micro[:-1]))
        crowd, gold = panel(seed, lazy=0, colluding=3)
        micro = scores(crowd.answers, gold).micro
        colluders.append(micro[:3].sum() / np.median(micro[3:]))
    for shares in (guessers, colluders):
        assert np.mean(shares) < 0.05
        assert max(shares) < 0.25


def test_honest_reviewers_are_paid_alike_for_like_work() -> None:
    crowd, gold = panel(3, lazy=0)
    result = scores(crowd.answers, gold)
    per_answer = result.micro / result.answers
    assert per_answer.min() > 0.7 * per_answer.max()


def test_a_consistent_liar_is_not_paid_though_informative() -> None:
    crowd, gold = panel(6, lazy=0)
    a = crowd.answers
    label = np.where(a.reviewer == 0, (crowd.truth[a.item] + 1) % 10, a.label)
    result = scores(Answers(a.item, a.reviewer, label, 600, 7, 10), gold)
    assert result.score[0] < 0
    assert result.micro[0] == 0


def test_a_ring_is_paid_once_in_shares() -> None:
    crowd, gold = panel(0, lazy=0, colluding=3)
    a = crowd.answers
    inference = infer(a, gold)
    assert np.all(inference.ring[:3] == 0)
    result = score_reviewers(a, gold, inference)
    assert result.ring_size.tolist() == [3, 3, 3, 1, 1, 1, 1]
    assert len(set(result.score[:3].tolist())) == 1
    items = len(np.unique(a.item[a.reviewer < 3]))
    assert result.credited[:3].sum() == pytest.approx(items)
    assert np.all(result.credited[3:] == result.answers[3:])


def test_without_gold_agreement_alone_pays() -> None:
    crowd, _ = panel(0)
    result = scores(crowd.answers, NO_GOLD)
    assert np.all(result.gold == 0)
    assert np.all(result.gold_answered == 0)
    assert np.all(result.micro[:-1] > 0)
    assert result.micro[-1] < 0.05 * np.median(result.micro[:-1])


def test_nobody_answered() -> None:
    none = np.zeros(0, np.int64)
    result = scores(Answers(none, none, none, 4, 3, 2), NO_GOLD)
    assert result.micro.tolist() == [0, 0, 0]


def test_rejects_the_inference_of_other_answers() -> None:
    crowd, gold = panel(0)
    other, _ = panel(0, n_items=100, gold_items=0)
    inference = infer(crowd.answers, gold)
    assert np.all(inference.ring == NO_RING)
    with pytest.raises(StateError, match="other answers"):
        score_reviewers(other.answers, NO_GOLD, inference)
