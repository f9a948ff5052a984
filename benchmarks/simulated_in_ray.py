"""The clients of benchmarks.simulated_clients in Flower's own simulation, which spreads them over processes
with Ray, beside the same in one process. Needs Ray beside the environment for training: `make simulation`.
"""

from __future__ import annotations

import time
from typing import Any, Final

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from benchmarks import simulated_clients
from benchmarks.report import show
from benchmarks.simulated_clients import (
    CLIENTS,
    ROUNDS,
    answer,
    partner_of,
    rounds,
    words_of,
)
from federated.messages import Task, task_message
from federated.ring import Words
from protocol.identity import PersonId

SECONDS_MAX: Final = 60.0  # of a round
POLL_SECONDS: Final = 0.1
NOBODY: Final = PersonId(bytes(32))  # whoever answers is known to the simulation alone


def run() -> dict[str, Any]:
    """Seconds of all rounds, and with Ray's start and end."""
    server, client, found = ServerApp(), ClientApp(), dict[str, Any]()
    begun = time.perf_counter()

    @client.train()
    def train(message: Message, context: Context) -> Message:
        return answer(partner_of(int(context.node_config["partition-id"])), message)

    @server.main()
    def main(grid: Grid, _: Context) -> None:
        nodes = _all_nodes(grid)

        def asked(round_: int, task: Task, drawn: list[int]) -> list[Words]:
            questions = [task_message(task, nodes[number], SECONDS_MAX) for number in drawn]
            answers = grid.send_and_receive(questions, timeout=SECONDS_MAX)
            return [words_of(NOBODY, each) for each in answers]

        first = time.perf_counter()
        found["rounds"] = sum(1 for _ in rounds(asked))
        found["seconds"] = round(time.perf_counter() - first, 1)

    run_simulation(server, client, num_supernodes=CLIENTS)
    assert found.get("rounds") == ROUNDS, "the simulation ended early"
    return found | {"with_start_and_end": round(time.perf_counter() - begun, 1)}


def _all_nodes(grid: Grid) -> list[int]:
    """Once they are there: it begins before."""
    deadline = time.monotonic() + SECONDS_MAX
    while len(nodes := sorted(grid.get_node_ids())) < CLIENTS:
        assert time.monotonic() < deadline, f"{len(nodes)} clients after {SECONDS_MAX} s"
        time.sleep(POLL_SECONDS)
    return nodes


if __name__ == "__main__":
    show({"one_process": simulated_clients.run(), "ray": run()})
