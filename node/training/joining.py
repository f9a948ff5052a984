"""A partner's part in a job: check everything, enrol, train round by round, say what it cost.

Rule 1: whatever can be refused is refused before the log has our name in it.
Rule 2: a budget that could not last for all rounds is not begun.

If we crash, the same command goes on: enrolling twice is harmless, the transport key, the salt and the
present round's update are kept, and a round that was charged is not charged again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from commonground.committees import (
    FixedSet,
    RoundStart,
    Signed,
    fixed_set,
    round_start,
    signed_updates,
)
from commonground.files import private_directory
from commonground.jobs import is_over
from commonground.locks import alone
from node.config import NodeConfig, NodeDirectory
from node.keys import NodeKeys
from node.store import Store
from node.training.node_log import NodeLog
from protocol.committee import Masks
from protocol.errors import ConfigError, Ignore, StateError
from protocol.identity import PersonId
from protocol.jobs import Enrolment, Job, JobResult
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.shares import Share
from protocol.state import State
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from federated.flower.supernode import SuperNode
    from federated.grid import require_grid, ring_of

BUDGET_FILE: Final = "budget.db"
TRANSPORT_FILE: Final = "transport.key"
TRAINING_FOLDER: Final = "training"
DUTY_FILE: Final = "duty.db"

# The operator admits a partner as soon as its record is in the log.
ADMISSION_SECONDS_MAX: Final = 60.0
ADMISSION_POLL_SECONDS: Final = 0.2
# Of one set of data, over all jobs. A hundred is the most of one job, and promises hardly anything.
EPSILON_MAX: Final = 10_000
# A message comes with a round that the log has already; our replay may be a moment behind.
LOG_SECONDS_MAX: Final = 15.0
# Other members open a set while we do. One who is away is replaced by being asked again, so we need not wait
# for it.
OPENINGS_SECONDS_MAX: Final = 2.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a partner puts in, and where it draws the line."""

    job_id: str
    data: Path
    columns: tuple[str, ...]  # of the data, that a job may read; empty: those of the task's own
    epsilon_max: float  # of this data, over all jobs
    device: str = "cpu"  # that a network is trained on, as torch names it
    fixed_noise: str = ""  # a seed, in tests of whole jobs: then nothing is private

    def __post_init__(self) -> None:
        if not 0 < self.epsilon_max <= EPSILON_MAX:  # nor is it a number at all
            raise ConfigError(
                f"--epsilon-max is {self.epsilon_max:g}",
                f"give a number above 0, and at most {EPSILON_MAX:,}: one job seldom asks for more than 10",
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell how far it is."""

    say: Callable[[str], None]
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
    epsilon_towards_coordinator: float  # of this job, if all its rounds run
    warnings: tuple[str, ...]


def join(
    home: NodeDirectory, config: NodeConfig, keys: NodeKeys, offer: Offer, progress: Progress
) -> Joined:
    """Takes part in a job until it is over.

    Raises ConfigError and StateError before it enrols, when something does not fit; Unreachable when
    the coordinator or its training server is away for too long; Misbehaviour when the log lies.
    """
    with Store(home.database) as store, NodeLog(store, config, keys) as log:
        job = PartnerJob(log, keys.person, offer.job_id)
        job.require_invited(offer.columns)
        with _alone(home, offer.job_id) as folder:
            return _train(home, folder, job, offer, progress)


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
    from federated.data import data_commitment, load
    from federated.duty import Duty
    from federated.fixed_noise import partner_with
    from federated.flower.supernode import SuperNode
    from federated.kept import KeptUpdates
    from federated.member import Member
    from federated.privacy import adversaries, composed_epsilon_micro, require_promise
    from federated.spec import spec_of
    from federated.tasks.registry import require_code, require_columns, task_of
    from federated.transport import load_key, public_pem
    from protocol.sealing import public_of

    record, spec = job.terms, spec_of(job.terms, job.labels)
    require_promise(spec)
    require_grid(spec)
    exposed = adversaries(spec)[-1].epsilon
    progress.say(
        f"the job costs epsilon {spec.epsilon:g} at delta {spec.delta:g} towards everybody who sees its"
        f" models, and up to {exposed:.2f} towards its coordinator if too many of a committee side with it"
    )
    require_code(record.task, record.task_code, record.task_version)
    task = task_of(record.task, record.task_options, spec.labels, offer.device)
    require_columns(task, record.columns)
    data = load(offer.data, task.columns, offer.columns)
    for warning in data.warnings:
        progress.say(f"warning: {warning}")
    key = load_key(home.root / TRANSPORT_FILE)
    with Budget.open(home.root / BUDGET_FILE, composed_epsilon_micro) as budget:
        commitment = data_commitment(budget.salt(data.digest), data.digest)
        limit = round(offer.epsilon_max * PPM)
        budget.set_limit(commitment, data.examples, limit, spec.delta)
        left = spec.mechanism.rounds - job.rounds_done()
        budget.require(commitment, replace(spec.mechanism, rounds=left))
        charge = partial(budget.charge, commitment, record.id)
        partner = partner_with(
            *(offer.fixed_noise, progress.say, spec, task, data),
            lambda number: charge(number, spec.sampling, spec.noise_multiplier),
        )
        kept = KeptUpdates(folder / f"{record.id}.update")
        with Duty.open(home.root / DUTY_FILE) as duty:
            job.enrol(commitment, public_pem(key), public_of(duty.key(record.id)))
            app = client_app(
                job_id=record.id,
                spec=spec,
                partner=partner,
                log=job,
                member=Member(job.me, record.id, duty, ring_of(spec)),
                kept=kept,
            )
            with SuperNode(record.endpoint, record.tls_certificate, key) as supernode:
                _await_admission(supernode, job)
                progress.admitted()
                job.on_update = lambda number: progress.trained(number, record.rounds)
                supernode.run(app, job.is_over)
            if job.is_over():
                duty.forget(record.id)
                kept.forget()
        spent = budget.spent(commitment)
    result = job.result()
    return Joined(
        job_id=record.id,
        outcome="completed" if _is_complete(result) else "ended",
        reason=result.reason if result is not None else "",
        examples=len(data),
        updates=job.updates,
        epsilon=spent / PPM,
        epsilon_max=offer.epsilon_max,
        delta=spec.delta,
        epsilon_towards_coordinator=exposed,
        warnings=data.warnings,
    )


def _await_admission(supernode: SuperNode, job: PartnerJob) -> None:
    """Until the operator has let our key in. Raises StateError when that takes too long."""
    deadline = time.monotonic() + ADMISSION_SECONDS_MAX
    while not supernode.activate():
        if job.is_over():
            raise StateError("the job is over", "see `commonhold federated status`")
        if time.monotonic() > deadline:
            raise StateError(
                "the operator has not admitted this node's transport key",
                "it was in the log too late, or the training server is another one; ask the operator",
            )
        time.sleep(ADMISSION_POLL_SECONDS)


def _is_complete(result: JobResult | None) -> bool:
    return result is not None and result.outcome == pb.JOB_OUTCOME_COMPLETED


class PartnerJob:
    """One job as this node sees it: a `federated.client_app.PartnerLog`."""

    def __init__(self, log: NodeLog, person: PersonId, job_id: str) -> None:
        """Raises ConfigError when the log has no such job."""
        self._log, self.me, self._id = log, person, job_id
        self.terms = log.read(lambda state: self._find(state).terms)
        self.labels = log.read(self._labels)
        self._network = log.read(lambda state: state.network)
        self._commitment = b""
        self.updates = 0
        self.on_update: Callable[[int], None] = lambda _: None

    def require_invited(self, columns: Sequence[str]) -> None:
        """Raises unless we may join, and the job reads nothing but these columns of our data."""
        if self.me not in self.terms.partners:
            raise ConfigError(
                "this person is not invited to the job",
                "send its operator your name: `commonhold node status` shows it",
            )
        refused = [column for column in self.terms.columns if column not in columns]
        if refused:
            raise ConfigError(
                f"the job reads the column {refused[0]!r} of your data, which you do not allow",
                "join only if you agree to it, by --column for each that it may read",
            )
        if self.is_over():
            raise StateError("the job is over", "`commonhold federated status` says how it ended")

    def is_over(self) -> bool:
        """Whether the log has said the last of it."""
        return self._log.read(lambda state: is_over(self._find(state)))

    def rounds_done(self) -> int:
        """How many rounds the log has, failed ones too."""
        return self._log.read(lambda state: self._find(state).present - 1)

    def result(self) -> JobResult | None:
        """How it ended; None while it lasts."""
        return self._log.read(lambda state: self._find(state).result)

    def enrol(self, commitment: bytes, transport_key: bytes, sealing_key: bytes) -> None:
        """Joins, or goes on. Raises ConfigError where the log has us with other data or another key."""
        self._commitment = commitment
        enrolled = self._log.read(lambda state: state.partners.get((self._id, self.me)))
        body = pb.Enrol(
            network=self._network,
            job_id=self._id,
            data_commitment=commitment,
            transport_key=transport_key,
            sealing_key=sealing_key,
        )
        if enrolled is None:
            self._log.append("enrol", body)
        elif enrolled != Enrolment(commitment, transport_key, sealing_key):
            raise ConfigError(
                "this node joined the job with other data, or with another transport or sealing key",
                "name the folder that you joined with: a job is trained on one set of data",
            )

    def await_round(self, number: int) -> RoundStart:
        """Round `number`, once the log has come so far."""

        def look(state: State) -> RoundStart | None:
            job = self._at(state, number)
            is_here = number == job.present and job.status is JobStatus.TRAINING
            joined = (self._id, self.me) in state.partners
            return round_start(state, self._id) if is_here and joined else None

        found = self._log.wait_for(look, LOG_SECONDS_MAX)
        if found is None:
            raise StateError(f"the log has no round {number} of this job")
        return found

    def own_update(self, number: int) -> Signed | None:
        """What we have signed for the round that runs; None before we have, or when it is another round."""

        def look(state: State) -> Signed | None:
            is_here = self._find(state).present == number
            return signed_updates(state, self._id).get(self.me) if is_here else None

        return self._log.read(look)

    def sign(self, start: RoundStart, signed: Signed, epsilon_micro: int) -> None:
        """Logs the update under our name."""
        body = pb.Update(
            network=self._network,
            job_id=self._id,
            round=start.number,
            base_model=start.model,
            update=signed.update,
            data_commitment=self._commitment,
            epsilon_micro=epsilon_micro,
            delta_ppb=self.terms.delta_ppb,
            seeds=signed.seeds,
        )
        self._append("update", body)
        self.updates += 1
        self.on_update(start.number)

    def await_set(self, number: int) -> FixedSet:
        """The set of round `number`, once the log has it."""

        def look(state: State) -> FixedSet | None:
            is_here = self._at(state, number).present == number
            return fixed_set(state, self._id) if is_here else None

        found = self._log.wait_for(look, LOG_SECONDS_MAX)
        if found is None:
            raise StateError(f"the log has no set of round {number} of this job")
        return found

    def open(self, fixed: FixedSet, sums: Mapping[Masks, bytes]) -> None:
        """Logs what we found under our name."""
        body = pb.SumOpening(
            network=self._network,
            job_id=self._id,
            round=fixed.round.number,
            set=fixed.digest,
            sums=[pb.OpenedSum(masks=masks, sum=sum_) for masks, sum_ in sorted(sums.items())],
        )
        self._append("opening", body)

    def complain(self, fixed: FixedSet, partner: PersonId, share: Share) -> None:
        """Logs what a partner sealed to us and is wrong."""
        body = pb.Complaint(
            network=self._network,
            job_id=self._id,
            round=fixed.round.number,
            partner=partner,
            share=share.encode(),
        )
        self._append("complaint", body)

    def disclose(self, fixed: FixedSet, member: PersonId, ephemeral: bytes) -> None:
        """Logs the key of our box for a member who complained."""
        body = pb.Disclosure(
            network=self._network,
            job_id=self._id,
            round=fixed.round.number,
            member=member,
            ephemeral=ephemeral,
        )
        self._append("disclosure", body)

    def await_openings(self, fixed: FixedSet) -> bool:
        """Whether enough of the committee open this set, by now or within moments."""

        def look(state: State) -> bool | None:
            self._at(state, fixed.round.number)
            present = fixed_set(state, self._id)
            return (
                True if present and present.digest == fixed.digest and present.has_enough else None
            )

        return self._log.wait_for(look, OPENINGS_SECONDS_MAX) or False

    def _append(self, kind: str, body: Message) -> None:
        try:
            self._log.append(kind, body)
        except Ignore as late:
            raise StateError(f"the {kind} came too late: {late}") from late

    def _at(self, state: State, number: int) -> Job:
        """The job, unless it is over, or past this round."""
        job = self._find(state)
        if is_over(job):
            raise StateError("the job is over")
        if number < job.present:
            raise StateError(f"round {number} is over; the job is at round {job.present}")
        return job

    def _labels(self, state: State) -> list[str]:
        from federated.spec import labels_of

        return labels_of(state.campaigns[self.terms.campaign_id])

    def _find(self, state: State) -> Job:
        job = state.jobs.get(self._id)
        if job is None:
            known = ", ".join(name for name, _ in state.jobs.scan()) or "none yet"
            raise ConfigError(f"there is no job {self._id!r}", f"known are: {known}")
        return job
