"""A partner's part in secure sums: seals the seeds of its own masks, and opens sums of everybody's.

A member opens the set that its own replay of the log has, and no other, whatever it is asked; only shares
that their partners signed; only masks that it holds. What it found is in the log before it shows it, and it
shows it once so many members have said the same that no other set of the round can have as many.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commonground.committees import FixedSet, RoundStart, Signed
from federated.duty import Duty
from federated.ring import Ring, Words
from federated.secure_sum import hide, sum_masks
from protocol.committee import Masks, held, masks_of, withheld
from protocol.errors import Reject
from protocol.identity import PersonId, short
from protocol.shares import (
    SEED_BYTES,
    Sealed,
    Share,
    commitment,
    open_share,
    seal_seeds,
    share_bytes,
)


@dataclass(frozen=True, slots=True)
class Masked:
    """What a partner gives to a round."""

    hidden: bytes  # Ring.pack
    sealed: Sealed

    @property
    def signed(self) -> Signed:
        """What the partner signs of it."""
        return Signed(hashlib.sha256(self.hidden).digest(), self.sealed.digest)


class WrongShare(Reject):
    """A partner did not seal to us what it committed to, and signed."""

    def __init__(self, partner: PersonId, share: Share, why: Reject) -> None:
        super().__init__(f"{short(partner)} sealed wrong seeds: {why}")
        self.partner, self.share = partner, share


@dataclass(frozen=True, slots=True)
class Member:
    """This machine, in one job. `duty` remembers what it must not forget."""

    me: PersonId
    job_id: str
    duty: Duty
    ring: Ring
    randomness: Callable[[int], bytes] = os.urandom

    def mask(self, start: RoundStart, values: Words) -> Masked:
        """The values under fresh masks, whose seeds are sealed to the round's committee."""
        committee = start.committee
        seeds = [self.randomness(SEED_BYTES) for _ in withheld(committee.size)]
        ephemerals = self.duty.ephemerals(
            self.job_id, start.number, list(map(commitment, seeds)), committee.size
        )
        keyed = list(zip(committee.members, committee.keys, strict=True))
        sealed = seal_seeds(start.place(self.me), seeds, keyed, ephemerals)
        return Masked(self.ring.pack(hide(self.ring, values, seeds)), sealed)

    def open(
        self, fixed: FixedSet, shares: bytes, duties: Sequence[Masks], size: int
    ) -> dict[Masks, bytes]:
        """The sums of these masks over the set, packed, one group after the other; the set is ours for good.

        Raises Reject for what we were not to be asked, or a share that is not the signed one; WrongShare;
        StateError when we opened another set of this round.
        """
        seat = self._seat(fixed, duties)
        self.duty.bind(self.job_id, fixed.round.number, fixed.digest)
        seeds = self._seeds(fixed, shares, seat)
        return {
            masks: b"".join(
                self.ring.pack(sum_masks(self.ring, size, masks, [seeds[who] for who in group]))
                for group in fixed.groups
            )
            for masks in set(duties)
        }

    def show(self, fixed: FixedSet, shares: bytes, masks: Masks) -> bytes:
        """Everybody's seeds of these masks, which another member and we contradict each other about.

        One of us lies, and is none of those who lack these masks. Those who may collude are too few for it
        then: of all masks that every one of them lacks, this is none. Raises as `open` does.
        """
        seat = self._seat(fixed, [masks])
        if (self.me, masks) not in fixed.opened or not fixed.contradicted(masks):
            raise Reject("nobody contradicts this member about these masks")
        self.duty.bind(self.job_id, fixed.round.number, fixed.digest)
        seeds = self._seeds(fixed, shares, seat)
        return b"".join(mine[mask] for mine in seeds.values() for mask in masks_of(masks))

    def answer(self, start: RoundStart, member: PersonId, share: Share) -> bytes:
        """The key that sealed our box for a member, who says that it is wrong."""
        committee = start.committee
        keys = self.duty.ephemerals(self.job_id, start.number, share.commitments, committee.size)
        return keys[committee.members.index(member)]

    def _seat(self, fixed: FixedSet, duties: Sequence[Masks]) -> int:
        """Our place in the committee. Raises Reject where we have none, or do not hold these masks."""
        committee = fixed.round.committee
        if self.me not in committee.members:
            raise Reject("this machine is not in the round's committee")
        seat = committee.members.index(self.me)
        mine = set(held(committee.size, seat))
        if not duties or any(
            masks <= 0 or not mine.issuperset(masks_of(masks)) for masks in duties
        ):
            raise Reject("this member does not hold these masks")
        return seat

    def _seeds(self, fixed: FixedSet, raw: bytes, seat: int) -> dict[PersonId, dict[int, bytes]]:
        """Those of each partner in the set that are sealed to us, by mask."""
        size, length = fixed.round.committee.size, share_bytes(fixed.round.committee.size)
        if len(raw) != length * len(fixed.partners):
            raise Reject("there is not one share for each partner of the set")
        private, seeds = self.duty.key(self.job_id), {}
        for at, (partner, signed) in enumerate(fixed.partners.items()):
            share = Share.decode(raw[at * length : (at + 1) * length], size)
            if share.digest(seat) != signed.seeds:
                raise Reject(f"the share of {short(partner)} is not the one that it signed")
            try:
                place = fixed.round.place(partner)
                seeds[partner] = open_share(place, share, private, seat, self.me)
            except Reject as wrong:
                raise WrongShare(partner, share, wrong) from None
        return seeds
