"""How long to wait before trying again: exponential, bounded, and spread by chance.

Without the chance all nodes that lost one coordinator would come back to it in the same second.

    Backoff              for what goes on for ever, or counts its failures in a way of its own
    persistent           for a call that is repeated some times, or for some time (`stamina`)
    persistent_async     the same for a coroutine function

An error that says for how many `seconds` whoever refused asks to be left alone (commonground.status.Busy) is
heeded by all three: the wait is that long, or a little longer.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypedDict, TypeVar

T = TypeVar("T")

On: TypeAlias = "type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]"
"""Which errors pass: their types, or a question about one."""

# Four seconds in all: somebody at a terminal waits for it.
ATTEMPTS: Final = 5
_FIRST_SECONDS: Final = 0.25
_MAX_SECONDS: Final = 2.0
# Asked to wait longer than this, a call is not repeated but fails: its caller says when to come back.
HEEDED_SECONDS_MAX: Final = 30.0
# Those who were asked at the same time come back spread over as much again as this part of the wait.
_SPREAD: Final = 0.5
# 2**32 of any first wait exceed the longest; a larger exponent would only overflow.
_DOUBLINGS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from the first to the longest, in seconds."""

    first_seconds: float
    max_seconds: float

    def delay(self, failures: int, error: BaseException | None = None) -> float:
        """The wait after a failure; `failures` are those in a row before it. By chance down to half.

        It is no shorter than the last `error` asks for.
        """
        longest = min(self.max_seconds, self.first_seconds * 2.0 ** min(failures, _DOUBLINGS_MAX))
        return max(longest * random.uniform(0.5, 1.0), heeded_seconds(error))  # noqa: S311


def heeded_seconds(error: BaseException | None) -> float:
    """How long an error asks to wait, and a little longer by chance; 0 when it does not say."""
    asked = float(getattr(error, "seconds", 0.0))
    return asked * random.uniform(1.0, 1.0 + _SPREAD)  # noqa: S311


# Of a daemon's parts: a coordinator that is back is noticed within a minute.
PATIENT: Final = Backoff(first_seconds=1.0, max_seconds=60.0)


class _Policy(TypedDict):
    attempts: int | None
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def persistent(attempts: int = ATTEMPTS, seconds: float | None = None) -> Callable[..., T]:
    """Calls `(on, function, *arguments)`: again while `on`, an error or a question about one, says so.

    It ends after so many attempts, or with the first that fails after `seconds`; then the last error is
    raised. The waits add up to `2 ** (attempts - 1) / 4` seconds at first, and grow to two seconds each.
    """
    from stamina import RetryingCaller

    caller = RetryingCaller(**_policy(attempts, seconds))
    return lambda on, function, *arguments: caller(_heeding(on), function, *arguments)


def persistent_async(
    attempts: int = ATTEMPTS, seconds: float | None = None
) -> Callable[..., Awaitable[T]]:
    """`persistent` for a coroutine function."""
    from stamina import AsyncRetryingCaller

    caller = AsyncRetryingCaller(**_policy(attempts, seconds))
    return lambda on, function, *arguments: caller(_heeding(on), function, *arguments)


def _heeding(on: On) -> Callable[[Exception], bool | float]:
    """Whether an error passes, and after which wait if it says so itself."""

    def passes(error: Exception) -> bool | float:
        matches = isinstance(error, on) if isinstance(on, type | tuple) else on(error)
        wait = heeded_seconds(error)
        if not matches or wait > HEEDED_SECONDS_MAX:
            return False
        return wait or True

    return passes


def _policy(attempts: int, seconds: float | None) -> _Policy:
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())  # what it would log is for programs without words of their own
    return {
        "attempts": None if seconds is not None else attempts,
        "timeout": seconds,
        "wait_initial": _FIRST_SECONDS,
        "wait_max": _MAX_SECONDS,
        "wait_jitter": _FIRST_SECONDS,
    }
