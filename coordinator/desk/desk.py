"""What the desk's pages read and do.

Reading and writing go the way of the command line: an `Operator` folds the ledger on disk and asks the
running server to log what the operator signs. So the desk is a process of its own; the server does not know
it, and nothing that happens here can stop it. One thing at a time: an `Operator` belongs to one thread.

    desk/lock      held by the one desk that a directory has
    desk/content   what items hold
    desk/uploads   tables while they are read; both go with the desk, or with the next one if it was killed
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from commonground.files import private_directory
from commonground.locks import alone
from coordinator.config import Home
from coordinator.desk.content import Contents, private_folder
from coordinator.desk.experts import Experts
from coordinator.desk.observations import Observations
from coordinator.operator import Operator
from protocol.errors import StateError
from protocol.state import State

T = TypeVar("T")


class Desk:
    """Use it as a context manager."""

    def __init__(self, home: Home) -> None:
        """Replays the ledger.

        Raises:
            ConfigError, StoreError: there is no coordinator here, or it is damaged.
            StateError: another desk is open here.
        """
        self.home = home
        self.seen = Observations()
        with ExitStack() as opened:
            self.operator = opened.enter_context(Operator(home, self.seen.take))
            folder = private_folder(home)
            opened.enter_context(alone(folder / "lock", _taken))
            self.uploads = folder / "uploads"
            opened.callback(shutil.rmtree, self.uploads, ignore_errors=True)
            shutil.rmtree(self.uploads, ignore_errors=True)
            private_directory(self.uploads)
            self.contents = Contents(home)
            opened.callback(self.contents.close)
            self.experts = Experts(folder / "experts.db")
            opened.callback(self.experts.close)
            self._opened = opened.pop_all()
        self._swept = -1
        self._one = threading.Lock()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

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


def _taken(process: str) -> StateError:
    return StateError(
        f"another desk is open here: process {process}",
        "use the address that it printed, or stop it first",
    )
