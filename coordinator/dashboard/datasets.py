"""Datasets and models: what the log says of them, and the metadata of those on the operator's disk.

Of the files only their metadata is public, and only under names that the log gives: a digest or a job's id
leads to a folder, and a fixed list to the files in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Final

from commonground.marks import Mark, mark_of
from coordinator.dashboard.paging import ROWS
from protocol.identity import PersonId
from protocol.jobs import JobResult
from protocol.lifecycle import JobStatus
from protocol.rows import Consent, Licence
from protocol.state import State

# Twelve hexadecimal digits name a dataset: enough that two of one network never share them.
NAME_DIGITS: Final = 12
# Croissant describes files and columns, not items; a card is a page of text.
METADATA_BYTES_MAX: Final = 4 * 1024 * 1024

_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown; charset=utf-8"
DATASET_FILES: Final[Mapping[str, str]] = {"croissant.json": _JSON, "README.md": _MARKDOWN}
MODEL_FILES: Final[Mapping[str, str]] = {
    "card.json": _JSON,
    "card.md": _MARKDOWN,
    "card.html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One line of the table."""

    name: str
    campaign_id: str
    scope: Consent
    items: int
    authors: int
    withdrawn: int
    refused: int  # that a panel accepted no more
    licences: int
    logged_at: int


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One dataset's page."""

    row: DatasetRow
    digest: bytes
    authors: tuple[tuple[PersonId, int], ...]  # who gave most first, at most ROWS
    licences: tuple[Licence, ...]  # by id, ROWS at most
    jobs: tuple[str, ...]  # ROWS at most, that calibrate and validate on it


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A finished job's model."""

    job_id: str
    title: str
    result: JobResult
    mark: Mark | None  # something went from its snapshot


def dataset_row(state: State, digest: bytes) -> DatasetRow:
    """A snapshot in one line."""
    snapshot = state.snapshots[digest]
    return DatasetRow(
        name=digest.hex()[:NAME_DIGITS],
        campaign_id=snapshot.campaign_id,
        scope=snapshot.scope,
        items=len(snapshot.items),
        authors=len(snapshot.credits),
        withdrawn=snapshot.withdrawn,
        refused=snapshot.refused,
        licences=len(_licences(state, digest)),
        logged_at=snapshot.logged_at,
    )


def dataset_rows(state: State, campaign_id: str | None = None) -> list[DatasetRow]:
    """All snapshots, or those of a campaign, the latest first."""
    rows = [
        dataset_row(state, digest)
        for digest, snapshot in state.snapshots.scan()
        if campaign_id in (None, snapshot.campaign_id)
    ]
    return sorted(rows, key=lambda row: -row.logged_at)


def dataset_view(state: State, name: str) -> DatasetView | None:
    """The dataset of this name; None if the log has none."""
    digest = digest_of(state, name)
    if digest is None:
        return None
    first = nlargest(ROWS, state.snapshots[digest].credits, key=lambda credit: credit[::-1])
    return DatasetView(
        row=dataset_row(state, digest),
        digest=digest,
        authors=tuple(first),
        licences=tuple(_licences(state, digest)[:ROWS]),
        jobs=tuple(job_id for job_id, job in state.jobs.scan() if job.terms.snapshot == digest)[
            :ROWS
        ],
    )


def digest_of(state: State, name: str) -> bytes | None:
    """The snapshot that a folder is named after."""
    matching = (
        digest for digest, _ in state.snapshots.scan() if digest.hex()[:NAME_DIGITS] == name
    )
    return next(matching, None)


def models(state: State) -> list[ModelRow]:
    """Finished jobs that left a model, by id; ROWS at most."""
    found = (
        ModelRow(job_id, job.terms.title, job.result, mark_of(state, job))
        for job_id, job in state.jobs.scan()
        if job.result is not None and job.status is JobStatus.COMPLETED
    )
    return list(islice(found, ROWS))


def _licences(state: State, digest: bytes) -> list[Licence]:
    return [licence for _, licence in state.licences.scan() if licence.snapshot == digest]


class Metadata:
    """The files that describe datasets and models, in the operator's directory."""

    def __init__(self, home: Path) -> None:
        self._datasets = home / "datasets"
        self._models = home / "models"

    def of_dataset(self, name: str) -> tuple[str, ...]:
        """Which of DATASET_FILES are there."""
        return _present(self._datasets / name, DATASET_FILES)

    def of_model(self, job_id: str) -> tuple[str, ...]:
        """Which of MODEL_FILES are there."""
        return _present(self._models / job_id, MODEL_FILES)

    def read_dataset(self, name: str, file: str) -> bytes | None:
        """One of DATASET_FILES; None if it is not there."""
        return _read(self._datasets / name / file)

    def read_model(self, job_id: str, file: str) -> bytes | None:
        """One of MODEL_FILES; None if it is not there."""
        return _read(self._models / job_id / file)


def _present(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in files if (folder / name).is_file())


def _read(path: Path) -> bytes | None:
    try:
        # No link is followed: what it leads to was not meant to be public.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(METADATA_BYTES_MAX + 1)
    return content if len(content) <= METADATA_BYTES_MAX else None
