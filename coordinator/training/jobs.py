"""Where a job's files are on the operator's disk, and how it ends early."""

from __future__ import annotations

from pathlib import Path

from commonground.jobs import is_over
from coordinator.config import Home
from coordinator.operator import Operator
from protocol.limits import TEXT_CHARS_MAX
from protos.gen import records_pb2 as pb


def model_folder(home: Home, job_id: str) -> Path:
    """Where the job's model is on the operator's disk."""
    return home.path / "models" / job_id


def weights_path(home: Home, job_id: str) -> Path:
    """The float weights of the last round (federated.model.encode)."""
    return model_folder(home, job_id) / "weights.bin"


def initial_path(home: Home, job_id: str) -> Path:
    """The weights that round 1 starts from: public examples may have shaped them."""
    return run_folder(home, job_id) / "initial.bin"


def run_folder(home: Home, job_id: str) -> Path:
    """What the SuperLink and the ServerApp of the job write."""
    return home.path / "federated" / job_id


def end_job(operator: Operator, job_id: str, reason: str) -> None:
    """Logs that the job could not go on; what its rounds made stays. Does nothing if it is over."""
    operator.refresh()
    job = operator.state.jobs[job_id]
    if not is_over(job):
        ended = pb.Model(
            network=operator.state.network,
            job_id=job_id,
            outcome=pb.JOB_OUTCOME_ENDED,
            reason=reason[:TEXT_CHARS_MAX],
            weights=job.model,
            epsilon_micro=job.epsilon_micro,
        )
        operator.append("model", ended)
