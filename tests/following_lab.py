"""What tests of followers compare and wait by."""

from __future__ import annotations

import asyncio

from protocol.state import State


def same(one: State, other: State) -> bool:
    return list(one.rows()) == list(other.rows())


class Waits:
    """A sleep that passes at once, keeps what it was asked for, and ends a loop after some."""

    def __init__(self, most: int) -> None:
        self.asked: list[float] = []
        self.most = most

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) == self.most:
            raise asyncio.CancelledError
        await asyncio.sleep(0)
