"""Several yes-or-no questions about every item: the criteria of a rubric, or labels that may all apply.

Each item and criterion is one question with two labels, each reviewer and criterion one *voice* with
a confusion matrix (model.py). Some criteria are harder than others, and some more often met, so both
are learnt for each; how much better a reviewer is than others is learnt over all of their criteria,
and a voice is pulled towards that, so that few answers to each still say who is careful. Rings are
looked for in each criterion: whoever copies one and answers another shares a vote in the former only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit

from protocol.errors import StateError
from protocol.truth.data import (
    MAX_CONFUSION_CELLS,
    Answers,
    FloatArray,
    Gold,
    IntArray,
    Votes,
    group_sum,
    ordered,
)
from protocol.truth.inference import Inference, infer_with, quantise_ppm
from protocol.truth.model import ACCURACY_MARGIN, GRID, MAX_RATE, Model, Prior, clamp
from protocol.truth.scoring import MICRO, ReviewerScores, score_reviewers

NO, YES = 0, 1


def reviewers_max(n_criteria: int) -> int:
    """How many reviewers one inference can weigh."""
    return MAX_CONFUSION_CELLS // (4 * n_criteria)


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Who said what: reviewer[a] gave item[a] the marks mark[a], 0 or 1 for each criterion.

    item, reviewer: (n_answers,); mark: (n_answers, n_criteria); gold_item (n_gold,) and gold_mark
    (n_gold, n_criteria): what is known. Kept sorted by item and then reviewer.
    """

    item: IntArray
    reviewer: IntArray
    mark: IntArray
    n_items: int
    n_reviewers: int
    gold_item: IntArray
    gold_mark: IntArray

    def __post_init__(self) -> None:
        if not ordered(self.item, self.reviewer):
            order = np.lexsort((self.reviewer, self.item))
            for name in ("item", "reviewer", "mark"):
                object.__setattr__(self, name, getattr(self, name)[order])

    @property
    def n_criteria(self) -> int:
        return int(self.mark.shape[1])

    def questions(self) -> tuple[Answers, Gold]:
        """A row for every item and criterion: items are questions, reviewers are voices."""
        n = self.n_criteria
        each = np.arange(n)
        # Where an answer's mark comes to lie, so that nothing needs to be sorted: after the items
        # before its own, the criteria before its own, and the reviewers before its own.
        size = np.bincount(self.item, minlength=self.n_items)
        start = (np.cumsum(size) - size)[self.item]
        place = (start * (n - 1) + np.arange(len(start)))[:, None] + each * size[self.item][:, None]
        source = np.empty(place.size, dtype=np.int64)
        source[place.ravel()] = np.arange(place.size)
        answers = Answers(
            item=(self.item[:, None] * n + each).ravel()[source],
            reviewer=(self.reviewer[:, None] * n + each).ravel()[source],
            label=self.mark.ravel()[source],
            n_items=self.n_items * n,
            n_reviewers=self.n_reviewers * n,
            n_labels=2,
        )
        return answers, Gold((self.gold_item[:, None] * n + each).ravel(), self.gold_mark.ravel())


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The result: what the answers say of every item and criterion, and what they were worth."""

    marks: Marks
    answers: Answers
    gold: Gold
    inference: Inference

    @property
    def belief_ppm(self) -> NDArray[np.int64]:
        """(n_items, n_criteria): the probability that each is met."""
        met = self.inference.posterior[:, YES].reshape(-1, self.marks.n_criteria)
        return quantise_ppm(met)

    def scores(self) -> ReviewerScores:
        """Per reviewer, over all criteria: means, weighted by the answers that counted.

        What is lost in one criterion is made up in another before anything is paid. On gold, an
        answer is right if it is throughout.
        """
        n = self.marks.n_criteria
        voices = score_reviewers(self.answers, self.gold, self.inference)

        def by_reviewer(values: FloatArray) -> FloatArray:
            return values.reshape(-1, n)

        credited = by_reviewer(voices.credited)
        share = credited / np.maximum(credited.sum(axis=1, keepdims=True), 1e-9)

        def mean(values: FloatArray) -> FloatArray:
            result: FloatArray = (by_reviewer(values) * share).sum(axis=1)
            return result

        score, votes = mean(voices.score), credited.sum(axis=1) / n
        right, seen = self._on_gold()
        return ReviewerScores(
            micro=np.rint(np.maximum(score, 0.0) * votes * MICRO).astype(np.int64),
            score=score,
            answers=voices.answers.reshape(-1, n)[:, 0],
            credited=votes,
            agreement=mean(voices.agreement),
            gold=mean(voices.gold),
            gold_right=right,
            gold_answered=seen,
            ring_size=voices.ring_size.reshape(-1, n).max(axis=1),
        )

    def _on_gold(self) -> tuple[IntArray, IntArray]:
        """(n_reviewers,) each: answers to gold items that are right throughout, and all of them."""
        marks = self.marks
        place = np.full(marks.n_items, -1, dtype=np.int64)
        place[marks.gold_item] = np.arange(len(marks.gold_item))
        on = place[marks.item] >= 0
        item, reviewer = place[marks.item[on]], marks.reviewer[on]
        right = np.all(marks.mark[on] == marks.gold_mark[item], axis=1)
        counts = (
            np.bincount(who, minlength=marks.n_reviewers) for who in (reviewer[right], reviewer)
        )
        hits, seen = (count.astype(np.int64) for count in counts)
        return hits, seen


def infer_marks(marks: Marks) -> Judged:
    """Infer all criteria at once. Raises StateError if a mark is neither 0 nor 1."""
    if not marks.n_criteria:
        raise StateError("a rubric needs a criterion")
    answers, gold = marks.questions()

    def build(answers: Answers, votes: Votes, gold: Gold, prior: Prior) -> Model:
        return BinaryModel(answers, votes, gold, prior, marks.n_criteria)

    return Judged(marks, answers, gold, infer_with(build, answers, gold))


class BinaryModel(Model):
    """Two labels; rows are voices, and rings of them, each of one criterion.

    `common` is (n_criteria, 2).
    """

    def __init__(
        self, answers: Answers, votes: Votes, gold: Gold, prior: Prior, n_criteria: int
    ) -> None:
        super().__init__(answers, votes, gold, prior)
        self.n_criteria = n_criteria
        self._both = self._by_row @ (1.0 + self.extra.sum(axis=1))
        # A ring has its members' criterion, and is a person of its own, after all others.
        voice, n_voices = np.arange(votes.n_rows), answers.n_reviewers
        self._criterion = voice % n_criteria
        self._criterion[votes.row_of] = voice[:n_voices] % n_criteria
        self._person = voice - n_voices + n_voices // n_criteria
        self._person[:n_voices] = voice[:n_voices] // n_criteria

    def count(self, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
        # What is not counted of a yes is counted of a no: half the work of counting both.
        yes = self._by_row @ (posterior[:, YES] + self.extra[:, YES])
        counts = np.stack([self._both - yes, yes], axis=1).reshape(-1, 2, 2)
        met = posterior[:, YES].reshape(-1, self.n_criteria).sum(axis=0)
        n_items = self.answers.n_items // self.n_criteria
        common = np.stack([n_items - met, met], axis=1) + self.prior.label
        counts += self._voice_prior(counts, common / common.sum(axis=1, keepdims=True))
        return counts, common

    def expect(self, counts: FloatArray, common: FloatArray) -> FloatArray:
        evidence = digamma(counts) - digamma(counts.sum(axis=1, keepdims=True))
        support = self._by_item @ (evidence[:, :, YES] - evidence[:, :, NO]).ravel()
        prior = digamma(common[:, YES]) - digamma(common[:, NO])
        support.reshape(-1, self.n_criteria)[:] += prior
        met = np.rint(expit(support) * GRID) / GRID
        return clamp(np.stack([1.0 - met, met], axis=1), self.gold)

    def by_item(self, log_common: FloatArray) -> FloatArray:
        result: FloatArray = np.tile(log_common, (self.answers.n_items // self.n_criteria, 1))
        return result

    def _voice_prior(self, counts: FloatArray, common: FloatArray) -> FloatArray:
        """As `row_prior`: a voice knows or guesses. How often it knows is pulled towards how often
        others do in the criterion, plus how much more the person does in all of them."""
        strength = self.prior.reviewer
        guess = self._given + self.prior.guess
        guess /= guess.sum(axis=1, keepdims=True)
        mine = common[self._criterion]
        chance = guess[:, 0] * mine[:, 0] + guess[:, 1] * mine[:, 1]
        seen = counts.sum(axis=(1, 2))
        beyond = counts[:, 0, 0] + counts[:, 1, 1] - seen * chance
        room = 1.0 - chance
        pooled = self._pooled(beyond, seen * room)
        usual = pooled[self._criterion]
        expected = np.clip(usual + self._skill(beyond, seen * room, usual), 0.0, MAX_RATE)
        knows = (beyond + strength * room * expected) / ((seen + strength) * room)
        knows = np.clip(knows, 0.0, MAX_RATE)[:, None, None]
        centre = knows * np.eye(2) + (1.0 - knows) * guess[:, :, None]
        result: FloatArray = self.prior.row_per_label * 2 * centre
        return result

    def _pooled(self, beyond: FloatArray, room: FloatArray) -> FloatArray:
        """(n_criteria,): how often reviewers know the answer."""
        right = group_sum(self._criterion, self.n_criteria, beyond)
        seen = group_sum(self._criterion, self.n_criteria, room)
        result: FloatArray = np.maximum(right / np.maximum(seen, 1.0), ACCURACY_MARGIN)
        return result

    def _skill(self, beyond: FloatArray, room: FloatArray, usual: FloatArray) -> FloatArray:
        """(n_rows,): how much more often than usual the person behind a row knows the answer."""
        n_people = int(self._person.max(initial=-1)) + 1
        more = group_sum(self._person, n_people, beyond - room * usual)
        seen = group_sum(self._person, n_people, room)
        result: FloatArray = (more / (seen + self.prior.reviewer))[self._person]
        return result
