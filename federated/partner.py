"""One partner's part of a round: pay for it, then compute what leaves the machine.

    charge    the budget, durably: from here on the round is spent
    compute   the noisy sum of clipped gradients, from the round's model and the private data

If we crash after the charge, the round is lost, not repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from federated.data import PrivateData
from federated.grid import carried, clip_of, to_ring
from federated.model import Weights, fixed_digest
from federated.noise import Randomness, sampled
from federated.quantize import rounded
from federated.ring import Words
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.task import Inputs, blank
from protocol.errors import Reject
from protocol.limits import PPM

# Examples that a model is tried on before it is trained.
TRIED: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class LocalUpdate:
    """What a partner gives to a round, and what its data has spent by then."""

    words: Words  # (values,) with this partner's noise; single ones are for nobody's eyes
    epsilon_micro: int


class Partner:
    """Private data, ready to train one job. Features are computed once, for all rounds."""

    def __init__(
        self,
        spec: TrainingSpec,
        task: Task,
        data: PrivateData,
        budget_charge: Callable[[int], int],
        randomness: Randomness = os.urandom,
    ) -> None:
        """`budget_charge` takes a round and gives epsilon in micro once the charge is durable.

        Raises ConfigError for labels that the job does not have, and for a model that mixes examples.
        """
        self._spec, self._charge, self._randomness = spec, budget_charge, randomness
        self._task, self._table = task, data.table
        self._targets = task.targets(data.table)
        self.blank = blank(task, spec.task)  # what every round's model is shaped as
        self._inputs: Inputs | None = None
        self._fixed = b""
        few = data.table.take(slice(TRIED))
        task.require_private(task.inputs(few, self.blank.fixed), self._targets[:TRIED])

    def update(self, round_: int, base: Weights) -> LocalUpdate:
        """Trains one round. Raises Reject for a base that is not this job's, and what charging raises."""
        spec = self._spec
        if (base.task, base.labels) != (spec.task, spec.labels):
            raise Reject("the model to start from is another job's")
        if not np.isfinite(base.vector).all():
            raise Reject("the model to start from holds values that are not finite")
        epsilon_micro = self._charge(round_)
        return LocalUpdate(self._noisy_sum(round_, base), epsilon_micro)

    def _noisy_sum(self, round_: int, base: Weights) -> Words:
        """The clipped gradients of a Poisson sample, and this partner's noise; never empty."""
        spec, inputs = self._spec, self._inputs_of(base)
        chosen = sampled(len(inputs), round(spec.sampling * PPM), self._randomness)
        at = rounded(base, spec.weight_bits)
        examples = inputs[chosen], self._targets[chosen]
        places = carried(spec, round_)
        total = self._task.clipped_sum(at, *examples, clip_of(spec), places=places)
        return to_ring(total, spec, self._randomness)

    def _inputs_of(self, base: Weights) -> Inputs:
        """Features follow from the model's fixed arrays, which are the same in every round."""
        fixed = fixed_digest(base)
        if self._inputs is None or fixed != self._fixed:
            self._inputs, self._fixed = self._task.inputs(self._table, base.fixed), fixed
        return self._inputs
