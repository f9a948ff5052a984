"""What a job makes of a round's sums with the help of public examples: useful or not, whose, and what counts.

Everything is computed again from the log when a server goes on with a job: what each cohort showed is in its
rounds, and who was in which is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from federated.data import Table
from federated.model import Weights
from federated.robust import combine
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.task import Inputs, Targets
from federated.valuation import Worth, estimate, harmful, shares_ppm, usefulness_micro
from federated.watching import Watch
from protocol.cohorts import Defence, update_weights
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.jobs import CohortSum, JobTerms
from protocol.limits import PPM


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
    task: Task
    public: Table | None
    first_ppm: int = 0  # accuracy of the model that round 1 starts from
    measured: list[CohortSum] = field(default_factory=list)  # by all rounds so far

    _seen: tuple[Inputs, Targets] | None = None

    def __post_init__(self) -> None:
        self.watch = Watch(self.job.margin_ppm, self.first_ppm)

    def look(
        self,
        base: Weights,
        groups: Sequence[Sequence[PersonId]],
        sums: Sequence[NDArray[np.float64]],
    ) -> Judged:
        """The sums of a round that started from `base`, in the order of the groups."""
        if not self.job.cohorts:
            return Judged(np.sum(sums, axis=0), (), ())
        downhill = self._downhill(base)
        useful = tuple(usefulness_micro(each, downhill) for each in sums)
        self.recall(groups, useful)
        total = combine(Defence(self.job.defence), sums, useful)
        return Judged(
            total, useful, self._weights(sorted(who for group in groups for who in group))
        )

    def recall(self, groups: Sequence[Iterable[PersonId]], useful: Sequence[int]) -> None:
        """What the cohorts of a round showed; also of rounds before this process began."""
        self.measured += [
            CohortSum(tuple(group), each) for group, each in zip(groups, useful, strict=True)
        ]

    @property
    def harmful(self) -> set[PersonId]:
        """Partners that are not asked any more: their updates push the wrong way beyond chance."""
        return harmful(self._estimates() or {})

    def fault(self, base: Weights, judged: Judged, partners: int, accuracy_ppm: int) -> str:
        """Why the round of so many partners is not kept; empty where it is."""
        if not self.job.margin_ppm:
            return ""
        useful = usefulness_micro(judged.total, self._downhill(base)) / PPM
        return self.watch.fault(accuracy_ppm, useful, self._deviation(partners))

    def _weights(self, partners: Sequence[PersonId]) -> tuple[int, ...]:
        if not self.job.worth_ppm:
            return ()
        found = self._estimates()
        return tuple(update_weights(shares_ppm(found, partners), self.job.worth_ppm))

    def _estimates(self) -> dict[PersonId, Worth] | None:
        people = sorted({who for each in self.measured for who in each.partners})
        most = max((len(each.partners) for each in self.measured), default=1)
        return estimate(self.measured, people, self._deviation(most))

    def _deviation(self, partners: int) -> float:
        """Of the noise in the sum of so many, in any direction."""
        return float(self.spec.noise_deviation_each * partners**0.5)

    def _downhill(self, weights: Weights) -> NDArray[np.float64]:
        """The gradient of the public examples, as a partner computes its own."""
        inputs, targets = self._examples(weights)
        return self.task.clipped_sum(weights, inputs, targets, self.spec.clip)

    def _examples(self, weights: Weights) -> tuple[Inputs, Targets]:
        """Features follow from the fixed arrays, which are the same in every round."""
        if self._seen is None:
            if self.public is None:
                raise StateError("there are no public examples to compare with")
            self._seen = (
                self.task.inputs(self.public, weights.fixed),
                self.task.targets(self.public),
            )
        return self._seen
