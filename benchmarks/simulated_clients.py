"""A thousand clients in one process: twenty of them in each of fifty rounds, over the grid that tests use.

    python -m benchmarks.simulated_clients      seconds, and memory after some rounds and after all
    make simulation                             the same, and beside it Flower's own simulation, by Ray

Each has five digits of its own, its noise and its app; the rounds' sums are added up as they are, since no
committee of a job has a thousand candidates (a job has 256 partners). What it shows is that memory does not
grow with the rounds, and what a round costs. Runs in the environment for training.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from benchmarks.report import show
from commonhold.digits import load_digits
from federated.aggregate import Aggregator
from federated.exchange import Roster, ask
from federated.flower.grid import LocalGrid
from federated.grid import from_ring, ring_of
from federated.messages import Reply, Task, read_reply, read_task, reply_message, task_message
from federated.model import decode, encode
from federated.partner import Partner
from federated.ring import Words
from protocol.identity import PersonId
from tests.training_lab import BLANK, TASK, shared, spec

CLIENTS: Final = 1_000
SAMPLE: Final = 20
ROUNDS: Final = 50
IMAGES: Final = 5
WARM_ROUNDS: Final = 10  # until all that is made once is made
SPEC: Final = spec(
    partners=CLIENTS, noise_parties=SAMPLE, quorum=SAMPLE, expected_examples=SAMPLE * IMAGES
)


Asked = Callable[[int, Task, list[int]], list[Words]]
"""What these clients answer to a round's task."""


def run() -> dict[str, Any]:
    """Seconds, and memory after some rounds and after all."""
    grid = LocalGrid({_key(number): _app(number) for number in range(CLIENTS)})
    people = {_key(number): PersonId(number.to_bytes(32, "big")) for number in range(CLIENTS)}

    def asked(round_: int, task: Task, drawn: list[int]) -> list[Words]:
        questions = dict.fromkeys(
            (people[_key(number)] for number in drawn),
            lambda node, ttl: task_message(task, node, ttl),
        )
        got = ask(grid, Roster(people), questions, words_of, needed=SAMPLE, seconds=60)
        return list(got.accepted.values())

    memory, begun = dict[int, float](), time.perf_counter()
    for round_ in rounds(asked):
        memory[round_] = _rss_mib()
    return {
        "clients": CLIENTS,
        "rounds": ROUNDS,
        "seconds": round(time.perf_counter() - begun, 1),
        "mib_after_warm_rounds": round(memory[WARM_ROUNDS], 1),
        "mib_after_all_rounds": round(memory[ROUNDS], 1),
    }


def rounds(asked: Asked) -> Iterator[int]:
    """All of them, each with clients that are drawn anew."""
    chance, weights, aggregator = random.Random(1), BLANK, Aggregator(SPEC, BLANK)
    for round_ in range(1, ROUNDS + 1):
        task = Task(SPEC.job_id, round_, encode(weights))
        words = asked(round_, task, chance.sample(range(CLIENTS), SAMPLE))
        assert len(words) == SAMPLE, "somebody did not answer"
        total = sum(words, start=ring_of(SPEC).zeros(SPEC.values))
        weights = aggregator.step(from_ring(total, SPEC, round_), SAMPLE)
        yield round_


def _app(number: int) -> ClientApp:
    app, partner = ClientApp(), partner_of(number)

    @app.train()
    def train(message: Message, _: Context) -> Message:
        return answer(partner, message)

    return app


def answer(partner: Partner, message: Message) -> Message:
    """Its update for this round."""
    task = read_task(message)
    update = partner.update(task.round, decode(BLANK, task.base))
    packed = ring_of(SPEC).pack(update.words)
    return reply_message(Reply(task.job_id, task.round, packed, b""), message)


@lru_cache(CLIENTS)
def partner_of(number: int) -> Partner:
    """A client with its digits, and with what it has made of them."""
    digits = load_digits()
    mine = (np.arange(IMAGES) + number * IMAGES) % len(digits)
    return Partner(SPEC, TASK, shared(digits.images[mine], digits.labels[mine]), lambda _: 1)


def words_of(_: PersonId, message: Message) -> Words:
    """What a client answered."""
    reply = read_reply(message)
    assert isinstance(reply, Reply), "the task has no fixed values"
    return ring_of(SPEC).unpack(reply.hidden, SPEC.values)


def _key(number: int) -> bytes:
    return f"client {number}".encode()


def _rss_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    show(run())
