"""Sealed boxes and shares: who opens them, what they are bound to, and what their sender can show."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from protocol.committee import held, withheld
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.sealing import public_of, reveal, seal, unseal
from protocol.shares import (
    Place,
    Sealed,
    Share,
    commitment,
    open_share,
    seal_seeds,
    share_bytes,
    shown_share,
)

SIZE = 5
PLACE = Place(bytes(32), "train", 3, PersonId(b"p" * 32))
MEMBERS = [PersonId(bytes([number]) * 32) for number in range(SIZE)]


def secret(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


PRIVATE = [secret("member", number) for number in range(SIZE)]
COMMITTEE = list(zip(MEMBERS, map(public_of, PRIVATE), strict=True))
SEEDS = [secret("seed", mask) for mask in range(len(withheld(SIZE)))]
EPHEMERALS = [secret("ephemeral", number) for number in range(SIZE)]
SEALED = seal_seeds(PLACE, SEEDS, COMMITTEE, EPHEMERALS)


def test_a_box_is_for_one_key_and_one_thing() -> None:
    box = seal(EPHEMERALS[0], public_of(PRIVATE[0]), b"seeds", b"here")
    assert unseal(PRIVATE[0], box, b"here") == b"seeds"
    assert reveal(EPHEMERALS[0], public_of(PRIVATE[0]), box, b"here") == b"seeds"
    for private, damaged, context in (
        (PRIVATE[1], box, b"here"),
        (PRIVATE[0], box, b"there"),
        (PRIVATE[0], box[:-1], b"here"),
        (PRIVATE[0], box[:-1] + bytes([box[-1] ^ 1]), b"here"),
        (PRIVATE[0], bytes([box[0] ^ 1]) + box[1:], b"here"),
        (PRIVATE[0], bytes(32) + box[32:], b"here"),
        (PRIVATE[0], b"", b"here"),
    ):
        with pytest.raises(Reject):
            unseal(private, damaged, context)
    with pytest.raises(Reject, match="did not seal this box"):
        reveal(EPHEMERALS[1], public_of(PRIVATE[0]), box, b"here")


def test_each_member_gets_the_seeds_that_it_holds() -> None:
    for member in range(SIZE):
        share = SEALED.share(member)
        assert share.digest(member) == SEALED.digest
        seeds = open_share(PLACE, share, PRIVATE[member], member, MEMBERS[member])
        assert seeds == {mask: SEEDS[mask] for mask in held(SIZE, member)}
        shown = shown_share(PLACE, share, EPHEMERALS[member], member, COMMITTEE[member])
        assert shown == seeds


def test_shares_and_what_was_sealed_travel_as_bytes() -> None:
    assert Sealed.decode(SEALED.encode(), SIZE) == SEALED
    share = SEALED.share(2)
    assert len(share.encode()) == share_bytes(SIZE)
    assert Share.decode(share.encode(), SIZE) == share
    for raw in (SEALED.encode()[:-1], SEALED.encode() + b"0", b""):
        with pytest.raises(Reject):
            Sealed.decode(raw, SIZE)
    with pytest.raises(Reject):
        Share.decode(share.encode(), SIZE - 1)


def test_another_share_has_another_digest() -> None:
    share = SEALED.share(1)
    for other in (
        replace(share, box=SEALED.boxes[2]),
        replace(share, commitments=share.commitments[::-1]),
        replace(share, hashes=(*share.hashes[:4], bytes(32))),
    ):
        assert other.digest(1) != SEALED.digest
    assert share.digest(2) != SEALED.digest, "another member's place"


def test_a_box_belongs_to_its_partner_round_job_and_member() -> None:
    share = SEALED.share(0)
    for place in (
        replace(PLACE, partner=PersonId(b"q" * 32)),
        replace(PLACE, round=4),
        replace(PLACE, job_id="other"),
        replace(PLACE, network=bytes([1] * 32)),
    ):
        with pytest.raises(Reject, match="sealed to another key"):
            open_share(place, share, PRIVATE[0], 0, MEMBERS[0])
    with pytest.raises(Reject, match="sealed to another key"):
        open_share(PLACE, share, PRIVATE[0], 0, MEMBERS[1])


def test_seeds_that_were_not_committed_to_are_noticed() -> None:
    """One member gets other seeds than the others: its box does not fit the commitments."""
    wrong = seal_seeds(PLACE, [secret("other", seed) for seed in SEEDS], COMMITTEE, EPHEMERALS)
    mixed = Sealed(SEALED.commitments, (wrong.boxes[0], *SEALED.boxes[1:]))
    with pytest.raises(Reject, match="not hold the seeds that were committed to"):
        open_share(PLACE, mixed.share(0), PRIVATE[0], 0, MEMBERS[0])
    with pytest.raises(Reject, match="not hold the seeds that were committed to"):
        shown_share(PLACE, mixed.share(0), EPHEMERALS[0], 0, COMMITTEE[0])
    open_share(PLACE, mixed.share(1), PRIVATE[1], 1, MEMBERS[1])
    short = Sealed(
        SEALED.commitments,
        (seal(EPHEMERALS[0], COMMITTEE[0][1], b"", PLACE.context(MEMBERS[0])), *SEALED.boxes[1:]),
    )
    with pytest.raises(Reject, match="not hold the seeds that were committed to"):
        open_share(PLACE, short.share(0), PRIVATE[0], 0, MEMBERS[0])
    assert commitment(SEEDS[0]) == SEALED.commitments[0]


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), b"\x01" + bytes(31), bytes(33)])
def test_what_is_no_key_seals_nothing(key: bytes) -> None:
    with pytest.raises(Reject):
        seal(EPHEMERALS[0], key, b"plain", b"context")
