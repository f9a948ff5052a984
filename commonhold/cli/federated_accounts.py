"""A node's budget as commands use it: opened, and compared with the log first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import catch_up
from federated.budget import Budget
from federated.privacy import composed_epsilon_micro
from node.follower import Follower
from node.training.accounts import OwnUpdates, reconcile, words_of
from node.training.joining import BUDGET_FILE


@contextmanager
def opened_budget(
    directory: Path | None, passphrase: Path | None
) -> Iterator[tuple[Budget, Path, list[str]]]:
    """The budget, where its file is, and what the log had that it had not."""
    home, config = open_home(directory)
    path = home.root / BUDGET_FILE
    with open_store(home) as store:
        follower = Follower(store, config.link)
        own = OwnUpdates(follower, open_keys(home, passphrase).person)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        with Budget(path, composed_epsilon_micro) as budget:
            restored = reconcile(budget, path, follower.state, own.all)
            yield budget, path, words_of(restored)
