"""A thousand clients in one process: twenty of them in each of fifty rounds, over the grid that tests use.

Each has five digits of its own, its noise and its app; the rounds' sums are added up as they are, since no
committee of a job has a thousand candidates (a job has 256 partners). What it shows is that memory does not
grow with the rounds, and what a round costs. Runs in the environment for training.
"""

from __future__ import annotations

import random
import time
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


def run() -> dict[str, Any]:
    """Seconds, and memory after some rounds and after all."""
    grid = LocalGrid({_key(number): _app(number) for number in range(CLIENTS)})
    people = {_key(number): PersonId(number.to_bytes(32, "big")) for number in range(CLIENTS)}
    chance = random.Random(1)
    weights, aggregator = BLANK, Aggregator(SPEC, BLANK)
    memory, begun = {}, time.perf_counter()
    for round_ in range(1, ROUNDS + 1):
        task = Task(SPEC.job_id, round_, encode(weights))
        drawn = chance.sample(sorted(people), SAMPLE)
        asked = dict.fromkeys(
            (people[key] for key in drawn),
            lambda node, ttl, task=task: task_message(task, node, ttl),
        )
        got = ask(grid, Roster(people), asked, _words, needed=SAMPLE, seconds=60)
        total = sum(got.accepted.values(), start=ring_of(SPEC).zeros(SPEC.values))
        weights = aggregator.step(from_ring(total, SPEC, round_), len(got.accepted))
        memory[round_] = _rss_mib()
    return {
        "clients": CLIENTS,
        "rounds": ROUNDS,
        "seconds": round(time.perf_counter() - begun, 1),
        "mib_after_warm_rounds": round(memory[WARM_ROUNDS], 1),
        "mib_after_all_rounds": round(memory[ROUNDS], 1),
    }


def _app(number: int) -> ClientApp:
    app, partner = ClientApp(), _partner(number)

    @app.train()
    def train(message: Message, _: Context) -> Message:
        task = read_task(message)
        update = partner.update(task.round, decode(BLANK, task.base))
        packed = ring_of(SPEC).pack(update.words)
        return reply_message(Reply(task.job_id, task.round, packed, b""), message)

    return app


def _partner(number: int) -> Partner:
    digits = load_digits()
    mine = (np.arange(IMAGES) + number * IMAGES) % len(digits)
    return Partner(SPEC, TASK, shared(digits.images[mine], digits.labels[mine]), lambda _: 1)


def _words(_: PersonId, message: Message) -> Words:
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
