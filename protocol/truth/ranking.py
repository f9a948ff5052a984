"""Which source of answers is better, from votes on pairs, when some judges are careless or lie.

Bradley & Terry (1952): the better of two sources wins with odds exp(difference of strengths). A judge
says what they saw with a probability of their own, and the opposite otherwise (Crowd-BT, Chen et al.
2013), so that somebody who always says the opposite is read backwards. A tie is half a vote for either.

Verdicts on single pairs never depend on this (`protocol.truth.pairs`): it ranks models and people for
those who ask, after the fact.

Measured on 3,355 votes of 65 judges on the answers of six models to 80 questions (MT-bench, Zheng et al.
2023): with judges who hold 40 % of the votes saying the opposite, the order is the same in 100 draws
of 100; a vote that was held out and is no tie is foretold in 83 of 100 cases (80 by sources alone).

Votes cannot tell a crowd of honest judges from its mirror image. The prior says that judges are honest
rather than not, and what they did on gold says it better; so the reading wins in which most are honest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import StateError
from protocol.truth.data import FloatArray, IntArray, group_sum

LEFT, RIGHT, TIE = 0, 1, 2
MICRO: Final = 1_000_000
PPM: Final = 1_000_000
# A table of sources x sources is held, and inverted for the intervals.
SOURCES_MAX: Final = 1_024

# In pseudo-votes, a judge's prior: eight of ten say what they saw. Weak enough that twenty votes
# against everybody else read as a liar's, strong enough that five do not.
HONEST: Final = 4.0
DISHONEST: Final = 1.0
# Each source draws this many half-votes with an average one: keeps an unbeaten source finite.
ANCHOR: Final = 0.5
SWEEPS_MAX: Final = 500
CONVERGED: Final = 1e-9  # largest change of a strength in a sweep: a thousandth of what is reported
INTERVAL_Z: Final = 1.96  # two-sided 95 %


@dataclass(frozen=True, slots=True, eq=False)
class Contests:
    """Votes on pairs: `judge[v]` saw `left[v]` and `right[v]` and said outcome[v] (LEFT, RIGHT, TIE).

    All (n_votes,). Raises StateError if lengths or indices do not fit, or a source meets itself.
    """

    left: IntArray
    right: IntArray
    judge: IntArray
    outcome: IntArray
    n_sources: int
    n_judges: int

    def __post_init__(self) -> None:
        columns = (self.left, self.right, self.judge, self.outcome)
        limits = (self.n_sources, self.n_sources, self.n_judges, TIE + 1)
        if len({len(column) for column in columns}) > 1:
            raise StateError("the columns of the votes differ in length")
        for column, limit in zip(columns, limits, strict=True):
            if len(column) and not 0 <= column.min() <= column.max() < limit:
                raise StateError(f"the votes have an index outside 0..{limit - 1}")
        if not 0 < self.n_sources <= SOURCES_MAX:
            raise StateError(f"rank at least one source and at most {SOURCES_MAX}")
        if np.any(self.left == self.right):
            raise StateError("a source was compared with itself")


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """order (n_sources,): best first; ties by number. strength_micro: log-odds against an average
    source, in millionths; low_micro and high_micro: its 95 % interval. honesty_ppm (n_judges,): how
    probably each judge says what they saw; below a half, they are read backwards."""

    order: IntArray
    strength_micro: NDArray[np.int64]
    low_micro: NDArray[np.int64]
    high_micro: NDArray[np.int64]
    honesty_ppm: NDArray[np.int64]


def rank_sources(
    contests: Contests,
    gold_right: IntArray | None = None,
    gold_wrong: IntArray | None = None,
) -> Ranking:
    """The sources from best to worst. Pure and deterministic; the order of the votes does not matter.

    gold_right, gold_wrong: (n_judges,) votes of each judge whose true outcome was known, if any.
    """
    none = np.zeros(contests.n_judges, dtype=np.int64)
    honest = HONEST + (none if gold_right is None else gold_right)
    lying = DISHONEST + (none if gold_wrong is None else gold_wrong)
    tally = _Tally(contests)
    strength, honesty = tally.fit(honest.astype(np.float64), lying.astype(np.float64))
    margin = INTERVAL_Z * tally.spread(strength, honesty)

    def micro(values: FloatArray) -> NDArray[np.int64]:
        return np.rint(values * MICRO).astype(np.int64)

    rounded = micro(strength)
    return Ranking(
        order=np.argsort(-rounded, kind="stable").astype(np.int64),
        strength_micro=rounded,
        low_micro=micro(strength - margin),
        high_micro=micro(strength + margin),
        honesty_ppm=np.rint(honesty * PPM).astype(np.int64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Answers that somebody may compare: pair[q] is their number, (n_asked,) each."""

    pair: IntArray
    left: IntArray
    right: IntArray


def forecast_ppm(
    ranking: Ranking, contests: Contests, pair: IntArray, asked: Asked
) -> NDArray[np.int64]:
    """(n_asked,): how probably the left answer is preferred, by the strengths of the sources and by
    the votes on these very answers, each as honest as its judge.

    contests: what the ranking was made of; pair (n_votes,): which two answers each vote was on. A
    forecast of what people will say; a verdict must not know the sources.
    """
    honesty = np.clip(ranking.honesty_ppm / PPM, 1.0 / PPM, 1.0 - 1.0 / PPM)
    weight = np.log(honesty / (1.0 - honesty))[contests.judge]
    weight[contests.outcome == TIE] = 0.0
    # For the source with the lower number, since the sides may differ from vote to vote.
    low_won = (contests.outcome == LEFT) == (contests.left < contests.right)
    n_pairs = int(max(pair.max(initial=-1), asked.pair.max(initial=-1))) + 1
    said = group_sum(pair, n_pairs, np.where(low_won, weight, -weight))[asked.pair]
    gap = ranking.strength_micro[asked.left] - ranking.strength_micro[asked.right]
    log_odds = gap / MICRO + np.where(asked.left < asked.right, said, -said)
    return np.rint(_logistic(log_odds) * PPM).astype(np.int64)


class _Tally:
    """Votes counted by judge and ordered pair, in a canonical order: equal ones are one row.

    winner, loser, judge, votes: (n_rows,); a tie is half a vote each way.
    """

    def __init__(self, contests: Contests) -> None:
        sources = contests.n_sources
        first = np.where(contests.outcome == RIGHT, contests.right, contests.left)
        second = np.where(contests.outcome == RIGHT, contests.left, contests.right)
        tied = contests.outcome == TIE
        key = (contests.judge * sources + first) * sources + second
        back = (contests.judge * sources + second) * sources + first
        # In half votes, so that the sums are exact in any order.
        keys = np.concatenate([key, key[~tied], back[tied]])
        unique, halves = np.unique(keys, return_counts=True)
        self.judge = unique // sources**2
        self.winner, self.loser = unique // sources % sources, unique % sources
        self.votes = halves / 2.0
        self.n_sources, self.n_judges = sources, contests.n_judges
        self.cast = group_sum(self.judge, self.n_judges, self.votes)

    def fit(self, honest: FloatArray, lying: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Strengths (n_sources,), summing to zero, and honesties (n_judges,), by expectation-
        maximisation from judges who are all as honest as their gold and the prior say."""
        strength = np.zeros(self.n_sources)
        honesty = honest / (honest + lying)
        for _ in range(SWEEPS_MAX):
            seen = self._seen(strength, honesty)
            updated = self._stronger(strength, seen)
            said = group_sum(self.judge, self.n_judges, self.votes * seen)
            honesty = (said + honest) / (self.cast + honest + lying)
            change = np.abs(updated - strength).max()
            strength = updated
            if change < CONVERGED:
                break
        return strength, honesty

    def spread(self, strength: FloatArray, honesty: FloatArray) -> FloatArray:
        """(n_sources,) standard errors: the inverse of the information that the votes carry, of which a
        judge who says the opposite now and then carries less."""
        win = _logistic(strength[self.winner] - strength[self.loser])
        trust = 2.0 * honesty[self.judge] - 1.0
        said = 0.5 + trust * (win - 0.5)
        each = self.votes * (trust * win * (1.0 - win)) ** 2 / (said * (1.0 - said))
        cell = self.winner * self.n_sources + self.loser
        between = group_sum(cell, self.n_sources**2, each).reshape(self.n_sources, -1)
        between = between + between.T
        weakest = ANCHOR / 4.0
        # The ones pin the mean, of which votes say nothing; what they add is taken off again.
        information = np.diag(between.sum(axis=1) + weakest) - between + 1.0
        of_mean = 1.0 / (self.n_sources * (self.n_sources + weakest))
        result: FloatArray = np.sqrt(np.diag(np.linalg.inv(information)) - of_mean)
        return result

    def _seen(self, strength: FloatArray, honesty: FloatArray) -> FloatArray:
        """(n_rows,): how probably the judge saw it as they said it."""
        win = _logistic(strength[self.winner] - strength[self.loser])
        honest = honesty[self.judge]
        true, false = honest * win, (1.0 - honest) * (1.0 - win)
        result: FloatArray = true / (true + false)
        return result

    def _stronger(self, strength: FloatArray, seen: FloatArray) -> FloatArray:
        """One minorise-maximise step (Hunter 2004) on the votes as they were seen, and an anchor."""
        n = self.n_sources
        cell = self.winner * n + self.loser
        won = group_sum(cell, n * n, self.votes * seen).reshape(n, n)
        won += group_sum(cell, n * n, self.votes * (1.0 - seen)).reshape(n, n).T
        worth = np.exp(strength)
        met = won + won.T
        rival = (met / (worth[:, None] + worth[None, :])).sum(axis=1)
        updated = np.log((won.sum(axis=1) + ANCHOR / 2) / (rival + ANCHOR / (worth + 1.0)))
        result: FloatArray = updated - updated.mean()
        return result


def _logistic(x: FloatArray) -> FloatArray:
    result: FloatArray = 1.0 / (1.0 + np.exp(-x))
    return result
