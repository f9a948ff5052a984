"""The rounds of a job, as its server runs them: send the model, gather signed updates, step, log.

Flower's own strategies wait three seconds between looks, and for ever below a number of nodes. Here every
round has a deadline, and a partner that let one pass is never waited for again until it answers.

A reply counts when it is the very update that its author signed in the log for this round. A partner that
connects anew is asked again: what it was sent, or answered, may be lost. If we crash, the log has the rounds
that were done; the next one is asked for again, and partners answer with what they have signed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from federated.aggregate import Aggregator
from federated.flower.layout import REFUSED
from federated.messages import Task, read_reply, task_message
from federated.model import Weights, digest, encode
from federated.partner import vector_digest
from protocol.errors import Reject, StateError
from protocol.identity import PersonId, short
from protocol.jobs import JobTerms
from protos.gen import records_pb2 as pb

# A question for replies is answered when there are some (flower/gate.py); where nobody is connected, there is
# none to ask.
IDLE_SECONDS: Final = 0.1
POLL_SECONDS: Final = 0.01
# Somebody else's words end up in the log's reason; these many of each are enough.
REASON_CHARS_MAX: Final = 200
# Of a round that failed, so many partners are named.
REASONS_SHOWN: Final = 5


class JobLog(Protocol):
    """The log, as far as a round needs it."""

    def partners(self) -> Mapping[bytes, PersonId]:
        """Who joined, by transport key (PEM)."""

    def signed(self) -> Mapping[PersonId, bytes]:
        """SHA-256 of the update that each partner has signed for the round that runs."""

    def complete(
        self, round_: pb.TrainingRound, weights: Weights, velocity: NDArray[np.float64]
    ) -> None:
        """Keeps what the next round goes on from, then logs the round; returns when both are durable."""


@dataclass
class Roster:
    """Who takes part, and whom it is worth waiting for."""

    partners: Mapping[bytes, PersonId]  # by transport key
    silent: set[bytes] = field(default_factory=set)  # let a deadline pass


@dataclass
class Gathering:
    """One round's updates so far."""

    accepted: dict[bytes, NDArray[np.float32]] = field(default_factory=dict)
    refusals: dict[bytes, str] = field(default_factory=dict)

    @property
    def answered(self) -> set[bytes]:
        return {*self.accepted, *self.refusals}


def train(
    grid: Grid,
    log: JobLog,
    job: JobTerms,
    aggregator: Aggregator,
    weights: Weights,
    *,
    done: int = 0,
    measure: Callable[[Weights], int] = lambda _: 0,
) -> Weights:
    """Runs the rounds of a job that are not `done`, from the weights after those; gives the last model.

    `measure` gives a model's accuracy in parts per million. Raises StateError, with the reason that
    the log will show, when a round does not get its quorum.
    """
    roster = Roster(log.partners())
    for number in range(done + 1, job.rounds + 1):
        got = _Round(grid, log, job, aggregator, roster, number, weights).gather()
        if len(got.accepted) < job.quorum:
            raise StateError(_reason(job, number, roster, got))
        base = digest(weights)
        weights = aggregator.step(got.accepted)
        round_ = pb.TrainingRound(
            job_id=job.id,
            round=number,
            base_model=base,
            model=digest(weights),
            partners=sorted(got.accepted),
            epsilon_micro=aggregator.epsilon_micro(number),
            accuracy_ppm=measure(weights),
        )
        log.complete(round_, weights, aggregator.velocity)
    return weights


@dataclass
class _Round:
    """One round until its deadline."""

    grid: Grid
    log: JobLog
    job: JobTerms
    aggregator: Aggregator
    roster: Roster
    number: int
    weights: Weights
    _sent: dict[str, PersonId] = field(default_factory=dict)  # by message id, unanswered
    _reached: dict[PersonId, str] = field(default_factory=dict)  # and when each had connected

    def gather(self) -> Gathering:
        """Waits for everybody who is expected, but no longer than the job's round lasts."""
        got = Gathering()
        everybody = set(self.roster.partners.values())
        deadline = time.monotonic() + self.job.round_seconds
        while True:
            self._send_to_new(got)
            self._pull(got)
            self.roster.silent -= got.answered
            missing = everybody - got.answered - self.roster.silent
            enough = len(got.accepted) >= self.job.quorum or got.answered == everybody
            if not missing and enough:
                return got
            if time.monotonic() > deadline:
                self.roster.silent |= everybody - got.answered
                return got
            time.sleep(POLL_SECONDS if self._sent else IDLE_SECONDS)

    def _send_to_new(self, got: Gathering) -> None:
        """Sends the round to whoever has connected since it was sent, also to silent ones."""
        everybody = set(self.roster.partners.values())
        if got.answered >= everybody:
            return
        nodes: dict[int, PersonId] = {}
        for node in self.grid.get_nodes():
            partner = self.roster.partners.get(node.public_key)
            if partner is None or partner in got.answered:
                continue
            if self._reached.get(partner) != node.last_activated_at:
                nodes[node.node_id] = partner
                self._reached[partner] = node.last_activated_at
        task = Task(self.job.id, self.number, encode(self.weights))
        # Flower forgets a message after our own deadline, so that it is ours which speaks.
        ttl_seconds = 2.0 * self.job.round_seconds
        messages = [task_message(task, node, ttl_seconds) for node in nodes]
        if messages:
            ids = self.grid.push_messages(messages)
            self._sent |= dict(zip(ids, nodes.values(), strict=True))

    def _pull(self, got: Gathering) -> None:
        if not self._sent:
            return
        for message in self.grid.pull_messages(list(self._sent)):
            partner = self._sent.pop(message.metadata.reply_to_message_id, None)
            if partner is None:
                continue  # it was answered before, and Flower says that it is gone
            if message.has_error() and message.error.code != REFUSED:
                self.roster.silent.add(partner)  # Flower has lost it; it may come back
                continue
            try:
                got.accepted[partner] = self._checked(partner, message)
            except Reject as error:
                got.refusals[partner] = str(error)[:REASON_CHARS_MAX]

    def _checked(self, partner: PersonId, message: Message) -> NDArray[np.float32]:
        """The update in a reply; raises Reject unless its author signed it for this round."""
        if message.has_error():
            raise Reject(message.error.reason or "refused")
        reply = read_reply(message)
        if (reply.job_id, reply.round) != (self.job.id, self.number):
            raise Reject("its update is for another round")
        self.aggregator.check(reply.vector)
        signed = self.log.signed().get(partner)
        if signed is None:
            raise Reject("it signed no update in this round")
        if signed != vector_digest(reply.vector):
            raise Reject("its update is not the one that it signed")
        return reply.vector


def _reason(job: JobTerms, number: int, roster: Roster, got: Gathering) -> str:
    """What people read in the log about a round that failed."""
    said = dict(got.refusals)
    for partner in sorted(set(roster.partners.values()) - got.answered):
        said[partner] = "did not answer in time"
    shown = [f"{short(partner)} {words}" for partner, words in list(said.items())[:REASONS_SHOWN]]
    return (
        f"round {number} got {len(got.accepted)} of the {job.quorum} updates that it needs: "
        + "; ".join(shown)
        + (f"; and {len(said) - REASONS_SHOWN} more" if len(said) > REASONS_SHOWN else "")
    )
