"""A job and this node's budget: what the log has of our rounds, what the job would take, what it took.

federated/budget decides; here is what it is given, read from the log as this machine replayed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from commonground.counting import plural
from commonground.jobs import is_over
from node.follower import Follower
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.state import State
from protocol.transition import Applied
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from federated.budget import Budget, Claim, Limit, Standing
    from federated.budget.signed import Restored, SignedRound


class OwnUpdates:
    """Every update that a person has signed in the log, in any job and on any machine."""

    def __init__(self, follower: Follower, me: PersonId) -> None:
        """Made before a replay, it knows them all."""
        self._me = me
        self.all: list[pb.Update] = []
        follower.subscribe(self._note)

    def _note(self, applied: Applied) -> None:
        record = applied.record
        if isinstance(record.body, pb.Update) and record.author == self._me:
            self.all.append(record.body)


class Account:
    """This node's data in one job: from the question what it would cost to the report of what it did."""

    def __init__(self, budget: Budget, data: Path, limit: Limit) -> None:
        """Names the data. Raises ConfigError for what cannot be read, StoreError."""
        from federated.data import data_commitment
        from federated.recognising import digest_of, examples_of

        self._budget, self._limit = budget, limit
        digest = digest_of(data)
        self.commitment = data_commitment(budget.salt(digest), digest)
        self._examples = [] if budget.knows(self.commitment) else examples_of(data)

    def ask(self, job: Job) -> Standing:
        """What the whole job would bring this data to. Raises StateError where that is too much."""
        return self._reserve(job, keep=False)

    def take(self, job: Job) -> None:
        """Sets the whole job aside. Raises StateError where it is too much by now."""
        self._job_id = job.terms.id
        self._reserve(job, keep=True)

    def charge(self, number: int) -> int:
        """Pays for a round; gives what is spent, in micro at the job's delta."""
        return self._budget.charge(self.commitment, self._job_id, number)

    def let_go(self, number: int) -> None:
        """From here on the round's update may have left."""
        self._budget.let_go(self.commitment, self._job_id, number)

    def standing(self) -> Standing:
        """Where this data stands now."""
        return self._budget.standing(self.commitment)

    def close(self, job: Job) -> Standing:
        """Frees what a job that is over did not use; where the data stands then."""
        if is_over(job):
            self._budget.end(job.terms.id)
        return self.standing()

    def _reserve(self, job: Job, *, keep: bool) -> Standing:
        return self._budget.reserve(
            self.commitment, self._examples, self._limit, claim_of(job), keep=keep
        )


def reconcile(budget: Budget, path: Path, state: State, updates: Iterable[pb.Update]) -> Restored:
    """Takes from the log the rounds that we signed and the budget does not have, and frees what is
    reserved for jobs that are over."""
    from federated.budget.reading import read_reserved

    restored = budget.restore([signed_round(state, update) for update in updates])
    for job_id in read_reserved(path):
        job = state.jobs.get(job_id)
        if job is not None and is_over(job):
            budget.end(job_id)
    return restored


def signed_round(state: State, update: pb.Update) -> SignedRound:
    """One of our updates, with what the job's record says that a round costs."""
    from federated.budget.signed import SignedRound
    from federated.budget.terms import release_of
    from federated.spec import spec_of

    spec = spec_of(state.jobs[update.job_id].terms, ())
    return SignedRound(
        update.data_commitment,
        update.job_id,
        update.round,
        release_of(spec),
        spec.delta,
        update.epsilon_micro,
    )


def claim_of(job: Job) -> Claim:
    """All rounds that are still to come, the one that runs included."""
    from federated.budget import Claim
    from federated.budget.terms import release_of
    from federated.spec import spec_of

    spec = spec_of(job.terms, ())
    left = spec.mechanism.rounds - (job.present - 1)  # failed ones cost as much
    return Claim(job.terms.id, release_of(spec), left, job.present, spec.delta)


def alone_micro(claim: Claim) -> int:
    """What the whole claim costs towards whoever sees our update alone."""
    from federated.budget.terms import Towards
    from federated.privacy import composed_epsilon_micro

    return composed_epsilon_micro([claim.release.towards(Towards.ALONE, claim.rounds)], claim.delta)


def words_of(restored: Restored) -> list[str]:
    """What a person is told of it; nothing where the budget had everything."""
    said = []
    if restored.rounds:
        rounds = plural(restored.rounds, "round that you signed was", "rounds that you signed were")
        said.append(
            f"note: {rounds} in the log and not in budget.db, and counted again: it is an older copy, was"
            " lost, or another machine of yours signed"
        )
    if restored.unknown:
        named = ", ".join(each.hex()[:8] for each in restored.unknown)
        said.append(
            f"note: this machine does not recognise the data {named}, so it counts against all data here."
            " If it was other data: `commonhold federated set-apart`"
        )
    return said
