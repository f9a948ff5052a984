"""The committee that opens a round's sum: who is in it, what each member holds, how many are needed.

A partner hides its update under masks, one for each way to choose `colluders_of(size)` members, and gives
the seed of each mask to every member but those. So many members together lack one seed of everybody's,
and one more has them all. A sum of updates is shown by the sums of their masks, which take every mask's
sum from one of its holders; no single update is.

Members say in the log what they open, and show it once `needed_of(size)` have said the same: of two sets of
one round at most one can have so many, unless more than `colluders_of` speak twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import Final

from protocol.identity import PersonId

# Of seven, two may collude and two may be away; each partner draws 21 seeds. Of nine it were 84 and no more
# away.
COMMITTEE_MAX: Final = 7
_ROUND_BYTES: Final = 4

Masks = int
"""Some of a committee's masks: a bit for each, in the order of `withheld`."""


def colluders_of(size: int) -> int:
    """So many of a committee, with the coordinator, learn nothing but sums."""
    return (size + 1) // 3


def noise_parties_max(partners: int, summed: int) -> int:
    """Whose noise at most may be counted on, in a sum of so many updates of a job's partners.

    Any partner knows its own noise, and so many of a committee may tell the coordinator theirs: what is
    promised has to be in what the others add.
    """
    return max(1, summed - max(1, colluders_of(min(COMMITTEE_MAX, partners))))


def needed_of(size: int) -> int:
    """So many of a committee have to open a sum.

    More than half of the honest and all who may collude, so that two sets never have enough; but of three
    or more one may always be away. Of three it is then the coordinator alone who cannot split a round; with
    one of them it can, and leaves two signatures of that member that show it.
    """
    return min((size + colluders_of(size)) // 2 + 1, max(size - 1, colluders_of(size) + 1))


@cache
def withheld(size: int) -> tuple[frozenset[int], ...]:
    """For each mask of a committee the members who do not get its seed."""
    return tuple(map(frozenset, combinations(range(size), colluders_of(size))))


@cache
def held(size: int, member: int) -> tuple[int, ...]:
    """The masks whose seeds a member gets."""
    return tuple(mask for mask, without in enumerate(withheld(size)) if member not in without)


def masks_of(bits: Masks) -> Iterator[int]:
    """The masks that the bits name, in ascending order."""
    return (at for at in range(bits.bit_length()) if bits >> at & 1)


def bits_of(masks: Iterable[int]) -> Masks:
    """The bits that name these masks."""
    return sum(1 << mask for mask in set(masks))


def duties_of(size: int, present: Sequence[int]) -> dict[tuple[int, ...], Masks] | None:
    """Which masks each one or two of the members present sum, so that every mask is in one duty.

    The first of a duty shows its sum, the second makes sure of it. They are neighbours on the circle of
    those present: of more than twice the colluders some two neighbours hold any mask. Where fewer are left
    a mask may have one holder. None: one has nobody.
    """
    circle = sorted(present)
    duties: dict[tuple[int, ...], Masks] = {}
    for mask, without in enumerate(withheld(size)):
        # Begins elsewhere for every mask, so that duties are alike in size.
        order = [circle[(mask + at) % len(circle)] for at in range(len(circle))]
        pairs = zip(order, [*order[1:], order[0]], strict=True)
        choices: list[tuple[int, ...]] = [pair for pair in pairs if pair[0] != pair[1]]
        choices += [(one,) for one in order]
        found = next((each for each in choices if without.isdisjoint(each)), None)
        if found is None:
            return None
        duties[found] = duties.get(found, 0) | 1 << mask
    return duties


def draw_committee(
    job_id: str, round_: int, seed: bytes, model: bytes, candidates: Collection[PersonId]
) -> tuple[PersonId, ...]:
    """The committee of a round, in the order in which masks are counted.

    Everybody's noise is in the model that a round starts from, so that nobody foresees the committees; the
    first one is drawn from what `seed_of` says alone.
    """

    def rank(person: PersonId) -> bytes:
        return _digest("committee", _round(job_id, round_), seed, model, person)

    return tuple(sorted(candidates, key=rank)[:COMMITTEE_MAX])


def seed_of(job_id: str, sealing_keys: Iterable[bytes]) -> bytes:
    """What all who joined have added to the draw of committees: each a key that others could not foresee."""
    return _digest("committee-seed", job_id.encode() + b"\0", *sorted(sealing_keys))


def set_digest(
    network: bytes, job_id: str, round_: int, updates: Iterable[tuple[PersonId, bytes, bytes]]
) -> bytes:
    """The name of a round's set: each (partner, hash of its update, hash of its seeds), in order."""
    parts = (part for update in updates for part in update)
    return _digest("training-set", network, _round(job_id, round_), *parts)


def _round(job_id: str, round_: int) -> bytes:
    return job_id.encode() + b"\0" + round_.to_bytes(_ROUND_BYTES, "big")


def _digest(domain: str, *parts: bytes) -> bytes:
    return hashlib.sha256(f"commonhold/v1/{domain}".encode() + b"\0" + b"".join(parts)).digest()
