"""One job as a node sees it, in its own replay of the log: what it waits for there, and what it signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from commonground.jobs import is_over
from node.training.accounts import Account, alone_micro, claim_of, reconcile
from node.training.node_log import NodeLog
from node.training.proposal import Proposal, propose
from protocol.committee import Masks
from protocol.errors import ConfigError, Ignore, StateError
from protocol.identity import PersonId
from protocol.jobs import Enrolment, Job, JobResult
from protocol.lifecycle import JobStatus
from protocol.rules.training_rounds import stated_micro
from protocol.shares import Share
from protocol.state import State
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from federated.budget import Budget, Standing
    from federated.budget.signed import Restored
    from federated.tasks import Task

# A message comes with a round that the log has already; our replay may be a moment behind.
LOG_SECONDS_MAX: Final = 15.0
# Other members open a set while we do. One who is away is replaced by being asked again, so we need not wait
# for it.
OPENINGS_SECONDS_MAX: Final = 2.0


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
        self.let_go: Callable[[int], None] = lambda _: None

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

    @property
    def has_joined(self) -> bool:
        """Whether the log has us among its partners."""
        return self._log.read(lambda state: (self._id, self.me) in state.partners)

    def is_over(self) -> bool:
        """Whether the log has said the last of it."""
        return self._log.read(lambda state: is_over(self._find(state)))

    @property
    def present(self) -> Job:
        """The job as the log has it now."""
        return self._log.read(self._find)

    def reconcile(self, budget: Budget, path: Path) -> Restored:
        """Brings a budget up to what the log says that we signed."""
        mine = self._log.own_updates()
        return self._log.read(lambda state: reconcile(budget, path, state, mine))

    def proposal(
        self, task: Task, data: Path, examples: int, account: Account, notes: tuple[str, ...]
    ) -> Proposal:
        """What joining would mean. Raises StateError where the budget does not allow it."""
        job = self.present
        claim, standing = claim_of(job), account.ask(job)
        return self._log.read(
            lambda state: propose(
                state,
                job,
                network=self._log.network_name,
                labels=tuple(self.labels),
                asked=task.words,
                data=data,
                examples=examples,
                rounds=claim.rounds,
                alone_micro=alone_micro(claim),
                standing=standing,
                notes=notes,
            )
        )

    def report(self, folder: Path, proposal: Proposal, standing: Standing) -> Path:
        """Writes the page about what came of it, and says where it is."""
        from node.training.report import rows_of, write_report

        mine = [each for each in self._log.own_updates() if each.job_id == self._id]
        job = self.present
        return write_report(folder, job, rows_of(job, self.me, mine), proposal, standing)

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
        """Logs the update under our name. From here on it may be known: there is no second one.

        The log takes no epsilon below an earlier one of this data, be it that an owner has found since
        that other data was other data.
        """
        self.let_go(start.number)
        stated = self._log.read(
            lambda state: stated_micro(state, self.me, self._commitment, self.terms.delta_ppb)
        )
        body = pb.Update(
            network=self._network,
            job_id=self._id,
            round=start.number,
            base_model=start.model,
            update=signed.update,
            data_commitment=self._commitment,
            epsilon_micro=max(epsilon_micro, stated),
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
