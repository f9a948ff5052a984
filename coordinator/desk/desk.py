"""What the desk's pages read and do.

Reading and writing go the way of the command line: an `Operator` folds the ledger on disk and asks the
running server to log what the operator signs. So the desk is a process of its own; the server does not know
it, and nothing that happens here can stop it. One thing at a time: an `Operator` belongs to one thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from coordinator.config import Home
from coordinator.desk.content import Contents, private_folder
from coordinator.desk.experts import Experts
from coordinator.desk.observations import Observations
from coordinator.operator import Operator
from protocol.state import State

T = TypeVar("T")


class Desk:
    """Use it as a context manager."""

    def __init__(self, home: Home) -> None:
        """Replays the ledger.

        Raises:
            ConfigError, StoreError: there is no coordinator here, or it is damaged.
        """
        self.home = home
        self.seen = Observations()
        self.operator = Operator(home, self.seen.take)
        folder = private_folder(home)
        self.contents = Contents(home)
        self.experts = Experts(folder / "experts.db")
        self._swept = -1
        self._one = threading.Lock()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.contents.close()
        self.experts.close()
        self.operator.__exit__()

    @property
    def state(self) -> State:
        """As of the last time that somebody looked."""
        return self.operator.state

    @property
    def is_served(self) -> bool:
        """Whether the coordinator runs: without it everything can be read, and nothing done."""
        return self.home.server_path.exists()

    async def do(self, work: Callable[[Desk], T]) -> T:
        """Does something with the present state, in a thread; raises what `work` raises."""
        return await asyncio.to_thread(self._now, work)

    def _now(self, work: Callable[[Desk], T]) -> T:
        with self._one:
            self.operator.refresh()
            if self._swept != self.state.size:
                self.contents.sweep(self.state)
                self._swept = self.state.size
            return work(self)
