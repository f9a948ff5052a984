"""Noise that everybody can compute: for tests of whole jobs that have to end with the same model, and for
nothing else.

Whoever knows the seed subtracts the noise: nothing is private. `commonhold federated join` says so loudly.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import Any, Final

from federated.model import Weights
from federated.partner import LocalUpdate, Partner

OPTION: Final = "--fixed-noise-for-tests"


class FixedNoisePartner(Partner):
    """A partner whose update of a round is the same whenever, and however often, it is computed."""

    def __init__(self, seed: str, *arguments: Any) -> None:
        """`arguments` are those of Partner, without the randomness."""
        super().__init__(*arguments)
        self._seed = seed

    def update(self, round_: int, base: Weights) -> LocalUpdate:
        """As Partner's, with bytes that follow from seed and round."""
        self._randomness = _bytes_of(f"{OPTION}\0{self._seed}\0{round_}")
        return super().update(round_, base)


def partner_with(seed: str, say: Callable[[str], None], *arguments: Any) -> Partner:
    """A Partner; with a seed one whose noise is fixed, and who says what that means."""
    if not seed:
        return Partner(*arguments)
    say(f"WARNING: {OPTION}: everybody can compute this noise; NOTHING IS PRIVATE")
    return FixedNoisePartner(seed, *arguments)


def _bytes_of(name: str) -> Callable[[int], bytes]:
    calls = itertools.count()

    def give(count: int) -> bytes:
        return hashlib.shake_256(f"{name}\0{next(calls)}".encode()).digest(count)

    return give
