"""Rules that hold for every table of answers."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.crowd import accuracy, panel
from protocol.truth.inference import NO_GOLD, NO_RING, Answers, Gold, infer
from protocol.truth.scoring import score_reviewers

STABLE = 1e-9


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[Answers, Gold]:
    """Small random campaigns: arbitrary answers, not only plausible ones."""
    n_items = draw(st.integers(1, 30))
    n_reviewers = draw(st.integers(1, 8))
    n_labels = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.integers(n_labels, size=n_items)
    answered = rng.random((n_items, n_reviewers)) < draw(st.sampled_from([0.2, 0.6, 1.0]))
    item, reviewer = np.nonzero(answered)
    right = rng.random(len(item)) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    label = np.where(right, truth[item], rng.integers(n_labels, size=len(item)))
    known = np.flatnonzero(rng.random(n_items) < draw(st.sampled_from([0.0, 0.2, 0.5])))
    answers = Answers(item, reviewer, label, n_items, n_reviewers, n_labels)
    return answers, Gold(known, truth[known])


def relabelled(
    answers: Answers, item: NDArray[np.int64], reviewer: NDArray[np.int64], label: NDArray[np.int64]
) -> Answers:
    """The same answers under other item, reviewer and label numbers."""
    return Answers(
        item[answers.item],
        reviewer[answers.reviewer],
        label[answers.label],
        answers.n_items,
        answers.n_reviewers,
        answers.n_labels,
    )


@settings(max_examples=40, deadline=None)
@given(campaigns())
def test_posteriors_are_distributions_and_gold_is_clamped(campaign: tuple[Answers, Gold]) -> None:
    answers, gold = campaign
    inference = infer(answers, gold)
    assert np.all(inference.posterior >= 0)
    assert np.abs(inference.posterior.sum(axis=1) - 1).max() < STABLE
    assert np.all(inference.posterior[gold.item, gold.label] == 1)
    assert np.all(np.isfinite(inference.evidence))
    assert np.abs(inference.confusion.sum(axis=2) - 1).max() < STABLE


@settings(max_examples=25, deadline=None)
@given(campaigns())
def test_the_same_input_gives_the_same_bytes(campaign: tuple[Answers, Gold]) -> None:
    answers, gold = campaign
    shuffle = np.random.default_rng(0).permutation(len(answers))
    again = Answers(
        answers.item[shuffle],
        answers.reviewer[shuffle],
        answers.label[shuffle],
        answers.n_items,
        answers.n_reviewers,
        answers.n_labels,
    )
    one, two = infer(answers, gold), infer(again, gold)
    assert one.posterior.tobytes() == two.posterior.tobytes()
    assert one.confusion.tobytes() == two.confusion.tobytes()
    assert np.array_equal(
        score_reviewers(answers, gold, one).micro, score_reviewers(again, gold, two).micro
    )


@settings(max_examples=40, deadline=None)
@given(campaigns(), st.integers(0, 2**32 - 1))
def test_numbering_does_not_matter(campaign: tuple[Answers, Gold], seed: int) -> None:
    """Equivariant under permutations of items, reviewers and labels."""
    answers, gold = campaign
    rng = np.random.default_rng(seed)
    item, reviewer, label = (
        rng.permutation(n) for n in (answers.n_items, answers.n_reviewers, answers.n_labels)
    )
    one = infer(answers, gold)
    two = infer(
        relabelled(answers, item, reviewer, label), Gold(item[gold.item], label[gold.label])
    )
    assert np.abs(one.posterior - two.posterior[np.ix_(item, label)]).max() < STABLE
    moved = two.confusion[np.ix_(reviewer, label, label)]
    assert np.abs(one.confusion - moved).max() < STABLE
    assert np.array_equal(one.ring != NO_RING, two.ring[reviewer] != NO_RING)


@settings(max_examples=25, deadline=None)
@given(campaigns())
def test_a_reviewer_without_answers_is_neutral(campaign: tuple[Answers, Gold]) -> None:
    answers, gold = campaign
    wider = Answers(
        answers.item,
        answers.reviewer,
        answers.label,
        answers.n_items,
        answers.n_reviewers + 1,
        answers.n_labels,
    )
    one, two = infer(answers, gold), infer(wider, gold)
    assert np.abs(one.posterior - two.posterior).max() < STABLE
    assert score_reviewers(wider, gold, two).micro[-1] == 0


@settings(max_examples=40, deadline=None)
@given(campaigns())
def test_scores_are_never_negative_and_one_label_alone_earns_nothing(
    campaign: tuple[Answers, Gold],
) -> None:
    answers, gold = campaign
    label = np.where(answers.reviewer == 0, 1, answers.label)
    lazy = Answers(
        answers.item,
        answers.reviewer,
        label,
        answers.n_items,
        answers.n_reviewers,
        answers.n_labels,
    )
    scores = score_reviewers(lazy, gold, infer(lazy, gold))
    assert np.all(scores.micro >= 0)
    if scores.ring_size[0] == 1:
        assert scores.micro[0] == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 9))
def test_one_more_lazy_reviewer_costs_little_accuracy(seed: int, favourite: int) -> None:
    crowd, gold = panel(seed, lazy=0, n_items=300, gold_items=40)
    a = crowd.answers
    item = np.random.default_rng(seed).choice(300, 130, replace=False)
    more = Answers(
        np.concatenate([a.item, item]),
        np.concatenate([a.reviewer, np.full(130, 7)]),
        np.concatenate([a.label, np.full(130, favourite)]),
        300,
        8,
        10,
    )
    judged = np.ones(300, dtype=bool)
    judged[gold.item] = False
    before = accuracy(infer(a, gold).posterior, crowd.truth, judged)
    after = accuracy(infer(more, gold).posterior, crowd.truth, judged)
    assert after > before - 0.02


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_exact_ties_stay_ties(seed: int) -> None:
    """Two reviewers who never agree give no reason to prefer either label."""
    rng = np.random.default_rng(seed)
    first = rng.permutation(np.repeat([0, 1], 20))
    answers = Answers(
        np.tile(np.arange(40), 2),
        np.repeat([0, 1], 40),
        np.concatenate([first, 1 - first]),
        40,
        2,
        2,
    )
    assert np.abs(infer(answers, NO_GOLD).posterior - 0.5).max() < STABLE
