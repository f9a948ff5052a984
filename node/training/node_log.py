"""A node's own replay of the log, followed in a thread while the main thread trains.

A daemon may follow for the same directory at the same time: both store the same entries, and the store
notices if they were shown different ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from commonground.addresses import now_ms
from commonground.backoff import persistent_async
from commonground.client import CoordinatorClient
from commonground.receipts import Lie
from node.config import NodeConfig
from node.follower import Follower
from node.keys import NodeKeys
from node.store import Store
from node.training.accounts import OwnUpdates
from node.trust import require_trust
from protocol.errors import Unreachable
from protocol.state import State
from protos.gen import records_pb2 as pb

# As long as its training server is waited for: the machine of both may have to start again.
APPEND_SECONDS_MAX: Final = 3_600.0

T = TypeVar("T")


class NodeLog:
    """Use it as a context manager. Every method waits, and none may be called from its own thread."""

    def __init__(self, store: Store, config: NodeConfig, keys: NodeKeys) -> None:
        """Reads and connects on entering."""
        self._store, self._link, self._keys = store, config.link, keys
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="log", daemon=True)

    def __enter__(self) -> NodeLog:
        """Brings the replay up to date. Raises Unreachable and Misbehaviour."""
        self._thread.start()
        try:
            self._do(self._start())
        except BaseException:
            self._stop_loop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._do(self._stop())
        self._stop_loop()

    @property
    def network_name(self) -> str:
        """As the link to it says."""
        return self._link.name

    def read(self, look: Callable[[State], T]) -> T:
        """What `look` finds in the state, which stands still meanwhile. Raises Misbehaviour."""
        return self._do(self._read(look))

    def wait_for(self, look: Callable[[State], T | None], seconds_max: float) -> T | None:
        """The first thing that `look` finds, now or as the log grows; None when time is up."""
        return self._do(self._wait_for(look, seconds_max))

    def append(self, kind: str, body: Message) -> None:
        """Signs a record and has it logged; returns with a receipt that holds.

        Raises Unreachable, Ignore (superfluous), Reject (breaks a rule) and Misbehaviour.
        """
        self._do(self._append(self._keys.seal(kind, body)))

    def own_updates(self) -> list[pb.Update]:
        """Every update that this person has signed in the log, in any job and on any machine."""
        return self.read(lambda _: list(self._own.all))

    async def _start(self) -> None:
        self._follower = Follower(self._store, self._link)
        self._own = OwnUpdates(self._follower, self._keys.person)
        self._client = CoordinatorClient(self._link, lambda: self._follower.verifier)
        self._follower.replay()
        await self._follower.catch_up(self._client)
        self._following = asyncio.create_task(self._follower.run(self._client))

    async def _stop(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._client.close()

    async def _read(self, look: Callable[[State], T]) -> T:
        if self._following.done():
            self._following.result()  # it ends only by an error
        return look(self._follower.state)

    async def _wait_for(self, look: Callable[[State], T | None], seconds_max: float) -> T | None:
        try:
            async with asyncio.timeout(seconds_max):
                while (found := await self._read(look)) is None:
                    await self._follower.wait_beyond(self._follower.size)
        except TimeoutError:
            return None
        return found

    async def _append(self, envelope: bytes) -> None:
        async def once() -> None:
            require_trust(self._store)
            self._follower.hold(await self._client.append(envelope))

        try:
            await persistent_async(seconds=APPEND_SECONDS_MAX)(Unreachable, once)
        except Lie as lie:
            self._store.raise_alarm(lie.kind, str(lie), lie.evidence, now_ms())
            raise

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop_loop(self) -> None:
        self._do(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_tasks() -> None:
    """Ends what gRPC leaves under way, as asyncio.run does: a loop that is closed over it complains."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)
