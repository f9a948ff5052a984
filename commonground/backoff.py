"""How long to wait before trying again: exponential, bounded, and spread by chance.

Without the chance all nodes that lost one coordinator would come back to it in the same second.

    Backoff              for what goes on for ever, or counts its failures in a way of its own
    persistent           for a call that is repeated some times, or for some time (`stamina`)
    persistent_async     the same for a coroutine function
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from stamina import AsyncRetryingCaller, RetryingCaller

# Four seconds in all: somebody at a terminal waits for it.
ATTEMPTS: Final = 5
_FIRST_SECONDS: Final = 0.25
_MAX_SECONDS: Final = 2.0
# 2**32 of any first wait exceed the longest; a larger exponent would only overflow.
_DOUBLINGS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from the first to the longest, in seconds."""

    first_seconds: float
    max_seconds: float

    def delay(self, failures: int) -> float:
        """The wait after a failure; `failures` are those in a row before it. By chance down to half."""
        longest = min(self.max_seconds, self.first_seconds * 2.0 ** min(failures, _DOUBLINGS_MAX))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311


# Of a daemon's parts: a coordinator that is back is noticed within a minute.
PATIENT: Final = Backoff(first_seconds=1.0, max_seconds=60.0)


class _Policy(TypedDict):
    attempts: int | None
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def persistent(attempts: int = ATTEMPTS, seconds: float | None = None) -> RetryingCaller:
    """Calls `(on, function, *arguments)`: again while `on`, an error or a question about one, says so.

    It ends after so many attempts, or with the first that fails after `seconds`; then the last error is
    raised. The waits add up to `2 ** (attempts - 1) / 4` seconds at first, and grow to two seconds each.
    """
    from stamina import RetryingCaller

    return RetryingCaller(**_policy(attempts, seconds))


def persistent_async(attempts: int = ATTEMPTS, seconds: float | None = None) -> AsyncRetryingCaller:
    """`persistent` for a coroutine function."""
    from stamina import AsyncRetryingCaller

    return AsyncRetryingCaller(**_policy(attempts, seconds))


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
