"""The bridge between asyncio and trio: results, errors, cancellation and ends, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from commonground.p2p.bridge import TrioBridge
from protocol.errors import StateError, Unreachable


class Program:
    """A trio program that a test can look into."""

    def __init__(self) -> None:
        self.closed = False
        self.explode = trio.Event()

    @asynccontextmanager
    async def __call__(self, bridge: TrioBridge) -> AsyncIterator[str]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_and_explode)
            yield "ready"
            await trio.lowlevel.checkpoint()  # not cancelled: what is open can be closed
            self.closed = True
            nursery.cancel_scope.cancel()

    async def _wait_and_explode(self) -> None:
        await self.explode.wait()
        raise RuntimeError("boom")


@asynccontextmanager
async def started() -> AsyncIterator[tuple[TrioBridge, Program]]:
    bridge, program = TrioBridge(), Program()
    assert await bridge.start(program) == "ready"
    try:
        yield bridge, program
    finally:
        assert await bridge.stop()


async def _double(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * number


async def _fail() -> None:
    raise ValueError("no")


async def test_results_and_errors_cross() -> None:
    async with started() as (bridge, _):
        assert await bridge.call(_double, 21) == 42
        with pytest.raises(ValueError, match="no"):
            await bridge.call(_fail)
        assert await asyncio.gather(*(bridge.call(_double, n) for n in range(50))) == [
            2 * n for n in range(50)
        ]


async def test_a_cancelled_caller_cancels_the_work() -> None:
    async with started() as (bridge, _):
        entered, left = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            bridge.post(entered.set)
            try:
                await trio.sleep_forever()
            finally:
                bridge.post(left.set)

        task = asyncio.create_task(bridge.call(work))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(left.wait(), 10)
        entered.clear()
        left.clear()
        with pytest.raises(TimeoutError):
            await bridge.call(work, timeout=0.01)
        await asyncio.wait_for(left.wait(), 10)


async def test_trio_asks_asyncio() -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        if number < 0:
            raise ValueError("negative")
        return number + 1

    async with started() as (bridge, _):

        async def ask(number: int) -> int:
            return await bridge.ask(answer, number)

        assert await bridge.call(ask, 1) == 2
        with pytest.raises(ValueError, match="negative"):
            await bridge.call(ask, -1)


async def test_a_question_that_trio_gives_up_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with started() as (bridge, _):

        async def impatient() -> bool:
            with trio.move_on_after(0.01) as scope:
                await bridge.ask(never)
            return scope.cancelled_caught

        assert await bridge.call(impatient)
        await asyncio.wait_for(cancelled.wait(), 10)


async def test_a_stop_ends_calls_and_closes_undisturbed() -> None:
    bridge, program = TrioBridge(), Program()
    await bridge.start(program)
    waiting = asyncio.create_task(bridge.call(trio.sleep_forever))
    assert await bridge.call(_double, 1) == 2  # the other call has begun as well
    assert await bridge.stop()
    with pytest.raises(Unreachable):
        await waiting
    assert program.closed
    assert await bridge.done is None
    with pytest.raises(Unreachable):
        await bridge.call(_double, 1)
    assert await bridge.stop()


async def test_a_crash_resolves_done_and_ends_calls() -> None:
    bridge, program = TrioBridge(), Program()
    await bridge.start(program)
    waiting = asyncio.create_task(bridge.call(trio.sleep_forever))

    async def explode() -> None:
        program.explode.set()

    await bridge.call(explode)
    assert isinstance(await asyncio.wait_for(bridge.done, 10), BaseExceptionGroup)
    with pytest.raises(Unreachable):
        await waiting


async def test_a_program_that_does_not_start_raises_in_start() -> None:
    @asynccontextmanager
    async def broken(bridge: TrioBridge) -> AsyncIterator[None]:
        raise OSError("no network")
        yield

    bridge = TrioBridge()
    with pytest.raises(OSError, match="no network"):
        await bridge.start(broken)
    with pytest.raises(StateError):
        await bridge.start(broken)
