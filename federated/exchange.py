"""One question to some partners, and their answers until a deadline.

Flower's own strategies wait three seconds between looks, and for ever below a number of nodes. Here every
question has a deadline, and a partner that let one pass is never waited for again until it answers. One that
connects anew is asked again: what it was asked, or answered, may be lost.
"""

from __future__ import annotations

import time
from collections import Counter
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

# Whoever started anew lacks what it was sent before, and says so for each question that it got meanwhile.
AGAIN_MAX: Final = 3

T = TypeVar("T")

Question = Callable[[int, float], Message]
"""Makes the message for a node's id that is forgotten after so many seconds."""


class Again(Exception):
    """Whoever answers has to be asked once more, by a question that has what it lacks."""


@dataclass
class Roster:
    """Who takes part, and whom it is worth waiting for."""

    partners: Mapping[bytes, PersonId]  # by transport key
    silent: set[PersonId] = field(default_factory=set)  # let a deadline pass
    supplied: set[PersonId] = field(default_factory=set)  # seem to have the model's fixed values

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
    no longer than so many seconds. `read` raises Reject for an answer that does not count, and Again where
    the question has to be put once more."""
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
    _again: Counter[PersonId] = field(default_factory=Counter)  # how often each was asked once more

    def gather(self) -> Answers[T]:
        got, everybody = self._got, set(self.questions)
        deadline = time.monotonic() + self.seconds
        look = True
        while True:
            # For who has connected anew: when nobody answers. Each look is a request.
            if look:
                self._send_to_new()
            look = self._pull()
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
        """Takes the answers that there are; tells whether somebody may have to be asked now."""
        if not self._sent:
            return True
        answers = list(self.grid.pull_messages(list(self._sent)))
        again = [self._take(each) for each in answers]
        return any(again) or not answers

    def _take(self, message: Message) -> bool:
        """Takes an answer; tells whether it is that the question has to be put once more."""
        partner = self._sent.pop(message.metadata.reply_to_message_id, None)
        if partner is None:
            return False  # it was answered before, and Flower says that it is gone
        if message.has_error() and message.error.code != REFUSED:
            self.roster.silent.add(partner)  # Flower has lost it; it may come back
            return False
        try:
            if message.has_error():
                raise Reject(message.error.reason or "refused")
            self._got.accepted[partner] = self.read(partner, message)
        except Again:
            return self._ask_again(partner)
        except Reject as error:
            self._got.refusals[partner] = str(error)[:REASON_CHARS_MAX]
        return False

    def _ask_again(self, partner: PersonId) -> bool:
        """What it lacked is in the question now; some that it got before may be on their way."""
        self._again[partner] += 1
        if self._again[partner] > AGAIN_MAX:
            self._got.refusals[partner] = "wants the same again and again"
            return False
        self._reached.pop(partner, None)
        return True
