"""Goes on with a job whose command was killed or interrupted, or ends it in its operator's name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from commonground.jobs import is_over
from coordinator.config import Home
from coordinator.operator import Operator
from coordinator.training import checkpoints
from coordinator.training.jobs import end_job, initial_path
from coordinator.training.leading import (
    OnState,
    Outcome,
    Settings,
    body_bytes,
    clear,
    lead,
    running,
)
from coordinator.training.releasing import load_held_back
from federated.flower.control import SuperLink
from federated.model import decode
from federated.spec import labels_of, spec_of
from federated.tasks.registry import task_of
from federated.tasks.task import blank
from federated.transport import valid_until
from protocol.errors import ConfigError, StateError
from protocol.jobs import Job


def resume_job(
    home: Home,
    job_id: str,
    held_back: Path | None,
    on_open: Callable[[Job], None],
    on_state: OnState,
) -> Outcome:
    """Leads an open job on, at the address and with the certificate that its partners know.

    Raises ConfigError, StateError and StoreError for what stands in the way; the job stays as it is.
    """
    with Operator(home) as operator, running(home, job_id) as folder:
        job = _open_job(operator, job_id)
        settings = Settings.of(folder)
        spec = spec_of(job.terms, labels_of(operator.state.campaigns[job.terms.campaign_id]))
        task = task_of(spec.task, spec.options, spec.labels)
        examples = load_held_back(held_back or settings.held_back, task)
        weights = decode(blank(task, spec.task), initial_path(home, job_id).read_bytes())
        checkpoints.find(home, job)  # the ServerApp reads it again
        with _link(folder, job, body_bytes(weights)) as link:
            link.ready()
            on_open(job)
            return lead(
                operator,
                link,
                job,
                held_back=examples,
                settings=settings,
                on_state=on_state,
            )


def end_open_job(home: Home, job_id: str, reason: str) -> Job:
    """Ends an open job in the log. Raises StateError while a command leads it."""
    with Operator(home) as operator, running(home, job_id) as folder:
        _open_job(operator, job_id)
        end_job(operator, job_id, reason)
        clear(folder, home, job_id)
        return operator.state.jobs[job_id]


def _open_job(operator: Operator, job_id: str) -> Job:
    job = operator.state.jobs.get(job_id)
    if job is None:
        known = ", ".join(name for name, each in operator.state.jobs.scan() if not is_over(each))
        raise ConfigError(f"there is no job {job_id!r}", f"open are: {known or 'none'}")
    if is_over(job):
        raise StateError(
            f"the job {job_id!r} is over", "`commonhold federated status` says how it ended"
        )
    return job


def _link(folder: Path, job: Job, body_bytes_max: int) -> SuperLink:
    """A server where the job's record says that it is. Raises StateError where that cannot be had."""
    host, _, port = job.terms.endpoint.rpartition(":")
    link = SuperLink(folder, host.strip("[]"), int(port), body_bytes_max)
    if link.certificate != job.terms.tls_certificate:
        raise StateError(
            f"the certificate of {job.terms.id!r} is not in {folder}: partners accept no other",
            "restore it from a backup, or end the job: `commonhold federated end`",
        )
    until = valid_until(link.certificate)
    if until <= datetime.now(UTC):
        raise StateError(
            f"the certificate of {job.terms.id!r} ran out at {until:%Y-%m-%d %H:%M} UTC: partners"
            " accept no other",
            "if this machine's clock is right, end the job: `commonhold federated end`",
        )
    return link
