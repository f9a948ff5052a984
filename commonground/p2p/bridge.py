"""trio in a thread of its own, so that the rest of the node stays asyncio.

Rules of the two sides:
  * `call` is used from the asyncio loop and runs a trio function in the thread;
  * `ask` is used from trio and runs a coroutine function on the asyncio loop;
  * nothing else crosses. A cancelled or timed-out caller cancels the work on the other side.

If anything escapes the trio side, the thread ends and `done` resolves with the exception. Whoever
started the bridge decides about a restart: a bridge object runs once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple

import trio

from commonground.p2p.limits import CALL_SECONDS, STOP_SECONDS
from protocol.errors import StateError, Unreachable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Setup = Callable[["TrioBridge"], AbstractAsyncContextManager[T]]


def _stopped() -> Unreachable:
    return Unreachable("the peer-to-peer thread is not running")


@dataclass(frozen=True, slots=True)
class _Inside:
    """The way into a running trio program."""

    token: trio.lowlevel.TrioToken
    nursery: trio.Nursery


class TrioBridge:
    """One run of one trio program; construct and `start` it on the asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._thread: threading.Thread | None = None
        # Written by the thread before `started` resolves, read-only afterwards.
        self._inside: _Inside | None = None
        # Made here, used in the thread only.
        self._stopping = trio.Event()
        self._everything = trio.CancelScope()

    async def start(self, setup: Setup[T]) -> T:
        """Enter `setup(self)` in a new thread and return what it yields; raises what it raises."""
        if self._thread is not None:
            raise StateError("a bridge runs once; make another one")
        started: asyncio.Future[T] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(setup, started), name="libp2p", daemon=True
        )
        self._thread.start()
        await self._until_done(started)
        if started.done():
            return started.result()
        raise self.done.result() or _stopped()

    def _run(self, setup: Setup[T], started: asyncio.Future[T]) -> None:
        async def main() -> None:
            with self._everything:
                async with setup(self) as value, trio.open_nursery() as nursery:
                    self._inside = _Inside(trio.lowlevel.current_trio_token(), nursery)
                    self._tell_asyncio(started, value)
                    await self._stopping.wait()
                    nursery.cancel_scope.cancel()  # calls end; `setup` then closes undisturbed

        error: BaseException | None = None
        try:
            trio.run(main, restrict_keyboard_interrupt_to_checkpoints=True)
        except BaseException as caught:  # the thread's last words, delivered through `done`
            error = caught
        self._tell_asyncio(self.done, error)

    def _tell_asyncio(self, future: asyncio.Future[Any], value: object) -> None:
        def settle() -> None:
            if not future.done():
                future.set_result(value)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return  # the loop has closed, so nobody waits for this answer

    async def call(
        self,
        function: Callable[[*Ts], Awaitable[T]],
        *args: *Ts,
        timeout: float | None = CALL_SECONDS,
    ) -> T:
        """Await `function(*args)` in the trio thread; its exceptions are raised here.

        Raises TimeoutError after `timeout` seconds, and Unreachable when the thread is not running
        or ends before the answer.
        """
        answer: Future[T] = Future()
        scope = trio.CancelScope()

        async def job() -> None:
            with scope:
                try:
                    result = await function(*args)
                except Exception as error:
                    _settle(answer, error=error)
                else:
                    _settle(answer, result=result)
            if scope.cancelled_caught:
                _settle(answer, error=_stopped())

        inside = self._inside
        if inside is None:
            raise _stopped()

        def spawn() -> None:
            try:
                inside.nursery.start_soon(job)
            except RuntimeError:  # the nursery is closing
                _settle(answer, error=_stopped())

        try:
            inside.token.run_sync_soon(spawn)
        except trio.RunFinishedError:
            raise _stopped() from None
        waiting = asyncio.wrap_future(answer)
        try:
            async with asyncio.timeout(timeout):
                await self._until_done(waiting)
        except BaseException:
            waiting.cancel()
            self._tell_trio(scope.cancel)
            raise
        if not waiting.done():
            raise _stopped()
        return waiting.result()

    async def _until_done(self, future: asyncio.Future[T]) -> None:
        futures: set[asyncio.Future[Any]] = {future, self.done}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)

    def _tell_trio(self, function: Callable[[], object]) -> None:
        if self._inside is None:
            return
        try:
            self._inside.token.run_sync_soon(function)
        except trio.RunFinishedError:
            return  # whom it was for is gone

    async def ask(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """From trio: await `function(*args)` on the asyncio loop; its exceptions come back."""
        token = trio.lowlevel.current_trio_token()
        answered = trio.Event()

        def wake(_: Future[T]) -> None:
            try:
                token.run_sync_soon(answered.set)
            except trio.RunFinishedError:
                return  # the asker is gone

        coroutine = function(*args)
        try:
            answer = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise _stopped() from None
        answer.add_done_callback(wake)
        try:
            await answered.wait()
        except BaseException:
            answer.cancel()
            raise
        return answer.result()

    def post(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """From trio: run a quick function on the asyncio loop some time soon; no answer."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return  # the loop has closed: nobody is listening

    async def stop(self, timeout: float = STOP_SECONDS) -> bool:
        """End the calls, let `setup` close what it opened, and wait for the end of the thread.

        What has not closed after `timeout` seconds is cancelled; False if even that did not help
        (the thread is a daemon, so it keeps no process alive).
        """
        if self._thread is None:
            return True
        for step in (self._stopping.set, self._everything.cancel):
            self._tell_trio(step)
            await asyncio.to_thread(self._thread.join, timeout)
            if not self._thread.is_alive():
                return True
        return False


def _settle(
    answer: Future[T], *, result: T | None = None, error: BaseException | None = None
) -> None:
    # Cancelling the asyncio waiter cancels `answer` too; a result that comes later is dropped.
    if answer.done() or not answer.set_running_or_notify_cancel():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)  # type: ignore[arg-type]
