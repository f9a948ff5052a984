"""A ClientApp and a ServerApp as anybody would write them for stock Flower: what benchmarks.deployment is
compared with. Each partner adds up clipped gradients of the same digits, with the same noise; there are no
masks, no committee, no log and no ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from commonhold.digits import load_digits
from federated.grid import from_ring
from federated.partner import Partner
from tests.training_lab import BLANK, TASK, shared, spec

client = ClientApp()
server = ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """A round's update of the digits that are this partner's."""
    images, place = int(context.run_config["images"]), int(context.node_config["partition-id"])
    mine, digits = slice(place * images, (place + 1) * images), load_digits()
    asked = spec(partners=1, noise_parties=1, quorum=1, expected_examples=images)
    data = shared(digits.images[mine], digits.labels[mine])
    partner = Partner(asked, TASK, data, lambda _: 1)
    [vector] = message.content.array_records["arrays"].to_numpy_ndarrays()
    update = partner.update(1, BLANK.replaced(vector))
    stepped = vector - asked.learning_rate * from_ring(update.words, asked, 1) / images
    content = RecordDict(
        {
            "arrays": ArrayRecord([stepped.astype(np.float32)]),
            "metrics": MetricRecord({"num-examples": images}),
        }
    )
    return Message(content, reply_to=message)


@server.main()
def main(grid: Grid, context: Context) -> None:
    """All rounds; when each began is what the benchmark reads."""
    rounds, partners = int(context.run_config["rounds"]), int(context.run_config["partners"])
    began: list[float] = []

    class Timed(FedAvg):
        """Tells when a round begins, and that nobody was missing in it."""

        def configure_train(
            self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
        ) -> list[Message]:
            """As it is, and the time."""
            began.append(time.monotonic())
            return list(super().configure_train(server_round, arrays, config, grid))

        def aggregate_train(
            self, server_round: int, replies: Iterable[Message]
        ) -> tuple[ArrayRecord | None, MetricRecord | None]:
            """As it is, if all have answered."""
            answers = list(replies)
            assert sum(each.has_content() for each in answers) == partners, answers
            return super().aggregate_train(server_round, answers)

    strategy = Timed(fraction_evaluate=0.0, min_train_nodes=partners, min_available_nodes=partners)
    first = ArrayRecord([BLANK.vector])
    strategy.start(grid=grid, initial_arrays=first, num_rounds=rounds)
    began.append(time.monotonic())
    Path(str(context.run_config["out"])).write_text(json.dumps(began))
