"""What takes long to make is kept for a while, so that visitors never hold up the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# As old as so many times what it took: making it takes a tenth of the time at most.
_TIMES: Final = 10


class Kept(Generic[T]):
    """One value, made again when it is asked for and too old. Whoever asks meanwhile waits for it."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._stamp = -1
        self._until = 0.0  # monotonic seconds
        self._making = asyncio.Lock()

    async def get(self, stamp: int, make: Callable[[], Awaitable[T]]) -> T:
        """The value; `stamp` rises when it may have changed."""
        async with self._making:
            began = time.monotonic()
            if self._value is not None and (stamp <= self._stamp or began < self._until):
                return self._value
            self._value, self._stamp = await make(), stamp
            ended = time.monotonic()
            self._until = ended + _TIMES * (ended - began)
            return self._value
