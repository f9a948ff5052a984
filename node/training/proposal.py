"""What joining means, in words, before anybody is asked: who asks, for what, what leaves, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commonground.counting import plural
from protocol.committee import COMMITTEE_MAX, colluders_of
from protocol.identity import short_key
from protocol.jobs import Job
from protocol.limits import PPM
from protocol.state import State

if TYPE_CHECKING:
    from federated.budget.terms import Spent, Standing


# In the sum of two, each knows its own part, and so the other's.
PARTNERS_HIDDEN_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """One job, as it would be for this data. Epsilons are at `delta`, those of `standing` at its own."""

    network: str
    operator: str  # the end of the key that opened the job
    campaign: str
    job_id: str
    title: str
    task: str
    code: str  # which package and source computes it
    labels: tuple[str, ...]
    asked: str  # by a question; empty for a model
    columns: tuple[str, ...]
    rounds: int  # still to come
    invited: int
    summed: int  # updates in a sum that is opened, at least
    cohorts: int  # whose sums are opened; 0: that of all alone
    endpoint: str
    data: Path
    examples: int
    epsilon: float  # of the whole job, towards everybody
    alone: float  # towards whoever sees an update alone
    delta: float
    standing: Standing  # with this job
    price: float  # weight of an update in the pool
    worth: float  # part of the pay that goes by what updates were worth
    trainers: float  # part of an epoch's emission that the pool is
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """In plain words, one line for each thing to know."""
        return [*self._asked(), *self._leaves(), *self._costs(), *self.notes]

    def _asked(self) -> Iterator[str]:
        yield f"Who asks: the operator of the network {self.network} (key {self.operator})"
        wanted = f"For what: {self.title} (job {self.job_id}), "
        if self.asked:
            yield f"{wanted}a question in the campaign {self.campaign}: {self.asked}"
        else:
            yield (
                f"{wanted}a model of the campaign {self.campaign}, which tells {len(self.labels)} labels"
                f" apart: {_some(self.labels)}"
            )
        yield (
            f"What runs here: the task {self.task} of {self.code} which is installed on this machine,"
            f" {plural(self.rounds, 'round')}, on"
            f" {plural(self.examples, 'example')} in {self.data}; it reads {', '.join(self.columns)}"
            " and nothing else. No code comes in"
        )

    def _leaves(self) -> Iterator[str]:
        what = "parts of the answer" if self.asked else "clipped gradients"
        whose = f"groups of {self.summed} partners or more" if self.cohorts else "all partners"
        yield (
            f"What leaves, to the coordinator at {self.endpoint}: in each round one vector of numbers, the"
            f" sum of your examples' {what} with noise in it, under masks that only the sum of {whose}"
            " takes off. Its size does not depend on your data"
        )
        yield (
            "What everybody sees, for good: a salted hash of your data, in each round the hash of your"
            " update and the epsilon that this data has spent; and that you take part"
        )
        yield "What does not leave: examples, labels, how many you have, how long your machine computes"

    def _who_could(self) -> str:
        """Who would have to work together to see one update without its mask."""
        if self.invited < PARTNERS_HIDDEN_MIN:
            return (
                f"which with {plural(self.invited, 'partner')} is anybody who is in the sum with you,"
                " and the coordinator together with them"
            )
        size = min(COMMITTEE_MAX, self.invited)
        return (
            f"which takes the coordinator and any {colluders_of(size) + 1} partners, working together: it can"
            f" see to it that they are among the {size} who open a round's sum"
        )

    def _costs(self) -> Iterator[str]:
        stated = f"at delta {self.delta:g}"
        yield (
            f"What it costs, towards everybody who sees the models: epsilon {self.epsilon:.3f} {stated}."
            f" {_spent(self.standing.everybody)}"
        )
        yield (
            f"Towards whoever sees your update alone, {self._who_could()}: epsilon"
            f" {self.alone:.3f} {stated}. {_spent(self.standing.alone)}"
        )
        if self.standing.related:
            yield (
                f"This data shares its budget with {plural(self.standing.related, 'other set')} that"
                " you trained with: examples of theirs are in it, or look the same"
            )
        if self.standing.unknown:
            yield (
                "Counted in: data that this machine does not recognise, with"
                f" {plural(self.standing.unknown, 'round')}"
            )
        if self.worth:
            yield (
                f"Of the pay {self.worth:.0%} goes by what updates are worth, which the sums of the groups"
                " tell in time, and the rest to each update alike"
            )
        yield (
            f"What you get: the {'answer' if self.asked else 'model'}, and for each round your update is in"
            f" one part, at weight {self.price:g}, of the {self.trainers:.0%} of an epoch's shares that"
            " trainers divide"
        )


def propose(
    state: State,
    job: Job,
    *,
    network: str,
    labels: tuple[str, ...],
    asked: str,
    data: Path,
    examples: int,
    rounds: int,
    alone_micro: int,
    standing: Standing,
    notes: tuple[str, ...],
) -> Proposal:
    """What a job would be for this data."""
    terms = job.terms
    campaign = state.campaigns[terms.campaign_id]
    return Proposal(
        network=network,
        operator=short_key(state.operator_key),
        campaign=campaign.title or campaign.id,
        job_id=terms.id,
        title=terms.title or terms.id,
        task=terms.task,
        code=f"{terms.task_version}, code {terms.task_code.hex()[:8]}…",
        labels=labels,
        asked=asked,
        columns=terms.columns,
        rounds=rounds,
        invited=len(terms.partners),
        summed=terms.quorum // max(1, terms.cohorts),
        cohorts=terms.cohorts,
        endpoint=terms.endpoint,
        data=data,
        examples=examples,
        epsilon=terms.epsilon_micro / PPM,
        alone=alone_micro / PPM,
        delta=terms.delta_ppb / 1e9,
        standing=standing,
        price=terms.price_ppm / PPM,
        worth=terms.worth_ppm / PPM,
        trainers=state.policy.trainers_ppm / PPM,
        notes=notes,
    )


_SHOWN = 6  # labels; more tell nobody more


def _some(labels: tuple[str, ...]) -> str:
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(labels[:_SHOWN]) + more


def _spent(each: Spent) -> str:
    return (
        f"Of this data {each.spent / PPM:.3f} is spent; with this job"
        f" {each.reserved / PPM:.3f} of its {each.limit / PPM:g} is reserved or spent, and"
        f" {each.left / PPM:.3f} is left"
    )
