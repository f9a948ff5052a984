"""What the SuperLink's ServerApp does for us: the rounds of one job, with the operator's log behind them.

It runs in a process of its own, which `federated open` starts and watches. Where it cannot go on it ends
the job in the log, with the reason; if it is killed, the command that watches does so.
"""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from commonground.files import replace_file
from coordinator.config import Home
from coordinator.operator import Operator
from coordinator.training.jobs import end_job, initial_path, model_folder, weights_path
from coordinator.training.snapshot import measure_on
from federated.aggregate import Aggregator
from federated.model import Weights, decode, encode
from federated.rounds import train
from federated.spec import labels_of, spec_of
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from protocol.errors import ConfigError, Ignore, Reject, StateError
from protocol.identity import PersonId
from protos.gen import records_pb2 as pb

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Runs the job that the run's configuration names; the home is in the environment."""
    with Operator(Home.at(None)) as operator:
        run_job(operator, str(context.run_config["job-id"]), grid)


def run_job(operator: Operator, job_id: str, grid: Grid) -> None:
    """All rounds of a job, or its end. Raises Unreachable when the coordinator is down for long."""
    job = operator.state.jobs[job_id].terms
    spec = spec_of(job, labels_of(operator.state.campaigns[job.campaign_id]))
    try:
        task = task_of(spec.task, spec.options, spec.labels)
        weights = decode(blank(task, spec.task), initial_path(operator.home, job_id).read_bytes())
        measure = measure_on(operator, job.snapshot, task)
        log = OperatorLog(operator, job_id)
        train(grid, log, job, Aggregator(spec, weights), weights, measure=measure)
    except (ConfigError, Ignore, Reject, StateError) as error:
        end_job(operator, job_id, str(error))


class OperatorLog:
    """A `federated.rounds.JobLog` over the operator's own ledger."""

    def __init__(self, operator: Operator, job_id: str) -> None:
        self._operator, self._job_id = operator, job_id
        model_folder(operator.home, job_id).mkdir(mode=0o700, parents=True, exist_ok=True)

    def partners(self) -> Mapping[bytes, PersonId]:
        """Who joined, by transport key."""
        self._operator.refresh()
        joined = self._operator.state.partners.scan(self._job_id)
        return {enrolled.transport_key: partner for (_, partner), enrolled in joined}

    def signed(self) -> Mapping[PersonId, bytes]:
        """What each partner signed for the round that runs; partners log before they reply."""
        self._operator.refresh()
        updates = self._operator.state.updates.scan(self._job_id)
        return {partner: update.update for (_, partner), update in updates}

    def complete(self, round_: pb.TrainingRound, weights: Weights) -> None:
        """Weights first: the log never names a model that nobody has."""
        round_.network = self._operator.state.network
        replace_file(weights_path(self._operator.home, self._job_id), encode(weights))
        self._operator.append("training-round", round_)
