"""Partners and a coordinator of one training job in this process: real apps, real rules, no sockets."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from commonground.committees import (
    FixedSet,
    RoundStart,
    Signed,
    active_partners,
    fixed_set,
    round_start,
    signed_updates,
)
from commonhold.digits import load_digits, write_folder
from federated.aggregate import Aggregator
from federated.budget import Budget, Claim, Limit, read_spending
from federated.budget.terms import release_of
from federated.checkpoint import Checkpoint
from federated.checkpoint import decode as decode_checkpoint
from federated.checkpoint import digest as checkpoint_digest
from federated.client_app import client_app
from federated.data import data_commitment, load
from federated.duty import Duty
from federated.fixed_noise import FixedNoisePartner
from federated.flower.grid import LocalGrid
from federated.grid import ring_of
from federated.judging import Jury
from federated.kept import KeptUpdates
from federated.member import Member
from federated.model import Weights, decode, digest, encode
from federated.noise import Randomness
from federated.opening import RoundFailed
from federated.partner import Partner
from federated.privacy import composed_epsilon_micro, noise_multiplier_for
from federated.recognising import examples_of
from federated.rounds import train
from federated.spec import TrainingSpec, spec_of
from federated.tasks import Task
from federated.tasks.registry import code_digest, options_of
from protocol.committee import Masks
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.sealing import public_of
from protocol.shares import Share
from protos.gen import records_pb2 as pb
from tests.simulated import LABELS, NETWORK, Network, Person
from tests.simulated_training import job, start
from tests.training_lab import BLANK, TASK, PublicDigits

ROUNDS = 2
EPSILON = 3.0
DELTA = 1e-5


class Killed(Exception):
    """The process ends here."""


@dataclass
class Log:
    """The simulated log, as the server and as one partner sees it."""

    net: Network
    me: Person | None = None
    kept: list[bytes] = field(default_factory=list)  # digests of the weights, round by round
    checkpoints: list[bytes] = field(default_factory=list)
    has_died: bool = False  # whether a test has killed the server

    @property
    def job_id(self) -> str:
        return next(name for name, _ in self.net.state.jobs.scan())

    def partners(self) -> Mapping[bytes, PersonId]:
        return active_partners(self.net.state, self.job_id)

    def start(self) -> None:
        if self.net.state.jobs[self.job_id].status is JobStatus.OPEN:
            start(self.net, self.job_id)

    def round(self) -> RoundStart:
        return round_start(self.net.state, self.job_id)

    def signed(self, partner: PersonId) -> Signed | None:
        return signed_updates(self.net.state, self.job_id).get(partner)

    def fix(self, partners: Sequence[PersonId]) -> None:
        body = pb.TrainingSet(
            network=NETWORK, job_id=self.job_id, round=self.round().number, partners=partners
        )
        self.net.add(self.net.operator, "training-set", body)

    def set_of_round(self) -> Sequence[PersonId]:
        found = fixed_set(self.net.state, self.job_id)
        return () if found is None else tuple(found.partners)

    def fixed(self) -> FixedSet:
        found = fixed_set(self.net.state, self.job_id)
        assert found is not None
        return found

    def fail(self, failure: RoundFailed, epsilon_micro: int) -> None:
        body = pb.FailedRound(
            network=NETWORK,
            job_id=self.job_id,
            round=self.round().number,
            reason=str(failure),
            missing=failure.missing,
            epsilon_micro=epsilon_micro,
            faulty=failure.faulty,
            usefulness_micro=failure.usefulness_micro,
        )
        self.net.add(self.net.operator, "failed-round", body)

    def complete(
        self, round_: pb.TrainingRound, weights: Weights, velocity: NDArray[np.float64]
    ) -> None:
        self.kept.append(digest(weights))
        kept = Checkpoint(self.job_id, round_.round, encode(weights), velocity)
        self.checkpoints.append(kept.encode())
        round_.checkpoint = checkpoint_digest(kept.encode())
        round_.network = NETWORK
        self.net.add(self.net.operator, "training-round", round_)

    def await_round(self, number: int) -> RoundStart:
        if number != self.net.state.jobs[self.job_id].present:
            raise StateError(f"the log has no round {number} of this job")
        return self.round()

    def own_update(self, number: int) -> Signed | None:
        assert self.me is not None
        is_here = number == self.round().number
        return self.signed(self.me.id) if is_here else None

    def sign(self, start: RoundStart, signed: Signed, epsilon_micro: int) -> None:
        assert self.me is not None
        state = self.net.state.jobs[self.job_id]
        body = pb.Update(
            network=NETWORK,
            job_id=self.job_id,
            round=start.number,
            base_model=start.model,
            update=signed.update,
            data_commitment=self.net.state.partners[self.job_id, self.me.id].data_commitment,
            epsilon_micro=epsilon_micro,
            delta_ppb=state.terms.delta_ppb,
            seeds=signed.seeds,
        )
        self.net.add(self.me, "update", body)

    def await_set(self, number: int) -> FixedSet:
        found = fixed_set(self.net.state, self.job_id)
        if found is None or found.round.number != number:
            raise StateError(f"the log has no set of round {number} of this job")
        return found

    def open(self, fixed: FixedSet, sums: Mapping[Masks, bytes]) -> None:
        assert self.me is not None
        body = pb.SumOpening(
            network=NETWORK,
            job_id=self.job_id,
            round=fixed.round.number,
            set=fixed.digest,
            sums=[pb.OpenedSum(masks=masks, sum=sum_) for masks, sum_ in sorted(sums.items())],
        )
        self.net.add(self.me, "opening", body)

    def complain(self, fixed: FixedSet, partner: PersonId, share: Share) -> None:
        assert self.me is not None
        body = pb.Complaint(
            network=NETWORK,
            job_id=self.job_id,
            round=fixed.round.number,
            partner=partner,
            share=share.encode(),
        )
        self.net.add(self.me, "complaint", body)

    def disclose(self, fixed: FixedSet, member: PersonId, ephemeral: bytes) -> None:
        assert self.me is not None
        body = pb.Disclosure(
            network=NETWORK,
            job_id=self.job_id,
            round=fixed.round.number,
            member=member,
            ephemeral=ephemeral,
        )
        self.net.add(self.me, "disclosure", body)

    def await_openings(self, fixed: FixedSet) -> bool:
        found = fixed_set(self.net.state, self.job_id)
        return found is not None and found.digest == fixed.digest and found.has_enough


class Lab:
    """One job, its partners, and what each may do to go wrong."""

    def __init__(
        self,
        folder: Path,
        partners: int = 3,
        fixed: bool = False,
        task: Task = TASK,
        first: Weights = BLANK,
        **changes: object,
    ) -> None:
        """`first`: the model of the task that round 1 starts from."""
        self.folder, self.task, self.first = folder, task, first
        folder.mkdir(exist_ok=True)
        self._fixed = fixed  # whether noise, keys and masks are the same in every lab
        self.people = [Person(f"partner-{number}") for number in range(partners)]
        self.net = Network(*self.people)
        noise = noise_multiplier_for(EPSILON, DELTA, 1.0, ROUNDS)
        terms: dict[str, object] = {
            "task": "images",
            "task_options": options_of(self.task),
            "task_code": code_digest("images"),
            "initial_model": digest(self.first),
            "rounds": ROUNDS,
            "sampling_ppm": PPM,
            "noise_micro": round(noise * PPM),
            "expected_examples": 60,
            "round_seconds": 1,
            "upload_values": self.first.vector.size,
            "parameters": self.first.vector.size,
            "partners": [person.id for person in self.people],
        }
        body = job(**(terms | changes))
        self.net.add(self.net.operator, "job", body)
        self.terms = self.net.state.jobs[body.id].terms
        self.spec: TrainingSpec = spec_of(self.terms, LABELS)
        self.public: PublicDigits | None = None
        self.budgets: list[Budget] = []
        self.duties: dict[str, Duty] = {}

    def key(self, person: Person) -> bytes:
        return b"key of " + bytes(person.id)

    def enrol(
        self, person: Person, images: int = 20, labels: Sequence[int] | None = None
    ) -> Partner:
        """Joins with digits of its own; gives what computes its updates."""
        share = self.people.index(person)
        digits = load_digits()
        mine = np.random.default_rng(1).permutation(len(digits))[share * images :][:images]
        folder = self.folder / person.name
        write_folder(folder, digits.images[mine], labels or digits.labels[mine])
        data = load(folder, self.task.columns, [column.name for column in self.task.columns])
        budget = Budget(self.folder / f"{person.name}.db", composed_epsilon_micro)
        self.budgets.append(budget)
        commitment = data_commitment(budget.salt(data.digest), data.digest)
        spec = self.spec
        claim = Claim(spec.job_id, release_of(spec), spec.mechanism.rounds, 1, spec.delta)
        budget.reserve(commitment, examples_of(folder), Limit(round(EPSILON * PPM)), claim)
        body = pb.Enrol(
            network=NETWORK,
            job_id=self.terms.id,
            data_commitment=commitment,
            transport_key=self.key(person),
            sealing_key=public_of(self.member(person).duty.key(self.terms.id)),
        )
        self.net.add(person, "enrol", body)

        def charge(round_: int) -> int:
            return budget.charge(commitment, spec.job_id, round_)

        if self._fixed:
            return FixedNoisePartner(person.name, spec, self.task, data, charge)
        return Partner(spec, self.task, data, charge)

    def charged(self, person: Person) -> int:
        """How many rounds its data has paid for."""
        return sum(each.rounds for each in read_spending(self.folder / f"{person.name}.db"))

    def kept_path(self, person: Person) -> Path:
        """Where its machine keeps the present round's update."""
        return self.folder / f"{person.name}.update"

    def member(self, person: Person) -> Member:
        """What a partner's machine is in committees."""
        if person.name not in self.duties:
            path = self.folder / f"{person.name}-duty.db"
            self.duties[person.name] = Duty.open(path, self._randomness(person))
        duty, ring = self.duties[person.name], ring_of(self.spec)
        return Member(person.id, self.terms.id, duty, ring, self._randomness(person))

    def _randomness(self, person: Person) -> Randomness:
        return random.Random(person.name).randbytes if self._fixed else os.urandom

    def app(self, person: Person, partner: Partner) -> ClientApp:
        """What a partner's machine runs."""
        return client_app(
            job_id=self.terms.id,
            spec=self.spec,
            partner=partner,
            log=Log(self.net, person),
            member=self.member(person),
            kept=KeptUpdates(self.kept_path(person)),
        )

    def apps(self, partners: Sequence[Partner]) -> dict[bytes, ClientApp]:
        """Those of several partners, by transport key."""
        return {
            self.key(person): self.app(person, partner)
            for person, partner in zip(self.people, partners, strict=True)
        }

    def run(self, partners: Sequence[Partner], silent: Sequence[Person] = ()) -> Log:
        """The server's rounds over a grid of these partners."""
        return self.serve(LocalGrid(self.apps(partners), {self.key(each) for each in silent}))

    def serve(self, grid: LocalGrid, log: Log | None = None) -> Log:
        """Runs the rounds that the log does not have."""
        log, weights, velocity = log or Log(self.net), self.first, None
        job = self.net.state.jobs[self.terms.id]
        if job.rounds:
            number = job.rounds[-1].round
            last = decode_checkpoint(self.terms.id, number, log.checkpoints[-1])
            weights, velocity = decode(self.first, last.weights), last.velocity
        jury = Jury.of(job, self.spec, self.public, self.first)
        train(grid, log, job, Aggregator(self.spec, weights, velocity), weights, jury=jury)
        return log

    def close(self) -> None:
        for budget in self.budgets:
            budget.close()
        for duty in self.duties.values():
            duty.close()
