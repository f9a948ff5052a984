"""What a job makes of a round's sums with the help of public examples: useful or not, whose, and what counts.

Everything is computed again from the log when a server goes on with a job: what each cohort showed is in its
rounds, and who was in which is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from federated.grid import sum_deviation
from federated.model import Weights
from federated.robust import combine
from federated.spec import TrainingSpec
from federated.valuation import Worth, estimate, harmful, shares_ppm, usefulness_micro
from federated.watching import Watch
from protocol.cohorts import Defence, update_weights
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.jobs import CohortSum, Job, JobTerms
from protocol.limits import PPM


class Public(Protocol):
    """Examples that are nobody's secret, to compare with."""

    def accuracy_ppm(self, weights: Weights) -> int:
        """How good a model is on them, in parts per million."""

    def downhill(self, weights: Weights, clip: float) -> NDArray[np.float64]:
        """Their clipped gradients' sum, as a partner computes its own."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A round's sums, looked at."""

    total: NDArray[np.float64]  # what counts as the sum of all
    usefulness_micro: tuple[int, ...]  # of each cohort; none without cohorts
    weights_ppm: tuple[int, ...]  # of each partner's update in the pay; none where all weigh alike


@dataclass
class Jury:
    """Of one job. Without public examples it adds up what there is, and finds nothing wrong."""

    job: JobTerms
    spec: TrainingSpec
    public: Public | None = None
    first_ppm: int = 0  # accuracy of the model that round 1 starts from
    cohort_sums: list[CohortSum] = field(default_factory=list)  # of all rounds so far
    kept_ppm: list[int] = field(default_factory=list)  # accuracies of the rounds that were kept

    @classmethod
    def of(cls, job: Job, spec: TrainingSpec, public: Public | None, first: Weights) -> Jury:
        """With all that the log has of the job; `first` is the model that round 1 starts from."""
        return cls(
            *(job.terms, spec, public, public.accuracy_ppm(first) if public else 0),
            *(list(job.cohort_sums), [done.accuracy_ppm for done in job.rounds]),
        )

    def look(
        self,
        base: Weights,
        groups: Sequence[Sequence[PersonId]],
        sums: Sequence[NDArray[np.float64]],
    ) -> Judged:
        """The sums of a round that started from `base`, in the order of the groups."""
        if not self.job.cohorts:
            return Judged(np.sum(sums, axis=0), (), ())
        useful, defence = (0,) * len(sums), Defence.MEAN
        if self.public is not None:
            downhill = self.public.downhill(base, self.spec.clip)
            useful = tuple(usefulness_micro(each, downhill) for each in sums)
            defence = Defence(self.job.defence)
        self.cohort_sums += [
            CohortSum(tuple(group), each) for group, each in zip(groups, useful, strict=True)
        ]
        partners = sorted(who for group in groups for who in group)
        return Judged(combine(defence, sums, useful), useful, self._weights(partners))

    def aside(self, joined: Collection[PersonId]) -> set[PersonId]:
        """Partners that are not asked any more, as their updates push the wrong way; the worst of them, if a
        round would not have its quorum without all."""
        worth = self._estimates() or {}
        worst = sorted(harmful(worth), key=lambda who: worth[who].value)
        return set(worst[: max(0, len(joined) - self.job.quorum)])

    def accuracy_ppm(self, weights: Weights) -> int:
        """On the public examples; 0 without any."""
        return self.public.accuracy_ppm(weights) if self.public is not None else 0

    def fault(self, base: Weights, judged: Judged, partners: int, accuracy_ppm: int) -> str:
        """Why the round of so many partners is not kept; empty where it is."""
        if self.public is None or not self.job.margin_ppm:
            return ""
        downhill = self.public.downhill(base, self.spec.clip)
        useful = usefulness_micro(judged.total, downhill) / PPM
        return self._watch().fault(accuracy_ppm, useful, self._deviation(partners))

    def keep(self, accuracy_ppm: int) -> None:
        """The round counts. Raises StateError where the job learns nothing and should end."""
        self.kept_ppm.append(accuracy_ppm)
        if self.public is not None and (stuck := self._watch().stuck):
            raise StateError(stuck, "see docs/coordinator.md, Partners who spoil a model")

    def _watch(self) -> Watch:
        return Watch(self.job.margin_ppm, self.first_ppm, self.kept_ppm, self.job.rounds)

    def _weights(self, partners: Sequence[PersonId]) -> tuple[int, ...]:
        if not self.job.worth_ppm:
            return ()
        return tuple(update_weights(shares_ppm(self._estimates(), partners), self.job.worth_ppm))

    def _estimates(self) -> dict[PersonId, Worth] | None:
        people = sorted({who for each in self.cohort_sums for who in each.partners})
        most = max((len(each.partners) for each in self.cohort_sums), default=1)
        return estimate(self.cohort_sums, people, self._deviation(most))

    def _deviation(self, partners: int) -> float:
        """Of the noise in the sum of so many, in any direction."""
        return sum_deviation(self.spec, partners)
