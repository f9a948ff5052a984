"""How long to wait before trying again: exponential, bounded, and spread by chance.

Without the chance all nodes that lost one coordinator would come back to it in the same second.
"""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 1.0
# A coordinator that is back is noticed within a minute.
MAX_SECONDS: Final = 60.0
# 2**6 seconds exceed the maximum; a larger exponent would only overflow.
_DOUBLINGS_MAX: Final = 6


def delay_seconds(attempt: int, chance: float) -> float:
    """The wait after `attempt` failures in a row (0 = the first); `chance` is uniform in [0, 1)."""
    longest = min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, _DOUBLINGS_MAX))
    return longest * (0.5 + 0.5 * chance)
