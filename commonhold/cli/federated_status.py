"""What `federated status` shows, of a coordinator's directory or a node's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.jobs import JobSummary, summaries
from commonhold.cli.output import show
from coordinator.config import Home
from federated.budget import Spending, read_spending
from protocol.errors import ConfigError
from protocol.lifecycle import JobStatus

UNDER_WAY: Final = (JobStatus.OPEN.name.lower(), JobStatus.TRAINING.name.lower())


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


def say_steps(directory: Path | None, as_json: bool) -> None:
    """Prints a line for each step of the jobs that are under way, until none is. Raises ConfigError for
    JSON, which is one object."""
    if as_json:
        raise ConfigError("--watch says lines as they come", "leave --json out")
    told: dict[str, str] = {}

    def tell(jobs: list[JobSummary]) -> bool:
        under_way = {each.id for each in jobs if each.status in UNDER_WAY}
        for each in jobs:
            line = line_of(each)
            if each.id in {*told, *under_way} and told.get(each.id) != line:
                show(line)
                told[each.id] = line
        if not (under_way or told):
            show("no job is under way")
        return bool(under_way)

    watch(directory, tell)


def watch(directory: Path | None, tell: Callable[[list[JobSummary]], bool]) -> None:
    """Tells the jobs as they are now, and after every change of the log, until `tell` gives False.

    Raises ConfigError when the directory is neither kind, Unreachable without the coordinator.
    """
    home = Home.at(directory)
    if home.config_path.exists():
        _watch_ledger(home, tell)
    else:
        asyncio.run(_watch_log(directory, tell))


def _watch_ledger(home: Home, tell: Callable[[list[JobSummary]], bool]) -> None:
    from coordinator.operator import Operator

    with Operator(home) as operator:
        for state in operator.updates(None):
            if not tell(summaries(state)):
                return


async def _watch_log(directory: Path | None, tell: Callable[[list[JobSummary]], bool]) -> None:
    from commonground.client import CoordinatorClient
    from commonhold.cli.node_home import open_home, open_store
    from node.follower import Follower

    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        async with CoordinatorClient(config.link, lambda: follower.verifier) as client:
            await follower.catch_up(client)
            following = asyncio.create_task(follower.run(client))
            try:
                while tell(summaries(follower.state)):
                    await follower.wait_beyond(follower.size)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


def line_of(job: JobSummary) -> str:
    """A job in one line."""
    parts = [f"{job.id} {job.status}: round {job.round} of {job.rounds}"]
    if job.failed:
        parts.append(f"{job.failed} came to nothing")
    if job.epsilon:
        parts.append(f"epsilon {job.epsilon:.3f} of {job.epsilon_max:g} at delta {job.delta:g}")
    if job.accuracy:
        parts.append(f"{job.accuracy:.1%} right")
    return ", ".join(parts) + (f"; {job.step or job.reason}" if job.step or job.reason else "")


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
