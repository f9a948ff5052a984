"""What a request names, and the thread that asks the desk for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from node.answering import RoundKey
from protocol.limits import HASH_BYTES

T = TypeVar("T")


class Hand:
    """One thread that asks the desk, one question after the other, so that it sees the log whole."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "desk")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Waits for what it is at."""
        self._thread.shutdown()


def key_in(request: Request) -> RoundKey:
    """The round that an address names."""
    return read_key(request.path_params["campaign"], request.path_params["round"])


def read_key(campaign: object, number: object) -> RoundKey:
    """The round that a browser names."""
    if not isinstance(campaign, str) or type(number) is not int or not 0 < number < 2**63:
        raise HTTPException(400)
    return RoundKey(campaign, number)


def read_item_id(text: object) -> bytes:
    """The item that a browser names."""
    try:
        item_id = bytes.fromhex(str(text))
    except ValueError:
        raise HTTPException(404) from None
    if len(item_id) != HASH_BYTES:
        raise HTTPException(404)
    return item_id
