"""Cohorts: the partners of a round in groups that nobody chose, and pay by what the groups show.

Nobody sees one partner's update. Where a job asks for it, the sum of each cohort is opened instead of the sum
of all; drawn afresh for each round, many such sums tell partners apart (federated.valuation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from enum import StrEnum

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.limits import PPM
from protocol.money.pools import split

_DOMAIN = b"commonhold/v1/cohorts\0"


class Defence(StrEnum):
    """How the sums of cohorts are combined; federated.robust says what each does."""

    MEAN = "mean"
    BOUNDED = "bounded"
    MEDIAN = "median"
    TRIMMED = "trimmed"
    TRUSTED = "trusted"


def draw_cohorts(
    seed: bytes, round_: int, partners: Collection[PersonId], count: int
) -> tuple[tuple[PersonId, ...], ...]:
    """`count` groups of a round's partners, each in ascending order, whose sizes differ by one at most.

    The order is that of SHA-256 over the seed, the round and the partner: who does not choose the seed does
    not choose anybody's company. Raises Reject for fewer partners than cohorts.
    """
    if not 1 <= count <= len(partners):
        raise Reject(f"{len(partners)} partners make no {count} cohorts", "wait for more of them")
    start = _DOMAIN + seed + round_.to_bytes(4, "big")
    drawn = sorted(partners, key=lambda each: hashlib.sha256(start + each).digest())
    return tuple(tuple(sorted(drawn[number::count])) for number in range(count))


def update_weights(shares_ppm: Sequence[int], worth_ppm: int) -> list[int]:
    """What the update of each partner weighs in a round's pay, in parts per million of one update.

    Of the pay, `worth_ppm` goes by the partners' shares of what was worth something, and the rest to each
    alike. The weights add up to one for each partner, so that a job's pay does not hang on its shares.
    """
    by_worth = split(worth_ppm * len(shares_ppm), shares_ppm)
    return [PPM - worth_ppm + each for each in by_worth]
