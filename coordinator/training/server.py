"""What the SuperLink's ServerApp does for us: the rounds of one job, with the operator's log behind them.

It runs in a process of its own, which `federated open` starts and watches. It begins where the log is: after
the last round, from the checkpoint that the log names. Where the job cannot go on it ends it in the log, with
the reason; if it is killed, the command that watches starts it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from numpy.typing import NDArray

from commonground.committees import (
    FixedSet,
    RoundStart,
    Signed,
    active_partners,
    fixed_set,
    round_start,
    signed_updates,
)
from commonground.files import replace_file
from coordinator.config import Home
from coordinator.operator import Operator
from coordinator.training import checkpoints
from coordinator.training.jobs import end_job, initial_path, model_folder, weights_path
from coordinator.training.snapshot import measure_on
from federated.aggregate import Aggregator
from federated.checkpoint import Checkpoint
from federated.flower.parent import await_word
from federated.judging import Jury
from federated.model import Weights, decode, encode
from federated.opening import RoundFailed
from federated.rounds import train
from federated.spec import labels_of, spec_of
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from protocol.errors import ConfigError, Ignore, Reject, StateError
from protocol.identity import PersonId
from protocol.lifecycle import JobStatus
from protocol.limits import TEXT_CHARS_MAX
from protos.gen import records_pb2 as pb

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Runs the job that the run's configuration names; the home is in the environment."""
    with Operator(Home.at(None)) as operator:
        run_job(operator, str(context.run_config["job-id"]), grid, await_word)


def run_job(
    operator: Operator, job_id: str, grid: Grid, await_partners: Callable[[], None]
) -> None:
    """The rounds of a job that the log does not have, or its end. All that can be loaded before partners are
    there is.

    Raises Unreachable when the coordinator is down for long, StoreError without the last checkpoint.
    """
    present = operator.state.jobs[job_id]
    job = present.terms
    spec = spec_of(job, labels_of(operator.state.campaigns[job.campaign_id]))
    kept = checkpoints.find(operator.home, present)
    try:
        task = task_of(spec.task, spec.options, spec.labels)
        empty, velocity = blank(task, spec.task), None
        weights = decode(empty, initial_path(operator.home, job_id).read_bytes())
        jury = Jury.of(present, spec, measure_on(operator, job.snapshot, task), weights)
        if kept is not None:
            weights, velocity = decode(empty, kept.weights), kept.velocity
        log = OperatorLog(operator, job_id)
        await_partners()
        train(grid, log, present, Aggregator(spec, weights, velocity), weights, jury=jury)
    except (ConfigError, Ignore, Reject, StateError) as error:
        end_job(operator, job_id, str(error))


class OperatorLog:
    """A `federated.rounds.JobLog` over the operator's own ledger."""

    def __init__(self, operator: Operator, job_id: str) -> None:
        self._operator, self._job_id = operator, job_id
        model_folder(operator.home, job_id).mkdir(mode=0o700, parents=True, exist_ok=True)

    def partners(self) -> Mapping[bytes, PersonId]:
        """Who takes part, by transport key."""
        self._operator.refresh()
        return active_partners(self._operator.state, self._job_id)

    def start(self) -> None:
        """Nobody joins any more."""
        self._operator.refresh()
        if self._operator.state.jobs[self._job_id].status is JobStatus.OPEN:
            body = pb.TrainingStart(network=self._operator.state.network, job_id=self._job_id)
            self._operator.append("training-start", body)

    def round(self) -> RoundStart:
        """The round that runs."""
        self._operator.refresh()
        return round_start(self._operator.state, self._job_id)

    def signed(self, partner: PersonId) -> Signed | None:
        """What a partner signed for the round that runs; partners log before they reply."""
        found = signed_updates(self._operator.state, self._job_id).get(partner)
        if found is None:
            self._operator.refresh()
            found = signed_updates(self._operator.state, self._job_id).get(partner)
        return found

    def set_of_round(self) -> Sequence[PersonId]:
        """Whom the log has in the set of the round that runs; nobody before it is fixed. As at the last look:
        sets, failures and rounds are written by this process alone."""
        fixed = self._operator.state.jobs[self._job_id].round_set
        return () if fixed is None else fixed.partners

    def fix(self, partners: Sequence[PersonId]) -> None:
        """From here on members open this set's sum, and no other."""
        state = self._operator.state
        body = pb.TrainingSet(
            network=state.network,
            job_id=self._job_id,
            round=state.jobs[self._job_id].present,
            partners=partners,
        )
        self._operator.append("training-set", body)

    def fixed(self) -> FixedSet:
        """The set of the round that runs, and what members have said of it by now."""
        self._operator.refresh()
        fixed = fixed_set(self._operator.state, self._job_id)
        if fixed is None:
            raise StateError("the round's set is not in the log", "open the job again")
        return fixed

    def fail(self, failure: RoundFailed, epsilon_micro: int) -> None:
        """The round came to nothing."""
        state = self._operator.state
        body = pb.FailedRound(
            network=state.network,
            job_id=self._job_id,
            round=state.jobs[self._job_id].present,
            reason=str(failure)[:TEXT_CHARS_MAX],
            missing=failure.missing,
            epsilon_micro=epsilon_micro,
            faulty=failure.faulty,
            usefulness_micro=failure.usefulness_micro,
        )
        self._operator.append("failed-round", body)

    def complete(
        self, round_: pb.TrainingRound, weights: Weights, velocity: NDArray[np.float64]
    ) -> None:
        """Files first: the log never names a model that nobody has, or could go on from."""
        job = self._operator.state.jobs[self._job_id]
        raw = encode(weights)
        kept = Checkpoint(self._job_id, round_.round, raw, velocity)
        round_.checkpoint = checkpoints.keep(self._operator.home, job, kept)
        round_.network = self._operator.state.network
        replace_file(weights_path(self._operator.home, self._job_id), raw)
        self._operator.append("training-round", round_)
