"""Where a job goes on from, on the operator's disk: one file a round, and the log says which one counts.

Rule 1: a round's checkpoint is durable before the log names it. Killed in between, there is one too many.
Rule 2: the log decides. What it does not name is never gone on from, whatever its number.
"""

from __future__ import annotations

from pathlib import Path

from commonground.files import replace_file
from coordinator.config import Home
from coordinator.training.jobs import model_folder
from federated import checkpoint
from federated.checkpoint import Checkpoint
from protocol.errors import StoreError
from protocol.jobs import Job

_PREFIX = "checkpoint-"


def keep(home: Home, job: Job, kept: Checkpoint) -> bytes:
    """Writes it; gives its hash, for the log. Others are removed, but for the one that the log has now."""
    raw = kept.encode()
    path = _path(home, kept.job_id, kept.round)
    replace_file(path, raw)
    needed = {path} | {_path(home, kept.job_id, each.round) for each in job.rounds[-1:]}
    for other in path.parent.glob(f"{_PREFIX}*.bin"):
        if other not in needed:
            other.unlink(missing_ok=True)
    return checkpoint.digest(raw)


def find(home: Home, job: Job) -> Checkpoint | None:
    """What the job goes on from; None before its first round.

    Raises StoreError where the disk does not have what the log names.
    """
    if not job.rounds:
        return None
    last = job.rounds[-1]
    path = _path(home, job.terms.id, last.round)
    raw = path.read_bytes() if path.exists() else b""
    if checkpoint.digest(raw) != last.checkpoint:
        raise StoreError(
            f"{path} is not what the log names after round {last.round} of {job.terms.id!r}",
            "restore it from a backup, or end the job: `commonhold federated end`",
        )
    return checkpoint.decode(job.terms.id, last.round, raw)


def forget(home: Home, job_id: str) -> None:
    """Removes a job's checkpoints: it is over."""
    for path in model_folder(home, job_id).glob(f"{_PREFIX}*.bin"):
        path.unlink(missing_ok=True)


def _path(home: Home, job_id: str, round_: int) -> Path:
    return model_folder(home, job_id) / f"{_PREFIX}{round_}.bin"
