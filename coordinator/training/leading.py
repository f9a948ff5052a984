"""Leads a job from whatever the log has of it to its end, and never hangs: every wait has a deadline.

    start     a ServerApp loads what it needs meanwhile
    admit     whoever is invited and enrols may connect, until all are there or time is up
    watch     it runs the rounds and logs each; if it or the SuperLink dies, both are started again
    release   the last model becomes ONNX files and a signed card; the `model` record ends the job

Rule 1: only what the log has counts. A start begins after the last round of it, whoever was killed when.
Rule 2: a job is ended by a rule or by its operator, never by a crash or a signal: partners wait meanwhile.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from commonground.counting import plural
from commonground.files import DIRECTORY_MODE, replace_file
from commonground.jobs import is_over
from commonground.locks import alone
from coordinator.config import ENVIRONMENT_DIRECTORY, Home
from coordinator.operator import Operator
from coordinator.training import checkpoints
from coordinator.training.answering import Answered, answer_question
from coordinator.training.jobs import end_job, run_folder
from coordinator.training.releasing import Released, release_model
from federated.data import Table
from federated.export import Extras
from federated.flower.control import SuperLink
from federated.flower.layout import BODY_BYTES_MAX, CERTIFICATE_FILE, KEY_FILE
from federated.model import Weights, encoded_bytes
from protocol.committee import COMMITTEE_MAX
from protocol.errors import ConfigError, StateError
from protocol.identity import PersonId, name_of
from protocol.jobs import Job
from protocol.lifecycle import JobStatus
from protocol.state import State

SERVER_APP: Final = "coordinator.training.server:app"
CLIENT_APP: Final = "federated.client_app:app"
# A round has deadlines of its own; without a word in the log for so much longer, its process is stuck.
ROUND_OVERHEAD_SECONDS: Final = 180.0
# Of a round: its updates, and as often as a committee can lose a member while it opens their sum.
STEPS_MAX: Final = 1 + COMMITTEE_MAX
WATCH_SECONDS: Final = 0.2
# While partners join: so long a process may be dead before it is started again.
LOOK_SECONDS: Final = 5.0
# Around a model in a request: its message's names and Flower's own.
BODY_ROOM_BYTES: Final = 1 << 20
# What dies so often in a row without having logged a round dies of itself, and not of an accident.
DEATHS_MAX: Final = 5
_SETTINGS_FILE: Final = "settings.json"

log = logging.getLogger(__name__)

App = subprocess.Popen[bytes]
"""A ServerApp's process."""

OnState = Callable[[Job, int], None]
"""Called with the job, and how many partners have joined."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a job needs on this machine that is nobody else's business, and so not in the log."""

    held_back: Path | None  # none of a question
    join_seconds: float
    extras: Extras  # what is shipped beside the model

    def keep(self, folder: Path) -> None:
        """Writes them into the job's folder; before the job is logged, so that it can be resumed."""
        kept = {
            "held_back": str(self.held_back.absolute()) if self.held_back else None,
            "join_seconds": self.join_seconds,
            **asdict(self.extras),
        }
        replace_file(folder / _SETTINGS_FILE, json.dumps(kept))

    @classmethod
    def of(cls, folder: Path) -> Settings:
        """Those of the job's folder. Raises ConfigError where there are none."""
        try:
            kept = json.loads((folder / _SETTINGS_FILE).read_text())
            extras = Extras(int(kept["prune_percent"]), bool(kept["student"]))
            held_back = Path(kept["held_back"]) if kept["held_back"] is not None else None
            return cls(held_back, float(kept["join_seconds"]), extras)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{folder} has no settings of this job: it was opened with another directory",
                "resume it where it was opened, or end it: `commonhold federated end`",
            ) from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job. `released` is there when all rounds ran, of a question `answered`."""

    job: Job
    partners: int  # who joined
    released: Released | None
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long partners are waited for, however often processes die meanwhile."""

    seconds: float
    until: float  # of time.monotonic()


def lead(
    operator: Operator,
    link: SuperLink,
    opened: Job,
    *,
    held_back: Table | None,
    settings: Settings,
    on_state: OnState,
) -> Outcome:
    """The rest of an open job. Raises StateError when its processes die again and again: it stays open."""
    job_id, deaths = opened.terms.id, 0
    patience = Patience(settings.join_seconds, time.monotonic() + settings.join_seconds)
    while not _is_trained(operator.state.jobs[job_id]):
        before = operator.state.jobs[job_id]
        try:
            app = _start(operator, link, job_id)
            _admit(operator, link, job_id, patience, on_state)
            link.go()
            _train(operator, link, app, job_id, on_state)
        except _NoQuorum as missing:
            end_job(operator, job_id, str(missing))
        except StateError as died:
            operator.refresh()
            if _is_trained(operator.state.jobs[job_id]):
                break  # it ended the job, and itself, while we looked
            deaths = deaths + 1 if operator.state.jobs[job_id] == before else 1
            if deaths > DEATHS_MAX:
                raise StateError(
                    f"{died}, {deaths} times in a row",
                    f"see {run_folder(operator.home, job_id)}; then `commonhold federated resume`",
                ) from died
            log.warning("%s; it is started again", died)
            link.restart()
    job = operator.state.jobs[job_id]
    released, answered = None, None
    if not is_over(job):
        if held_back is None:
            answered = answer_question(operator, job)
        else:
            released = release_model(operator, job, held_back, settings.extras, _own_cpu_seconds())
    clear(run_folder(operator.home, job_id), operator.home, job_id)
    joined = operator.state.partners.count(job_id)
    return Outcome(operator.state.jobs[job_id], joined, released, answered)


def body_bytes(weights: Weights) -> int:
    """What the training server takes in one request: a model or an update, and what is around it."""
    return max(BODY_BYTES_MAX, encoded_bytes(weights) + BODY_ROOM_BYTES)


@contextmanager
def running(home: Home, job_id: str) -> Iterator[Path]:
    """The job's folder, locked: one process leads a job."""
    folder = run_folder(home, job_id)
    folder.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def refusal(process: str) -> StateError:
        return StateError(
            f"the job {job_id!r} is running already (process {process})",
            "see `commonhold federated status`",
        )

    with alone(folder / "lock", refusal):
        yield folder


def clear(folder: Path, home: Home, job_id: str) -> None:
    """Removes what only a job that goes on needs: its keys, its checkpoints."""
    checkpoints.forget(home, job_id)
    for name in (_SETTINGS_FILE, CERTIFICATE_FILE, KEY_FILE):
        (folder / name).unlink(missing_ok=True)


def _is_trained(job: Job) -> bool:
    return is_over(job) or len(job.rounds) == job.terms.rounds


class _NoQuorum(StateError):
    """Too few joined in time."""


def _start(operator: Operator, link: SuperLink, job_id: str) -> App:
    """A ServerApp that gets ready, and waits for the word that all are there."""
    home = {ENVIRONMENT_DIRECTORY: str(operator.home.path.absolute())}
    return link.start(SERVER_APP, CLIENT_APP, job_id, home)


def _admit(
    operator: Operator,
    link: SuperLink,
    job_id: str,
    patience: Patience,
    on_state: OnState,
) -> None:
    """Lets partners connect as they enrol; waits for nobody once there are rounds."""
    admitted: set[PersonId] = set()
    for state in _updates(operator, patience.until):
        job = state.jobs[job_id]
        if is_over(job):
            return
        _require_alive(link)
        if link.app_has_ended:
            raise StateError("the training process ended by itself before there was a round")
        for (_, partner), enrolled in state.partners.scan(job_id):
            if partner not in admitted:
                link.admit(enrolled.transport_key, name_of(partner))
                admitted.add(partner)
        on_state(job, len(admitted))
        if len(admitted) == len(job.terms.partners) or job.status is not JobStatus.OPEN:
            return
    if len(admitted) < job.terms.quorum:
        raise _NoQuorum(
            f"{len(admitted)} of {len(job.terms.partners)} partners joined within"
            f" {patience.seconds:.0f} s; a round needs {job.terms.quorum}",
            "open another job when they are there, or with a longer --join-seconds",
        )


def _updates(operator: Operator, deadline: float) -> Iterator[State]:
    """The state as it is, after every change, and every few seconds: who dies changes nothing in the log."""
    while True:
        left = deadline - time.monotonic()
        yield from operator.updates(max(0.0, min(LOOK_SECONDS, left)))
        if left <= LOOK_SECONDS:
            return


def _train(operator: Operator, link: SuperLink, app: App, job_id: str, on_state: OnState) -> None:
    """Until a ServerApp has run all rounds, or ended the job. Raises StateError if it did neither."""
    seconds = STEPS_MAX * operator.state.jobs[job_id].terms.round_seconds + ROUND_OVERHEAD_SECONDS
    last, deadline = operator.state.jobs[job_id], time.monotonic() + seconds
    while not _has_ended(app):
        _require_alive(link)
        operator.refresh()
        job = operator.state.jobs[job_id]
        if job != last:
            last, deadline = job, time.monotonic() + seconds
        if time.monotonic() > deadline:
            raise StateError(f"the training process has done nothing for {seconds:.0f} s")
        on_state(job, operator.state.partners.count(job_id))
    operator.refresh()
    job = operator.state.jobs[job_id]
    on_state(job, operator.state.partners.count(job_id))
    if not _is_trained(job):
        raise StateError(
            f"the training process ended by itself (code {app.returncode}) after"
            f" {plural(len(job.rounds), 'round')}"
        )


def _has_ended(app: App) -> bool:
    """Whether it has, now or within a moment."""
    try:
        app.wait(WATCH_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _require_alive(link: SuperLink) -> None:
    if not link.is_alive:
        raise StateError("the SuperLink ended by itself")


def _own_cpu_seconds() -> float:
    """Of this process, and of those of the job that it has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime
