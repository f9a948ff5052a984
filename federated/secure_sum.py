"""Sums that nobody can look into: a partner hides its update, a committee takes the masks off the sum.

    partner     value + sum of its masks, one for each way to choose those who may collude
    member      for masks that it holds, the sum over the round's set; nothing else ever leaves it
    whoever     sum of hidden updates - sum of all masks' sums = sum of the values, exactly

Masks are key streams of fresh random seeds: without one of its seeds a hidden update is uniform, whatever
it holds. See protocol.committee for who lacks which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from federated.ring import Ring, Words
from protocol.committee import Masks, masks_of


def hide(ring: Ring, values: Words, seeds: Sequence[bytes]) -> Words:
    """The values under all masks of these seeds."""
    hidden = values.astype(ring.dtype)
    for seed in seeds:
        ring.add_mask(hidden, seed)
    return hidden


def sum_masks(ring: Ring, size: int, masks: Masks, seeds: Iterable[Mapping[int, bytes]]) -> Words:
    """The sum of some masks, of everybody in a set; `seeds` has each partner's, by mask."""
    total = ring.zeros(size)
    for mine in seeds:
        for mask in masks_of(masks):
            ring.add_mask(total, mine[mask])
    return total


def uncover(ring: Ring, hidden: Iterable[Words], masks: Iterable[Words], size: int) -> Words:
    """The sum of the values, from the hidden updates of a set and the sums of all its masks."""
    total = ring.zeros(size)
    for each in hidden:
        total += each
    for each in masks:
        total -= each
    return total
