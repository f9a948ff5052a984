"""The rounds of a job, as its server runs them: send the model, gather signed updates, open their sum, step.

    gather   masked updates, each the very one that its author signed in the log for this round
    fix      the log says whose updates the sum is made of; nobody is added or left out from here on
    open     the round's committee takes the masks off the sum, and off nothing else
    step     the next model, which the log names

A round that comes to nothing has its number and its cost; another follows, as long as the job has spare
ones. If we crash, the log has the rounds that were done and the set of the one that runs: its updates are
asked for again, and partners answer with the very ones that they signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from commonground.committees import FixedSet, RoundStart, Signed
from federated.aggregate import Aggregator
from federated.exchange import Again, Answers, Question, Roster, ask
from federated.grid import from_ring, ring_of
from federated.judging import Jury
from federated.messages import Task, Wanted, read_reply, task_message
from federated.model import Weights, digest, encode_fixed, encode_trained, fixed_digest
from federated.opening import Opener, RoundFailed
from federated.ring import Words
from federated.secure_sum import uncover
from federated.spec import TrainingSpec
from protocol.errors import Reject
from protocol.identity import PersonId, short
from protocol.jobs import Job, JobTerms
from protocol.shares import Sealed
from protos.gen import records_pb2 as pb

# Of a round that failed, so many partners are named.
REASONS_SHOWN: Final = 5


class JobLog(Protocol):
    """The log, as far as a round needs it."""

    def start(self) -> None:
        """Logs that nobody joins any more, unless it says so already."""

    def partners(self) -> Mapping[bytes, PersonId]:
        """Who takes part, by transport key (PEM): those who joined and have not lied."""

    def round(self) -> RoundStart:
        """The round that runs."""

    def signed(self, partner: PersonId) -> Signed | None:
        """What a partner has signed for the round that runs, for good; None before it has."""

    def set_of_round(self) -> Sequence[PersonId]:
        """Whose updates the sum of the round that runs is made of; nobody's before that is fixed."""

    def fix(self, partners: Sequence[PersonId]) -> None:
        """Logs the round's set; returns when it is durable."""

    def fixed(self) -> FixedSet:
        """The set of the round that runs, and what members have said of its sum by now."""

    def fail(self, failure: RoundFailed, epsilon_micro: int) -> None:
        """Logs that the round came to nothing, and why."""

    def complete(
        self, round_: pb.TrainingRound, weights: Weights, velocity: NDArray[np.float64]
    ) -> None:
        """Keeps what the next round goes on from, then logs the round; returns when both are durable."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one partner gave to a round: nothing in it says anything alone."""

    words: Words
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Summed:
    """What a round's committee opened: the sum of all updates, or of each cohort's."""

    groups: Sequence[Sequence[PersonId]]
    sums: Sequence[NDArray[np.float64]]  # in the order of the groups
    partners: Sequence[PersonId]  # all of them
    faulty: Sequence[PersonId]  # members of the committee who were wrong


def train(
    grid: Grid,
    log: JobLog,
    job: Job,
    aggregator: Aggregator,
    weights: Weights,
    *,
    jury: Jury,
) -> Weights:
    """Runs the rounds that a job still has, from these weights; gives the last model.

    Raises StateError, with the reason that the log will show, when a round comes to nothing and the job
    has none to spare, or when it learns nothing.
    """
    log.start()
    roster = Roster(log.partners())
    done, failed = len(job.rounds), len(job.failed)
    while done < job.terms.rounds:
        running = _Round(grid, log, job.terms, aggregator.spec, roster, log.round(), weights)
        running.aside = jury.aside(roster.partners.values())
        cost = aggregator.epsilon_micro(running.start.number)
        try:
            summed = running.run()
            judged = jury.look(weights, summed.groups, summed.sums)
            stepped = copy(aggregator)  # what a bad round does to it is thrown away
            model = stepped.step(judged.total, len(summed.partners))
            accuracy_ppm = jury.accuracy_ppm(model)
            if fault := jury.fault(weights, judged, len(summed.partners), accuracy_ppm):
                raise RoundFailed(
                    f"round {running.start.number} is not kept: {fault}",
                    faulty=summed.faulty,
                    usefulness_micro=judged.usefulness_micro,
                )
        except RoundFailed as failure:
            if failed == job.terms.spare_rounds:
                raise
            log.fail(failure, cost)
            roster.leave(failure.faulty)
            failed += 1
            continue
        aggregator, weights = stepped, model
        record = pb.TrainingRound(
            job_id=job.terms.id,
            round=running.start.number,
            base_model=running.start.model,
            model=digest(weights),
            partners=summed.partners,
            epsilon_micro=cost,
            accuracy_ppm=accuracy_ppm,
            faulty=summed.faulty,
            usefulness_micro=judged.usefulness_micro,
            weights_ppm=judged.weights_ppm,
        )
        log.complete(record, weights, aggregator.velocity)
        roster.leave(summed.faulty)
        jury.keep(accuracy_ppm)
        done += 1
    return weights


@dataclass
class _Round:
    """One round until its sum is there."""

    grid: Grid
    log: JobLog
    job: JobTerms
    spec: TrainingSpec
    roster: Roster
    start: RoundStart
    weights: Weights
    aside: Set[PersonId] = frozenset()  # who is not asked for an update

    def run(self) -> Summed:
        """The sums of the updates. Raises RoundFailed."""
        fixed = set(self.log.set_of_round())  # where a server was killed before the round was done
        expected = fixed or set(self.roster.partners.values()) - self.aside
        needed = len(fixed) or self.job.quorum
        got = self._gather(expected, needed)
        if len(got.accepted) < needed:
            missing = expected - got.accepted.keys()
            raise RoundFailed(self._reason(got, expected, needed), list(missing))
        hidden = dict(sorted(got.accepted.items()))
        if not fixed:
            self.log.fix(list(hidden))
        ring, size = ring_of(self.spec), self.spec.values
        opener = Opener(
            *(self.grid, self.roster, self.log),
            {partner: each.sealed for partner, each in hidden.items()},
            *(ring, size, self.job.round_seconds),
        )
        opened = opener.run()
        sums = [
            from_ring(
                uncover(ring, [hidden[who].words for who in group], masks, size),
                self.spec,
                self.start.number,
            )
            for group, masks in zip(opened.groups, opened.sums, strict=True)
        ]
        return Summed(opened.groups, sums, list(hidden), opened.faulty)

    def _gather(self, expected: Set[PersonId], needed: int) -> Answers[Hidden]:
        """Their updates, as far as they come in time."""
        questions = self._questions(expected)
        return ask(
            *(self.grid, self.roster, questions, self._checked),
            needed=needed,
            seconds=self.job.round_seconds,
        )

    def _questions(self, expected: Set[PersonId]) -> dict[PersonId, Question]:
        """The round's task; the model's fixed values are in it for whoever has given no update since they
        were sent, or wants them."""
        lean = Task(
            self.job.id,
            self.start.number,
            encode_trained(self.weights),
            fixed_digest(self.weights),
        )
        full = replace(lean, fixed=encode_fixed(self.weights))

        def question(who: PersonId) -> Question:
            def message(node: int, ttl: float) -> Message:
                return task_message(lean if who in self.roster.supplied else full, node, ttl)

            return message

        return {who: question(who) for who in expected}

    def _checked(self, partner: PersonId, message: Message) -> Hidden:
        """The update in a reply; raises Reject unless its author signed it for this round."""
        reply = read_reply(message)
        if isinstance(reply, Wanted):
            self.roster.supplied.discard(partner)
            raise Again
        self.roster.supplied.add(partner)
        if (reply.job_id, reply.round) != (self.job.id, self.start.number):
            raise Reject("its update is for another round")
        words = ring_of(self.spec).unpack(reply.hidden, self.spec.values)
        sealed = Sealed.decode(reply.sealed, self.start.committee.size)
        signed = self.log.signed(partner)
        if signed is None:
            raise Reject("it signed no update in this round")
        if signed != Signed(hashlib.sha256(reply.hidden).digest(), sealed.digest):
            raise Reject("its update is not the one that it signed")
        return Hidden(words, sealed)

    def _reason(self, got: Answers[Hidden], expected: Set[PersonId], needed: int) -> str:
        """What people read in the log about a round that failed."""
        said = dict(got.refusals)
        for partner in sorted(expected - got.answered):
            said[partner] = "did not answer in time"
        shown = [
            f"{short(partner)} {words}" for partner, words in list(said.items())[:REASONS_SHOWN]
        ]
        return (
            f"round {self.start.number} got {len(got.accepted)} of the {needed} updates that"
            " it needs: "
            + "; ".join(shown)
            + (f"; and {len(said) - REASONS_SHOWN} more" if len(said) > REASONS_SHOWN else "")
        )
