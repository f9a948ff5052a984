"""What `federated status` shows, of a coordinator's directory or a node's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from commonground.jobs import JobSummary, summaries
from coordinator.config import Home
from federated.budget import Spending, read_spending


@dataclass(frozen=True, slots=True)
class Survey:
    """The jobs of the network; and, on a partner's machine, what its data has spent."""

    jobs: list[JobSummary]
    spending: list[Spending]


def survey(directory: Path | None) -> Survey:
    """Reads the log that is here. Raises ConfigError when the directory is neither kind.

    Who has one kind need not have the packages of the other.
    """
    home = Home.at(directory)
    return _of_coordinator(home) if home.config_path.exists() else _of_node(directory)


def _of_coordinator(home: Home) -> Survey:
    from coordinator.operator import Operator

    with Operator(home) as operator:
        return Survey(summaries(operator.state), [])


def _of_node(directory: Path | None) -> Survey:
    from commonhold.cli.node_home import open_home, open_store
    from commonhold.cli.node_sending import catch_up
    from node.follower import Follower
    from node.training.joining import BUDGET_FILE

    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
    return Survey(summaries(follower.state), read_spending(home.root / BUDGET_FILE))
