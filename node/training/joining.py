"""A partner's part in a job: check everything, explain it, ask, enrol, train, say what it cost.

Rule 1: whatever can be refused is refused before the log has our name in it, and before anything is written.
Rule 2: a budget that could not last for all rounds is not begun; the whole job is reserved.
Rule 3: whoever signs says yes first, to words that say what leaves and what it costs.

If we crash, the same command goes on: enrolling twice is harmless, the transport key, the salt and the
present round's update are kept, and a round that was charged is not charged again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commonground.files import private_directory
from commonground.locks import alone
from node.config import NodeConfig, NodeDirectory
from node.keys import NodeKeys
from node.store import Store
from node.training.accounts import Account, words_of
from node.training.node_log import NodeLog
from node.training.partner_job import PartnerJob
from node.training.proposal import Proposal
from protocol.errors import CommonholdError, ConfigError, StateError, Unreachable
from protocol.jobs import JobResult, JobTerms
from protocol.limits import PPM
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from federated.budget import Limit
    from federated.flower.supernode import SuperNode
    from federated.tasks import Task

BUDGET_FILE: Final = "budget.db"
REPORTS_FOLDER: Final = "reports"
TRANSPORT_FILE: Final = "transport.key"
TRAINING_FOLDER: Final = "training"
DUTY_FILE: Final = "duty.db"

# The operator admits a partner as soon as its record is in the log: later than this is worth a word.
ADMISSION_SECONDS: Final = 60.0
ADMISSION_POLL_SECONDS: Final = 0.2
# Of one set of data, over all jobs. A hundred is the most of one job, and promises hardly anything.
EPSILON_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Offer:
    """What a partner puts in, and where it draws the line."""

    job_id: str
    data: Path
    columns: tuple[str, ...]  # of the data, that a job may read; empty: those of the task's own
    epsilon_max: float  # of this data, over all jobs, towards everybody
    epsilon_alone_max: float | None = None  # towards whoever sees an update alone; None: as it is
    delta_max: float | None = None  # that a job may state; None: as it is
    device: str = "cpu"  # that a network is trained on, as torch names it
    fixed_noise: str = ""  # a seed, in tests of whole jobs: then nothing is private

    def __post_init__(self) -> None:
        for name, value in (
            ("--epsilon-max", self.epsilon_max),
            ("--epsilon-alone-max", self.epsilon_alone_max),
        ):
            if value is not None and not 0 < value <= EPSILON_MAX:  # nor is it a number at all
                raise ConfigError(
                    f"{name} is {value:g}",
                    f"give a number above 0, and at most {EPSILON_MAX:,}: one job seldom asks for more"
                    " than 10",
                )
        if self.delta_max is not None and not 0 < self.delta_max < 1:
            raise ConfigError(
                f"--delta-max is {self.delta_max:g}", "give a number between 0 and 1, such as 1e-6"
            )

    @property
    def limit(self) -> Limit:
        """As a budget takes it."""
        from federated.budget.terms import Limit, micro

        alone = self.epsilon_alone_max
        return Limit(
            micro(self.epsilon_max), None if alone is None else micro(alone), self.delta_max
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell how far it is."""

    say: Callable[[str], None]
    agree: Callable[[Proposal], bool]  # asked once, before anything is written or signed
    admitted: Callable[[], None]
    trained: Callable[[int, int], None]  # (round, of so many)


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of it."""

    job_id: str
    outcome: str  # completed | ended
    reason: str
    examples: int
    updates: int  # signed since the command began
    epsilon: float  # spent by this data so far, over all jobs
    epsilon_max: float
    delta: float
    epsilon_alone: float  # the same towards whoever sees an update alone
    warnings: tuple[str, ...]
    report: str  # the page about it


class Declined(StateError):
    """Its owner said no."""


def join(
    home: NodeDirectory, config: NodeConfig, keys: NodeKeys, offer: Offer, progress: Progress
) -> Joined:
    """Takes part in a job until it is over.

    Raises ConfigError and StateError before it enrols, when something does not fit, and Declined when
    `progress.agree` says no; Unreachable when the coordinator or its training server is away for too
    long; Misbehaviour when the log lies.
    """
    with Store(home.database) as store, NodeLog(store, config, keys) as log:
        job = PartnerJob(log, keys.person, offer.job_id)
        job.require_invited(offer.columns)
        if job.is_over() and not job.has_joined:
            raise _over()
        with _alone(home, offer.job_id) as folder:
            if job.is_over():
                _put_in_order(home, folder, job)
                raise _over()
            return _train(home, folder, job, offer, progress)


def _over() -> StateError:
    return StateError("the job is over", "`commonhold federated status` says how it ended")


def _put_in_order(home: NodeDirectory, folder: Path, job: PartnerJob) -> None:
    """What a process would have done at the end of the job that was killed before: forgets its keys, and
    what it gave last; and frees what was reserved."""
    from federated.budget import Budget
    from federated.duty import Duty
    from federated.kept import KeptUpdates
    from federated.privacy import composed_epsilon_micro

    KeptUpdates(folder / f"{job.terms.id}.update").forget()
    with Duty.open(home.root / DUTY_FILE) as duty:
        duty.forget(job.terms.id)
    path = home.root / BUDGET_FILE
    with Budget(path, composed_epsilon_micro) as budget:
        job.reconcile(budget, path)


@contextmanager
def _alone(home: NodeDirectory, job_id: str) -> Iterator[Path]:
    """The folder for what a node keeps of its jobs. One process of a node trains a job."""

    def refusal(process: str) -> StateError:
        return StateError(
            f"this node trains for the job {job_id!r} already (process {process})",
            "let that one go on, or end it first",
        )

    folder = home.root / TRAINING_FOLDER
    private_directory(folder)
    with alone(folder / f"{job_id}.lock", refusal):
        yield folder


def _train(
    home: NodeDirectory, folder: Path, job: PartnerJob, offer: Offer, progress: Progress
) -> Joined:
    # Some hundred megabytes, for which nobody waits who is refused above.
    from federated.budget import Budget
    from federated.client_app import client_app
    from federated.data import load
    from federated.duty import Duty
    from federated.fixed_noise import partner_with
    from federated.flower.supernode import SuperNode
    from federated.grid import require_grid, ring_of
    from federated.kept import KeptUpdates
    from federated.member import Member
    from federated.privacy import composed_epsilon_micro, require_promise
    from federated.spec import spec_of
    from federated.transport import load_key, public_pem, require_valid
    from protocol.sealing import public_of

    record, spec = job.terms, spec_of(job.terms, job.labels)
    require_valid(record.tls_certificate)
    require_promise(spec)
    require_grid(spec)
    task = _installed(record, spec.labels, offer.device)
    data = load(offer.data, task.columns, offer.columns)
    key = load_key(home.root / TRANSPORT_FILE)
    path = home.root / BUDGET_FILE
    kept = KeptUpdates(folder / f"{record.id}.update")
    with Budget(path, composed_epsilon_micro) as budget, Duty.open(home.root / DUTY_FILE) as duty:
        restored = job.reconcile(budget, path)
        account = Account(budget, offer.data, offer.limit)
        notes = (*words_of(restored), *(f"warning: {each}" for each in data.warnings))
        partner = partner_with(offer.fixed_noise, progress.say, spec, task, data, account.charge)
        proposal = job.proposal(task, offer.data, len(data), account, notes)
        if not progress.agree(proposal):
            raise Declined(
                "you did not join: nothing was signed, sent or set aside",
                "run it again to be asked again",
            )
        account.take(job.present)
        job.let_go = account.let_go
        job.enrol(account.commitment, public_pem(key), public_of(duty.key(record.id)))
        app = client_app(
            job_id=record.id,
            spec=spec,
            partner=partner,
            log=job,
            member=Member(job.me, record.id, duty, ring_of(spec)),
            kept=kept,
        )
        try:
            with SuperNode(record.endpoint, record.tls_certificate, key) as supernode:
                if _is_admitted(supernode, job, progress):
                    progress.admitted()
                    job.on_update = lambda number: progress.trained(number, record.rounds)
                    supernode.run(app, job.is_over)
            if job.is_over():
                duty.forget(record.id)
                kept.forget()
        finally:
            standing = account.close(job.present)
            report = job.report(home.root / REPORTS_FOLDER, proposal, standing)
    result = job.result()
    return Joined(
        job_id=record.id,
        outcome="completed" if _is_complete(result) else "ended",
        reason=result.reason if result is not None else "",
        examples=len(data),
        updates=job.updates,
        epsilon=standing.everybody.spent / PPM,
        epsilon_max=standing.everybody.limit / PPM,
        delta=standing.delta,
        epsilon_alone=standing.alone.spent / PPM,
        warnings=data.warnings,
        report=str(report),
    )


def _installed(record: JobTerms, labels: tuple[str, ...], device: str) -> Task:
    """The job's task, as it is installed here. Raises ConfigError and StateError where it is another."""
    from federated.tasks.registry import require_code, require_columns, require_outcome, task_of

    require_code(record.task, record.task_code, record.task_version)
    task = task_of(record.task, record.task_options, labels, device)
    require_columns(task, record.columns)
    require_outcome(task, record.is_question)
    return task


def _is_admitted(supernode: SuperNode, job: PartnerJob, progress: Progress) -> bool:
    """Waits until the operator has let our key in; False where the job is over before. Who is away, server
    or operator, is waited for as in the rounds.

    Raises Unreachable or StateError when that takes too long.
    """
    from federated.flower.supernode import OUTAGE_SECONDS_MAX

    begun, said = time.monotonic(), ""
    while True:
        lasts = time.monotonic() - begun
        why: CommonholdError = StateError(
            "the operator has not admitted this node's transport key",
            "it was in the log too late, or the training server is another one; ask the operator",
        )
        try:
            if supernode.activate():
                return True
        except Unreachable as away:
            why = away
        if job.is_over():  # what we gave before we were killed sufficed, or its operator ended it
            return False
        if lasts > OUTAGE_SECONDS_MAX:
            raise why
        if str(why) != said and (isinstance(why, Unreachable) or lasts > ADMISSION_SECONDS):
            said = str(why)
            progress.say(f"{said}; waiting, up to an hour")
        time.sleep(ADMISSION_POLL_SECONDS)


def _is_complete(result: JobResult | None) -> bool:
    return result is not None and result.outcome == pb.JOB_OUTCOME_COMPLETED
