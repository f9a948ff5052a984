"""What the log says of models, read from a coordinator's directory or a node's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonground.marks import mark_of
from coordinator.config import Home
from protocol.jobs import Job, JobResult
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.state import State


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model in one line. Accuracies are parts of one."""

    job_id: str
    title: str
    accuracy_int8: float
    accuracy_fp32: float
    epsilon: float
    delta: float
    licence: str  # under which partners have it
    licences: tuple[str, ...]  # that were sold, by their ids
    may_be_licensed: bool
    last_epoch: int | None  # the last in which it may be; None: any
    mark: str  # what has gone from its snapshot, in words; empty


def replayed(directory: Path | None) -> State:
    """The state of the log that is here. Raises ConfigError when the directory is neither kind."""
    home = Home.at(directory)
    return _of_coordinator(home) if home.config_path.exists() else _of_node(directory)


def _of_coordinator(home: Home) -> State:
    from coordinator.operator import Operator

    with Operator(home) as operator:
        return operator.state


def _of_node(directory: Path | None) -> State:
    from commonhold.cli.node_home import open_home, open_store
    from commonhold.cli.node_sending import catch_up
    from node.follower import Follower

    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        return follower.state


def summaries(state: State) -> list[ModelSummary]:
    """All models, by the ids of their jobs."""
    sold: dict[str, list[str]] = {}
    for licence_id, licence in state.licences.scan():
        sold.setdefault(licence.job_id, []).append(licence_id)
    return [
        _summary(state, job, job.result, tuple(sold.get(job_id, ())))
        for job_id, job in state.jobs.scan()
        if job.result and job.status is JobStatus.COMPLETED and not job.terms.is_question
    ]


def _summary(state: State, job: Job, result: JobResult, licences: tuple[str, ...]) -> ModelSummary:
    mark = mark_of(state, job)
    return ModelSummary(
        job_id=job.terms.id,
        title=job.terms.title,
        accuracy_int8=result.accuracy_int8_ppm / PPM,
        accuracy_fp32=result.accuracy_fp32_ppm / PPM,
        epsilon=job.epsilon_micro / PPM,
        delta=job.terms.delta_ppb / 1e9,
        licence=job.terms.model_licence,
        licences=licences,
        may_be_licensed=mark is None or not mark.is_over,
        last_epoch=mark.last_epoch if mark else None,
        mark=mark.words if mark else "",
    )


def mark_of_card(state: State, card: Mapping[str, Any]) -> str:
    """What has gone from the snapshot behind a card's model, in words; empty where nothing has."""
    job = state.jobs.get(str(card["lineage"]["job"]))
    mark = mark_of(state, job) if job is not None else None
    return mark.words if mark else ""
