"""Who gets what of an epoch: integers, and not a micro-unit more or less.

A pool is split by weight with the largest-remainder method (Hamilton), ties by position, so that the
parts always add up to the pool exactly and everybody computes the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.limits import PPM, WHOLE_PERMILLE


def split(pool: int, weights: Sequence[int]) -> list[int]:
    """Parts of `pool` in proportion to `weights` (all >= 0); all zero when no weight is positive."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    parts = [pool * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(pool * weights[i] % total), i))
    for index in by_remainder[: pool - sum(parts)]:
        parts[index] += 1
    return parts


@dataclass(frozen=True, slots=True)
class Pools:
    """An epoch's emission by role, in micro-shares."""

    contributors: int
    reviewers: int
    trainers: int
    treasury: int


def emission_pools(
    emission: int, contributors_ppm: int, reviewers_ppm: int, trainers_ppm: int
) -> Pools:
    """Cuts the emission by policy; the treasury has the rest, with what rounding leaves."""
    contributors = emission * contributors_ppm // PPM
    reviewers = emission * reviewers_ppm // PPM
    trainers = emission * trainers_ppm // PPM
    return Pools(contributors, reviewers, trainers, emission - contributors - reviewers - trainers)


def item_weight(price_ppm: int, worth_permille: int) -> int:
    """What an accepted item weighs that is worth so much of its price."""
    return price_ppm * worth_permille // WHOLE_PERMILLE


def contribution_weights(
    earned: Sequence[int], penalty: int, owed: int
) -> tuple[list[int], list[int]]:
    """The weights of a contributor's lines of one campaign, one for each price, and how much each repays.

    First `penalty`, for all that was rejected, then what is `owed` comes off what was earned, line by line:
    a line that earned nothing hides none of it. Volume alone earns nothing: whoever is right less often
    than policy demands comes out at zero, and then repays nothing either.
    """
    weights, repaid = [], []
    for each in earned:
        fined = min(each, penalty)
        back = min(each - fined, owed)
        penalty, owed = penalty - fined, owed - back
        weights.append(each - fined - back)
        repaid.append(back)
    return weights, repaid
