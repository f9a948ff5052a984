"""One question to some partners, and their answers until a deadline.

Flower's own strategies wait three seconds between looks, and for ever below a number of nodes. Here every
question has a deadline, and a partner that let one pass is never waited for again until it answers. One that
connects anew is asked again: what it was asked, or answered, may be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from flwr.app import Message
from flwr.serverapp import Grid

from federated.flower.layout import REFUSED
from protocol.errors import Reject
from protocol.identity import PersonId

# A question for answers is answered when there are some (flower/gate.py); where nobody is connected, there is
# none to ask.
IDLE_SECONDS: Final = 0.1
POLL_SECONDS: Final = 0.01
# Somebody else's words end up in the log's reason; these many of each are enough.
REASON_CHARS_MAX: Final = 200

T = TypeVar("T")

Question = Callable[[int, float], Message]
"""Makes the message for a node's id that is forgotten after so many seconds."""


@dataclass
class Roster:
    """Who takes part, and whom it is worth waiting for."""

    partners: Mapping[bytes, PersonId]  # by transport key
    silent: set[PersonId] = field(default_factory=set)  # let a deadline pass

    def leave(self, people: Collection[PersonId]) -> None:
        """These take part no more."""
        self.partners = {key: who for key, who in self.partners.items() if who not in people}


@dataclass
class Answers(Generic[T]):
    """What came so far."""

    accepted: dict[PersonId, T] = field(default_factory=dict)
    refusals: dict[PersonId, str] = field(default_factory=dict)

    @property
    def answered(self) -> set[PersonId]:
        """Who said anything."""
        return {*self.accepted, *self.refusals}


def ask(
    grid: Grid,
    roster: Roster,
    questions: Mapping[PersonId, Question],
    read: Callable[[PersonId, Message], T],
    *,
    needed: int,
    seconds: float,
) -> Answers[T]:
    """Waits for everybody who is asked and not silent, for silent ones while fewer than `needed` answered;
    no longer than so many seconds. `read` raises Reject for an answer that does not count."""
    return _Exchange(grid, roster, questions, read, needed, seconds).gather()


@dataclass
class _Exchange(Generic[T]):
    """One question until its deadline."""

    grid: Grid
    roster: Roster
    questions: Mapping[PersonId, Question]
    read: Callable[[PersonId, Message], T]
    needed: int
    seconds: float
    _got: Answers[T] = field(default_factory=Answers)
    _sent: dict[str, PersonId] = field(default_factory=dict)  # by message id, unanswered
    _reached: dict[PersonId, str] = field(default_factory=dict)  # and when each had connected

    def gather(self) -> Answers[T]:
        got, everybody = self._got, set(self.questions)
        deadline = time.monotonic() + self.seconds
        is_quiet = True
        while True:
            # Who has connected anew is looked for when nobody answers: while answers come they say so.
            if is_quiet:
                self._send_to_new()
            is_quiet = not self._pull()
            self.roster.silent -= got.answered
            missing = everybody - got.answered - self.roster.silent
            enough = len(got.accepted) >= self.needed or got.answered == everybody
            if not missing and enough:
                return got
            if time.monotonic() > deadline:
                self.roster.silent |= everybody - got.answered
                return got
            time.sleep(POLL_SECONDS if self._sent else IDLE_SECONDS)

    def _send_to_new(self) -> None:
        """Asks whoever has connected since it was asked, also silent ones."""
        if self._got.answered >= set(self.questions):
            return
        nodes: dict[int, PersonId] = {}
        for node in self.grid.get_nodes():
            partner = self.roster.partners.get(node.public_key)
            if partner is None or partner not in self.questions or partner in self._got.answered:
                continue
            if self._reached.get(partner) != node.last_activated_at:
                if partner in self._reached:
                    self.roster.silent.discard(partner)  # it is back, and worth waiting for
                nodes[node.node_id] = partner
                self._reached[partner] = node.last_activated_at
        # Flower forgets a message after our own deadline, so that it is ours which speaks.
        ttl_seconds = 2.0 * self.seconds
        messages = [self.questions[who](node, ttl_seconds) for node, who in nodes.items()]
        if messages:
            ids = self.grid.push_messages(messages)
            self._sent |= dict(zip(ids, nodes.values(), strict=True))

    def _pull(self) -> bool:
        """Takes the answers that there are; tells whether there were any."""
        if not self._sent:
            return False
        some = False
        for message in self.grid.pull_messages(list(self._sent)):
            some = True
            partner = self._sent.pop(message.metadata.reply_to_message_id, None)
            if partner is None:
                continue  # it was answered before, and Flower says that it is gone
            if message.has_error() and message.error.code != REFUSED:
                self.roster.silent.add(partner)  # Flower has lost it; it may come back
                continue
            try:
                if message.has_error():
                    raise Reject(message.error.reason or "refused")
                self._got.accepted[partner] = self.read(partner, message)
            except Reject as error:
                self._got.refusals[partner] = str(error)[:REASON_CHARS_MAX]
        return some
