"""One partner's part of a round: pay for it, then compute what leaves the machine.

    read      features of the private data, once for all rounds
    charge    the budget, durably: from here on the round is spent
    compute   the noisy sum of clipped gradients, from the round's model

If we crash after the charge, the round is lost, not repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from federated.data import PrivateData, Table
from federated.grid import carried, clip_of, to_ring
from federated.model import Weights, fixed_digest
from federated.noise import Randomness, sampled
from federated.quantize import rounded
from federated.ring import Words
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.task import TRIED, Inputs, blank
from federated.tasks.trial import require_rows, require_sound
from protocol.errors import CommonholdError, ConfigError, Reject
from protocol.limits import PPM


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

        Raises ConfigError for labels that the job does not have, for a model that mixes examples, and for an
        example that the task cannot take: who joins hears of it before the log does.
        """
        self._spec, self._charge, self._randomness = spec, budget_charge, randomness
        self._task, self._table = task, data.table
        self._targets = task.targets(data.table)
        self.blank = blank(task, spec.task)  # what every round's model is shaped as
        self._inputs: Inputs | None = None
        self._fixed = b""
        few = data.table.take(slice(TRIED))
        if task.fixed_shapes:
            few_inputs = self._tried(few)
        else:  # features hang on no round's model
            self._inputs, self._fixed = self._tried(data.table), fixed_digest(self.blank)
            few_inputs = self._inputs[:TRIED]
        require_sound(task, few, few_inputs, self.blank)

    def update(self, round_: int, base: Weights) -> LocalUpdate:
        """Trains one round. Raises Reject for a base that is not this job's, and what charging raises."""
        spec = self._spec
        if (base.task, base.labels) != (spec.task, spec.labels):
            raise Reject("the model to start from is another job's")
        if not np.isfinite(base.vector).all():
            raise Reject("the model to start from holds values that are not finite")
        inputs = self._inputs_of(base)  # where that fails, nothing is paid
        epsilon_micro = self._charge(round_)
        return LocalUpdate(self._noisy_sum(round_, base, inputs), epsilon_micro)

    def _noisy_sum(self, round_: int, base: Weights, inputs: Inputs) -> Words:
        """The clipped gradients of a Poisson sample, and this partner's noise; never empty."""
        spec = self._spec
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

    def _tried(self, table: Table) -> Inputs:
        """What the task makes of these examples. Its code may be anybody's: what goes wrong there is told of
        the first example that it goes wrong with. Raises ConfigError.

        Only before a job: in a round the coordinator gets the words of what is refused, and such words may
        quote an example. There it ends the process, unpaid.
        """
        try:
            inputs = self._task.inputs(table, self.blank.fixed)
        except CommonholdError:
            raise
        except Exception as error:
            at, cause = self._first_wrong(table) or (None, error)
            which = "these examples" if at is None else f"example {at + 1}"
            raise ConfigError(
                f"the task {self._spec.task} cannot take {which}: {type(cause).__name__}: {cause}",
                "correct the data, or leave it out; if it is right, tell whoever wrote the task",
            ) from error
        require_rows(self._task, self._spec.task, table, inputs)
        return inputs

    def _first_wrong(self, table: Table) -> tuple[int, Exception] | None:
        for at in range(len(table)):
            try:
                self._task.inputs(table.take(slice(at, at + 1)), self.blank.fixed)
            except Exception as error:
                return at, error
        return None
