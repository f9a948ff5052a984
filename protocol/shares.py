"""What a partner gives the committee of a round: its seeds, sealed, so that everybody can hold it to them.

For each mask a commitment to its seed, and for each member one box with the seeds of the masks that it
holds. The partner signs the digest of all of it with its update. A member gets its own box, the commitments
and the hashes of the rest, and so knows that others were given the same seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.committee import held, withheld
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.limits import HASH_BYTES
from protocol.sealing import OVERHEAD_BYTES, reveal, seal, unseal

SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Which boxes these are: of one partner, in one round of one job."""

    network: bytes
    job_id: str
    round: int
    partner: PersonId

    def context(self, member: PersonId) -> bytes:
        """What the box of a member is bound to."""
        where = self.network + self.job_id.encode() + b"\0" + self.round.to_bytes(4, "big")
        return where + self.partner + member


@dataclass(frozen=True, slots=True)
class Share:
    """What one member gets of what a partner sealed."""

    commitments: tuple[bytes, ...]  # one for each mask
    box: bytes
    hashes: tuple[bytes, ...]  # of everybody's boxes

    def digest(self, member: int) -> bytes:
        """The digest of all that the partner sealed, if the box is that of this member."""
        hashes = (*self.hashes[:member], _hash(self.box), *self.hashes[member + 1 :])
        return _digest(self.commitments, hashes)

    def encode(self) -> bytes:
        """The share; its length follows from the committee's size."""
        return b"".join((*self.commitments, self.box, *self.hashes))

    @classmethod
    def decode(cls, raw: bytes, size: int) -> Share:
        """The share of a member of a committee of this size. Raises Reject."""
        if len(raw) != share_bytes(size):
            raise Reject(f"a share has {share_bytes(size)} bytes, not {len(raw)}")
        at = len(withheld(size)) * HASH_BYTES
        end = at + _box_bytes(size)
        return cls(_split(raw[:at], HASH_BYTES), raw[at:end], _split(raw[end:], HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Sealed:
    """All that a partner sealed in a round."""

    commitments: tuple[bytes, ...]  # one for each mask
    boxes: tuple[bytes, ...]  # one for each member

    @property
    def digest(self) -> bytes:
        """What the partner signs."""
        return _digest(self.commitments, tuple(map(_hash, self.boxes)))

    def share(self, member: int) -> Share:
        """What a member gets."""
        return Share(self.commitments, self.boxes[member], tuple(map(_hash, self.boxes)))

    def encode(self) -> bytes:
        """All of it; its length follows from the committee's size."""
        return b"".join((*self.commitments, *self.boxes))

    @classmethod
    def decode(cls, raw: bytes, size: int) -> Sealed:
        """What was sealed to a committee of this size. Raises Reject."""
        at = len(withheld(size)) * HASH_BYTES
        if len(raw) != at + size * _box_bytes(size):
            raise Reject(f"the seeds for a committee of {size} do not have {len(raw)} bytes")
        return cls(_split(raw[:at], HASH_BYTES), _split(raw[at:], _box_bytes(size)))


def seal_seeds(
    place: Place,
    seeds: Sequence[bytes],
    committee: Sequence[tuple[PersonId, bytes]],
    ephemerals: Sequence[bytes],
) -> Sealed:
    """Seals one seed for each mask to the (person, sealing key) of each member, with a key for each box."""
    size = len(committee)
    boxes = (
        seal(
            ephemeral,
            key,
            b"".join(seeds[mask] for mask in held(size, member)),
            place.context(person),
        )
        for member, ((person, key), ephemeral) in enumerate(zip(committee, ephemerals, strict=True))
    )
    return Sealed(tuple(map(commitment, seeds)), tuple(boxes))


def open_share(
    place: Place, share: Share, private: bytes, member: int, me: PersonId
) -> dict[int, bytes]:
    """A member's seeds by mask, from a share whose digest is the signed one.

    Raises Reject when the partner did not give us the seeds that it committed to.
    """
    return _seeds(share, member, unseal(private, share.box, place.context(me)))


def shown_share(
    place: Place, share: Share, ephemeral: bytes, member: int, holder: tuple[PersonId, bytes]
) -> dict[int, bytes]:
    """The same, by the key that the partner sealed the box with; `holder` is the member's person and sealing
    key. Raises Reject as `open_share`."""
    person, key = holder
    return _seeds(share, member, reveal(ephemeral, key, share.box, place.context(person)))


def commitment(seed: bytes) -> bytes:
    """Hides a seed as long as nobody guesses it; binds whoever gives it away."""
    return hashlib.sha256(b"commonhold/v1/mask-seed\0" + seed).digest()


def share_bytes(size: int) -> int:
    """Of one share for a member of a committee of this size."""
    return len(withheld(size)) * HASH_BYTES + _box_bytes(size) + size * HASH_BYTES


def _seeds(share: Share, member: int, plain: bytes) -> dict[int, bytes]:
    masks = held(len(share.hashes), member)
    seeds = dict(zip(masks, _split(plain, SEED_BYTES), strict=False))
    if len(plain) != len(masks) * SEED_BYTES or any(
        commitment(seed) != share.commitments[mask] for mask, seed in seeds.items()
    ):
        raise Reject("the box does not hold the seeds that were committed to")
    return seeds


def _box_bytes(size: int) -> int:
    return OVERHEAD_BYTES + len(held(size, 0)) * SEED_BYTES


def _split(raw: bytes, length: int) -> tuple[bytes, ...]:
    return tuple(raw[at : at + length] for at in range(0, len(raw), length))


def _hash(box: bytes) -> bytes:
    return hashlib.sha256(box).digest()


def _digest(commitments: Sequence[bytes], hashes: Sequence[bytes]) -> bytes:
    return hashlib.sha256(
        b"commonhold/v1/sealed-seeds\0" + b"".join((*commitments, *hashes))
    ).digest()
